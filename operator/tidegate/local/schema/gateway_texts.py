"""What the fields of the Gateway API's kinds mean, for `kubectl explain`.

Written for this project. A text belongs to the end of a field's path, and the longest end wins:
parts that several kinds share are described once. It decides nothing about the schemas.
"""

from __future__ import annotations

from typing import Any

_TEXTS: dict[str, str] = {
    # The kinds
    "GatewayClass": "A sort of gateway that a cluster offers, and the controller that runs it.",
    "GatewayClass.spec": "Who runs gateways of this class.",
    "GatewayClass.spec.controllerName": (
        "The controller that runs gateways of this class, as a domain and a path. It cannot be "
        "changed."
    ),
    "GatewayClass.spec.description": "What the class is good for, in a few words.",
    "GatewayClass.spec.parametersRef": "An object with settings that the controller understands.",
    "GatewayClass.status": "What the controller says about the class.",
    "supportedFeatures": "Optional parts of the Gateway API that the controller has.",
    "supportedFeatures[].name": "The name of the feature, as the Gateway API spells it.",
    "Gateway": "A place where traffic enters: addresses and ports that routes can attach to.",
    "Gateway.spec": "Which ports are open, and to whose routes.",
    "Gateway.spec.gatewayClassName": "The GatewayClass whose controller runs this gateway.",
    "Gateway.spec.addresses": "The addresses that the gateway should have; else it gets some.",
    "Gateway.spec.infrastructure": "What is put on the objects that are made for this gateway.",
    "infrastructure.labels": "Labels of those objects.",
    "infrastructure.annotations": "Annotations of those objects.",
    "Gateway.status": "Where the gateway can be reached, and how each listener is.",
    "Gateway.status.addresses": "The addresses that the gateway has.",
    "addresses[].type": "What sort of address it is, such as IPAddress or Hostname.",
    "addresses[].value": "The address itself.",
    "HTTPRoute": "Which HTTP requests of a gateway go to which Services.",
    "HTTPRoute.spec": "The gateways, the hostnames and the rules of the route.",
    "HTTPRoute.spec.hostnames": (
        "The hosts for which the rules hold; a leading `*.` stands for any name below. Without "
        "any, they hold for every host of the listener."
    ),
    "HTTPRoute.spec.parentRefs": "The gateways, or their listeners, that the route attaches to.",
    "HTTPRoute.spec.rules": (
        "What happens to a request: the rule with the most specific match decides. Without a "
        "match, a rule takes every request."
    ),
    "HTTPRoute.status": "What each gateway says about the route.",
    # Rules
    "rules[].name": "A name for the rule, by which others can point at it.",
    "rules[].matches": "Which requests the rule takes: those that fit any one of these.",
    "rules[].filters": "What is done to each request or its response on the way.",
    "rules[].backendRefs": (
        "The Services that answer. Each gets its weight's share of the requests; the sum is free."
    ),
    "rules[].timeouts": "How long a request may take. Past it the client gets a 504.",
    "timeouts.request": "The time for the whole request, such as `10s`. Zero means no limit.",
    "timeouts.backendRequest": "The time for one attempt at a Service; at most the whole time.",
    "matches[].path": "What the path of the request must be. Any path, unless it is given.",
    "path.type": (
        "How a path is compared: Exact, PathPrefix (whole elements) or RegularExpression."
    ),
    "path.value": "The path to compare with.",
    "matches[].headers": "Headers that the request must have, all of them.",
    "matches[].queryParams": "Query parameters that the request must have, all of them.",
    "matches[].method": "The HTTP method that the request must have.",
    "headers[].type": "How the value is compared.",
    "headers[].name": "The header's name; its case does not matter.",
    "headers[].value": "The value that it must have.",
    "queryParams[].type": "How the value is compared.",
    "queryParams[].name": "The parameter's name, case and all.",
    "queryParams[].value": "The value that it must have.",
    "backendRefs[].weight": (
        "This Service's share of the requests, in relation to the other weights. With 0 it gets "
        "none, but stays configured."
    ),
    "backendRefs[].filters": "What is done only to requests that go to this Service.",
    # Filters
    "filters[].type": "Which filter it is; the field of that name holds its settings.",
    "filters[].requestHeaderModifier": "Headers to change before the Service sees the request.",
    "filters[].responseHeaderModifier": "Headers to change before the client sees the response.",
    "set": "Headers that get this value, whatever they had.",
    "add": "Headers that get this value besides what they had.",
    "remove": "Headers that are taken away.",
    "set[].name": "The header's name.",
    "set[].value": "Its new value.",
    "add[].name": "The header's name.",
    "add[].value": "The value to add.",
    "filters[].requestMirror": (
        "A copy of each request for another Service, whose responses nobody gets to see."
    ),
    "requestMirror.backendRef": "The Service that gets the copies.",
    "requestMirror.percent": "How many of a hundred requests are copied. All, unless it is given.",
    "requestMirror.fraction": "Which fraction of the requests is copied.",
    "fraction.numerator": "The upper part of the fraction.",
    "fraction.denominator": "The lower part of the fraction.",
    "filters[].requestRedirect": "An answer that sends the client elsewhere.",
    "requestRedirect.scheme": "The scheme of the new address; else that of the request.",
    "requestRedirect.hostname": "The host of the new address; else that of the request.",
    "requestRedirect.path": "How the path of the new address is made from the request's.",
    "requestRedirect.port": "The port of the new address.",
    "requestRedirect.statusCode": "The HTTP status of the answer.",
    "filters[].urlRewrite": "Another address under which the Service sees the request.",
    "urlRewrite.hostname": "The host that the Service sees.",
    "urlRewrite.path": "How the path that the Service sees is made from the request's.",
    "requestRedirect.path.type": "Whether the whole path is replaced or the prefix that matched.",
    "urlRewrite.path.type": "Whether the whole path is replaced or the prefix that matched.",
    "path.replaceFullPath": "The path that takes the place of the whole one.",
    "path.replacePrefixMatch": "The path that takes the place of the prefix that matched.",
    "filters[].extensionRef": "An object that describes a filter of the gateway's own.",
    # References
    "group": "The API group of the object; empty for the core group.",
    "kind": "The kind of the object.",
    "name": "The name of the object.",
    "namespace": "The namespace of the object; unless it is given, the one that refers to it.",
    "port": "The port of the Service that gets the requests.",
    "parentRefs[].port": "The port of the listener, when only that one is meant.",
    "parentRefs[].sectionName": "The name of the listener, when only that one is meant.",
    "parentRef.port": "The port of the listener, when only that one is meant.",
    "parentRef.sectionName": "The name of the listener, when only that one is meant.",
    # Listeners
    "Gateway.spec.listeners": "The ports that are open.",
    "Gateway.status.listeners": "How each listener is.",
    "listeners[].name": "The listener's name, which routes may point at.",
    "listeners[].hostname": "The host that is served; any, unless it is given.",
    "listeners[].port": "The port's number.",
    "listeners[].protocol": "What is spoken on the port, such as HTTP or HTTPS.",
    "listeners[].tls": "Certificates, for a protocol that needs them.",
    "tls.mode": "Whether TLS ends at the gateway or behind it.",
    "tls.certificateRefs": "The Secrets with the certificates.",
    "tls.options": "Settings that the controller understands.",
    "listeners[].allowedRoutes": "Which routes may attach.",
    "allowedRoutes.namespaces": "The namespaces whose routes may attach.",
    "namespaces.from": "All namespaces, the gateway's own (Same) or those that the selector takes.",
    "namespaces.selector": "The labels of the namespaces whose routes may attach.",
    "allowedRoutes.kinds": "The kinds of routes that may attach.",
    "listeners[].supportedKinds": "The kinds of routes that the listener takes.",
    "listeners[].attachedRoutes": "How many routes are attached.",
    # Status
    "parents": "One entry for each gateway that looked at the route.",
    "parents[].parentRef": "The gateway that the entry is about, as the route refers to it.",
    "parents[].controllerName": "The controller that wrote the entry.",
    "conditions": "What is true of it at present.",
    "conditions[].type": "What the condition is about, such as Accepted or Programmed.",
    "conditions[].status": "Whether it is so: True, False or Unknown.",
    "conditions[].observedGeneration": "The generation of the object that was looked at.",
    "conditions[].lastTransitionTime": "When the status last changed.",
    "conditions[].reason": "Why, in one word for programs.",
    "conditions[].message": "Why, in a sentence for people.",
}


def described(schema: dict[str, Any], path: str) -> dict[str, Any]:
    """The schema with a description on every field, as a copy: its parts are shared.

    :raises KeyError: for a field without a text.
    """
    found = dict(schema)
    if not path.endswith("[]"):
        found["description"] = _text(path)
    if "properties" in schema:
        found["properties"] = {
            name: described(below, f"{path}.{name}") for name, below in schema["properties"].items()
        }
    if isinstance(schema.get("items"), dict):
        found["items"] = described(schema["items"], f"{path}[]")
    return found


def _text(path: str) -> str:
    parts = path.split(".")
    for start in range(len(parts)):
        end = ".".join(parts[start:])
        if end in _TEXTS:
            return _TEXTS[end]
    raise KeyError(path)
