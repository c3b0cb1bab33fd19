"""The life of namespaces: what a new one holds, and how a deleted one is emptied.

A deleted namespace stays, Terminating, until everything in it is gone; objects that wait for a
finalizer hold it, and its conditions say so.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from tidegate.local.apiserver import machinery
from tidegate.local.apiserver.cluster import NAMESPACES
from tidegate.local.apiserver.deletion import delete
from tidegate.local.apiserver.metadata import complete_new
from tidegate.local.apiserver.options import DeleteOptions

if TYPE_CHECKING:
    from tidegate.local.apiserver.cluster import Cluster
    from tidegate.local.apiserver.kinds import Kind
    from tidegate.local.apiserver.messages import Obj
    from tidegate.local.apiserver.store import Event, Record

INITIAL = ("default", "kube-node-lease", "kube-public", "kube-system")
_ACCOUNTS = "/serviceaccounts"
_CONFIG_MAPS = "/configmaps"
_AUTHORITY = "kube-root-ca.crt"
_DESCRIPTION = "kubernetes.io/description"
_AUTHORITY_IS = (
    "Contains a CA bundle that can be used to verify the kube-apiserver when using internal "
    "endpoints such as the internal service IP or kubernetes.default.svc. No other usage is "
    "guaranteed across distributions of Kubernetes clusters."
)
_FINALIZER = "kubernetes"
_FINISHED = "All content-preserving finalizers finished"
_MANAGER = "kube-controller-manager"


class NamespaceLifeCycle:
    """Follows every namespace, and the contents of those that are being deleted."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._terminating: set[str] = set()

    def load(self) -> None:
        """Make the namespaces that are always there; take up what a restart interrupted."""
        for name in INITIAL:
            if self._cluster.store.get(NAMESPACES, "", name) is None:
                self._cluster.store.put(NAMESPACES, self._new(name))
        for record in self._cluster.store.collection(NAMESPACES).select(None):
            self._follow(record)

    def _new(self, name: str) -> Obj:
        obj: Obj = {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": name, "labels": {"kubernetes.io/metadata.name": name}},
            "spec": {"finalizers": [_FINALIZER]},
            "status": {"phase": "Active"},
        }
        complete_new(obj["metadata"], namespace="", now=self._cluster.now())
        return obj

    def on_event(self, event: Event) -> None:
        """React to one change in the store."""
        record = event.record
        if record.collection == NAMESPACES:
            current = self._cluster.store.get(NAMESPACES, "", record.name)
            if current is None:
                self._terminating.discard(record.name)
            else:
                self._follow(current)
        elif event.type == "DELETED" and record.namespace in self._terminating:
            current = self._cluster.store.get(NAMESPACES, "", record.namespace)
            if current is not None:
                self._empty(current)

    def _follow(self, record: Record) -> None:
        obj = record.decode()
        if obj["metadata"].get("deletionTimestamp"):
            if record.name not in self._terminating:
                self._terminating.add(record.name)
                self._empty(record)
        elif self._cluster.store.get(_ACCOUNTS, record.name, "default") is None:
            account: Obj = {
                "apiVersion": "v1",
                "kind": "ServiceAccount",
                "metadata": {"name": "default"},
            }
            complete_new(account["metadata"], namespace=record.name, now=self._cluster.now())
            self._cluster.store.put(_ACCOUNTS, account)
            self._publish_authority(record.name)

    def _publish_authority(self, namespace: str) -> None:
        """Tell what runs in a namespace by whom the server's certificate is signed."""
        authority = self._cluster.authority
        if not authority or self._cluster.store.get(_CONFIG_MAPS, namespace, _AUTHORITY):
            return
        obj: Obj = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": _AUTHORITY, "annotations": {_DESCRIPTION: _AUTHORITY_IS}},
            "data": {"ca.crt": authority},
        }
        complete_new(obj["metadata"], namespace=namespace, now=self._cluster.now())
        self._cluster.store.put(_CONFIG_MAPS, obj)

    def _empty(self, record: Record) -> None:
        left: list[tuple[Kind, Record]] = []
        for kind, found in self._contents(record.name):
            if b'"deletionTimestamp"' not in found.body:
                delete(self._cluster, kind, found, DeleteOptions(policy="Background"))
        left = list(self._contents(record.name))
        current = self._cluster.store.get(NAMESPACES, "", record.name)
        if current is None:
            return
        obj = current.decode()
        if left:
            self._report(obj, left)
            return
        obj["spec"]["finalizers"] = []
        if not obj["metadata"].get("finalizers"):
            self._terminating.discard(record.name)
            self._cluster.store.remove(current)

    def _contents(self, namespace: str) -> list[tuple[Kind, Record]]:
        return [
            (kind, record)
            for kind in self._cluster.registry.collections()
            if kind.namespaced
            for record in self._cluster.store.collection(kind.collection).select(namespace)
        ]

    def _report(self, obj: Obj, left: list[tuple[Kind, Record]]) -> None:
        """Say in the conditions what is still there."""
        kinds = Counter(kind.qualified for kind, _ in left)
        finalizers = Counter(
            f for _, r in left for f in r.decode()["metadata"].get("finalizers") or ()
        )
        remaining = "Some resources are remaining: " + ", ".join(
            f"{name} has {count} resource instances" for name, count in sorted(kinds.items())
        )
        waiting = "Some content in the namespace has finalizers remaining: " + ", ".join(
            f"{name} in {count} resource instances" for name, count in sorted(finalizers.items())
        )
        conditions = [
            self._condition(obj, "NamespaceDeletionDiscoveryFailure", False,
                            "ResourcesDiscovered", "All resources successfully discovered"),
            self._condition(obj, "NamespaceDeletionGroupVersionParsingFailure", False,
                            "ParsedGroupVersions", "All legacy kube types successfully parsed"),
            self._condition(obj, "NamespaceDeletionContentFailure", False, "ContentDeleted",
                            "All content successfully deleted, may be waiting on finalization"),
            self._condition(obj, "NamespaceContentRemaining", True, "SomeResourcesRemain",
                            remaining),
            self._condition(obj, "NamespaceFinalizersRemaining", bool(finalizers),
                            "SomeFinalizersRemain" if finalizers else "ContentHasNoFinalizers",
                            waiting if finalizers else _FINISHED),
        ]  # fmt: skip
        if obj["status"].get("conditions") != conditions:
            old = {**obj, "status": dict(obj["status"])}
            obj["status"]["conditions"] = conditions
            kind = self._cluster.registry.for_collection(NAMESPACES)
            assert kind is not None, "namespaces are built in"
            obj = machinery.track(
                old,
                obj,
                manager=_MANAGER,
                schema=kind.schema(),
                subresource="status",
                now=self._cluster.clock(),
            )
            self._cluster.store.put(NAMESPACES, obj)

    def _condition(self, obj: Obj, kind: str, value: bool, reason: str, message: str) -> Obj:
        status = "True" if value else "False"
        present = {c["type"]: c for c in obj["status"].get("conditions") or ()}
        before = present.get(kind) or {}
        since = before.get("lastTransitionTime")
        if before.get("status") != status:
            since = self._cluster.now()
        return {
            "type": kind,
            "status": status,
            "lastTransitionTime": since,
            "reason": reason,
            "message": message,
        }
