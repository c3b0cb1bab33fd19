"""wandb:// artifacts: versions of Weights & Biases artifacts and registries, by alias or version.

`reference.py` reads URIs and locations, `queries.py` holds what is asked over GraphQL, `server.py`
what answers mean, `manifest.py` reads the list of an artifact's files; `source.py` resolves,
`origin.py` says what W&B knows of a version, `fetcher.py` is what a model pod fetches with. The
package `wandb` is not needed; the wire format is that of its version 0.31.
"""
