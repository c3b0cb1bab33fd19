"""hf:// artifacts: files and folders of model repositories on a Hugging Face hub, by commit.

`reference.py` reads URIs and locations, `source.py` resolves them over the hub's REST API,
`fetcher.py` is what a model pod fetches with. The package `huggingface_hub` is not needed.
"""
