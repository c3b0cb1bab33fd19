"""Takes out of objects what a controller manager wrote into them. Pure.

The recorded cluster ran one in every scenario, and when it came to an object was a matter of
milliseconds. Only where a scenario waits for it can that be compared.
"""

from __future__ import annotations

import copy
import json
from typing import Any

CONTROLLERS = "kube-controller-manager"


def without_controllers(expected: Any, actual: Any) -> tuple[Any, Any]:
    """Both answers without what the controller manager owns in either."""
    entries = [*_entries(expected), *_entries(actual)]
    theirs = [e for e in entries if e.get("manager") == CONTROLLERS]
    if not theirs or not _entries(expected) or not _entries(actual):
        return expected, actual
    sides = copy.deepcopy((expected, actual))
    for side in sides:
        for entry in theirs:
            _take(side, entry.get("fieldsV1") or {})
        kept = [e for e in _entries(side) if e.get("manager") != CONTROLLERS]
        side["metadata"]["managedFields"] = kept
        if side["metadata"].get("annotations") == {}:
            del side["metadata"]["annotations"]
    return sides


def _entries(obj: Any) -> list[dict[str, Any]]:
    if not isinstance(obj, dict) or not isinstance(obj.get("metadata"), dict):
        return []
    return obj["metadata"].get("managedFields") or []


def _take(value: Any, fields: dict[str, Any]) -> None:
    """Remove from a value the leaves that a set of fields names, and what is empty then."""
    for key, below in fields.items():
        if key.startswith("f:") and isinstance(value, dict) and key[2:] in value:
            name = key[2:]
            if not below or below == {".": {}}:
                # An empty list that somebody else has filled since is theirs now.
                if not (value[name] and isinstance(value[name], list)):
                    del value[name]
                continue
            _take(value[name], below)
            if value[name] in ({}, []):
                del value[name]
        elif key.startswith("k:") and isinstance(value, list):
            wanted = json.loads(key[2:])
            value[:] = [i for i in value if any(i.get(k) != v for k, v in wanted.items())]
