"""JSON merge patch, RFC 7386: null removes, objects merge, everything else replaces."""

from __future__ import annotations

from typing import Any

from tidegate.local.patch.errors import PatchProblem


def merge_patch(obj: dict[str, Any], patch: Any) -> dict[str, Any]:
    """`obj` after the patch.

    :raises PatchProblem: the patch is no JSON object.
    """
    if not isinstance(patch, dict):
        kind = "array" if isinstance(patch, list) else "value"
        raise PatchProblem.malformed(
            f"error decoding patch: json: cannot unmarshal {kind} into Go value of type "
            "map[string]interface {}"
        )
    return _merged(obj, patch)


def _merged(target: Any, patch: dict[str, Any]) -> dict[str, Any]:
    result = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        elif isinstance(value, dict):
            result[name] = _merged(result.get(name), value)
        else:
            result[name] = value
    return result
