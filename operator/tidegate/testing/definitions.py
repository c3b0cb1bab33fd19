"""Compact CustomResourceDefinitions of other projects' kinds: only the fields that Tidegate writes.

A field that is not declared is refused by strict validation, so a test sees what is written by
mistake.
"""

from __future__ import annotations

from typing import Any

type Obj = dict[str, Any]

STRING: Obj = {"type": "string"}
BOOLEAN: Obj = {"type": "boolean"}
INT32: Obj = {"type": "integer", "format": "int32"}
INT64: Obj = {"type": "integer", "format": "int64"}
BY_NAME: Obj = {"type": "object", "additionalProperties": STRING}
ANYTHING: Obj = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
INT_OR_STRING: Obj = {
    "anyOf": [{"type": "integer"}, {"type": "string"}],
    "x-kubernetes-int-or-string": True,
}
_AMOUNTS: Obj = {"type": "object", "additionalProperties": INT_OR_STRING}


def record(required: tuple[str, ...] = (), /, **properties: Any) -> Obj:
    """The schema of an object with exactly these properties."""
    found: Obj = {"type": "object", "properties": properties}
    return {**found, "required": list(required)} if required else found


def list_of(items: Obj, **more: Any) -> Obj:
    """The schema of a list."""
    return {"type": "array", "items": items, **more}


RESOURCES = record(requests=_AMOUNTS, limits=_AMOUNTS)
ENV = record(("name",), name=STRING, value=STRING)
SECURITY = record(
    allowPrivilegeEscalation=BOOLEAN,
    capabilities=record(drop=list_of(STRING)),
    runAsNonRoot=BOOLEAN,
    seccompProfile=record(("type",), type=STRING),
)
PROBE = record(
    httpGet=record(("port",), path=STRING, port=INT_OR_STRING),
    initialDelaySeconds=INT32,
    periodSeconds=INT32,
    failureThreshold=INT32,
)


def definition(api_version: str, kind: str, schema: Obj) -> Obj:
    """The definition of a namespaced kind with a status of its own."""
    group, _, version = api_version.partition("/")
    plural = f"{kind.lower()}s"
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"kind": kind, "plural": plural, "singular": kind.lower()},
            "versions": [
                {
                    "name": version,
                    "served": True,
                    "storage": True,
                    "subresources": {"status": {}},
                    "schema": {"openAPIV3Schema": schema},
                }
            ],
        },
    }
