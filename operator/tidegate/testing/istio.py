"""Istio's kinds, in the extent in which Tidegate writes them, for a cluster that has no Istio.

Written for this project from Istio's documentation. A field that is not declared here is refused by
strict validation, so a test sees what Tidegate writes by mistake.
"""

from __future__ import annotations

from typing import Any

GROUP = "networking.istio.io"
type Obj = dict[str, Any]

_STRING: Obj = {"type": "string"}
_STRINGS: Obj = {"type": "array", "items": _STRING}
_BY_NAME: Obj = {"type": "object", "additionalProperties": _STRING}


def _object(required: tuple[str, ...] = (), /, **properties: Any) -> Obj:
    found: Obj = {"type": "object", "properties": properties}
    return {**found, "required": list(required)} if required else found


def _list(items: Obj) -> Obj:
    return {"type": "array", "items": items}


def _one_of(*names: str) -> list[Obj]:
    none: Obj = {"not": {"anyOf": [{"required": [name]} for name in names]}}
    return [none, *({"required": [name]} for name in names)]


_MATCHER: Obj = {
    **_object(exact=_STRING, prefix=_STRING, regex=_STRING),
    "oneOf": _one_of("exact", "prefix", "regex"),
}
_PORT = _object(number={"type": "integer", "minimum": 0, "maximum": 4294967295})
_DESTINATION = _object(("host",), host=_STRING, port=_PORT)
_CHANGES = _object(add=_BY_NAME, set=_BY_NAME, remove=_STRINGS)
_HEADERS = _object(request=_CHANGES, response=_CHANGES)
_INT32: Obj = {"type": "integer", "format": "int32"}
_HTTP = _object(
    name=_STRING,
    match=_list(
        _object(uri=_MATCHER, headers={"type": "object", "additionalProperties": _MATCHER})
    ),
    route=_list(
        _object(("destination",), destination=_DESTINATION, headers=_HEADERS, weight=_INT32)
    ),
    mirror=_DESTINATION,
    mirrorPercentage=_object(value={"type": "number", "format": "double"}),
    retries=_object(attempts=_INT32),
)
_STATUS: Obj = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
_BALANCERS = ["UNSPECIFIED", "LEAST_CONN", "RANDOM", "PASSTHROUGH", "ROUND_ROBIN", "LEAST_REQUEST"]

SCHEMAS: dict[str, Obj] = {
    "VirtualService": _object(
        spec=_object(hosts=_STRINGS, gateways=_STRINGS, http=_list(_HTTP)), status=_STATUS
    ),
    "DestinationRule": _object(
        spec=_object(
            ("host",),
            host=_STRING,
            trafficPolicy=_object(
                loadBalancer=_object(simple={"type": "string", "enum": _BALANCERS})
            ),
        ),
        status=_STATUS,
    ),
}


def definitions() -> list[Obj]:
    """The CustomResourceDefinitions of Istio's kinds that Tidegate writes."""
    return [_definition(kind, schema) for kind, schema in SCHEMAS.items()]


def _definition(kind: str, schema: Obj) -> Obj:
    plural = f"{kind.lower()}s"
    version = {
        "name": "v1",
        "served": True,
        "storage": True,
        "subresources": {"status": {}},
        "schema": {"openAPIV3Schema": schema},
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {"kind": kind, "plural": plural, "singular": kind.lower()},
            "versions": [version],
        },
    }
