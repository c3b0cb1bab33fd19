"""The garbage collector: dependents go with their owners, or are set free, or hold them back.

It follows the store and an index of owners; there is no polling. An object whose every owner is
gone goes too. `foregroundDeletion` waits for the dependents that block, `orphan` lets go of all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidegate.local.apiserver.deletion import FOREGROUND, ORPHAN, delete, is_finished
from tidegate.local.apiserver.options import DeleteOptions

if TYPE_CHECKING:
    from tidegate.local.apiserver.cluster import Cluster
    from tidegate.local.apiserver.messages import Obj
    from tidegate.local.apiserver.store import Event, Record


class GarbageCollector:
    """Follows every object that owns or is owned."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._store = cluster.store

    def load(self) -> None:
        """Take up what a restart interrupted."""
        for _, collection in self._store.everything():
            for record in collection.select(None):
                if record.owners:
                    self._check_owners(record)
                if b'"deletionTimestamp"' in record.body:
                    self._continue_deletion(record)

    def on_event(self, event: Event) -> None:
        """React to one change in the store."""
        record = event.record
        if event.type == "DELETED":
            for dependent in self._store.dependents(record.uid):
                self._check_owners(dependent)
            for owner in record.owners:
                self._owner_may_go(owner)
            return
        current = self._store.by_uid(record.uid)
        if current is None:
            return
        before = event.previous.owners if event.previous is not None else ()
        if record.owners != before:
            if record.owners:
                self._check_owners(current)
            for owner in before:
                if owner not in record.owners:
                    self._owner_may_go(owner)
        if b'"deletionTimestamp"' in current.body:
            self._continue_deletion(current)

    def _owner_may_go(self, uid: str) -> None:
        owner = self._store.by_uid(uid)
        if owner is not None and b'"deletionTimestamp"' in owner.body:
            self._continue_deletion(owner)

    def _check_owners(self, record: Record) -> None:
        """Delete an object that no living owner wants; drop references to dead ones."""
        current = self._store.get(record.collection, record.namespace, record.name)
        if current is None or not current.owners:
            return
        obj = current.decode()
        references = obj["metadata"].get("ownerReferences") or []
        living = [r for r in references if self._lives(r, current.namespace)]
        if len(living) == len(references):
            return
        if living:
            obj["metadata"]["ownerReferences"] = living
            self._store.put(current.collection, obj)
            return
        self._delete(current, obj)

    def _lives(self, reference: Obj, namespace: str) -> bool:
        owner = self._store.by_uid(reference.get("uid", ""))
        if owner is None or owner.name != reference.get("name"):
            return False
        return owner.namespace in ("", namespace)

    def _delete(self, record: Record, obj: Obj, policy: str = "") -> None:
        kind = self._cluster.registry.for_collection(record.collection)
        meta = obj["metadata"]
        if kind is None or meta.get("deletionTimestamp"):
            return
        delete(self._cluster, kind, record, DeleteOptions(policy=policy, uid=record.uid))

    def _continue_deletion(self, record: Record) -> None:
        obj = record.decode()
        meta = obj["metadata"]
        finalizers = meta.get("finalizers") or []
        if not meta.get("deletionTimestamp"):
            return
        if ORPHAN in finalizers:
            self._orphan(record.uid)
            self._release(record, obj, ORPHAN)
        elif FOREGROUND in finalizers and not self._blocked(record.uid):
            self._release(record, obj, FOREGROUND)

    def _orphan(self, uid: str) -> None:
        for dependent in self._store.dependents(uid):
            obj = dependent.decode()
            meta = obj["metadata"]
            kept = [r for r in meta.get("ownerReferences") or () if r.get("uid") != uid]
            if kept:
                meta["ownerReferences"] = kept
            else:
                meta.pop("ownerReferences", None)
            self._store.put(dependent.collection, obj)

    def _blocked(self, uid: str) -> bool:
        """Delete all dependents; whether one that blocks its owner is still there."""
        for dependent in self._store.dependents(uid):
            obj = dependent.decode()
            others = [
                r
                for r in obj["metadata"].get("ownerReferences") or ()
                if r.get("uid") != uid and self._lives(r, dependent.namespace)
            ]
            if not others:
                self._delete(dependent, obj, policy="Foreground")
        return any(
            r.get("uid") == uid and r.get("blockOwnerDeletion")
            for dependent in self._store.dependents(uid)
            for r in dependent.decode()["metadata"].get("ownerReferences") or ()
        )

    def _release(self, record: Record, obj: Obj, finalizer: str) -> None:
        meta = obj["metadata"]
        kept = [f for f in meta.get("finalizers") or () if f != finalizer]
        if kept:
            meta["finalizers"] = kept
        else:
            meta.pop("finalizers", None)
        if is_finished(obj):
            self._store.remove(record)
        else:
            self._store.put(record.collection, obj)
