"""What a value looks like to CEL: typed by its schema, with property names CEL can say.

Whole numbers of a `number` field are doubles, `date-time` is a timestamp, and a property like
`x-y` is called `x__dash__y`, as Kubernetes escapes it.
"""

from __future__ import annotations

import base64
import binascii
import re
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from tidegate.local.schema.formats import parse_date_time

RESERVED = frozenset(
    [
        "true",
        "false",
        "null",
        "in",
        "as",
        "break",
        "const",
        "continue",
        "else",
        "for",
        "function",
        "if",
        "import",
        "let",
        "loop",
        "package",
        "namespace",
        "return",
        "var",
        "void",
        "while",
    ]
)
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_UNESCAPABLE = re.compile(r"[^A-Za-z0-9_.\-/]")
_UNIT_S = {
    "ns": 1e-9,
    "us": 1e-6,
    "µs": 1e-6,
    "μs": 1e-6,
    "ms": 1e-3,
    "s": 1.0,
    "m": 60.0,
    "h": 3600.0,
    "d": 86400.0,
    "w": 604800.0,
}
_DURATION_PART = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h|d|w)")
_ALWAYS = ("apiVersion", "kind")
_STRING: dict[str, Any] = {"type": "string"}
_ROOT_META: dict[str, Any] = {
    "type": "object",
    "properties": {"name": _STRING, "generateName": _STRING},
}


def escape(name: str) -> str | None:
    """The name of a property in CEL, or None when it cannot be reached from a rule."""
    if name in RESERVED:
        return f"__{name}__"
    if not name or name[0].isdigit() or _UNESCAPABLE.search(name):
        return None
    return (
        name.replace("__", "__underscores__")
        .replace(".", "__dot__")
        .replace("-", "__dash__")
        .replace("/", "__slash__")
    )


def properties_of(schema: dict[str, Any], *, root: bool = False) -> dict[str, dict[str, Any]]:
    """The properties that a rule on this schema can reach, by their names in CEL."""
    found = {
        escaped: below
        for name, below in (schema.get("properties") or {}).items()
        if (escaped := escape(name)) is not None and isinstance(below, dict)
    }
    if root or schema.get("x-kubernetes-embedded-resource"):
        found.update(dict.fromkeys(_ALWAYS, _STRING), metadata=_ROOT_META)
    return found


def to_cel(schema: dict[str, Any], value: Any, *, root: bool = False) -> Any:
    """The value for the CEL engine."""
    if isinstance(value, dict):
        return _object(schema, value, root=root)
    if isinstance(value, list):
        items = schema.get("items")
        return [to_cel(items, one) for one in value] if isinstance(items, dict) else value
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int | float):
        return float(value) if schema.get("type") == "number" else value
    return _string(value, schema.get("format"))


def _object(schema: dict[str, Any], value: dict[str, Any], *, root: bool) -> dict[str, Any]:
    others = schema.get("additionalProperties")
    if isinstance(others, dict):
        return {name: to_cel(others, one) for name, one in value.items()}
    properties = schema.get("properties") or {}
    if not properties and not root:
        return value
    result = {}
    for name, one in value.items():
        below = properties.get(name)
        if root and name in _ALWAYS:
            below = _STRING
        elif root and name == "metadata":
            below = _ROOT_META
        escaped = escape(name)
        if isinstance(below, dict) and escaped is not None:
            result[escaped] = to_cel(below, one)
    return result


def _string(value: Any, format_name: str | None) -> Any:
    if not isinstance(value, str):
        return value
    try:
        if format_name in {"date-time", "datetime"}:
            return parse_date_time(value)
        if format_name == "date":
            return datetime.combine(date.fromisoformat(value), time(), tzinfo=UTC)
        if format_name == "byte":
            return base64.b64decode(value, validate=True)
    except (ValueError, binascii.Error):
        return value
    return parse_duration(value) if format_name == "duration" else value


def parse_duration(text: str) -> timedelta:
    """A Go-like duration such as `1h30m`; what is none counts as nothing."""
    seconds = sum(float(count) * _UNIT_S[unit] for count, unit in _DURATION_PART.findall(text))
    return timedelta(seconds=-seconds if text.startswith("-") else seconds)
