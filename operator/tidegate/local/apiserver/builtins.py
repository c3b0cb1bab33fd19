"""The kinds that are always there: names, scope, subresources, and what can be selected.

A table, nothing else: the rules of these kinds are in `defaults` and `strategies`, their schemas in
`tidegate.local.schema.builtin`.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from tidegate.local.apiserver.eventviews import core_to_events, events_to_core
from tidegate.local.apiserver.kinds import Kind, Registry, Scale
from tidegate.local.apiserver.machinery import builtin_schema

_REPLICAS = Scale(selector_object=("spec", "selector"))
_EVENT_FIELDS = (
    "involvedObject.kind", "involvedObject.namespace", "involvedObject.name", "involvedObject.uid",
    "involvedObject.apiVersion", "involvedObject.resourceVersion", "involvedObject.fieldPath",
    "reason", "reportingComponent", "source", "type",
)  # fmt: skip
_REGARDING_FIELDS = (
    "regarding.kind", "regarding.namespace", "regarding.name", "regarding.uid",
    "regarding.apiVersion", "reason", "reportingController", "type",
)  # fmt: skip
_POD_FIELDS = (
    "spec.nodeName", "spec.restartPolicy", "spec.schedulerName", "spec.serviceAccountName",
    "spec.hostNetwork", "status.phase", "status.podIP", "status.nominatedNodeName",
)  # fmt: skip
_NO_COLLECTION = ("create", "delete", "get", "list", "patch", "update", "watch")
_ALL = ("all",)


def _kind(group: str, version: str, kind: str, plural: str = "", **more: Any) -> Kind:
    plural = plural or kind.lower() + "s"
    return Kind(
        group=group,
        version=version,
        plural=plural,
        singular=kind.lower(),
        kind=kind,
        schema=partial(builtin_schema, group, version, kind),
        **more,
    )


def _core() -> list[Kind]:
    core = partial(_kind, "", "v1")
    cluster = partial(core, namespaced=False)
    return [
        core("ConfigMap", short_names=("cm",)),
        core("Endpoints", "endpoints", short_names=("ep",)),
        core("Event", short_names=("ev",), selectable=_EVENT_FIELDS),
        cluster(
            "Namespace", short_names=("ns",), status=True, verbs=_NO_COLLECTION,
            returns_deleted=True, selectable=("status.phase",),
        ),
        cluster("Node", short_names=("no",), status=True, selectable=("spec.unschedulable",)),
        cluster("PersistentVolume", short_names=("pv",), status=True, returns_deleted=True),
        core("PersistentVolumeClaim", short_names=("pvc",), status=True, returns_deleted=True),
        core(
            "Pod", short_names=("po",), categories=_ALL, status=True, generation=True,
            returns_deleted=True, selectable=_POD_FIELDS,
        ),
        core("Secret", selectable=("type",)),
        core("Service", short_names=("svc",), categories=_ALL, status=True, returns_deleted=True,
             selectable=("spec.clusterIP", "spec.type")),
        core("ServiceAccount", short_names=("sa",), returns_deleted=True),
    ]  # fmt: skip


def _workloads() -> list[Kind]:
    apps = partial(_kind, "apps", "v1", categories=_ALL, status=True, generation=True)
    batch = partial(_kind, "batch", "v1", categories=_ALL, status=True, generation=True)
    return [
        _kind("apps", "v1", "ControllerRevision"),
        apps("Deployment", short_names=("deploy",), scale=_REPLICAS),
        apps("ReplicaSet", short_names=("rs",), scale=_REPLICAS, selectable=("status.replicas",)),
        batch("CronJob", short_names=("cj",)),
        batch("Job", selectable=("status.successful",)),
        _kind(
            "autoscaling", "v2", "HorizontalPodAutoscaler",
            short_names=("hpa",), categories=_ALL, status=True,
        ),
        _kind(
            "policy", "v1", "PodDisruptionBudget",
            short_names=("pdb",), status=True, generation=True,
        ),
    ]  # fmt: skip


def _network() -> list[Kind]:
    group = "gateway.networking.k8s.io"
    gateway = partial(_kind, group, "v1", categories=("gateway-api",), status=True, generation=True)
    return [
        gateway("GatewayClass", "gatewayclasses", short_names=("gc",), namespaced=False),
        gateway("Gateway", short_names=("gtw",)),
        gateway("HTTPRoute"),
        _kind("discovery.k8s.io", "v1", "EndpointSlice", generation=True),
        _kind(
            "networking.k8s.io", "v1", "NetworkPolicy", "networkpolicies",
            short_names=("netpol",), generation=True,
        ),
    ]  # fmt: skip


def _access() -> list[Kind]:
    rbac = partial(_kind, "rbac.authorization.k8s.io", "v1")
    return [
        rbac("Role"),
        rbac("RoleBinding"),
        rbac("ClusterRole", namespaced=False),
        rbac("ClusterRoleBinding", namespaced=False),
    ]


def _admission() -> list[Kind]:
    kind = partial(
        _kind, "admissionregistration.k8s.io", "v1",
        namespaced=False, generation=True, categories=("api-extensions",),
    )  # fmt: skip
    return [
        kind("MutatingWebhookConfiguration"),
        kind("ValidatingAdmissionPolicy", "validatingadmissionpolicies", status=True),
        kind("ValidatingAdmissionPolicyBinding"),
        kind("ValidatingWebhookConfiguration"),
    ]


def _review(group: str, kind: str, *, namespaced: bool = False) -> Kind:
    return _kind(group, "v1", kind, namespaced=namespaced, verbs=("create",))


def builtin_kinds() -> list[Kind]:
    """Every built-in kind, in the order of discovery."""
    return [
        *_core(),
        *_workloads(),
        _kind("coordination.k8s.io", "v1", "Lease", create_on_update=True),
        _kind(
            "events.k8s.io", "v1", "Event", short_names=("ev",), storage="/events",
            encode=events_to_core, decode=core_to_events, selectable=_REGARDING_FIELDS,
        ),
        *_network(),
        *_access(),
        *_admission(),
        _kind(
            "apiextensions.k8s.io", "v1", "CustomResourceDefinition", namespaced=False,
            short_names=("crd", "crds"), categories=("api-extensions",), status=True,
            generation=True, returns_deleted=True,
        ),
        _review("authentication.k8s.io", "SelfSubjectReview"),
        _review("authentication.k8s.io", "TokenReview"),
        _review("authorization.k8s.io", "LocalSubjectAccessReview", namespaced=True),
        _review("authorization.k8s.io", "SelfSubjectAccessReview"),
        _review("authorization.k8s.io", "SelfSubjectRulesReview"),
        _review("authorization.k8s.io", "SubjectAccessReview"),
    ]  # fmt: skip


def builtin_registry() -> Registry:
    """A registry that serves the built-in kinds."""
    registry = Registry()
    for kind in builtin_kinds():
        registry.add(kind)
    return registry
