"""The custom resources as pydantic models, one file a kind. `crd.py` turns them into
`crds/*.yaml`."""
