"""The containers of the runtime custom: an image of the user's own, and the sidecar that reads its
metrics where they are mapped.

The image is told as little as possible: where the artifact is, which revision it serves, where to
write. It need not know anything of Tidegate.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tidegate.specs.container import (
    METRICS_PORT,
    SCRATCH_PATH,
    STARTUP_LIMIT_S,
    PodFacts,
    base_container,
    http_probe,
    pod_ip,
    port,
    resources_of,
)

if TYPE_CHECKING:
    from tidegate.api.custom_runtime import CustomMetrics, CustomRuntime
    from tidegate.specs.container import Object

TERMINATION_S = 20
"""What the image has to end in after SIGTERM, before it is killed."""


def custom_servers(runtime: CustomRuntime, facts: PodFacts) -> list[Object]:
    """The server, and the sidecar if there is something for it to read."""
    servers = [_server(runtime, facts)]
    if runtime.metrics is not None:
        servers.append(_sidecar(runtime.metrics, facts))
    return servers


def custom_grace_s(runtime: CustomRuntime) -> int:
    """From the order to end until the pod is killed, in seconds."""
    return _drain_s(runtime) + TERMINATION_S


def _drain_s(runtime: CustomRuntime) -> int:
    return max(1, round(runtime.drain.total_seconds()))


def _server(runtime: CustomRuntime, facts: PodFacts) -> Object:
    own = {
        "TIDEGATE_MODEL": facts.model,
        "TIDEGATE_NAMESPACE": facts.namespace,
        "TIDEGATE_REVISION": facts.revision,
        "TIDEGATE_ARTIFACT": runtime.artifact_path,
        "TMPDIR": SCRATCH_PATH,
        "HOME": SCRATCH_PATH,
    }
    given = {variable.name: variable.value for variable in runtime.env if variable.name != "POD_IP"}
    container = base_container("server", facts.server_image, cache_read_only=True)
    container["volumeMounts"] = [
        {
            "name": "cache",
            "mountPath": runtime.artifact_path,
            "subPath": f"sha256/{facts.sha256}",
            "readOnly": True,
        },
        {"name": "scratch", "mountPath": SCRATCH_PATH},
        {"name": "tmp", "mountPath": "/tmp"},
    ]
    lives = (
        http_probe(runtime.live_path, period=10, failures=3)
        if runtime.live_path is not None
        else {"tcpSocket": {"port": "http"}, "periodSeconds": 10, "failureThreshold": 3}
    )
    return {
        **container,
        **({"command": list(runtime.command)} if runtime.command else {}),
        **({"args": list(runtime.args)} if runtime.args else {}),
        "ports": [port("http", runtime.port)],
        # What the user says wins: an image may need a HOME of its own.
        "env": [
            *({"name": name, "value": value} for name, value in {**own, **given}.items()),
            pod_ip(),
        ],
        "resources": resources_of(runtime.resources),
        "startupProbe": http_probe(runtime.ready_path, period=1, failures=STARTUP_LIMIT_S),
        "readinessProbe": http_probe(runtime.ready_path, period=2, failures=2),
        "livenessProbe": lives,
        # It is sent requests until every proxy has heard that it goes.
        "lifecycle": {"preStop": {"sleep": {"seconds": _drain_s(runtime)}}},
    }


def _sidecar(metrics: CustomMetrics, facts: PodFacts) -> Object:
    """Reads the server's own page and shows what it counts as Tidegate's own series."""
    told = {
        "TIDEGATE_MODEL": facts.model,
        "TIDEGATE_REVISION": facts.revision,
        "TIDEGATE_METRICS_PORT": str(METRICS_PORT),
        "TIDEGATE_MAPPING": json.dumps(metrics.wire(), sort_keys=True),
        "TMPDIR": SCRATCH_PATH,
        "HOME": SCRATCH_PATH,
    }
    container = base_container("metrics", facts.image, cache_read_only=True)
    container["volumeMounts"] = [{"name": "scratch", "mountPath": SCRATCH_PATH}]
    return {
        **container,
        "command": ["python", "-m", "tidegate.serving.mapping"],
        "ports": [port("metrics", METRICS_PORT)],
        "env": [*({"name": name, "value": value} for name, value in told.items()), pod_ip()],
        "resources": {
            "requests": {"cpu": "20m", "memory": "48Mi"},
            "limits": {"memory": "128Mi"},
        },
        "livenessProbe": http_probe("/healthz", port="metrics", period=10, failures=3),
    }
