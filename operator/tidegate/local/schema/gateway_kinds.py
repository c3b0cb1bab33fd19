"""The Gateway API's kinds that the local gateway serves, in the extent it serves them.

Written for this project from the API's documentation: fields, enumerations and defaults that routes
to model servers use. What is not declared here is pruned with a warning, like any unknown field.
"""

from __future__ import annotations

from typing import Any

from tidegate.local.schema import gateway_rules, gateway_texts
from tidegate.local.schema.gateway_rules import checked

GROUP = "gateway.networking.k8s.io"
_STRING: dict[str, Any] = {"type": "string"}


def _text(most: int = 253, least: int = 1, **more: Any) -> dict[str, Any]:
    return {"type": "string", "minLength": least, "maxLength": most, **more}


def _choice(*values: str, default: str | None = None) -> dict[str, Any]:
    found: dict[str, Any] = {"type": "string", "enum": list(values)}
    return found if default is None else {**found, "default": default}


def _object(required: str = "", **properties: Any) -> dict[str, Any]:
    found: dict[str, Any] = {"type": "object", "properties": properties}
    return {**found, "required": required.split()} if required else found


def _list(items: dict[str, Any], most: int = 16, **more: Any) -> dict[str, Any]:
    found = {"type": "array", "maxItems": most, "items": items}
    return {**found, "x-kubernetes-list-type": "atomic", **more}


def _set(items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "maxItems": 16, "items": items, "x-kubernetes-list-type": "set"}


def _map(items: dict[str, Any], *keys: str, most: int = 16) -> dict[str, Any]:
    found = {"type": "array", "maxItems": most, "items": items}
    return {
        **found,
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": list(keys),
    }


_PORT: dict[str, Any] = {"type": "integer", "format": "int32", "minimum": 1, "maximum": 65535}
_WEIGHT: dict[str, Any] = {
    "type": "integer",
    "format": "int32",
    "minimum": 0,
    "maximum": 1000000,
    "default": 1,
}
_DURATION: dict[str, Any] = {"type": "string", "pattern": r"^([0-9]{1,5}(h|m|s|ms)){1,4}$"}
_HOSTNAME = _text(
    pattern=r"^(\*\.)?[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"
)
_HEADER_NAME = _text(256, pattern=r"^[A-Za-z0-9!#$%&'*+\-.^_`|~]+$")
_CONDITION = _object(
    "type status lastTransitionTime reason message",
    type=_text(316),
    status=_choice("True", "False", "Unknown"),
    observedGeneration={"type": "integer", "format": "int64", "minimum": 0},
    lastTransitionTime={"type": "string", "format": "date-time"},
    reason=_text(1024, pattern="^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$"),
    message={"type": "string", "maxLength": 32768},
)
_CONDITIONS = _map(_CONDITION, "type", most=8)


def _reference(kind: str, group: str, required: str, **more: Any) -> dict[str, Any]:
    return _object(
        required,
        group={"type": "string", "maxLength": 253, "default": group},
        kind=_text(63, default=kind),
        name=_text(),
        namespace=_text(63),
        **more,
    )


