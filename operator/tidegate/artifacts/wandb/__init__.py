"""wandb:// artifacts: versions of Weights & Biases artifacts and registries, by alias or version.

`reference.py` reads URIs and locations, `queries.py` holds what is asked over GraphQL, `server.py`
what answers mean, `membership.py` which version an alias is, `manifest.py` which files it has,
`origin.py` where it comes from. `source.py` resolves by `asking.py` and, of registries, by
`organization.py`; `fetcher.py` is what a model pod fetches with. The package `wandb` is not needed;
the wire format is that of its version 0.31.
"""
