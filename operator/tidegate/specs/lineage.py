"""The ConfigMap in which the lineage of a Model's revisions is kept, longer than they are. Pure."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tidegate.specs.metadata import MANAGED_BY, MODEL_LABEL

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tidegate.specs.metadata import Object, Parent

COMPONENT = "lineage"
LIMIT_BYTES = 512 * 1024
"""Above this the oldest revisions are forgotten, a quarter of the space at once."""


def lineage_name(model: str) -> str:
    """Name of the ConfigMap of a Model."""
    return f"{model}-lineage"


def lineage_map(parent: Parent) -> Object:
    """The ConfigMap, without entries."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": lineage_name(parent.name),
            "namespace": parent.namespace,
            "labels": {
                "app.kubernetes.io/name": parent.name,
                **MANAGED_BY,
                "app.kubernetes.io/component": COMPONENT,
                MODEL_LABEL: parent.name,
            },
            "ownerReferences": [parent.reference],
        },
        "data": {},
    }


def entries(revision: str, parts: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """The parts of a revision as entries of `data`."""
    return {
        f"{revision}.{part}": json.dumps(content, sort_keys=True, separators=(",", ":"))
        for part, content in parts.items()
    }


def by_revision(configmap: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The parts of every revision that is kept. What cannot be read is left out."""
    found: dict[str, dict[str, Any]] = {}
    for key, text in (configmap.get("data") or {}).items():
        revision, _, part = key.rpartition(".")
        try:
            content = json.loads(text)
        except ValueError:
            continue
        if revision and isinstance(content, dict):
            found.setdefault(revision, {})[part] = content
    return found


def forgotten(configmap: Mapping[str, Any]) -> dict[str, None]:
    """The entries that must go, oldest revisions first, as a merge patch of `data`; empty while
    there is room."""
    data = configmap.get("data") or {}
    size = sum(len(key) + len(text.encode()) for key, text in data.items())
    if size <= LIMIT_BYTES:
        return {}
    kept = by_revision(configmap)
    oldest = sorted(kept, key=lambda name: kept[name].get("made", {}).get("number", 0))
    gone: dict[str, None] = {}
    for revision in oldest[:-1]:
        for key in [key for key in data if key.rpartition(".")[0] == revision]:
            gone[key] = None
            size -= len(key) + len(data[key].encode())
        if size <= LIMIT_BYTES * 3 // 4:
            break
    return gone
