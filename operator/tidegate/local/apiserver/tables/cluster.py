"""Rows of what surrounds workloads: namespaces, nodes, events, leases, routes, roles."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from tidegate.local.apiserver.eventviews import events_to_core
from tidegate.local.apiserver.tables.ages import age
from tidegate.local.apiserver.tables.core import NONE, shortened, since

if TYPE_CHECKING:
    from datetime import datetime

    from tidegate.local.apiserver.messages import Obj

_ROLE = "node-role.kubernetes.io/"


def name_and_time(obj: Obj, now: datetime) -> list[Any]:
    """For kinds that show when they were made."""
    return [obj["metadata"]["name"], obj["metadata"].get("creationTimestamp")]


def _condition(obj: Obj, kind: str) -> str:
    for one in (obj.get("status") or {}).get("conditions") or ():
        if one.get("type") == kind:
            return str(one.get("status"))
    return ""


def namespace(obj: Obj, now: datetime) -> list[Any]:
    """A namespace."""
    phase = (obj.get("status") or {}).get("phase", "")
    return [obj["metadata"]["name"], phase, since(obj, now)]


def node(obj: Obj, now: datetime) -> list[Any]:
    """A node."""
    status = obj.get("status") or {}
    info = status.get("nodeInfo") or {}
    ready = {"True": "Ready", "False": "NotReady"}.get(_condition(obj, "Ready"), "Unknown")
    if (obj.get("spec") or {}).get("unschedulable"):
        ready += ",SchedulingDisabled"
    labels = obj["metadata"].get("labels") or {}
    roles = sorted(k.removeprefix(_ROLE) for k in labels if k.startswith(_ROLE))
    addresses = {a.get("type"): a.get("address") for a in status.get("addresses") or ()}
    return [
        obj["metadata"]["name"],
        ready,
        ",".join(roles) or NONE,
        since(obj, now),
        info.get("kubeletVersion") or "<unknown>",
        addresses.get("InternalIP") or NONE,
        addresses.get("ExternalIP") or NONE,
        info.get("osImage") or "<unknown>",
        info.get("kernelVersion") or "<unknown>",
        info.get("containerRuntimeVersion") or "<unknown>",
    ]


def event(obj: Obj, now: datetime) -> list[Any]:
    """An event."""
    series = obj.get("series") or {}
    created = obj["metadata"].get("creationTimestamp")
    first = obj.get("firstTimestamp") or obj.get("eventTime") or created
    last = series.get("lastObservedTime") or obj.get("lastTimestamp") or first
    about = obj.get("involvedObject") or {}
    source = obj.get("source") or {}
    component = source.get("component") or obj.get("reportingComponent") or ""
    host = source.get("host") or obj.get("reportingInstance") or ""
    return [
        age(last, now),
        obj.get("type") or "",
        obj.get("reason") or "",
        f"{str(about.get('kind', '')).lower()}/{about.get('name', '')}",
        about.get("fieldPath") or "",
        ", ".join(p for p in (component, host) if p),
        (obj.get("message") or "").strip(),
        age(first, now),
        series.get("count") or obj.get("count") or 1,
        obj["metadata"]["name"],
    ]


def new_event(obj: Obj, now: datetime) -> list[Any]:
    """An event of events.k8s.io."""
    return event(events_to_core(obj), now)


def lease(obj: Obj, now: datetime) -> list[Any]:
    """A lease."""
    holder = (obj.get("spec") or {}).get("holderIdentity") or ""
    return [obj["metadata"]["name"], holder, since(obj, now)]


def endpoint_slice(obj: Obj, now: datetime) -> list[Any]:
    """An endpoint slice."""
    ports = [str(p.get("port", "*")) for p in obj.get("ports") or ()]
    addresses = [a for e in obj.get("endpoints") or () for a in e.get("addresses") or ()]
    return [
        obj["metadata"]["name"],
        obj.get("addressType", ""),
        shortened(ports) if ports else "<unset>",
        shortened(addresses) if addresses else "<unset>",
        since(obj, now),
    ]


def http_route(obj: Obj, now: datetime) -> list[Any]:
    """A route. The host names are JSON, as the Gateway API's own CRD prints them."""
    names = (obj.get("spec") or {}).get("hostnames")
    shown = orjson.dumps(names).decode() if names else None
    return [obj["metadata"]["name"], shown, since(obj, now)]


def gateway(obj: Obj, now: datetime) -> list[Any]:
    """A gateway."""
    addresses = (obj.get("status") or {}).get("addresses") or []
    return [
        obj["metadata"]["name"],
        (obj.get("spec") or {}).get("gatewayClassName", ""),
        ",".join(str(a.get("value", "")) for a in addresses) or None,
        _condition(obj, "Programmed") or None,
        since(obj, now),
    ]


def gateway_class(obj: Obj, now: datetime) -> list[Any]:
    """A gateway class."""
    spec = obj.get("spec") or {}
    return [
        obj["metadata"]["name"],
        spec.get("controllerName", ""),
        _condition(obj, "Accepted") or None,
        since(obj, now),
        spec.get("description"),
    ]


def role_binding(obj: Obj, now: datetime) -> list[Any]:
    """A binding of a role to users, groups and service accounts."""
    reference = obj.get("roleRef") or {}
    subjects = obj.get("subjects") or []

    def named(kind: str) -> str:
        return ", ".join(_subject(s) for s in subjects if s.get("kind") == kind)

    return [
        obj["metadata"]["name"],
        f"{reference.get('kind')}/{reference.get('name')}",
        since(obj, now),
        named("User"),
        named("Group"),
        named("ServiceAccount"),
    ]


def _subject(subject: Obj) -> str:
    namespace = subject.get("namespace")
    return f"{namespace}/{subject.get('name')}" if namespace else str(subject.get("name"))


def webhook_configuration(obj: Obj, now: datetime) -> list[Any]:
    """A MutatingWebhookConfiguration or ValidatingWebhookConfiguration."""
    return [obj["metadata"]["name"], len(obj.get("webhooks") or ()), age(obj, now)]


def admission_policy(obj: Obj, now: datetime) -> list[Any]:
    """A ValidatingAdmissionPolicy."""
    spec = obj.get("spec") or {}
    kind = spec.get("paramKind")
    shown = f"{kind.get('apiVersion')}/{kind.get('kind')}" if kind else "<unset>"
    return [obj["metadata"]["name"], len(spec.get("validations") or ()), shown, age(obj, now)]


def admission_policy_binding(obj: Obj, now: datetime) -> list[Any]:
    """A ValidatingAdmissionPolicyBinding."""
    spec = obj.get("spec") or {}
    reference = spec.get("paramRef")
    shown = "<unset>"
    if reference:
        namespace, name = reference.get("namespace"), reference.get("name") or "*"
        shown = f"{namespace}/{name}" if namespace else name
    return [obj["metadata"]["name"], spec.get("policyName"), shown, age(obj, now)]
