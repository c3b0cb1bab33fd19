"""The objects that controllers read, as the API server last told them; shared, so never change one.

Fed by watch events (`note`), healed by lists (`replace`): a list drops what is gone and mends what
a watch missed. Both may arrive late and crosswise, so versions decide: resourceVersions are
compared as numbers, as Kubernetes promises from 1.35 on and etcd-backed servers always did; where
one is not a number, the later arrival counts. `metadata.managedFields` is not kept, and nor is the
`spec` of pods: nobody reads them, and they are most of what a cluster's objects weigh.

Whoever subscribed is told of every change, with the object before and after it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from tidegate.kube.objects import (
    labels_of,
    name_of,
    namespace_of,
    owners_of,
    resource_version_of,
    uid_of,
)
from tidegate.kube.resources import PODS
from tidegate.runtime import instruments

if TYPE_CHECKING:
    from tidegate.kube.client import Listing
    from tidegate.kube.clock import Clock
    from tidegate.kube.objects import Object
    from tidegate.kube.resources import Resource

type _Name = tuple[str, str]
type _Key = tuple[Resource, str, str]
type Subscriber = Callable[[Object], None]
type Matters = Callable[[Object, Object], bool]
"""Whether a change matters to somebody, by the object before it and after it."""
type Keys = Callable[[Object], Iterable[Hashable]]
"""The keys that an object is found by."""

_BURIED_FOR_S = 300.0
"""Longer than any answer or event can be under way."""


class Cache:
    """Objects by resource, namespace and name, by owner, and by what an index was made for.

    A list by one of `indexed_labels` looks at the objects with that label alone; by any other, at
    all of the resource.
    """

    def __init__(self, clock: Clock, *, indexed_labels: Iterable[str] = ()) -> None:
        self._clock = clock
        self._indexed_labels = frozenset(indexed_labels)
        self._labelled: dict[tuple[Resource, str, str], set[_Name]] = defaultdict(set)
        self._indexes: dict[Resource, dict[str, Keys]] = defaultdict(dict)
        self._indexed: dict[tuple[Resource, str, Hashable], set[_Name]] = defaultdict(set)
        self._objects: dict[Resource, dict[_Name, Object]] = defaultdict(dict)
        self._owned: dict[tuple[Resource, str], set[_Name]] = defaultdict(set)
        self._subscribers: dict[Resource, list[tuple[Subscriber, Matters | None]]] = defaultdict(
            list
        )
        self._buried: dict[_Key, tuple[int, float]] = {}
        self._unconfirmed: dict[_Key, float] = {}
        self._last_event: float | None = None

    def get(self, res: Resource, namespace: str | None, name: str) -> Object | None:
        """Return the object, or None. Read only: it is everybody's."""
        return self._objects[res].get((namespace or "", name))

    def list(
        self,
        res: Resource,
        namespace: str | None = None,
        *,
        labels: Mapping[str, str] | None = None,
    ) -> list[Object]:
        """Return the objects, by name, of one namespace or of all, that carry all `labels`."""
        wanted = (labels or {}).items()
        objects = self._objects[res]
        indexed = next((pair for pair in wanted if pair[0] in self._indexed_labels), None)
        names = objects.keys() if indexed is None else self._labelled.get((res, *indexed), ())
        return [
            objects[name]
            for name in sorted(names)
            if (namespace is None or name[0] == namespace)
            and wanted <= labels_of(objects[name]).items()
        ]

    def add_index(self, res: Resource, index: str, keys: Keys) -> None:
        """Find objects of `res` by `keys` from now on, which must depend on the object alone."""
        self._indexes[res][index] = keys
        for name, obj in self._objects[res].items():
            for key in keys(obj):
                self._indexed[res, index, key].add(name)

    def indexed(self, res: Resource, index: str, key: Hashable) -> Sequence[Object]:
        """Return the objects, by name, that an index (`add_index`) has under a key."""
        names = self._indexed.get((res, index, key), ())
        return [self._objects[res][name] for name in sorted(names)]

    def owned_by(self, owner: Object, res: Resource) -> Iterable[Object]:
        """Return the objects of `res`, by name, that have `owner` among their owners (by uid)."""
        names = self._owned.get((res, uid_of(owner)), ())
        return [self._objects[res][name] for name in sorted(names)]

    def subscribe(
        self, res: Resource, subscriber: Subscriber, *, matters: Matters | None = None
    ) -> None:
        """Call `subscriber` on each change with the object before it and the one after it; where
        `matters` is given, not on changes of which it says no."""
        self._subscribers[res].append((subscriber, matters))

    def note(self, res: Resource, obj: Object, *, deleted: bool = False) -> None:
        """Take what a watch, or an answer to a write of ours, said about one object."""
        if deleted:
            self._bury(res, obj)
        else:
            self._put(res, obj)

    def heard(self, res: Resource, obj: Object) -> None:
        """Tell that a watch delivered an event about `obj`: the watch is alive."""
        self._last_event = self._clock.monotonic()
        self._unconfirmed.pop(_key(res, obj), None)
        instruments.WATCH_EVENTS.labels(res.kind).inc()

    def replace(self, res: Resource, listing: Listing, *, namespace: str | None = None) -> None:
        """Take a complete list, of one namespace or of all.

        Objects that are newer than the list stay; objects deleted since stay away.
        """
        self._forget_burials()
        listed = {(namespace_of(obj) or "", name_of(obj)) for obj in listing.items}
        at = _number(listing.resource_version)
        vanished = [
            obj
            for name, obj in self._objects[res].items()
            if name not in listed
            and (namespace is None or name[0] == namespace)
            and not _newer(obj, at)
        ]
        for obj in vanished:
            self._remove(res, obj)
            instruments.CACHE_REPAIRS.labels(res.kind, "vanished").inc()
        for obj in listing.items:
            if self._put(res, obj):
                self._unconfirmed.setdefault(_key(res, obj), self._clock.monotonic())
                instruments.CACHE_REPAIRS.labels(res.kind, "changed").inc()

    def missed_since(self) -> float | None:
        """Return when (`monotonic()`) a list first showed a change that no watch has told yet."""
        return min(self._unconfirmed.values(), default=None)

    @property
    def last_event(self) -> float | None:
        """When (`monotonic()` seconds) the last watch event arrived; None before the first."""
        return self._last_event

    def _put(self, res: Resource, obj: Object) -> bool:
        """Keep `obj` unless something as new is known of it; tell whether it was kept."""
        name = (namespace_of(obj) or "", name_of(obj))
        version = _number(resource_version_of(obj))
        buried, _ = self._buried.get((res, *name), (None, 0.0))
        if version is not None and buried is not None and version <= buried:
            return False
        before = self._objects[res].get(name)
        if before is not None and (
            resource_version_of(before) == resource_version_of(obj) or _newer(before, version)
        ):
            return False
        kept = _lean(res, obj)
        self._objects[res][name] = kept
        self._index(res, before, kept, name)
        self._tell(res, before, kept)
        return True

    def _bury(self, res: Resource, obj: Object) -> None:
        """Drop `obj`, and remember it for a while: older news of it may still be under way."""
        version = _number(resource_version_of(obj))
        if version is not None:
            self._buried[_key(res, obj)] = (version, self._clock.monotonic())
        known = self.get(res, namespace_of(obj), name_of(obj))
        # The deletion of an earlier object of that name says nothing about the one that is kept.
        if known is not None and uid_of(known) == uid_of(obj):
            self._remove(res, known)

    def _forget_burials(self) -> None:
        limit = self._clock.monotonic() - _BURIED_FOR_S
        for key in [key for key, (_, when) in self._buried.items() if when < limit]:
            del self._buried[key]

    def _remove(self, res: Resource, obj: Object) -> None:
        name = (namespace_of(obj) or "", name_of(obj))
        del self._objects[res][name]
        self._unconfirmed.pop((res, *name), None)
        self._index(res, obj, None, name)
        self._tell(res, obj, None)

    def _index(
        self, res: Resource, before: Object | None, after: Object | None, name: _Name
    ) -> None:
        for reference in owners_of(before or {}):
            _discard(self._owned, (res, str(reference.get("uid", ""))), name)
        for reference in owners_of(after or {}):
            self._owned[res, str(reference.get("uid", ""))].add(name)
        for label in self._indexed_labels:
            if before is not None and label in labels_of(before):
                _discard(self._labelled, (res, label, labels_of(before)[label]), name)
            if after is not None and label in labels_of(after):
                self._labelled[res, label, labels_of(after)[label]].add(name)
        for index, keys in self._indexes[res].items():
            for key in keys(before) if before is not None else ():
                _discard(self._indexed, (res, index, key), name)
            for key in keys(after) if after is not None else ():
                self._indexed[res, index, key].add(name)
        instruments.CACHE_OBJECTS.labels(res.kind).set(len(self._objects[res]))

    def _tell(self, res: Resource, before: Object | None, after: Object | None) -> None:
        for subscriber, matters in self._subscribers[res]:
            if before and after and matters is not None and not matters(before, after):
                continue
            for obj in (before, after):
                if obj is not None:
                    subscriber(obj)


def _discard[K](entries: dict[K, set[_Name]], key: K, name: _Name) -> None:
    """Take a name out, and the whole entry with the last one."""
    entries[key].discard(name)
    if not entries[key]:
        del entries[key]


def _key(res: Resource, obj: Object) -> _Key:
    return res, namespace_of(obj) or "", name_of(obj)


def _number(version: str) -> int | None:
    return int(version) if version.isdecimal() else None


def _newer(obj: Object, than: int | None) -> bool:
    """Tell whether `obj` is surely newer than a version."""
    version = _number(resource_version_of(obj))
    return version is not None and than is not None and version > than


def _lean(res: Resource, obj: Object) -> Object:
    """The object without what nobody reads."""
    metadata = obj.get("metadata", {})
    if "managedFields" in metadata:
        metadata = {k: v for k, v in metadata.items() if k != "managedFields"}
        obj = {**obj, "metadata": metadata}
    if res == PODS and "spec" in obj:
        obj = {k: v for k, v in obj.items() if k != "spec"}
    return obj
