"""The server's container of the runtime v2."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tidegate.specs.container import (
    METRICS_PORT,
    OUTPUTS_PORT,
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
from tidegate.specs.quantities import bytes_of

if TYPE_CHECKING:
    from tidegate.api.model import ModelSpec
    from tidegate.api.runtime import V2Runtime
    from tidegate.specs.container import Object

GRACE_S = 30
"""The server drains by itself after SIGTERM (20 s at most), so it needs no preStop."""


def v2_server(spec: ModelSpec, facts: PodFacts) -> Object:
    """Tidegate's own server: everything that it is told, by its environment."""
    runtime = spec.runtime.v2
    assert runtime is not None, "the schema requires a runtime"
    own = {
        **artifact_environment(spec, facts),
        "TIDEGATE_PORT": str(PORT),
        "TIDEGATE_METRICS_PORT": str(METRICS_PORT),
        "TIDEGATE_OUTPUTS_PORT": str(OUTPUTS_PORT),
        **_limits(runtime),
        "TMPDIR": SCRATCH_PATH,
        "HOME": SCRATCH_PATH,
    }
    reserved = {*own, "POD_IP"}  # a name that came twice would make the API server refuse it all
    theirs = [variable.wire() for variable in runtime.env if variable.name not in reserved]
    return {
        **base_container("server", facts.server_image, cache_read_only=True),
        "command": ["python", "-m", "tidegate.serving.server"],
        "ports": [
            port("http", PORT), port("metrics", METRICS_PORT), port("outputs", OUTPUTS_PORT),
        ],
        "env": [
            *({"name": name, "value": value} for name, value in own.items()),
            pod_ip(),
            *theirs,
        ],
        "resources": resources_of(runtime.resources),
        "startupProbe": http_probe("/v2/health/ready", period=1, failures=STARTUP_LIMIT_S),
        "readinessProbe": http_probe("/v2/health/ready", period=2, failures=2),
        "livenessProbe": http_probe("/v2/health/live", period=10, failures=3),
    }  # fmt: skip


def artifact_environment(spec: ModelSpec, facts: PodFacts) -> dict[str, str]:
    """What a server of ours is told of the model."""
    signature = json.dumps(spec.signature.wire(), sort_keys=True) if spec.signature else ""
    told = {
        "TIDEGATE_MODEL": facts.model,
        "TIDEGATE_NAMESPACE": facts.namespace,
        "TIDEGATE_REVISION": facts.revision,
        "TIDEGATE_ARTIFACT": facts.artifact,
        "TIDEGATE_SHA256": facts.sha256,
        "TIDEGATE_FORMAT": spec.artifact.format,
        "TIDEGATE_SIGNATURE": signature,
    }
    return told | ({"TIDEGATE_ALLOW_PICKLE": "1"} if spec.artifact.allow_pickle else {})


def _limits(runtime: V2Runtime) -> dict[str, str]:
    told: dict[str, str] = {}
    if runtime.batching is not None:
        told["TIDEGATE_BATCH_ROWS"] = str(runtime.batching.max_size)
        delay_ms = runtime.batching.max_delay.total_seconds() * 1000
        told["TIDEGATE_BATCH_DELAY_MS"] = f"{delay_ms:g}"
    limits = runtime.limits
    if limits is None:
        return told
    if limits.max_body is not None:
        told["TIDEGATE_MAX_BODY_BYTES"] = str(bytes_of(limits.max_body))
    if limits.max_rows is not None:
        told["TIDEGATE_MAX_ROWS"] = str(limits.max_rows)
    if limits.max_in_flight is not None:
        told["TIDEGATE_MAX_PENDING"] = str(limits.max_in_flight)
    return told
