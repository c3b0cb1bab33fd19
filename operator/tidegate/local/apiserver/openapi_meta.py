"""Definitions that every API document shares: what lists, deletions and refusals look like."""

from __future__ import annotations

from copy import deepcopy
from functools import cache
from typing import TYPE_CHECKING

from tidegate.local.schema import builtin

if TYPE_CHECKING:
    from tidegate.local.apiserver.messages import Obj

REF = "#/components/schemas/"
PACKAGE = "io.k8s.apimachinery.pkg.apis.meta.v1."
LIST_META = f"{PACKAGE}ListMeta"
PATCH = f"{PACKAGE}Patch"
STATUS = f"{PACKAGE}Status"
_CONVENTIONS = (
    "More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md"
)
API_VERSION: Obj = {
    "type": "string",
    "description": (
        "APIVersion defines the versioned schema of this representation of an object. Servers "
        "should convert recognized schemas to the latest internal value, and may reject "
        f"unrecognized values. {_CONVENTIONS}#resources"
    ),
}
KIND: Obj = {
    "type": "string",
    "description": (
        "Kind is a string value representing the REST resource this object represents. Servers may "
        "infer this from the endpoint the client submits requests to. Cannot be updated. In "
        f"CamelCase. {_CONVENTIONS}#types-kinds"
    ),
}
_STRING: Obj = {"type": "string"}
_INT32: Obj = {"type": "integer", "format": "int32"}
_OF_META = frozenset(
    f"V1{name}"
    for name in (
        "Condition", "DeleteOptions", "FieldSelectorRequirement", "LabelSelector",
        "LabelSelectorRequirement", "ManagedFieldsEntry", "ObjectMeta", "OwnerReference",
        "Preconditions",
    )
)  # fmt: skip
_OF_AUTOSCALING = frozenset(("V1Scale", "V1ScaleSpec", "V1ScaleStatus"))


def reference(name: str, description: str = "") -> Obj:
    """A reference to a definition; described ones are wrapped, as version 3 wants it."""
    if not description:
        return {"$ref": REF + name}
    return {"allOf": [{"$ref": REF + name}], "description": description}


OBJECT_META = reference("V1ObjectMeta", f"Standard object's metadata. {_CONVENTIONS}#metadata")
OF_A_LIST = reference(LIST_META, f"Standard list metadata. {_CONVENTIONS}#types-kinds")


def items(kind: str, name: str) -> Obj:
    """The items of a list."""
    return {
        "type": "array",
        "items": reference(name),
        "description": f"List of {kind}. {_CONVENTIONS}",
    }


def _object(description: str, **properties: Obj) -> Obj:
    found: Obj = {"type": "object", "description": description}
    return {**found, "properties": properties} if properties else found


_SHARED: dict[str, Obj] = {
    LIST_META: _object(
        "What a list says about itself: its version, and where its next page begins.",
        **{"continue": _STRING},
        remainingItemCount={"type": "integer", "format": "int64"},
        resourceVersion=_STRING,
        selfLink=_STRING,
        shardInfo=reference(f"{PACKAGE}ShardInfo"),
    ),
    f"{PACKAGE}ShardInfo": _object("Which part of a sharded list this is.", selector=_STRING),
    PATCH: _object(
        "Patch is provided to give a concrete name and type to the Kubernetes PATCH request body."
    ),
    f"{PACKAGE}FieldsV1": _object("A set of fields in a data structure like a Trie, as JSON."),
    f"{PACKAGE}Time": {"type": "string", "format": "date-time"},
    STATUS: _object(
        "Status is a return value for calls that don't return other objects.",
        apiVersion=API_VERSION,
        kind=KIND,
        metadata=OF_A_LIST,
        code=_INT32,
        message=_STRING,
        reason=_STRING,
        status=_STRING,
        details=reference(f"{PACKAGE}StatusDetails"),
    ),
    f"{PACKAGE}StatusDetails": _object(
        "What a refusal is about.",
        causes={"type": "array", "items": reference(f"{PACKAGE}StatusCause")},
        group=_STRING,
        kind=_STRING,
        name=_STRING,
        retryAfterSeconds=_INT32,
        uid=_STRING,
    ),
    f"{PACKAGE}StatusCause": _object(
        "One cause of a refusal.", field=_STRING, message=_STRING, reason=_STRING
    ),
}


@cache
def definitions() -> dict[str, Obj]:
    """The built-in definitions with the shared ones."""
    known = {**builtin.definitions(), **_SHARED}
    entry = deepcopy(known["V1ManagedFieldsEntry"])
    for name, kind in (("fieldsV1", "FieldsV1"), ("time", "Time")):
        described = entry["properties"][name].get("description", "")
        entry["properties"][name] = reference(PACKAGE + kind, described)
    return {**known, "V1ManagedFieldsEntry": entry}


def public(name: str) -> str:
    """The name under which a definition is published: clients print its last part."""
    known = definitions()
    if name.endswith("List") and name.removesuffix("List") in known and name not in known:
        return f"{public(name.removesuffix('List'))}List"
    if name not in known or name in _SHARED:
        return name
    go_name = builtin.go_name(name)
    if name in _OF_META:
        return PACKAGE + go_name
    if name in _OF_AUTOSCALING:
        return f"io.k8s.api.autoscaling.v1.{go_name}"
    # `CoreV1Event` and `EventsV1Event` are both called Event.
    group = name.removesuffix(go_name).rstrip("V12").lower()
    return ".".join(part for part in ("io.k8s.api", group, "v1", go_name) if part)
