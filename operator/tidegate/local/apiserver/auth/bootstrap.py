"""The roles and bindings that every cluster begins with, as a real server makes them.

A table, and what puts it into the store. What somebody changed or deleted is mended at the next
start, as on a real server, unless its annotation `autoupdate` says not to.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidegate.local.apiserver.auth.authorizer import CLUSTER_BINDINGS, CLUSTER_ROLES, GROUP
from tidegate.local.apiserver.auth.rules import Rule
from tidegate.local.apiserver.messages import AUTHENTICATED, MASTERS
from tidegate.local.apiserver.metadata import complete_new

if TYPE_CHECKING:
    from tidegate.local.apiserver.cluster import Cluster
    from tidegate.local.apiserver.messages import Obj

_AUTO_UPDATE = "rbac.authorization.kubernetes.io/autoupdate"
_LABEL = "kubernetes.io/bootstrapping"
AGGREGATE = "rbac.authorization.k8s.io/aggregate-to-"
_READ = ("get", "list", "watch")
_WRITE = ("create", "delete", "deletecollection", "patch", "update")
_HEALTH = ("/healthz", "/livez", "/readyz", "/version", "/version/")
_APIS = ("/api", "/api/*", "/apis", "/apis/*", "/openapi", "/openapi/*")
_UNAUTHENTICATED = "system:unauthenticated"
_EVERYTHING = [Rule(("*",), ("*",), ("*",)), Rule(("*",), paths=("*",))]


def _both(kinds: tuple[str, ...], *below: str) -> tuple[str, ...]:
    return (*kinds, *(f"{kind}/{part}" for kind in kinds for part in below))


_CORE = ("configmaps", "endpoints", "persistentvolumeclaims", "pods", "serviceaccounts", "services")
_APPS = ("controllerrevisions", "deployments", "replicasets")
_JOBS = ("cronjobs", "jobs")
_SHOWN = [
    Rule(_READ, ("",), (*_CORE, "events", "namespaces", "pods/log", "pods/status",
                        "persistentvolumeclaims/status", "services/status")),
    Rule(_READ, ("apps",), (*_APPS, "deployments/scale", "deployments/status",
                            "replicasets/scale", "replicasets/status")),
    Rule(_READ, ("autoscaling",), _both(("horizontalpodautoscalers",), "status")),
    Rule(_READ, ("batch",), _both(_JOBS, "status")),
    Rule(_READ, ("discovery.k8s.io",), ("endpointslices",)),
    Rule(_READ, ("events.k8s.io",), ("events",)),
    Rule(_READ, ("networking.k8s.io",), ("networkpolicies",)),
    Rule(_READ, ("policy",), _both(("poddisruptionbudgets",), "status")),
]  # fmt: skip
_CHANGED = [
    Rule((*_READ, *_WRITE), ("",), ("secrets",)),
    Rule(("impersonate",), ("",), ("serviceaccounts",)),
    Rule(("create",), ("",), ("pods/eviction", "serviceaccounts/token")),
    Rule(_WRITE, ("",), _CORE),
    Rule(("create", "patch", "update"), ("", "events.k8s.io"), ("events",)),
    Rule(_WRITE, ("apps",), (*_APPS, "deployments/scale", "replicasets/scale")),
    Rule(_WRITE, ("autoscaling",), ("horizontalpodautoscalers",)),
    Rule(_WRITE, ("batch",), _JOBS),
    Rule((*_READ, *_WRITE), ("coordination.k8s.io",), ("leases",)),
    Rule(_WRITE, ("networking.k8s.io",), ("networkpolicies",)),
    Rule(_WRITE, ("policy",), ("poddisruptionbudgets",)),
]
_ADMINISTERED = [
    Rule(("create",), ("authorization.k8s.io",), ("localsubjectaccessreviews",)),
    Rule((*_READ, *_WRITE), (GROUP,), ("rolebindings", "roles")),
]
_AGGREGATED = {"admin": "", "edit": "admin", "view": "edit"}
"""Roles that are made of those with their label, and whose label each carries itself."""


def _roles() -> list[Obj]:
    review = ("authorization.k8s.io",)
    found = [
        _role("cluster-admin", _EVERYTHING),
        _role("system:basic-user", [
            Rule(("create",), review, ("selfsubjectaccessreviews", "selfsubjectrulesreviews")),
            Rule(("create",), ("authentication.k8s.io",), ("selfsubjectreviews",)),
        ]),
        _role("system:discovery", [Rule(("get",), paths=(*_APIS, *_HEALTH))]),
        _role("system:public-info-viewer", [Rule(("get",), paths=_HEALTH)]),
        _role("system:monitoring", [Rule(("get",), paths=("/metrics", *_HEALTH))]),
        _role("system:auth-delegator", [
            Rule(("create",), ("authentication.k8s.io",), ("tokenreviews",)),
            Rule(("create",), review, ("subjectaccessreviews",)),
        ]),
        _role("system:aggregate-to-view", _SHOWN, label="view"),
        _role("system:aggregate-to-edit", _CHANGED, label="edit"),
        _role("system:aggregate-to-admin", _ADMINISTERED, label="admin"),
    ]  # fmt: skip
    for name, part_of in _AGGREGATED.items():
        selectors = [{"matchLabels": {f"{AGGREGATE}{name}": "true"}}]
        role = _role(name, [], label=part_of)
        found.append({**role, "aggregationRule": {"clusterRoleSelectors": selectors}})
    return found


def _role(name: str, rules: list[Rule], *, label: str = "") -> Obj:
    labels = {_LABEL: "rbac-defaults", **({f"{AGGREGATE}{label}": "true"} if label else {})}
    return {
        "apiVersion": f"{GROUP}/v1",
        "kind": "ClusterRole",
        "metadata": _metadata(name, labels),
        "rules": [rule.as_object() for rule in rules],
    }


def _metadata(name: str, labels: dict[str, str]) -> Obj:
    return {"name": name, "labels": labels, "annotations": {_AUTO_UPDATE: "true"}}


def _bindings() -> list[Obj]:
    return [
        _binding("cluster-admin", MASTERS),
        _binding("system:basic-user", AUTHENTICATED),
        _binding("system:discovery", AUTHENTICATED),
        _binding("system:public-info-viewer", AUTHENTICATED, _UNAUTHENTICATED),
        _binding("system:monitoring", "system:monitoring"),
    ]


def _binding(name: str, *groups: str) -> Obj:
    return {
        "apiVersion": f"{GROUP}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": _metadata(name, {_LABEL: "rbac-defaults"}),
        "roleRef": {"apiGroup": GROUP, "kind": "ClusterRole", "name": name},
        "subjects": [{"kind": "Group", "apiGroup": GROUP, "name": group} for group in groups],
    }


def load_bootstrap_policy(cluster: Cluster) -> None:
    """Make what is not there, and mend what differs."""
    for collection, objects in ((CLUSTER_ROLES, _roles()), (CLUSTER_BINDINGS, _bindings())):
        for obj in objects:
            _reconcile(cluster, collection, obj)


def _reconcile(cluster: Cluster, collection: str, wanted: Obj) -> None:
    record = cluster.store.get(collection, "", wanted["metadata"]["name"])
    if record is None:
        complete_new(wanted["metadata"], namespace="", now=cluster.now())
        cluster.store.put(collection, wanted)
        return
    found = record.decode()
    if (found["metadata"].get("annotations") or {}).get(_AUTO_UPDATE) != "true":
        return
    fields = ["aggregationRule"] if "aggregationRule" in wanted else ["rules", "subjects"]
    changed = {f: wanted[f] for f in fields if f in wanted and found.get(f) != wanted[f]}
    if changed:
        cluster.store.put(collection, {**found, **changed})
