"""The schema of `metadata`, which every object has whatever its own schema says.

Hand-written, because custom resources and server-side apply need it without the built-in kinds.
"""

from __future__ import annotations

from typing import Any

_STRING: dict[str, Any] = {"type": "string"}
_TIME: dict[str, Any] = {"type": "string", "format": "date-time"}
_STRINGS: dict[str, Any] = {"type": "object", "additionalProperties": _STRING}
_OWNER: dict[str, Any] = {
    "type": "object",
    "x-kubernetes-map-type": "atomic",
    "required": ["apiVersion", "kind", "name", "uid"],
    "properties": {
        "apiVersion": _STRING,
        "kind": _STRING,
        "name": _STRING,
        "uid": _STRING,
        "controller": {"type": "boolean"},
        "blockOwnerDeletion": {"type": "boolean"},
    },
}
_MANAGED: dict[str, Any] = {
    "type": "object",
    "properties": {
        "manager": _STRING,
        "operation": _STRING,
        "apiVersion": _STRING,
        "time": _TIME,
        "fieldsType": _STRING,
        "fieldsV1": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
        "subresource": _STRING,
    },
}
OBJECT_META: dict[str, Any] = {
    "type": "object",
    "properties": {
        "annotations": _STRINGS,
        "creationTimestamp": {**_TIME, "nullable": True},
        "deletionGracePeriodSeconds": {"type": "integer", "format": "int64"},
        "deletionTimestamp": _TIME,
        "finalizers": {
            "type": "array",
            "items": _STRING,
            "x-kubernetes-list-type": "set",
            "x-kubernetes-patch-strategy": "merge",
        },
        "generateName": _STRING,
        "generation": {"type": "integer", "format": "int64"},
        "labels": _STRINGS,
        "managedFields": {
            "type": "array",
            "x-kubernetes-list-type": "atomic",
            "items": _MANAGED,
        },
        "name": _STRING,
        "namespace": _STRING,
        "ownerReferences": {
            "type": "array",
            "items": _OWNER,
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["uid"],
            "x-kubernetes-patch-merge-key": "uid",
            "x-kubernetes-patch-strategy": "merge",
        },
        "resourceVersion": _STRING,
        "selfLink": _STRING,
        "uid": _STRING,
    },
}
"""A structural schema of ObjectMeta. Shared: do not change it."""


def with_metadata(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema of a whole object: as given, plus apiVersion, kind and the full metadata."""
    declared = schema.get("properties") or {}
    properties = {**declared, "apiVersion": _STRING, "kind": _STRING, "metadata": OBJECT_META}
    return {**schema, "type": "object", "properties": properties}
