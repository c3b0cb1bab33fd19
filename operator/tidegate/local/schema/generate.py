"""Writes `builtin.json`: the fields of the built-in kinds, from the client library's models.

Run it after an update of the `kubernetes` package: `python -m tidegate.local.schema.generate`.
Importing those models takes most of a second, so the API server reads the file instead. What the
models do not know (how lists are merged) is written by hand in `merging`.
"""

from __future__ import annotations

import importlib
import inspect
import json
import re
from pathlib import Path
from typing import Any

from tidegate.local.schema.kinds import KINDS

TARGET = Path(__file__).with_name("builtin.json")
_SCALARS: dict[str, dict[str, Any]] = {
    "str": {"type": "string"},
    "int": {"type": "integer"},
    "bool": {"type": "boolean"},
    "float": {"type": "number"},
    "datetime": {"type": "string", "format": "date-time"},
    "bytes": {"type": "string", "format": "byte"},
    "object": {"x-kubernetes-preserve-unknown-fields": True},
}
_INT_OR_STRING = frozenset(["port", "maxUnavailable", "minAvailable", "maxSurge", "targetPort"])
_QUANTITIES = frozenset(["averageValue", "value", "sizeLimit", "divisor"])
_QUANTITY_MAPS = frozenset(
    [
        "limits",
        "requests",
        "capacity",
        "allocatable",
        "hard",
        "used",
        "overhead",
        "min",
        "max",
        "default",
        "defaultRequest",
        "maxLimitRequestRatio",
        "allocatedResources",
    ]
)
_MICRO_TIMES = frozenset(("acquireTime", "renewTime", "eventTime", "lastObservedTime"))
_INT64 = frozenset(
    [
        "activeDeadlineSeconds",
        "deletionGracePeriodSeconds",
        "expirationSeconds",
        "fsGroup",
        "generation",
        "observedGeneration",
        "revision",
        "runAsGroup",
        "runAsUser",
        "startingDeadlineSeconds",
        "terminationGracePeriodSeconds",
        "tolerationSeconds",
        "maxLength",
        "minLength",
        "maxItems",
        "minItems",
        "maxProperties",
        "minProperties",
    ]
)
_QUANTITY: dict[str, Any] = {"x-kubernetes-int-or-string": True, "format": "quantity"}


def definitions() -> dict[str, Any]:
    """Every model that a built-in kind needs, by its name in Go."""
    models = importlib.import_module("kubernetes.client.models")
    found: dict[str, Any] = {}
    waiting = [model for _, _, _, model in KINDS]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found[name] = _definition(getattr(models, name))
            waiting += re.findall(r'"\$ref": "(\w+)"', json.dumps(found[name]))
    return found


def _definition(model: Any) -> dict[str, Any]:
    if model.__name__ == "V1JSONSchemaProps":
        # Recursive, and checked by its own rules.
        return {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    properties, required = {}, []
    fields = {one.serialization_alias or name: one for name, one in model.model_fields.items()}
    for attribute, kind in model.openapi_types.items():
        name = model.attribute_map[attribute]
        field = fields[name]
        schema = _schema(kind, name, model.__name__)
        if field.description:
            schema = {"description": _short(field.description), **schema}
        properties[name] = schema
        if field.is_required():
            required.append(name)
    result: dict[str, Any] = {"type": "object"}
    summary = inspect.getdoc(model) or ""
    result["description"] = _short(summary.partition("\n\nAttributes:")[0])
    result["properties"] = properties
    if required:
        result["required"] = required
    return result


def _schema(kind: str, name: str, model: str) -> dict[str, Any]:
    listed = re.fullmatch(r"[Ll]ist\[(.+)\]", kind)
    if listed:
        return {"type": "array", "items": _schema(listed.group(1), "", model)}
    mapped = re.fullmatch(r"[Dd]ict\[str, (.+)\]", kind)
    if mapped:
        values = _schema(mapped.group(1), "", model)
        if name in _QUANTITY_MAPS and mapped.group(1) == "str":
            values = _QUANTITY
        return {"type": "object", "additionalProperties": values}
    if kind == "object" and name in _INT_OR_STRING:
        return {"x-kubernetes-int-or-string": True, "format": "int-or-string"}
    if kind == "str" and name in _QUANTITIES and model.startswith(("V2", "V1Empty", "V1Resource")):
        return dict(_QUANTITY)
    if kind == "datetime" and name in _MICRO_TIMES:
        return {"type": "string", "format": "date-time", "x-kubernetes-micro-time": True}
    if kind == "int":
        return {"type": "integer", "format": "int64" if name in _INT64 else "int32"}
    return dict(_SCALARS[kind]) if kind in _SCALARS else {"$ref": kind}


def _short(text: str) -> str:
    """The first two sentences: enough for `kubectl explain`, a fifth of the size."""
    sentences = re.split(r"(?<=[.!?])\s+", " ".join(text.split()))
    return " ".join(sentences[:2])


def main() -> None:
    text = json.dumps(definitions(), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    # One definition a line, so that a difference between two versions can be read.
    TARGET.write_text(text.replace('},"V', '},\n"V').replace('},"C', '},\n"C') + "\n")


if __name__ == "__main__":
    main()
