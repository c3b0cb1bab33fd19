"""The comparer: joins what both arms answered to the same mirrored requests, and counts (3.4).

    python -m tidegate.comparing

It runs in a pod of its own while a rollout mirrors, in the image of the runtime `v2`. A page of
outputs passes through these modules, in this order:

    process.py      the loop around it all, and the port for /metrics and /healthz
    poller.py       reads the outputs ports of both arms' pods, each from its own cursor
    join.py         pairs records by request id within a window (pure)
    comparison.py   whether two records agree, and by how much they differ (pure)
    telemetry.py    the counters for Prometheus

It decides nothing: what the counts mean is the operator's. It never talks to the API server, and of
the model server it shares `serving.records`, the form of what it reads.
"""
