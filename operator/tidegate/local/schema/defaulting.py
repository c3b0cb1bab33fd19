"""Fills in defaults and drops what a schema does not declare.

Both return new values and never change their argument. Defaults follow upstream: an absent field
with a default gets it, a null that is not allowed is dropped or defaulted, and a default below an
absent parent does nothing.
"""

from __future__ import annotations

import copy
from typing import Any

from tidegate.local.schema.causes import number
from tidegate.local.schema.metadata import OBJECT_META

_EMBEDDED = {
    "apiVersion": {"type": "string"},
    "kind": {"type": "string"},
    "metadata": OBJECT_META,
}


def default(schema: dict[str, Any], obj: Any) -> Any:
    """`obj` with the defaults of the schema, without forbidden nulls, whole numbers as integers."""
    if isinstance(obj, dict):
        return _default_object(schema, obj)
    if isinstance(obj, list):
        items = schema.get("items")
        if not isinstance(items, dict):
            return obj
        return [default(items, _filled(items, one)) for one in obj]
    if schema.get("format") == "quantity" and isinstance(obj, int | float):
        return number(obj)
    if isinstance(obj, float) and obj.is_integer() and schema.get("type") in {"integer", "number"}:
        # JSON has one kind of number and Go prints 2.0 as 2.
        return int(obj)
    return obj


def _default_object(schema: dict[str, Any], obj: dict[str, Any]) -> dict[str, Any]:
    properties = schema.get("properties") or {}
    others = schema.get("additionalProperties")
    result: dict[str, Any] = {}
    for name, value in obj.items():
        below = properties.get(name, others)
        if not isinstance(below, dict):
            result[name] = value
            continue
        value = _filled(below, value)
        if value is None and not below.get("nullable"):
            if not _typed(below):
                result[name] = value
            continue
        result[name] = default(below, value)
    for name, below in properties.items():
        if name not in obj and "default" in below:
            result[name] = default(below, copy.deepcopy(below["default"]))
    return result


def _filled(schema: dict[str, Any], value: Any) -> Any:
    if value is None and not schema.get("nullable") and "default" in schema:
        return copy.deepcopy(schema["default"])
    return value


def _typed(schema: dict[str, Any]) -> bool:
    """Whether null has no place here: a bare preserve-unknown-fields schema takes anything."""
    return bool(schema.get("type") or schema.get("x-kubernetes-int-or-string"))


def prune(schema: dict[str, Any], obj: Any, *, root: bool = True) -> tuple[Any, list[str]]:
    """`obj` without undeclared fields, and the sorted paths of what was dropped.

    `root` says that this is a whole API object, which has apiVersion, kind and metadata whatever
    its schema declares.
    """
    unknown: list[str] = []
    pruned = _pruned(schema, obj, "", unknown, embedded=root)
    return pruned, sorted(unknown)


def _pruned(
    schema: dict[str, Any], obj: Any, path: str, unknown: list[str], *, embedded: bool = False
) -> Any:
    if isinstance(obj, list):
        items = schema.get("items")
        if not isinstance(items, dict):
            return obj
        return [
            _pruned(items, one, f"{path}[{index}]", unknown, embedded=_embedded(items))
            for index, one in enumerate(obj)
        ]
    if not isinstance(obj, dict):
        return obj
    properties = schema.get("properties") or {}
    others = schema.get("additionalProperties")
    keep_all = schema.get("x-kubernetes-preserve-unknown-fields") or others is True
    result = {}
    for name, value in obj.items():
        below = _EMBEDDED[name] if embedded and name in _EMBEDDED else properties.get(name, others)
        where = f"{path}.{name}" if path else name
        if isinstance(below, dict):
            result[name] = _pruned(below, value, where, unknown, embedded=_embedded(below))
        elif keep_all:
            result[name] = value
        else:
            unknown.append(where)
    return result


def _embedded(schema: dict[str, Any]) -> bool:
    return bool(schema.get("x-kubernetes-embedded-resource"))


def unknown_fields_message(paths: list[str]) -> str:
    """`unknown field "spec.a", unknown field "spec.b"`: the text of warnings and strict errors."""
    return ", ".join(f'unknown field "{path}"' for path in paths)
