"""The server's container of the runtime seldon: seldon-core's wrapper with our model class.

Rendered as the wrapper behaves, and not as its defaults are: without gRPC, because a process of it
never ends by SIGTERM; with threads, because one synchronous worker answers no probe while it
predicts; ready by the class's own word, because the port is open long before the model is loaded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidegate.specs.container import (
    METRICS_PORT,
    PORT,
    SCRATCH_PATH,
    STARTUP_LIMIT_S,
    PodFacts,
    base_container,
    http_probe,
    pod_ip,
    port,
    resources_of,
)
from tidegate.specs.server import artifact_environment

if TYPE_CHECKING:
    from tidegate.api.model import ModelSpec
    from tidegate.specs.container import Object

DRAIN_S = 8
"""A pod that is to go still answers for as long, until every proxy has heard of it."""
GRACE_S = 30
_WRAPPER_METRICS_PORT = 6000
_KEEP_ALIVE_S = 7200
"""Longer than any proxy keeps an idle connection (Envoy: an hour): the proxy closes it, never the
server, so that no request is sent into a connection that is being closed."""


def seldon_server(spec: ModelSpec, facts: PodFacts) -> Object:
    """The wrapper's process, one worker with some threads: replicas scale, workers do not."""
    runtime = spec.runtime.seldon
    assert runtime is not None, "the caller looked which runtime it is"
    own = {
        **artifact_environment(spec, facts),
        "TIDEGATE_METRICS_PORT": str(METRICS_PORT),
        "TIDEGATE_TERMINATION_LOG": "/dev/termination-log",
        # Whom the wrapper's own series are of.
        "SELDON_DEPLOYMENT_ID": facts.model,
        "PREDICTOR_ID": facts.revision,
        "PREDICTIVE_UNIT_ID": facts.model,
        "PREDICTIVE_UNIT_IMAGE": f"{facts.model}:{facts.revision}",
        "INCLUDE_METRICS_IN_CLIENT_RESPONSE": "false",
        "SELDON_LOG_LEVEL": "WARNING",
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "TMPDIR": SCRATCH_PATH,
        # gunicorn puts its control socket there.
        "HOME": SCRATCH_PATH,
    }
    reserved = {*own, "POD_IP"}
    theirs = [variable.wire() for variable in runtime.env if variable.name not in reserved]
    container = base_container("server", facts.server_image, cache_read_only=True)
    container["volumeMounts"] += [{"name": "tmp", "mountPath": "/tmp"}]
    return {
        **container,
        "command": ["python", "-m", "tidegate.serving.seldon"],
        "args": [
            "--http-port", str(PORT),
            "--metrics-port", str(_WRAPPER_METRICS_PORT),
            "--workers", "1",
            "--threads", str(runtime.threads),
            "--keepalive", str(_KEEP_ALIVE_S),
            "--max-requests", "0",
            "--grpc-workers", "0",
        ],
        "ports": [port("http", PORT), port("metrics", METRICS_PORT)],
        "env": [
            *({"name": name, "value": value} for name, value in own.items()),
            pod_ip(),
            *theirs,
        ],
        "resources": resources_of(runtime.resources),
        "startupProbe": http_probe("/health/status", period=1, failures=STARTUP_LIMIT_S),
        "readinessProbe": http_probe("/health/status", period=2, failures=2),
        "livenessProbe": http_probe("/health/ping", period=10, failures=3),
        # The wrapper takes no new connections from SIGTERM on.
        "lifecycle": {"preStop": {"sleep": {"seconds": DRAIN_S}}},
    }  # fmt: skip
