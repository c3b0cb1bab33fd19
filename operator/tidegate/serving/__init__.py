"""What runs inside a model pod: fetch and verify the artifact, then serve it.

    python -m tidegate.serving.fetch    the init container: URI to content-addressed cache
    python -m tidegate.serving.server   the server: Open Inference Protocol v2 over HTTP

A request goes through these modules, in this order:

    server.py       entry point: limits native threads before numpy is imported
    process.py      sockets, loading, signals and draining around uvicorn
    application.py  ASGI: routes, limits, the revision header, counting; sideports.py beside it
    requests.py     reading a body and its headers off the wire
    batching.py     which requests that wait are predicted together, where that is asked for
    runner.py       where a prediction runs: on the loop or in a thread
    predictor.py    a body to an answer by the model, alone or several in one prediction
    protocol.py     JSON to tensors and back (pure)
    model.py        what a loaded model is; the kinds are sklearn_model.py, onnx_model.py and
                    boosted_model.py (xgboost_file.py, lightgbm_file.py); mlflow_folder.py finds
                    the model in an MLflow model's folder

and is then counted (telemetry.py: requests; distribution.py: values, by bins.py and profile.py) and
kept for the comparer while that reads (outputs.py, in the form of records.py).

This package runs in its own environment and image (`v2`). It imports neither kube, runtime nor
controllers, and it never talks to the API server.

**How to train a model that can be served** (scikit-learn):

- Numeric pipelines: `fit` on a float matrix whose columns stand in the order of the signature's
  inputs. JSON `null` arrives as NaN. Categories as integer codes are columns like any other.
- Text columns: a signature input of type BYTES. The model then gets an object array with the
  columns in the signature's order, so a `ColumnTransformer` picks columns by index.
- Trained on a DataFrame: the columns are then put into the order of `feature_names_in_`, and the
  names that a `ColumnTransformer` picks columns by are turned into indices at load; pandas is not
  needed in the image. Only the first step may pick columns by name, and steps that ask for
  DataFrames in between (`set_output`, functions of a DataFrame) cannot be served.
- Own classes and lambdas cannot be served from skops files, by intention: a skops file runs no
  code. Use scikit-learn's own, or ONNX.
"""
