"""Which writes a webhook or policy is asked about: rules, scopes and selectors."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidegate.local.apiserver.cluster import NAMESPACES
from tidegate.local.apiserver.selectors import selector_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tidegate.local.apiserver.admission.call import Call
    from tidegate.local.apiserver.cluster import Cluster
    from tidegate.local.apiserver.messages import Obj

GROUP = "admissionregistration.k8s.io"
_EVERY = "*"


def asked_about(cluster: Cluster, call: Call, entry: Obj, rules: list[Obj]) -> bool:
    """Whether an entry with these rules, and its own selectors, is about that write."""
    if not any(_fits(cluster, call, rule, entry) for rule in rules):
        return False
    return _object_selected(call, entry) and _namespace_selected(cluster, call, entry)


def excluded(cluster: Cluster, call: Call, entry: Obj) -> bool:
    """Whether the entry's `excludeResourceRules` take the write out."""
    rules = entry.get("excludeResourceRules") or ()
    return any(_fits(cluster, call, rule, entry) for rule in rules)


def _fits(cluster: Cluster, call: Call, rule: Obj, entry: Obj) -> bool:
    operations = rule.get("operations") or ()
    if _EVERY not in operations and call.operation not in operations:
        return False
    names = rule.get("resourceNames")
    if names and call.name not in names:
        return False
    if not _scope_fits(call, str(rule.get("scope") or _EVERY)):
        return False
    groups = rule.get("apiGroups") or ()
    if _EVERY not in groups and call.kind.group not in groups:
        return False
    if not _resource_fits(call, rule.get("resources") or ()):
        return False
    versions = rule.get("apiVersions") or ()
    if _EVERY in versions or call.kind.version in versions:
        return True
    # Equivalent, the default: the same objects under another version of their resource.
    return entry.get("matchPolicy") != "Exact" and any(
        cluster.registry.find(call.kind.group, version, call.kind.plural) for version in versions
    )


def _scope_fits(call: Call, scope: str) -> bool:
    if scope == _EVERY:
        return True
    # A Namespace itself counts as a thing of the cluster.
    return (scope == "Namespaced") is call.kind.namespaced


def _resource_fits(call: Call, resources: Iterable[str]) -> bool:
    full = call.kind.plural
    if call.subresource:
        full = f"{full}/{call.subresource}"
    for resource in resources:
        name, _, below = resource.partition("/")
        if resource in ("*/*", full):
            return True
        if resource == _EVERY and not call.subresource:
            return True
        if below == _EVERY and name == call.kind.plural:
            return True
        if name == _EVERY and below and below == call.subresource:
            return True
    return False


def _object_selected(call: Call, entry: Obj) -> bool:
    selector = entry.get("objectSelector")
    if not selector:
        return True
    wanted = selector_of(selector)
    objects = (obj for obj in (call.obj, call.old) if obj is not None)
    return any(wanted.matches((obj.get("metadata") or {}).get("labels") or {}) for obj in objects)


def _namespace_selected(cluster: Cluster, call: Call, entry: Obj) -> bool:
    selector = entry.get("namespaceSelector")
    if not selector:
        return True
    if call.kind.collection == NAMESPACES:
        labels = ((call.obj or call.old or {}).get("metadata") or {}).get("labels") or {}
    elif call.kind.namespaced:
        record = cluster.store.get(NAMESPACES, "", call.namespace)
        labels = record.labels if record is not None else {}
    else:
        return True
    return selector_of(selector).matches(labels)
