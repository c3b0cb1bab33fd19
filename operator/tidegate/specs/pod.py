"""The pod template of a revision: rendered once, frozen in its ControllerRevision.

An operator upgrade never re-renders a live revision, so a change here reaches new revisions only.
Pods meet the restricted Pod Security Standard.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from tidegate.specs.container import (
    CACHE_PATH,
    METRICS_PORT,
    SCRATCH_PATH,
    USER,
    PodFacts,
    base_container,
)
from tidegate.specs.custom import custom_grace_s, custom_servers
from tidegate.specs.fetching import fetch_args, fetch_env, fetch_mounts, fetch_volumes
from tidegate.specs.keep import keep_args, keep_mounts, keep_volumes
from tidegate.specs.metadata import labels
from tidegate.specs.seldon import seldon_server
from tidegate.specs.server import GRACE_S, v2_server

if TYPE_CHECKING:
    from tidegate.api.model import ModelSpec

type Object = dict[str, Any]


def pod_template(spec: ModelSpec, facts: PodFacts) -> Object:
    """The pod template: an init container that fetches and verifies, and the server."""
    return {
        "metadata": {
            "labels": labels(facts.model, facts.revision),
            "annotations": _annotations(spec),
        },
        "spec": {
            "automountServiceAccountToken": False,
            "terminationGracePeriodSeconds": _grace_s(spec),
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": USER,
                "runAsGroup": USER,
                "fsGroup": USER,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "initContainers": [_fetch(spec, facts)],
            "containers": _servers(spec, facts),
            "volumes": [
                _cache(facts.cache_claim),
                {"name": "scratch", "emptyDir": {}},
                *_more_volumes(spec),
                *fetch_volumes(spec.artifact, location=facts.location),
                *keep_volumes(facts),
            ],
        },
    }


def _servers(spec: ModelSpec, facts: PodFacts) -> list[Object]:
    if spec.runtime.custom is not None:
        return custom_servers(spec.runtime.custom, facts)
    if spec.runtime.seldon is not None:
        return [seldon_server(spec, facts)]
    return [v2_server(spec, facts)]


def _grace_s(spec: ModelSpec) -> int:
    """From the order to end until the pod is killed, in seconds."""
    if spec.runtime.custom is not None:
        return custom_grace_s(spec.runtime.custom)
    return GRACE_S


def _more_volumes(spec: ModelSpec) -> list[Object]:
    """An image of others writes into /tmp, whatever TMPDIR says."""
    return [] if spec.runtime.v2 is not None else [{"name": "tmp", "emptyDir": {}}]


def _annotations(spec: ModelSpec) -> dict[str, str]:
    """What Prometheus's usual discovery of pods looks for."""
    if spec.runtime.custom is not None and spec.runtime.custom.metrics is None:
        return {}
    return {
        "prometheus.io/scrape": "true",
        "prometheus.io/port": str(METRICS_PORT),
        "prometheus.io/path": "/metrics",
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


def _fetch(spec: ModelSpec, facts: PodFacts) -> Object:
    """Fetches into the cache unless the artifact is there already, and verifies its SHA-256."""
    container = base_container("fetch", facts.image, cache_read_only=False)
    return {
        **container,
        "command": ["python", "-m", "tidegate.serving.fetch"],
        "args": [
            *keep_args(facts),
            *fetch_args(
                spec.artifact,
                location=facts.location,
                kind=facts.kind,
                sha256=facts.sha256,
                cache=CACHE_PATH,
                size_limit_bytes=facts.size_limit_bytes,
            ),
        ],
        "env": [
            {"name": "TMPDIR", "value": SCRATCH_PATH},
            *fetch_env(spec.artifact, location=facts.location),
        ],
        "resources": {
            "requests": {"cpu": "100m", "memory": "64Mi"},
            "limits": {"memory": "256Mi"},
        },
        "volumeMounts": [
            *container["volumeMounts"],
            *fetch_mounts(spec.artifact, location=facts.location),
            *keep_mounts(facts),
        ],
    }
