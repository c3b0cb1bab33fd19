"""The pod template of a revision: rendered once, frozen in its ControllerRevision.

An operator upgrade never re-renders a live revision, so a change here reaches new revisions only.
Pods meet the restricted Pod Security Standard.
"""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from tidegate.specs.fetching import fetch_args, fetch_mounts, fetch_volumes
from tidegate.specs.metadata import labels

if TYPE_CHECKING:
    from tidegate.api.model import ModelSpec

type Object = dict[str, Any]

PORT = 8080
METRICS_PORT = 8081
OUTPUTS_PORT = 8082
"""Apart from PORT, which the gateway leads everybody to: what others asked and were answered is for
Prometheus and the comparer. No Service names them."""
CACHE_PATH = "/var/cache/tidegate"
SCRATCH_PATH = "/var/tmp/tidegate"
GRACE_S = 30
STARTUP_LIMIT_S = 600
_USER = 65532


@dataclass(frozen=True)
class PodFacts:
    """What a template is rendered from, beside the Model's spec.

    `location` is where the artifact is fetched from when the cache does not hold it, as a file or a
    tree (a folder; `sha256` is then that of its manifest); `cache_claim` is the
    PersistentVolumeClaim with the content-addressed cache, None for an emptyDir of each pod's own.
    """

    model: str
    namespace: str
    revision: str
    image: str
    location: str
    sha256: str
    size_limit_bytes: int
    cache_claim: str | None
    kind: Literal["file", "tree"] = "file"


def pod_template(spec: ModelSpec, facts: PodFacts) -> Object:
    """The pod template: an init container that fetches and verifies, and the server."""
    return {
        "metadata": {
            "labels": labels(facts.model, facts.revision),
            "annotations": {
                "prometheus.io/scrape": "true",
                "prometheus.io/port": str(METRICS_PORT),
                "prometheus.io/path": "/metrics",
            },
        },
        "spec": {
            "automountServiceAccountToken": False,
            "terminationGracePeriodSeconds": GRACE_S,
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": _USER,
                "runAsGroup": _USER,
                "fsGroup": _USER,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "initContainers": [_fetch(spec, facts)],
            "containers": [_server(spec, facts)],
            "volumes": [
                _cache(facts.cache_claim),
                {"name": "scratch", "emptyDir": {}},
                *fetch_volumes(spec.artifact),
            ],
        },
    }


def twin_template(template: Object, *, model: str, of: str, name: str) -> Object:
    """The frozen template of a revision under the name of its twin: the same in all else."""
    twin = copy.deepcopy(template)
    twin["metadata"]["labels"] = {**twin["metadata"]["labels"], **labels(model, name)}
    for container in twin["spec"]["containers"]:
        for variable in container.get("env", ()):
            if variable.get("name") == "TIDEGATE_REVISION" and variable.get("value") == of:
                variable["value"] = name
    return twin


def _cache(claim: str | None) -> Object:
    if claim is None:
        return {"name": "cache", "emptyDir": {}}
    return {"name": "cache", "persistentVolumeClaim": {"claimName": claim}}


def _container(name: str, facts: PodFacts, *, cache_read_only: bool) -> Object:
    mount: Object = {"name": "cache", "mountPath": CACHE_PATH}
    if cache_read_only:
        mount["readOnly"] = True
    return {
        "name": name,
        "image": facts.image,
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [mount, {"name": "scratch", "mountPath": SCRATCH_PATH}],
    }


def _fetch(spec: ModelSpec, facts: PodFacts) -> Object:
    """Fetches into the cache unless the artifact is there already, and verifies its SHA-256."""
    container = _container("fetch", facts, cache_read_only=False)
    return {
        **container,
        "command": ["python", "-m", "tidegate.serving.fetch"],
        "args": fetch_args(
            spec.artifact,
            location=facts.location,
            kind=facts.kind,
            sha256=facts.sha256,
            cache=CACHE_PATH,
            size_limit_bytes=facts.size_limit_bytes,
        ),
        "env": [{"name": "TMPDIR", "value": SCRATCH_PATH}],
        "resources": {
            "requests": {"cpu": "100m", "memory": "64Mi"},
            "limits": {"memory": "256Mi"},
        },
        "volumeMounts": [*container["volumeMounts"], *fetch_mounts(spec.artifact)],
    }


def _server(spec: ModelSpec, facts: PodFacts) -> Object:
    runtime = spec.runtime.v2
    assert runtime is not None, "the schema requires a runtime"
    signature = json.dumps(spec.signature.wire(), sort_keys=True) if spec.signature else ""
    own = {
        "TIDEGATE_MODEL": facts.model,
        "TIDEGATE_NAMESPACE": facts.namespace,
        "TIDEGATE_REVISION": facts.revision,
        "TIDEGATE_ARTIFACT": f"{CACHE_PATH}/sha256/{facts.sha256}",
        "TIDEGATE_SHA256": facts.sha256,
        "TIDEGATE_FORMAT": spec.artifact.format,
        "TIDEGATE_SIGNATURE": signature,
        "TIDEGATE_PORT": str(PORT),
        "TIDEGATE_METRICS_PORT": str(METRICS_PORT),
        "TIDEGATE_OUTPUTS_PORT": str(OUTPUTS_PORT),
        "TMPDIR": SCRATCH_PATH,
        "HOME": SCRATCH_PATH,
    }
    reserved = {*own, "POD_IP"}  # a name that came twice would make the API server refuse it all
    theirs = [variable.wire() for variable in runtime.env if variable.name not in reserved]
    return {
        **_container("server", facts, cache_read_only=True),
        "command": ["python", "-m", "tidegate.serving.server"],
        "ports": [
            {"name": "http", "containerPort": PORT, "protocol": "TCP"},
            {"name": "metrics", "containerPort": METRICS_PORT, "protocol": "TCP"},
            {"name": "outputs", "containerPort": OUTPUTS_PORT, "protocol": "TCP"},
        ],
        "env": [
            *({"name": name, "value": value} for name, value in own.items()),
            {"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
            *theirs,
        ],
        "resources": runtime.resources.wire(),
        "startupProbe": _probe("/v2/health/ready", period=1, failures=STARTUP_LIMIT_S),
        "readinessProbe": _probe("/v2/health/ready", period=2, failures=2),
        "livenessProbe": _probe("/v2/health/live", period=10, failures=3),
    }


def _probe(path: str, *, period: int, failures: int) -> Object:
    """An HTTP probe; `period` in seconds."""
    return {
        "httpGet": {"path": path, "port": "http"},
        "periodSeconds": period,
        "timeoutSeconds": 5,
        "failureThreshold": failures,
    }
