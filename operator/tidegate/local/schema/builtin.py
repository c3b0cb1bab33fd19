"""The schemas of the built-in kinds, made when they are first asked for.

Fields come from `builtin.json` (written by `generate`), how they merge from `merging`, and the
Gateway API's kinds from `gateway_kinds`. A schema is shared between all who ask: never change it.
"""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import Any

import orjson

from tidegate.local.schema import gateway_kinds, merging
from tidegate.local.schema.kinds import KINDS
from tidegate.local.schema.metadata import with_metadata
from tidegate.local.schema.validation import type_name

_MODELS = {(group, version, kind): model for group, version, kind, model in KINDS}
_PREFIXES = ("V1", "V2")
_GO_NAMES = {"CoreV1Event": "Event", "EventsV1Event": "Event", "RbacV1Subject": "Subject"}
_NOT_VALIDATED = frozenset(("Event", "Endpoints"))
"""Kinds whose required fields the API server does not insist on."""

EMPTY_OBJECT = "x-tidegate-empty"
"""The key of a root schema that holds what an empty object of the kind looks like."""
GO_TYPE = "x-tidegate-type"
"""The key that holds the name of the Go struct, which decode errors speak of."""


def known_kinds() -> list[tuple[str, str, str]]:
    """(group, version, kind) of everything that `schema_for` knows."""
    return [*_MODELS, *((gateway_kinds.GROUP, "v1", kind) for kind in gateway_kinds.SCHEMAS)]


@cache
def schema_for(group: str, version: str, kind: str) -> dict[str, Any]:
    """The structural schema of a built-in kind, with list types and patch merge keys.

    :raises KeyError: it is no built-in kind.
    """
    if group == gateway_kinds.GROUP and version == "v1":
        return with_metadata(gateway_kinds.SCHEMAS[kind])
    schema = _resolved(_MODELS[group, version, kind], lenient=kind in _NOT_VALIDATED)
    properties = dict(schema["properties"])
    status = _definitions()[_MODELS[group, version, kind]]["properties"].get("status")
    if status and "$ref" in status:
        # A status is written by controllers and never refused for what it lacks.
        properties["status"] = _resolved(status["$ref"], lenient=True)
    empty: dict[str, Any] = {"metadata": {}}
    empty.update({name: {} for name in ("spec", "status") if name in properties})
    empty.update(merging.EMPTY.get(kind, {}))
    required = [name for name in schema.get("required", ()) if name != "metadata"]
    gvk = [{"group": group, "version": version, "kind": kind}]
    return {
        **schema,
        "properties": properties,
        "required": required,
        EMPTY_OBJECT: {name: one for name, one in empty.items() if name in properties},
        "x-kubernetes-group-version-kind": gvk,
    }


def is_builtin(group: str, version: str, kind: str) -> bool:
    """Whether `schema_for` knows the kind."""
    if (group, version) == (gateway_kinds.GROUP, "v1"):
        return kind in gateway_kinds.SCHEMAS
    return (group, version, kind) in _MODELS


def definitions() -> dict[str, dict[str, Any]]:
    """Every definition by its name, with `$ref` as `#/components/schemas/<name>`, for OpenAPI."""
    found = {name: _named(name) for name in _definitions()}
    for kind, schema in gateway_kinds.SCHEMAS.items():
        # These three are described where they are declared for the other kinds.
        common = found["V1Deployment"]["properties"]
        shared = {name: common[name] for name in ("apiVersion", "kind", "metadata")}
        properties = {**schema["properties"], **shared}
        found[f"GatewayV1{kind}"] = {**schema, "properties": properties}
    return found


def definition_name(group: str, version: str, kind: str) -> str:
    """The name in `definitions` of a built-in kind."""
    if group == gateway_kinds.GROUP:
        return f"GatewayV1{kind}"
    return _MODELS[group, version, kind]


def decode_problem(schema: dict[str, Any], obj: Any, *, path: str = "") -> str | None:
    """Why Go could not decode the object into its structs, as its JSON decoder words it."""
    return _decode(schema, obj, path, str(schema.get(GO_TYPE) or ""), "")


@cache
def _definitions() -> dict[str, dict[str, Any]]:
    path = resources.files("tidegate.local.schema").joinpath("builtin.json")
    found: dict[str, dict[str, Any]] = orjson.loads(path.read_bytes())
    return found


def go_name(model: str) -> str:
    """`V1DeploymentSpec` is `DeploymentSpec` in Go."""
    if model in _GO_NAMES:
        return _GO_NAMES[model]
    return next((model.removeprefix(one) for one in _PREFIXES if model.startswith(one)), model)