_PARENT = _reference("Gateway", GROUP, "name", sectionName=_text(), port=_PORT)
_SERVICE = checked(_reference("Service", "", "name", port=_PORT), gateway_rules.SERVICE)
_NAME_VALUE = _object("name value", name=_HEADER_NAME, value=_text(4096))
_HEADERS = _map(_NAME_VALUE, "name")
_HEADER_FILTER = _object(set=_HEADERS, add=_HEADERS, remove=_set(_STRING))
_PATH_MODIFIER = checked(
    _object(
        "type",
        type=_choice("ReplaceFullPath", "ReplacePrefixMatch"),
        replaceFullPath={"type": "string", "maxLength": 1024},
        replacePrefixMatch={"type": "string", "maxLength": 1024},
    ),
    gateway_rules.PATH_MODIFIER,
)
_FRACTION = _object(
    "numerator",
    numerator={"type": "integer", "format": "int32", "minimum": 0},
    denominator={"type": "integer", "format": "int32", "minimum": 1, "default": 100},
)
_MIRROR = _object(
    "backendRef",
    backendRef=_SERVICE,
    percent={"type": "integer", "format": "int32", "minimum": 0, "maximum": 100},
    fraction=checked(_FRACTION, gateway_rules.FRACTION),
)
_FILTER = _object(
    "type",
    type=_choice(
        "RequestHeaderModifier",
        "ResponseHeaderModifier",
        "RequestMirror",
        "RequestRedirect",
        "URLRewrite",
        "ExtensionRef",
    ),
    requestHeaderModifier=_HEADER_FILTER,
    responseHeaderModifier=_HEADER_FILTER,
    requestMirror=checked(_MIRROR, gateway_rules.MIRROR),
    requestRedirect=_object(
        scheme=_choice("http", "https"),
        hostname=_HOSTNAME,
        path=_PATH_MODIFIER,
        port=_PORT,
        statusCode={"type": "integer", "enum": [301, 302, 303, 307, 308], "default": 302},
    ),
    urlRewrite=_object(hostname=_HOSTNAME, path=_PATH_MODIFIER),
    extensionRef=_object("group kind name", group=_STRING, kind=_text(63), name=_text()),
)
_FILTERS = checked(_list(checked(_FILTER, gateway_rules.FILTER)), gateway_rules.FILTERS)
_BACKEND = {
    **_SERVICE,
    "properties": {**_SERVICE["properties"], "weight": _WEIGHT, "filters": _FILTERS},
}
_VALUE_MATCH = _object(
    "name value",
    type=_choice("Exact", "RegularExpression", default="Exact"),
    name=_HEADER_NAME,
    value=_text(4096),
)
_QUERY_MATCH: dict[str, Any] = {
    **_VALUE_MATCH,
    "properties": {**_VALUE_MATCH["properties"], "value": _text(1024)},
}
_PATH = _object(
    type=_choice("Exact", "PathPrefix", "RegularExpression", default="PathPrefix"),
    value={"type": "string", "maxLength": 1024, "default": "/"},
)
_MATCH = _object(
    path={
        **checked(_PATH, gateway_rules.PATH),
        "default": {"type": "PathPrefix", "value": "/"},
    },
    headers=_map(_VALUE_MATCH, "name"),
    queryParams=_map(_QUERY_MATCH, "name"),
    method=_choice("GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"),
)
_RULE = _object(
    name=_text(),
    matches=_list(_MATCH, 64, default=[{"path": {"type": "PathPrefix", "value": "/"}}]),
    filters=_FILTERS,
    backendRefs=_list(_BACKEND),
    timeouts=checked(_object(request=_DURATION, backendRequest=_DURATION), gateway_rules.TIMEOUTS),
)
_HTTP_ROUTE = _object(
    "spec",
    spec=_object(
        parentRefs=_list(_PARENT, 32),
        hostnames=_list(_HOSTNAME),
        rules=_list(
            checked(_RULE, gateway_rules.RULE),
            default=[{"matches": [{"path": {"type": "PathPrefix", "value": "/"}}]}],
        ),
    ),
    status=_object(
        "parents",
        parents=_list(
            _object(
                "parentRef controllerName conditions",
                parentRef=_PARENT,
                controllerName=_text(),
                conditions=_CONDITIONS,
            ),
            32,
        ),
    ),
)
_ALLOWED_NAMESPACES: dict[str, Any] = {
    "type": "object",
    "properties": {
        "from": _choice("All", "Selector", "Same", default="Same"),
        "selector": {
            "type": "object",
            "x-kubernetes-preserve-unknown-fields": True,
            "x-kubernetes-map-type": "atomic",
        },
    },
    "default": {"from": "Same"},
}
_LISTENER = _object(
    "name port protocol",
    name=_text(),
    hostname=_HOSTNAME,
    port=_PORT,
    protocol=_text(255),
    tls=_object(
        mode=_choice("Terminate", "Passthrough", default="Terminate"),
        certificateRefs=_list(_reference("Secret", "", "name"), 64),
        options={"type": "object", "additionalProperties": _STRING, "maxProperties": 16},
    ),
    allowedRoutes={
        **_object(
            namespaces=_ALLOWED_NAMESPACES,
            kinds=_list(_object("kind", group={**_STRING, "default": GROUP}, kind=_text(63)), 8),
        ),
        "default": {"namespaces": {"from": "Same"}},
    },
)
_ADDRESS = _object(type={**_STRING, "default": "IPAddress"}, value={"type": "string"})
_GATEWAY = _object(
    "spec",
    spec=_object(
        "gatewayClassName listeners",
        gatewayClassName=_text(),
        listeners={**_map(_LISTENER, "name", most=64), "minItems": 1},
        addresses=_list(_ADDRESS),
        infrastructure=_object(
            labels={"type": "object", "additionalProperties": _STRING},
            annotations={"type": "object", "additionalProperties": _STRING},
        ),
    ),
    status=_object(
        addresses=_list({**_ADDRESS, "required": ["value"]}),
        conditions=_CONDITIONS,
        listeners=_map(
            _object(
                "name attachedRoutes conditions",
                name=_text(),
                supportedKinds=_list(_object("kind", group=_STRING, kind=_text(63)), 8),
                attachedRoutes={"type": "integer", "format": "int32"},
                conditions=_CONDITIONS,
            ),
            "name",
            most=64,
        ),
    ),
)
_GATEWAY_CLASS = _object(
    "spec",
    spec=_object(
        "controllerName",
        controllerName={
            **_text(),
            "x-kubernetes-validations": [
                {"rule": "self == oldSelf", "message": "Value is immutable"}
            ],
        },
        description={"type": "string", "maxLength": 64},
        parametersRef=_object(
            "group kind name", group=_STRING, kind=_text(63), name=_text(), namespace=_text(63)
        ),
    ),
    status=_object(
        conditions=_CONDITIONS,
        supportedFeatures=_map(_object("name", name=_STRING), "name", most=64),
    ),
)
SCHEMAS: dict[str, dict[str, Any]] = {
    "Gateway": gateway_texts.described(_GATEWAY, "Gateway"),
    "GatewayClass": gateway_texts.described(_GATEWAY_CLASS, "GatewayClass"),
    "HTTPRoute": gateway_texts.described(_HTTP_ROUTE, "HTTPRoute"),
}
"""Structural schemas by kind, for version v1, without apiVersion, kind and metadata."""
