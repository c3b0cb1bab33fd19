"""Tables of custom resources (from their printer columns), and of kinds without a table of ours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tidegate.local.apiserver.tables.ages import age
from tidegate.local.apiserver.tables.jsonpath import find

if TYPE_CHECKING:
    from datetime import datetime

    from tidegate.local.apiserver.kinds import Column, Kind
    from tidegate.local.apiserver.messages import Obj

NAME: Obj = {
    "name": "Name",
    "type": "string",
    "format": "name",
    "description": (
        "Name must be unique within a namespace. Is required when creating resources, although "
        "some resources may allow a client to request the generation of an appropriate name "
        "automatically. Name is primarily intended for creation idempotence and configuration "
        "definition. Cannot be updated. More info: "
        "https://kubernetes.io/docs/concepts/overview/working-with-objects/names#names"
    ),
    "priority": 0,
}
CREATED = (
    "CreationTimestamp is a timestamp representing the server time when this object was created. "
    "It is not guaranteed to be set in happens-before order across separate operations. Clients "
    "may not set this value. It is represented in RFC3339 form and is in UTC.\n\nPopulated by the "
    "system. Read-only. Null for lists. More info: "
    "https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#metadata"
)


def columns(kind: Kind) -> list[Obj]:
    """The column definitions."""
    if not kind.columns:
        word = "Age" if kind.custom else "Created At"
        return [
            NAME,
            {"name": word, "type": "date", "format": "", "description": CREATED, "priority": 0},
        ]
    return [
        NAME,
        *(
            {
                "name": c.name,
                "type": c.type,
                "format": c.format,
                "description": c.description
                or f"Custom resource definition column (in JSONPath format): {c.path}",
                "priority": c.priority,
            }
            for c in kind.columns
        ),
    ]


def cells(kind: Kind, obj: Obj, now: datetime) -> list[Any]:
    """The cells of one row."""
    meta = obj["metadata"]
    name = meta.get("name", "")
    if not kind.columns:
        created = meta.get("creationTimestamp")
        return [name, age(created, now) if kind.custom else created]
    return [name, *(_cell(column, obj, now) for column in kind.columns)]


def _cell(column: Column, obj: Obj, now: datetime) -> Any:
    found = find(obj, column.path)
    if not found:
        return None
    value = found[0]
    if column.type == "string":
        if len(found) > 1 and "[*]" in column.path:
            return ",".join(_text(v) for v in found)
        return _text(value)
    if column.type == "date":
        return age(value, now, unknown="<invalid>")
    if column.type == "integer":
        return int(value) if _is_number(value) else None
    if column.type == "number":
        return float(value) if _is_number(value) else None
    return value if isinstance(value, bool) else None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return "[" + " ".join(_text(v) for v in value) + "]"
    if isinstance(value, dict):
        return "map[" + " ".join(f"{k}:{_text(v)}" for k, v in sorted(value.items())) + "]"
    return "<nil>" if value is None else str(value)