@cache
def _annotated(model: str) -> dict[str, Any]:
    """The definition with how it merges; `$ref`s stay."""
    name = go_name(model)
    raw = _definitions()[model]
    properties = {field: dict(one) for field, one in raw.get("properties", {}).items()}
    for field, keys, strategy in merging.LIST_MAPS.get(name, ()):
        if field in properties:
            extra = {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": list(keys)}
            properties[field].update(extra, **_strategy(strategy, keys[0]))
    for field, strategy in merging.LIST_SETS.get(name, ()):
        properties[field].update({"x-kubernetes-list-type": "set"}, **_strategy(strategy))
    for field in merging.ATOMIC_FIELDS.get(name, ()):
        properties[field]["x-kubernetes-map-type"] = "atomic"
    for field in merging.RETAIN_KEYS.get(name, ()):
        properties[field]["x-kubernetes-patch-strategy"] = "retainKeys"
    for field, value in merging.DEFAULTS.get(name, {}).items():
        properties[field]["default"] = value
    result = {**raw, GO_TYPE: name}
    if properties:
        result["properties"] = properties
    if name in merging.ATOMIC_MODELS or model in merging.ATOMIC_MODELS:
        result["x-kubernetes-map-type"] = "atomic"
    return result


def _strategy(strategy: str, key: str = "") -> dict[str, str]:
    if not strategy:
        return {}
    found = {"x-kubernetes-patch-strategy": strategy}
    return {**found, "x-kubernetes-patch-merge-key": key} if key else found


@cache
def _resolved(model: str, *, lenient: bool = False) -> dict[str, Any]:
    """The definition with everything below it in place. `lenient`: nothing is required."""
    schema = dict(_annotated(model))
    if lenient:
        schema.pop("required", None)
    if "properties" in schema:
        schema["properties"] = {
            name: _inlined(one, lenient=lenient) for name, one in schema["properties"].items()
        }
    return schema


def _inlined(schema: dict[str, Any], *, lenient: bool) -> dict[str, Any]:
    if "$ref" in schema:
        rest = {name: one for name, one in schema.items() if name != "$ref"}
        return {**_resolved(schema["$ref"], lenient=lenient), **rest}
    result = dict(schema)
    for name in ("items", "additionalProperties"):
        if isinstance(schema.get(name), dict):
            result[name] = _inlined(schema[name], lenient=lenient)
    return result


def _named(model: str) -> dict[str, Any]:
    schema = {name: one for name, one in _annotated(model).items() if name != GO_TYPE}
    text = orjson.dumps(schema).replace(b'{"$ref":"', b'{"$ref":"#/components/schemas/')
    text = text.replace(b',"$ref":"', b',"$ref":"#/components/schemas/')
    found: dict[str, Any] = orjson.loads(text)
    return found


_GO_KINDS = {"integer": "int32", "boolean": "bool", "string": "string", "number": "float64"}
_JSON_KINDS = {"integer": "number", "boolean": "bool"}


def _decode(schema: dict[str, Any], value: Any, path: str, owner: str, field: str) -> str | None:
    actual, expected = type_name(value), schema.get("type")
    if value is None or not expected:
        return None
    if actual == expected or (expected == "number" and actual == "integer"):
        return _decode_below(schema, value, path, owner)
    where = f"{owner}.{path}" if path else owner
    text = f"json: cannot unmarshal {_JSON_KINDS.get(actual, actual)} into Go struct field {where}"
    go_type = schema.get("format") if expected == "integer" else None
    return f"{text} of type {go_type or _go_type(schema, expected)}"


def _go_type(schema: dict[str, Any], expected: str) -> str:
    if expected == "object":
        if schema.get(GO_TYPE):
            return str(schema[GO_TYPE])
        below = schema.get("additionalProperties") or {}
        return f"map[string]{_go_type(below, below.get('type', 'string'))}"
    if expected == "array":
        below = schema.get("items") or {}
        return f"[]{_go_type(below, below.get('type', 'string'))}"
    return _GO_KINDS[expected]


def _joined(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _decode_below(schema: dict[str, Any], value: Any, path: str, owner: str) -> str | None:
    if isinstance(value, list):
        items = schema.get("items") or {}
        inside = str(items.get(GO_TYPE) or owner)
        found = (_decode(items, one, path, inside, "") for one in value)
    elif isinstance(value, dict):
        properties, others = schema.get("properties") or {}, schema.get("additionalProperties")
        owner = str(schema.get(GO_TYPE) or owner)
        found = (
            # Go names the field that is a map, not the key.
            _decode(below, one, _joined(path, name) if name in properties else path, owner, name)
            for name, one in value.items()
            if isinstance(below := properties.get(name, others), dict)
        )
    else:
        return None
    return next((text for text in found if text is not None), None)
