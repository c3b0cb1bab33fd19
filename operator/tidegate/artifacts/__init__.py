"""Where artifacts come from: a URI is resolved to an immutable version and its sha256.

`base.py` is the contract, one file a scheme implements it, `registry.py` knows which there are.
`uri.py` and `digest.py` need nothing but the standard library, so that the init container, which
runs in another environment, shares them. Fetching and serving is `tidegate.serving`'s.
"""
