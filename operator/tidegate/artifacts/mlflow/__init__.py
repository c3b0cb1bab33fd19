"""models:/ artifacts: versions of models in an MLflow 3 registry, asked over its REST API.

`reference.py` reads URIs, `rest.py` talks to a server, `mlmodel.py` and `origin.py` read what it
says, `source.py` resolves, `fetcher.py` is what a model pod fetches with. No mlflow package is
needed, in the operator or in a pod.
"""
