"""What must stay in a namespace's artifact cache: the ConfigMap that says so, and how pods see it.

Pure. What is removed beside it is decided by the pod that needs room (`serving/eviction.py`).
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tidegate.specs.metadata import MANAGED_BY

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tidegate.specs.container import PodFacts

type Object = dict[str, Any]

KEEP_NAME = "tidegate-cache"
"""Name of the ConfigMap, in every namespace with Models whose pods share a cache."""
KEEP_KEY = "keep.json"
KEEP_PATH = "/var/run/tidegate/cache"
_COMPONENT = "cache"


def keep_map(namespace: str, *, owner: str, at: str, digests: Iterable[str]) -> Object:
    """The ConfigMap: `digests` are those of all revisions of the namespace at `at`; `owner` tells
    its pods from those of others who share the volume."""
    said = {"owner": owner, "at": at, "digests": sorted(digests)}
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": KEEP_NAME,
            "namespace": namespace,
            "labels": {**MANAGED_BY, "app.kubernetes.io/component": _COMPONENT},
        },
        "data": {KEEP_KEY: json.dumps(said)},
    }


def owner_in(configmap: Object) -> str | None:
    """The owner that a ConfigMap names; None where somebody else made it or wrote into it."""
    labels = configmap["metadata"].get("labels") or {}
    if any(labels.get(key) != value for key, value in MANAGED_BY.items()):
        return None
    try:
        return str(json.loads((configmap.get("data") or {})[KEEP_KEY])["owner"])
    except (KeyError, ValueError, TypeError):
        return None


def listed_in(configmap: Object) -> frozenset[str]:
    """The digests that it names, where `owner_in` it is somebody."""
    return frozenset(json.loads(configmap["data"][KEEP_KEY]).get("digests") or ())


def keep_args(facts: PodFacts) -> list[str]:
    """What the init container is told of a cache that is shared."""
    if facts.cache_claim is None:
        return []
    return [
        "--cache-keep", f"{KEEP_PATH}/{KEEP_KEY}",
        "--cache-limit", str(facts.cache_limit_bytes),
        "--size", str(facts.size),
    ]  # fmt: skip


def keep_mounts(facts: PodFacts) -> list[Object]:
    """Where the init container reads what must stay."""
    if facts.cache_claim is None:
        return []
    return [{"name": "keep", "mountPath": KEEP_PATH, "readOnly": True}]


def keep_volumes(facts: PodFacts) -> list[Object]:
    """The volume behind it. It may be absent: then nothing is removed."""
    if facts.cache_claim is None:
        return []
    return [{"name": "keep", "configMap": {"name": KEEP_NAME, "optional": True}}]
