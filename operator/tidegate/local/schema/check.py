"""Checks that a CRD's schema is structural: what the API server demands before it serves it.

Reports problems with the paths and texts of the API server. It judges schemas, never objects.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tidegate.local.schema import causes
from tidegate.local.schema.cel_check import check_rules
from tidegate.local.schema.cel_estimate import check_costs
from tidegate.local.schema.defaulting import prune
from tidegate.local.schema.patterns import pattern_problem
from tidegate.local.schema.validation import validate

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tidegate.local.schema.causes import Problem

SINGLE_VERSION_PATH = "spec.validation.openAPIV3Schema"
"""Where upstream says a schema is when all versions of a CRD share it."""
_TYPES = ("array", "boolean", "integer", "number", "object", "string")
_UNSUPPORTED = ("$ref", "definitions", "dependencies", "patternProperties", "additionalItems")
_VALUE_ONLY = ("allOf", "anyOf", "oneOf")
_NOT_IN_LOGIC = {
    "type": "must be empty to be structural",
    "additionalProperties": "must be undefined to be structural",
    "default": "must be undefined to be structural",
    "title": "must be empty to be structural",
    "description": "must be empty to be structural",
    "nullable": "must be false to be structural",
    "x-kubernetes-preserve-unknown-fields": "must be false to be structural",
    "x-kubernetes-embedded-resource": "must be false to be structural",
    "x-kubernetes-int-or-string": "must be false to be structural",
    "x-kubernetes-list-map-keys": "must be empty to be structural",
    "x-kubernetes-list-type": "must be undefined to be structural",
}
_INT_OR_STRING = [{"type": "integer"}, {"type": "string"}]
_META_LIMITS = frozenset(("name", "generateName"))


def check_structural(schema: dict[str, Any], *, path: str = SINGLE_VERSION_PATH) -> list[Problem]:
    """Everything that keeps the schema from being served; empty when it is fine."""
    if not schema:
        return [causes.required(path)]
    found: list[Problem] = []
    if schema.get("type") and schema["type"] != "object":
        found.append(causes.invalid(f"{path}.type", schema["type"], "must be object at the root"))
    if "default" in schema:
        found.append(causes.forbidden(f"{path}.default", "must not be set at the root"))
    if schema.get("additionalProperties") is not None:
        text = "must not be used at the root"
        found.append(causes.forbidden(f"{path}.additionalProperties", text))
    found += _metadata(schema, path)
    found += _node(schema, path, "root", fixed=True)
    return found or [*check_costs(schema, path)]


def _metadata(schema: dict[str, Any], path: str) -> Iterator[Problem]:
    """What the root may say of the fields that every object has."""
    declared = schema.get("properties") or {}
    for name, kind in (("apiVersion", "string"), ("kind", "string"), ("metadata", "object")):
        given = (declared.get(name) or {}).get("type", kind)
        if name in declared and given != kind:
            yield causes.invalid(f"{path}.properties[{name}].type", given, f"must be {kind}")
    limited = declared.get("metadata") or {}
    rest = limited.keys() - {"type", "properties", "description"}
    if rest or not (limited.get("properties") or {}).keys() <= _META_LIMITS:
        text = (
            "must not specify anything other than name and generateName, but metadata is "
            "implicitly specified"
        )
        yield causes.forbidden(f"{path}.properties[metadata]", text)


def _node(schema: dict[str, Any], path: str, level: str, *, fixed: bool) -> Iterator[Problem]:
    yield from _type(schema, path, level)
    yield from _keywords(schema, path)
    yield from _list(schema, path)
    if level != "root" and "default" in schema:
        yield from _default(schema, path)
    yield from check_rules(schema, path, root=level == "root", fixed=fixed)
    yield from _logic(schema, path)
    for name, below in (schema.get("properties") or {}).items():
        yield from _node(below, f"{path}.properties[{name}]", "field", fixed=fixed)
    others = schema.get("additionalProperties")
    if isinstance(others, dict):
        yield from _node(others, f"{path}.additionalProperties", "field", fixed=fixed)
    items = schema.get("items")
    if isinstance(items, dict):
        is_map = schema.get("x-kubernetes-list-type") == "map"
        yield from _node(items, f"{path}.items", "item", fixed=fixed and is_map)


def _type(schema: dict[str, Any], path: str, level: str) -> Iterator[Problem]:
    kind = schema.get("type") or ""
    if schema.get("x-kubernetes-int-or-string"):
        if kind:
            text = "must be empty if x-kubernetes-int-or-string is true"
            yield causes.invalid(f"{path}.type", kind, text)
        return
    if schema.get("x-kubernetes-embedded-resource") and kind != "object":
        text = "must be object if x-kubernetes-embedded-resource is true"
        yield (
            causes.invalid(f"{path}.type", kind, text)
            if kind
            else causes.required(f"{path}.type", text)
        )
        return
    if not kind:
        if level == "root" or not schema.get("x-kubernetes-preserve-unknown-fields"):
            where = {
                "root": "must not be empty at the root",
                "field": "must not be empty for specified object fields",
                "item": "must not be empty for specified array items",
            }[level]
            yield causes.required(f"{path}.type", where)
    elif kind not in _TYPES:
        yield causes.not_supported(f"{path}.type", kind, _TYPES)
    if kind == "array" and not isinstance(schema.get("items"), dict):
        if isinstance(schema.get("items"), list):
            text = "items must be a schema object and not an array"
            yield causes.forbidden(f"{path}.items", text)
        else:
            yield causes.required(f"{path}.items", "must be specified")


def _keywords(schema: dict[str, Any], path: str) -> Iterator[Problem]:
    for name in _UNSUPPORTED:
        if schema.get(name):
            yield causes.forbidden(f"{path}.{name}", f"{name} is not supported")
    if schema.get("uniqueItems"):
        text = "uniqueItems cannot be set to true since the runtime complexity becomes quadratic"
        yield causes.forbidden(f"{path}.uniqueItems", text)
    others = schema.get("additionalProperties")
    if others is False:
        text = "additionalProperties cannot be set to false"
        yield causes.forbidden(f"{path}.additionalProperties", text)
    elif others is not None and schema.get("properties"):
        text = "additionalProperties and properties are mutual exclusive"
        yield causes.forbidden(f"{path}.additionalProperties", text)
    pattern = schema.get("pattern")
    if pattern and (problem := pattern_problem(pattern)):
        text = f"must be a valid regular expression, but isn't: {problem}"
        yield causes.invalid(f"{path}.pattern", pattern, text)
    if schema.get("x-kubernetes-preserve-unknown-fields") is False:
        where = f"{path}.x-kubernetes-preserve-unknown-fields"
        yield causes.invalid(where, False, "must be true or undefined")
    if (
        schema.get("x-kubernetes-embedded-resource")
        and not schema.get("properties")
        and not schema.get("x-kubernetes-preserve-unknown-fields")
    ):
        text = (
            "must not be empty if x-kubernetes-embedded-resource is true without "
            "x-kubernetes-preserve-unknown-fields"
        )
        yield causes.required(f"{path}.properties", text)


def _list(schema: dict[str, Any], path: str) -> Iterator[Problem]:
    kind = schema.get("x-kubernetes-list-type")
    keys = schema.get("x-kubernetes-list-map-keys") or []
    if kind is not None and kind not in {"atomic", "set", "map"}:
        yield causes.not_supported(f"{path}.x-kubernetes-list-type", kind, ("atomic", "map", "set"))
    if kind and schema.get("type") != "array":
        text = "must be array if x-kubernetes-list-type is specified"
        yield causes.invalid(f"{path}.type", schema.get("type") or "", text)
        return
    map_type = schema.get("x-kubernetes-map-type")
    if map_type is not None and map_type not in {"atomic", "granular"}:
        where = f"{path}.x-kubernetes-map-type"
        yield causes.not_supported(where, map_type, ("atomic", "granular"))
    if kind != "map":
        if keys:
            text = "must be map if x-kubernetes-list-map-keys is non-empty"
            yield causes.invalid(f"{path}.x-kubernetes-list-type", kind or "", text)
        return
    yield from _map_keys(schema, keys, path)


def _map_keys(schema: dict[str, Any], keys: list[str], path: str) -> Iterator[Problem]:
    if not keys:
        text = "must not be empty if x-kubernetes-list-type is map"
        yield causes.required(f"{path}.x-kubernetes-list-map-keys", text)
    items = schema.get("items")
    if not isinstance(items, dict):
        return
    if items.get("type") != "object":
        text = "must be object if parent array's x-kubernetes-list-type is map"
        yield causes.invalid(f"{path}.items.type", items.get("type") or "", text)
    properties, needed = items.get("properties") or {}, items.get("required") or ()
    for index, key in enumerate(keys):
        if key not in properties:
            where = f"{path}.x-kubernetes-list-map-keys[{index}]"
            yield causes.invalid(where, key, "entries must all be names of item properties")
        elif key not in needed and "default" not in properties[key]:
            text = (
                "this property is in x-kubernetes-list-map-keys, so it must have a default or be "
                "a required property"
            )
            yield causes.required(f"{path}.items.properties[{key}].default", text)


def _default(schema: dict[str, Any], path: str) -> Iterator[Problem]:
    value = schema["default"]
    where = f"{path}.default"
    if value is None and not schema.get("nullable"):
        text = 'default in body must be of type {}: "null"'.format(schema.get("type"))
        yield causes.type_invalid(where, "null", text.replace("default", "", 1))
        return
    for cause in validate(schema, value):
        at = where if cause.field in {"", causes.NO_FIELD} else f"{where}.{cause.field}"
        if cause != causes.UNCHECKED:
            yield causes.Problem(at, cause.reason, cause.message)
    embedded = bool(schema.get("x-kubernetes-embedded-resource"))
    if prune(schema, value, root=embedded)[1]:
        text = "must be a value without unknown fields"
        yield causes.invalid(where, value, text)


def _logic(schema: dict[str, Any], path: str) -> Iterator[Problem]:
    """Below `allOf` and its like only value checks may stand, never structure."""
    for where, branch in _branches(schema, path):
        yield from _branch(branch, where, schema)


def _branches(schema: dict[str, Any], path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for name in _VALUE_ONLY:
        for index, one in enumerate(schema.get(name) or ()):
            # The two ways in which generators write int-or-string are let through.
            first = schema[name][0]
            if name == "anyOf" and schema[name] == _INT_OR_STRING:
                continue
            if name == "allOf" and index == 0 and first.get("anyOf") == _INT_OR_STRING:
                continue
            yield f"{path}.{name}[{index}]", one
    if isinstance(schema.get("not"), dict):
        yield f"{path}.not", schema["not"]


def _branch(branch: dict[str, Any], path: str, outer: dict[str, Any]) -> Iterator[Problem]:
    for name, text in _NOT_IN_LOGIC.items():
        if branch.get(name):
            yield causes.forbidden(f"{path}.{name}", text)
    declared = outer.get("properties") or {}
    for name, below in (branch.get("properties") or {}).items():
        where = f"{path}.properties[{name}]"
        if name == "metadata":
            yield causes.forbidden(where, "must not be specified in a nested context")
        elif name not in declared:
            outside = path.rpartition(".")[0]
            text = f"because it is defined in {where}"
            yield causes.required(f"{outside}.properties[{name}]", text)
        yield from _branch(below, where, declared.get(name) or {})
    items = branch.get("items")
    if isinstance(items, dict):
        yield from _branch(items, f"{path}.items", outer.get("items") or {})
    for where, one in _branches(branch, path):
        yield from _branch(one, where, outer)
