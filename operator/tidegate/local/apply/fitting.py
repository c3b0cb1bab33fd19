"""Whether a configuration fits a schema well enough to be merged with it.

Words the refusals of server-side apply: undeclared fields, wrong shapes, items without their keys.
Values are judged later, by the same validation as everybody's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tidegate.local.apply import fields, typed
from tidegate.local.apply.errors import ApplyRefused
from tidegate.local.schema.listing import item_key, list_kind

if TYPE_CHECKING:
    from tidegate.local.apply.typed import Schema


def check(schema: Schema, value: Any) -> None:
    """Whether the value may be applied with this schema.

    :raises ApplyRefused: with the text of the first thing that does not fit.
    """
    problem = _problem(schema, value, "")
    if problem:
        raise ApplyRefused(problem, status=500)


def _problem(schema: Schema, value: Any, path: str) -> str | None:
    kind = schema.get("type")
    if value is None:
        return None
    expected = {"object": "map", "array": "list"}.get(kind or "")
    fits = {"map": dict, "list": list}.get(expected or "")
    if fits is not None and not isinstance(value, fits):
        return f"{path}: expected {expected}, got {_go_value(value)}"
    if kind in {"string", "integer", "number", "boolean"}:
        return _scalar_problem(kind, value, path)
    if isinstance(value, list) and list_kind(schema) != "atomic":
        return _list_problem(schema, value, path)
    if isinstance(value, list):
        found = (
            _problem(typed.items_of(schema), one, f"{path}[{index}]")
            for index, one in enumerate(value)
        )
    elif isinstance(value, dict):
        found = (_member_problem(schema, name, one, path) for name, one in value.items())
    else:
        return None
    return next((one for one in found if one), None)


def _member_problem(schema: Schema, name: str, value: Any, path: str) -> str | None:
    below = typed.child(schema, name)
    if below is None:
        return f"{path}.{name}: field not declared in schema"
    return _problem(below, value, f"{path}.{name}")


def _list_problem(schema: Schema, value: list[Any], path: str) -> str | None:
    seen: set[str] = set()
    for index, one in enumerate(value):
        step = typed.element(schema, one)
        if list_kind(schema) == "map":
            missing = _missing_key(schema, one)
            if missing is not None:
                return (
                    f"{path}: element {index}: associative list with keys has an element that "
                    f'omits key field "{missing}" (and doesn\'t have default value)'
                )
        if step in seen:
            return f"{path}: duplicate entries for key {fields.text((str(step),))}"
        seen.add(str(step))
        shown = fields.text((str(step),))
        problem = _problem(typed.items_of(schema), one, f"{path}{shown}")
        if problem:
            return problem
    return None


def _missing_key(schema: Schema, item: Any) -> str | None:
    found = item_key(schema, item) or {}
    wanted: list[str] = schema.get("x-kubernetes-list-map-keys") or []
    return next((name for name in wanted if name not in found), None)


_GO_TYPES = {bool: "bool", str: "string", int: "int64", float: "float64"}


def _scalar_problem(kind: str, value: Any, path: str) -> str | None:
    if kind in {"integer", "number"}:
        if isinstance(value, int | float) and not isinstance(value, bool):
            return None
        default = "[]interface {}" if isinstance(value, list) else "map[string]interface {}"
        go_type = _GO_TYPES.get(type(value), default)
        return f"{path}: expected numeric (int or float), got {go_type}"
    if kind == "string" and not isinstance(value, str):
        return f"{path}: expected string, got {_go_syntax(value)}"
    if kind == "boolean" and not isinstance(value, bool):
        return f"{path}: expected boolean, got {_go_value(value)}"
    return None


def _go_value(value: Any) -> str:
    return f"&{{{_go(value)}}}"


def _go_syntax(value: Any) -> str:
    return f"&value.valueUnstructured{{Value:{_go(value)}}}"


def _go(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "map[" + " ".join(f"{name}:{_go(value[name])}" for name in sorted(value)) + "]"
    if isinstance(value, list):
        return "[" + " ".join(_go(one) for one in value) + "]"
    return "<nil>" if value is None else str(value)
