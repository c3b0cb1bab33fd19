"""Checks a JSON value against a structural schema, word for word as the API server does.

Owns types, bounds, formats, enumerations, required fields, list sets and list maps, and ratcheting:
what did not change since the old object is not judged again. CEL rules run after it and only if
nothing here forbids trusting the value; they live in `cel`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tidegate.local.schema import causes, cel
from tidegate.local.schema.formats import has_format
from tidegate.local.schema.listing import correlations, item_key
from tidegate.local.schema.patterns import matches

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tidegate.local.schema.causes import Cause

_MISSING = object()
_CHECKED_FORMATS = {"int32": 1 << 31, "int64": 1 << 63}


def validate(schema: dict[str, Any], obj: Any, *, old: Any = None, path: str = "") -> list[Cause]:
    """Everything that is wrong with `obj`; empty when it is valid.

    `old` is the stored object on an update: transition rules compare with it, and unchanged parts
    are not judged again. Defaults must have been applied and unknown fields pruned before.
    """
    before = _MISSING if old is None else old
    found = [*_value(schema, obj, before, path), *_lists(schema, obj, before, path)]
    if not cel.has_rules(schema):
        return found
    if any(cause.reason in causes.BLOCKING for cause in found):
        return [*found, causes.UNCHECKED]
    return found + cel.run_rules(schema, obj, old=old, path=path)


def type_name(value: Any) -> str:
    """The JSON Schema type of a value, as it is printed in messages."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return "integer"
    if isinstance(value, float):
        return "integer" if value.is_integer() else "number"
    if isinstance(value, str):
        return "string"
    return "array" if isinstance(value, list) else "object"


def member(path: str, name: str) -> str:
    """The path of a field below a path."""
    return f"{path}.{name}" if path else name


def _value(schema: dict[str, Any], value: Any, old: Any, path: str) -> Iterator[Cause]:
    if old is not _MISSING and old == value and type(old) is type(value):
        return
    if value is None and schema.get("nullable"):
        return
    mismatch = _type_cause(schema, value, path)
    if mismatch:
        yield from mismatch
        return
    yield from _enum(schema, value, path)
    if isinstance(value, str):
        yield from _string(schema, value, path)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield from _number(schema, value, path)
    elif isinstance(value, list):
        yield from _array(schema, value, old, path)
    elif isinstance(value, dict):
        yield from _object(schema, value, old, path)
    yield from _combined(schema, value, path)


def _type_cause(schema: dict[str, Any], value: Any, path: str) -> list[Cause]:
    actual = type_name(value)
    if schema.get("x-kubernetes-int-or-string"):
        expected = ["integer", "string"]
    elif schema.get("type"):
        expected = [schema["type"]]
    else:
        return []
    if actual in expected or (actual == "integer" and "number" in expected):
        return []
    text = f'{path} in body must be of type {",".join(expected)}: "{actual}"'
    found = [causes.type_invalid(path or causes.NO_FIELD, actual, text)]
    if isinstance(value, float) and "integer" in expected:
        where = f" in {path}" if path else ""
        detail = f"Checked value must be of type integer (default format){where}"
        found.append(causes.invalid(causes.NO_FIELD, "", detail))
    return found


def _enum(schema: dict[str, Any], value: Any, path: str) -> Iterator[Cause]:
    allowed = schema.get("enum")
    if allowed is not None and not any(value == one and _alike(value, one) for one in allowed):
        yield causes.not_supported(path, value, allowed)


def _alike(left: Any, right: Any) -> bool:
    return isinstance(left, bool) == isinstance(right, bool)


def _string(schema: dict[str, Any], value: str, path: str) -> Iterator[Cause]:
    longest, shortest = schema.get("maxLength"), schema.get("minLength")
    pattern = schema.get("pattern")
    # Only the first of these three is reported, as upstream does.
    if longest is not None and len(value) > longest:
        yield causes.too_long(path, longest)
    elif shortest is not None and len(value) < shortest:
        text = f"{path} in body should be at least {shortest} chars long"
        yield causes.invalid(path, value, text)
    elif pattern and not matches(pattern, value):
        yield causes.invalid(path, value, f"{path} in body should match '{pattern}'")
    format_name = schema.get("format")
    if format_name and not has_format(value, format_name):
        text = f"{path} in body must be of type {format_name}: {causes.compact(value)}"
        yield causes.type_invalid(path, value, text)


