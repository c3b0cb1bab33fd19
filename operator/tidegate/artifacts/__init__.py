"""Where artifacts come from: a URI is resolved to an immutable version and its sha256.

`base.py` is the contract of what the operator asks, `fetching.py` of what the init container does,
which runs in another environment; one file a scheme implements both, `registry.py` and
`fetching.py` know which there are. `tree.py` says what a folder's digest is, `credentials.py` what
a Secret tells. Verifying, the cache and serving is `tidegate.serving`'s.
"""
