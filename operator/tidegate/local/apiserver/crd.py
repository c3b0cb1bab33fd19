"""The life of CustomResourceDefinitions: names accepted, kinds served, instances cleaned up."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidegate.local.apiserver import crdrules, machinery
from tidegate.local.apiserver.deletion import delete
from tidegate.local.apiserver.options import DeleteOptions

if TYPE_CHECKING:
    from tidegate.local.apiserver.cluster import Cluster
    from tidegate.local.apiserver.kinds import Kind
    from tidegate.local.apiserver.messages import Obj
    from tidegate.local.apiserver.store import Event, Record

_MANAGER = "kube-apiserver"


class CrdLifeCycle:
    """Follows every CRD, and the instances of those that are being deleted."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        # CRDs that wait for their last instance to go, by collection.
        self._draining: dict[str, str] = {}
        self._served: dict[str, Obj] = {}

    def load(self) -> None:
        """Serve what was established before a restart."""
        for record in self._cluster.store.collection(crdrules.COLLECTION).select(None):
            self._follow(record)

    def on_event(self, event: Event) -> None:
        """React to one change in the store."""
        if event.record.collection == crdrules.COLLECTION:
            if event.type == "DELETED":
                self._forget(event.record)
            else:
                current = self._current(event.record.name)
                if current is not None:
                    self._follow(current)
        elif event.type == "DELETED" and event.record.collection in self._draining:
            current = self._current(self._draining[event.record.collection])
            if current is not None:
                self._drain(current)

    def _current(self, name: str) -> Record | None:
        return self._cluster.store.get(crdrules.COLLECTION, "", name)

    def _forget(self, record: Record) -> None:
        crd = record.decode()
        collection = _collection(crd)
        self._draining.pop(collection, None)
        self._served.pop(record.name, None)
        self._cluster.registry.remove_owner(record.name)
        self._cluster.hub.close_collection(collection)
        self._retry_others(crd["spec"]["group"])

    def _retry_others(self, group: str) -> None:
        """Names that became free may now be accepted for others."""
        for record in self._cluster.store.collection(crdrules.COLLECTION).select(None):
            if record.decode()["spec"]["group"] == group:
                self._follow(record)

    def _follow(self, record: Record) -> None:
        crd = record.decode()
        if crd["metadata"].get("deletionTimestamp"):
            if record.name not in self._served and self._accept_names(crd)[1] is None:
                # After a restart: its instances are still to be deleted, so they must be known.
                self._serve(crd)
            self._drain(record)
            return
        accepted, problem = self._accept_names(crd)
        conditions = _conditions(crd, problem, self._cluster.now())
        wanted = {**(crd.get("status") or {}), "conditions": conditions, "acceptedNames": accepted}
        if wanted != crd.get("status"):
            self._store({**crd, "status": wanted}, crd, "status")
        if problem is None or record.name in self._served:
            self._serve(crd)

    def _serve(self, crd: Obj) -> None:
        name = crd["metadata"]["name"]
        if self._served.get(name) == crd["spec"]:
            return
        self._served[name] = crd["spec"]
        registry = self._cluster.registry
        registry.remove_owner(name)
        for kind in crdrules.kinds_of(crd):
            registry.add(kind)
        self._cluster.store.collection(_collection(crd))

    def _accept_names(self, crd: Obj) -> tuple[Obj, tuple[str, str] | None]:
        """The names that are free, and the reason and message about the last that is not."""
        names = crd["spec"]["names"]
        resources: set[str] = set()
        objects: set[str] = set()
        for kind in self._cluster.registry:
            if kind.group == crd["spec"]["group"] and kind.owner != crd["metadata"]["name"]:
                resources.update((kind.plural, kind.singular, *kind.short_names))
                objects.update((kind.kind, kind.listing))
        accepted: Obj = {"plural": "", "kind": ""}
        problem: tuple[str, str] | None = None
        for field, taken in (
            ("plural", resources),
            ("singular", resources),
            ("shortNames", resources),
            ("kind", objects),
            ("listKind", objects),
        ):
            value = names.get(field)
            clash = [v for v in (value if isinstance(value, list) else [value]) if v in taken]
            if clash:
                reason = f"{field[0].upper()}{field[1:]}Conflict"
                problem = (reason, f'"{clash[0]}" is already in use')
            elif value:
                accepted[field] = value
        if names.get("categories"):
            accepted["categories"] = names["categories"]
        return accepted, problem

    def _store(self, obj: Obj, old: Obj, subresource: str) -> None:
        kind = self._kind()
        obj = machinery.track(
            old,
            obj,
            manager=_MANAGER,
            schema=kind.schema(),
            subresource=subresource,
            now=self._cluster.clock(),
        )
        self._cluster.store.put(crdrules.COLLECTION, obj)

    def _kind(self) -> Kind:
        found = self._cluster.registry.for_collection(crdrules.COLLECTION)
        assert found is not None, "CRDs are built in"
        return found

    def _drain(self, record: Record) -> None:
        """Delete the instances; when none is left, let the CRD go."""
        crd = record.decode()
        finalizers = crd["metadata"].get("finalizers") or []
        if crdrules.CLEANUP not in finalizers:
            return
        collection = _collection(crd)
        kind = self._cluster.registry.for_collection(collection)
        instances = self._cluster.store.collection(collection).select(None)
        if kind is not None and instances:
            self._draining[collection] = record.name
            for instance in instances:
                if not instance.decode()["metadata"].get("deletionTimestamp"):
                    delete(self._cluster, kind, instance, DeleteOptions())
            if self._cluster.store.collection(collection).records:
                return
        self._draining.pop(collection, None)
        left = [f for f in finalizers if f != crdrules.CLEANUP]
        if left:
            crd["metadata"]["finalizers"] = left
            self._cluster.store.put(crdrules.COLLECTION, crd)
        elif self._cluster.store.get(crdrules.COLLECTION, "", record.name) is not None:
            self._cluster.store.remove(record)


def _collection(crd: Obj) -> str:
    return f"{crd['spec']['group']}/{crd['spec']['names']['plural']}"


def _conditions(crd: Obj, problem: tuple[str, str] | None, now: str) -> list[Obj]:
    present = {c["type"]: c for c in (crd.get("status") or {}).get("conditions") or ()}
    if problem:
        accepted = ("False", *problem)
        established = ("False", "NotAccepted", "not all names are accepted")
    else:
        accepted = ("True", "NoConflicts", "no conflicts found")
        established = ("True", "InitialNamesAccepted", "the initial names have been accepted")
    if (present.get("Established") or {}).get("status") == "True":
        # Once established a CRD stays so, whatever happens to its names.
        established = ("True", "InitialNamesAccepted", "the initial names have been accepted")
    ours = {
        "NamesAccepted": _condition("NamesAccepted", accepted, present, now),
        "Established": _condition("Established", established, present, now),
    }
    return [*(c for t, c in present.items() if t not in ours), *ours.values()]


def _condition(kind: str, values: tuple[str, str, str], present: dict[str, Obj], now: str) -> Obj:
    status, reason, message = values
    before = present.get(kind) or {}
    since = before.get("lastTransitionTime") if before.get("status") == status else now
    return {
        "type": kind,
        "status": status,
        "lastTransitionTime": since,
        "reason": reason,
        "message": message,
    }
