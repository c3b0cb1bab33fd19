"""The runtime `seldon`: our models behind the Python wrapper of seldon-core 1.19.

    python -m tidegate.serving.seldon --grpc-workers 0 …

    model.py    the class that the wrapper serves: loads by our loaders, predicts, is healthy or not
    payload.py  the wrapper's matrices to tensors and back, with the caller's mistakes told (pure)
    http.py     what the wrapper's Flask application does beside: statuses, counting, the revision

It runs in its own environment and image, never in the operator's: seldon-core is under the Business
Source License, and holds numpy and protobuf at old versions.
"""