def _number(schema: dict[str, Any], value: float, path: str) -> Iterator[Cause]:
    bound = _CHECKED_FORMATS.get(schema.get("format", ""))
    if bound is not None and schema.get("type") == "integer" and not -bound <= value < bound:
        detail = f"Checked value must be of type integer with format {schema['format']} in {path}"
        yield causes.invalid(causes.NO_FIELD, "", detail)
    lowest, highest = schema.get("minimum"), schema.get("maximum")
    if highest is not None:
        strict = bool(schema.get("exclusiveMaximum"))
        if value > highest or (strict and value == highest):
            words = "less than" if strict else "less than or equal to"
            text = f"{path} in body should be {words} {causes.number(highest)}"
            yield causes.invalid(path, value, text)
    if lowest is not None:
        strict = bool(schema.get("exclusiveMinimum"))
        if value < lowest or (strict and value == lowest):
            words = "greater than" if strict else "greater than or equal to"
            text = f"{path} in body should be {words} {causes.number(lowest)}"
            yield causes.invalid(path, value, text)
    step = schema.get("multipleOf")
    if step and (value / step) % 1:
        text = f"{path} in body should be a multiple of {causes.number(step)}"
        yield causes.invalid(path, value, text)


def _array(schema: dict[str, Any], value: list[Any], old: Any, path: str) -> Iterator[Cause]:
    most, least = schema.get("maxItems"), schema.get("minItems")
    if most is not None and len(value) > most:
        yield causes.too_many(path, len(value), most)
    if least is not None and len(value) < least:
        text = f"{path} in body should have at least {least} items"
        yield causes.invalid(path, len(value), text)
    items = schema.get("items")
    if isinstance(items, dict):
        find = correlations(schema, old)
        for index, one in enumerate(value):
            before = find(one, _MISSING)
            yield from _value(items, one, before, f"{path}[{index}]")


def _object(schema: dict[str, Any], value: dict[str, Any], old: Any, path: str) -> Iterator[Cause]:
    most, least = schema.get("maxProperties"), schema.get("minProperties")
    if most is not None and len(value) > most:
        yield causes.too_many(path, len(value), most)
    if least is not None and len(value) < least:
        text = f"{path} in body should have at least {least} properties"
        yield causes.invalid(path, len(value), text)
    for name in schema.get("required", ()):
        if name not in value:
            yield causes.required(member(path, name))
    properties = schema.get("properties") or {}
    others = schema.get("additionalProperties")
    for name, one in value.items():
        below = properties.get(name, others)
        if isinstance(below, dict):
            before = old.get(name, _MISSING) if isinstance(old, dict) else _MISSING
            yield from _value(below, one, before, member(path, name))


def _combined(schema: dict[str, Any], value: Any, path: str) -> Iterator[Cause]:
    """`allOf`, `anyOf`, `oneOf`, `not`: they judge the value alone and name no field."""

    def valid(one: dict[str, Any]) -> bool:
        return next(_value(one, value, _MISSING, path), None) is None

    for one in schema.get("allOf", ()):
        yield from _value(one, value, _MISSING, path)
    any_of, one_of, no = schema.get("anyOf"), schema.get("oneOf"), schema.get("not")
    if any_of and not any(valid(one) for one in any_of):
        text = f'"{path}" must validate at least one schema (anyOf)'
        yield causes.invalid(causes.NO_FIELD, "", text)
    if one_of:
        count = sum(valid(one) for one in one_of)
        if count != 1:
            how = "Found none valid" if count == 0 else f"Found {count} valid alternatives"
            text = f'"{path}" must validate one and only one schema (oneOf). {how}'
            yield causes.invalid(causes.NO_FIELD, "", text)
    if no and valid(no):
        text = f'"{path}" must not validate the schema (not)'
        yield causes.invalid(causes.NO_FIELD, "", text)


def _lists(schema: dict[str, Any], value: Any, old: Any, path: str) -> Iterator[Cause]:
    """Duplicates in list sets and list maps, wherever they are."""
    if old is not _MISSING and old == value:
        return
    if isinstance(value, dict):
        properties = schema.get("properties") or {}
        others = schema.get("additionalProperties")
        for name, one in value.items():
            below = properties.get(name, others)
            if isinstance(below, dict):
                before = old.get(name, _MISSING) if isinstance(old, dict) else _MISSING
                yield from _lists(below, one, before, member(path, name))
    elif isinstance(value, list):
        yield from _duplicates(schema, value, path)
        items = schema.get("items")
        if isinstance(items, dict):
            for index, one in enumerate(value):
                yield from _lists(items, one, _MISSING, f"{path}[{index}]")


def _duplicates(schema: dict[str, Any], value: list[Any], path: str) -> Iterator[Cause]:
    kind = schema.get("x-kubernetes-list-type")
    if kind not in {"set", "map"}:
        return
    seen: set[str] = set()
    for index, one in enumerate(value):
        key = item_key(schema, one) if kind == "map" else one
        if key is None:
            continue
        text = causes.compact(key)
        if text in seen:
            yield causes.duplicate(f"{path}[{index}]", key)
        seen.add(text)
