"""What single built-in kinds demand beyond their schema, and what they get on the way in.

The counterpart of a real server's registry strategies, for the kinds that are served here.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tidegate.local.apiserver import crdrules, podrules, workloadrules
from tidegate.local.apiserver.admission.validation import RULES as ADMISSION_RULES
from tidegate.local.apiserver.auth.validation import RULES as RBAC_RULES
from tidegate.local.apiserver.errors import cause, invalid_value
from tidegate.local.apiserver.eventviews import complete_event
from tidegate.local.apiserver.zerotimes import show_unset_times

if TYPE_CHECKING:
    from collections.abc import Callable

    from tidegate.local.apiserver.kinds import Kind
    from tidegate.local.apiserver.messages import Obj

_CONFIG_KEY = re.compile(r"[-._a-zA-Z0-9]+")
_CONFIG_KEY_TEXT = (
    "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. "
    "'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')"
)


_EMPTY_STATUS = (
    "apps/deployments",
    "batch/jobs",
    "admissionregistration.k8s.io/validatingadmissionpolicies",
)


def on_create(kind: Kind, obj: Obj) -> None:
    """Set what a kind starts with, in place."""
    if kind.collection == "/pods":
        obj["status"] = {"phase": "Pending", "qosClass": _qos(obj["spec"])}
    elif kind.collection == "/namespaces":
        obj["status"] = {"phase": "Active"}
    elif kind.collection == "/services":
        obj["status"] = {"loadBalancer": {}}
    elif kind.collection == "/persistentvolumeclaims":
        obj["status"] = {"phase": "Pending"}
    elif kind.collection in _EMPTY_STATUS:
        obj["status"] = {}
    elif kind.collection == "apps/replicasets":
        obj["status"] = {"replicas": 0}
    elif kind.collection == crdrules.COLLECTION:
        crdrules.on_create(obj)
    elif kind.group == "gateway.networking.k8s.io":
        _gateway_status(kind, obj)


def after_checks(kind: Kind, obj: Obj, *, created: bool) -> None:
    """What an object shows although its own schema would refuse it: nulls."""
    if kind.collection == "/events":
        complete_event(obj)
    elif kind.collection == crdrules.COLLECTION and created:
        obj["status"] = {"conditions": None, **obj["status"]}
    else:
        show_unset_times(kind.collection, obj)


def _gateway_status(kind: Kind, obj: Obj) -> None:
    if kind.plural == "httproutes":
        return
    pending = {
        "type": "Accepted",
        "status": "Unknown",
        "reason": "Pending",
        "message": "Waiting for controller",
        "lastTransitionTime": "1970-01-01T00:00:00Z",
    }
    conditions = [pending]
    if kind.plural == "gateways":
        conditions.append({**pending, "type": "Programmed"})
    obj["status"] = {"conditions": conditions}


def _qos(spec: Obj) -> str:
    resources = [c.get("resources") or {} for c in spec.get("containers") or ()]
    if not any(r.get("requests") or r.get("limits") for r in resources):
        return "BestEffort"
    for one in resources:
        limits = one.get("limits") or {}
        requests = one.get("requests") or limits
        if not {"cpu", "memory"} <= set(limits) or requests != limits:
            return "Burstable"
    return "Guaranteed"


def on_update(kind: Kind, obj: Obj, old: Obj, subresource: str) -> None:
    """Keep what a kind does not let a writer change, in place."""
    if kind.collection == "/namespaces" and subresource != "finalize":
        obj["spec"] = old.get("spec", {})
    elif kind.collection == "/services":
        spec, before = obj.get("spec") or {}, old.get("spec") or {}
        if spec.get("type") != "ExternalName":
            for name in ("clusterIP", "clusterIPs"):
                if not spec.get(name) and before.get(name):
                    spec[name] = before[name]
    elif kind.collection == crdrules.COLLECTION:
        crdrules.on_update(obj, old, subresource)


def problems(kind: Kind, obj: Obj, old: Obj | None) -> list[Obj]:
    """Causes for which the kind refuses the object."""
    rules = _RULES.get(kind.collection)
    return rules(obj, old) if rules else []


def _config_map(obj: Obj, old: Obj | None) -> list[Obj]:
    found = [
        cause(f"data[{key}]", "FieldValueInvalid", invalid_value(key, _CONFIG_KEY_TEXT))
        for field in ("data", "binaryData")
        for key in obj.get(field) or {}
        if not _CONFIG_KEY.fullmatch(key)
    ]
    if _size(obj) > _MOST_DATA:
        found.append(_TOO_MUCH_DATA)
    return found + _immutable_contents(obj, old)


_MOST_DATA = 1024 * 1024
_TOO_MUCH_DATA = cause(
    "[]", "FieldValueTooLong", f"Too long: may not be more than {_MOST_DATA} bytes"
)


def _size(obj: Obj) -> int:
    """How much a ConfigMap or Secret holds."""
    fields = (obj.get("data") or {}, obj.get("binaryData") or {})
    return sum(len(key) + len(str(value)) for field in fields for key, value in field.items())


def _immutable_contents(obj: Obj, old: Obj | None) -> list[Obj]:
    if old is None or not old.get("immutable"):
        return []
    message = "Forbidden: field is immutable when `immutable` is set"
    return [
        cause(field, "FieldValueForbidden", message)
        for field in ("immutable", "data", "binaryData")
        if (obj.get(field) or None) != (old.get(field) or None)
    ]


def _secret(obj: Obj, old: Obj | None) -> list[Obj]:
    found: list[Obj] = []
    if obj.get("type") == "kubernetes.io/tls":
        data = obj.get("data") or {}
        found += [
            cause(f"data[{key}]", "FieldValueRequired", "Required value")
            for key in ("tls.crt", "tls.key")
            if key not in data
        ]
    if old is not None and obj.get("type") != old.get("type"):
        found.append(_fixed("type", obj.get("type")))
    return found + _immutable_contents(obj, old)


def _fixed(field: str, value: object) -> Obj:
    return cause(field, "FieldValueInvalid", invalid_value(value, "field is immutable"))


def _service(obj: Obj, old: Obj | None) -> list[Obj]:
    spec = obj.get("spec") or {}
    found: list[Obj] = []
    headless = spec.get("clusterIP") == "None"
    if not spec.get("ports") and not headless and spec.get("type") != "ExternalName":
        found.append(cause("spec.ports", "FieldValueRequired", "Required value"))
    ports = spec.get("ports") or []
    if len(ports) > 1:
        found += [
            cause(f"spec.ports[{index}].name", "FieldValueRequired", "Required value")
            for index, port in enumerate(ports)
            if not port.get("name")
        ]
    before = ((old or {}).get("spec") or {}).get("clusterIPs")
    if before and spec.get("clusterIP") and spec["clusterIP"] != before[0]:
        message = invalid_value([spec["clusterIP"]], "may not change once set")
        found.append(cause("spec.clusterIPs[0]", "FieldValueInvalid", message))
    return found


def _selector_fits(obj: Obj, old: Obj | None) -> list[Obj]:
    spec = obj.get("spec") or {}
    selector = spec.get("selector") or {}
    wanted = selector.get("matchLabels") or {}
    labels = ((spec.get("template") or {}).get("metadata") or {}).get("labels") or {}
    found: list[Obj] = []
    if not wanted and not selector.get("matchExpressions"):
        found.append(cause("spec.selector", "FieldValueRequired", "Required value"))
    elif any(labels.get(k) != v for k, v in wanted.items()):
        message = invalid_value(labels, "`selector` does not match template `labels`")
        found.append(cause("spec.template.metadata.labels", "FieldValueInvalid", message))
    template = (spec.get("template") or {}).get("spec") or {}
    found += podrules.container_problems(template, "spec.template.spec")
    if old is not None and old["spec"].get("selector") != selector:
        found.append(_fixed("spec.selector", selector))
    return found


def _lease(obj: Obj, old: Obj | None) -> list[Obj]:
    spec = obj.get("spec") or {}
    found: list[Obj] = []
    seconds = spec.get("leaseDurationSeconds")
    if isinstance(seconds, int) and seconds <= 0:
        message = invalid_value(seconds, "must be greater than 0")
        found.append(cause("spec.leaseDurationSeconds", "FieldValueInvalid", message))
    return found


def _event(obj: Obj, old: Obj | None) -> list[Obj]:
    found: list[Obj] = []
    involved = (obj.get("involvedObject") or {}).get("namespace") or ""
    # What is in no namespace is told of in `default`.
    if obj["metadata"].get("namespace") != (involved or "default"):
        message = invalid_value(involved, "does not match event.namespace")
        found.append(cause("involvedObject.namespace", "FieldValueInvalid", message))
    if obj.get("eventTime"):
        if len(obj.get("message") or "") > 1024:
            why = "can have at most 1024 characters"
            found.append(cause("message", "FieldValueInvalid", invalid_value("", why)))
        if old is not None:
            fields = ("involvedObject", "reason", "message", "action", "type", "eventTime")
            found += [_fixed(f, obj.get(f)) for f in fields if obj.get(f) != old.get(f)]
    return found


def view_problems(view: Kind, obj: Obj) -> list[Obj]:
    """What another version demands of a new object beyond what its stored form does."""
    if view.group == "events.k8s.io" and not obj.get("eventTime"):
        return [cause("eventTime", "FieldValueRequired", "Required value")]
    return []


def _controller_revision(obj: Obj, old: Obj | None) -> list[Obj]:
    if old is not None and obj.get("data") != old.get("data"):
        return [_fixed("data", obj.get("data"))]
    return []


_RULES: dict[str, Callable[[Obj, Obj | None], list[Obj]]] = {
    "/configmaps": _config_map,
    "/secrets": _secret,
    "/services": _service,
    "/pods": podrules.problems,
    "/events": _event,
    "apps/deployments": _selector_fits,
    "apps/replicasets": _selector_fits,
    "apps/controllerrevisions": _controller_revision,
    "coordination.k8s.io/leases": _lease,
    crdrules.COLLECTION: crdrules.problems,
    **workloadrules.RULES,
    **ADMISSION_RULES,
    **RBAC_RULES,
}


_MICRO_TIMES = {
    "coordination.k8s.io/leases": (("spec", "acquireTime"), ("spec", "renewTime")),
    "/events": (("eventTime",), ("series", "lastObservedTime")),
}
_MICRO_LAYOUT = "2006-01-02T15:04:05.000000Z07:00"
_MICRO_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}(Z|[+-]\d\d:\d\d)")
_SECONDS = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d")
_BASE64 = re.compile(r"[A-Za-z0-9+/\r\n]*={0,2}[\r\n]*")


def decode_problem(kind: Kind, obj: Obj) -> str:
    """Why Go could not read a string of the object as a time or as bytes; empty when it could."""
    for path in _MICRO_TIMES.get(kind.collection, ()):
        value: object = obj
        for part in path:
            value = value.get(part) if isinstance(value, dict) else None
        if isinstance(value, str) and not _MICRO_TIME.fullmatch(value):
            return _time_problem(value)
    field = {"/configmaps": "binaryData", "/secrets": "data"}.get(kind.collection)
    if field:
        for text in (obj.get(field) or {}).values():
            if isinstance(text, str) and (len(text) % 4 or not _BASE64.fullmatch(text)):
                bad = re.search(r"[^A-Za-z0-9+/=\r\n]", text)
                return f"illegal base64 data at input byte {bad.start() if bad else len(text)}"
    return ""


def _time_problem(text: str) -> str:
    seconds = _SECONDS.match(text)
    rest, wanted = (text[seconds.end() :], ".000000") if seconds else (text, "2006")
    return f'parsing time "{text}" as "{_MICRO_LAYOUT}": cannot parse "{rest}" as "{wanted}"'
