"""The objects: held in memory as encoded JSON, one revision for all of them, a window of history.

A write is decided and applied in one step on the event loop, handed to the journal, and published
to watchers and acknowledged to the writer only once the journal has it. The store knows no kinds:
collections are plain names, and it never looks into an object beyond `metadata`.
"""

from __future__ import annotations

import asyncio
import bisect
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import orjson

from tidegate.local.apiserver.errors import ApiError
from tidegate.local.apiserver.journal import Change, Journal, damaged

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tidegate.local.apiserver.messages import Obj

# How many changes of one collection a watch can resume over.
HISTORY = 4096
# Revisions skipped at a restart, so that none that a client saw unacknowledged is used twice.
RESTART_GAP = 1000

Key = tuple[str, str]
"""Namespace (empty for cluster-scoped objects) and name."""


class Record(NamedTuple):
    """One stored object, as bytes, with what is needed to find it without decoding."""

    collection: str
    namespace: str
    name: str
    uid: str
    revision: int
    body: bytes
    labels: dict[str, str]
    owners: tuple[str, ...]

    def decode(self) -> Obj:
        """A fresh copy of the object, free to be changed."""
        obj: Obj = orjson.loads(self.body)
        return obj


class Event(NamedTuple):
    """One change. `previous` is None for a creation, `record` is the last state for a deletion."""

    type: str
    revision: int
    record: Record
    previous: Record | None


@dataclass
class Collection:
    """All objects of one resource, sorted by namespace and name, and their recent history."""

    records: dict[Key, Record] = field(default_factory=dict)
    keys: list[Key] = field(default_factory=list)
    history: deque[Event] = field(default_factory=lambda: deque(maxlen=HISTORY))
    floor: int = 0
    """Changes up to this revision are no longer in `history`."""

    def select(self, namespace: str | None) -> list[Record]:
        """The records of one namespace, or of all, in order."""
        if namespace is None:
            return [self.records[k] for k in self.keys]
        start = bisect.bisect_left(self.keys, (namespace, ""))
        end = bisect.bisect_left(self.keys, (namespace + "\0", ""))
        return [self.records[k] for k in self.keys[start:end]]

    def put(self, record: Record) -> None:
        key = (record.namespace, record.name)
        if key not in self.records:
            bisect.insort(self.keys, key)
        self.records[key] = record

    def drop(self, key: Key) -> None:
        del self.records[key]
        del self.keys[bisect.bisect_left(self.keys, key)]


def record_of(collection: str, obj: Obj, revision: int) -> Record:
    """Encode an object; its metadata must be complete but for the resourceVersion."""
    metadata = obj["metadata"]
    metadata["resourceVersion"] = str(revision)
    # What it is comes first, as a real server writes it; lists can then leave it out.
    ordered: Obj = {k: obj[k] for k in ("kind", "apiVersion") if k in obj}
    ordered |= obj
    return _record(collection, metadata, revision, orjson.dumps(ordered))


def _record(collection: str, metadata: Obj, revision: int, body: bytes) -> Record:
    return Record(
        collection,
        metadata.get("namespace", ""),
        metadata["name"],
        metadata.get("uid", ""),
        revision,
        body,
        metadata.get("labels") or {},
        tuple(o.get("uid", "") for o in metadata.get("ownerReferences") or ()),
    )


class Store:
    """Every object of the cluster. Use it from one event loop only."""

    def __init__(self, journal: Journal | None = None) -> None:
        self._collections: dict[str, Collection] = {}
        self._by_uid: dict[str, Record] = {}
        self._dependents: dict[str, set[tuple[str, str, str]]] = {}
        self._journal = journal
        self._unpublished: deque[Event] = deque()
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()
        self._loop: asyncio.AbstractEventLoop | None = None
        self.revision = 0
        """Of the newest write."""
        self.published = 0
        """Of the newest write that watchers were told of."""
        self.subscribers: list[Callable[[Event], None]] = []
        self.writes = 0
        """Number of writes since start."""
        self.list_floor = 0
        """Lists as of an earlier revision are refused, as etcd refuses them once compacted."""

    @classmethod
    def memory(cls) -> Store:
        """A store that forgets everything at the end."""
        return cls()

    @classmethod
    def open(cls, path: Path) -> Store:
        """A store kept in a SQLite file, which is made when it is absent.

        :raises Terminal: when the file is damaged, or newer than this program.
        """
        store = cls()
        journal = Journal(path, flushed=store._flushed)
        try:
            for change in journal.load():
                if change.body is not None:
                    store._load(change)
        except (ValueError, KeyError, TypeError) as error:
            raise damaged(path, f"an object cannot be read: {error}") from error
        last = max(store.revision, journal.last_revision())
        store.revision = store.published = last + RESTART_GAP if last else 0
        for collection in store._collections.values():
            collection.floor = store.revision
        store._journal = journal
        journal.start()
        return store

    def copy(self) -> Store:
        """A store in memory that has the same objects now and goes its own way from here."""
        store = Store()
        store.revision = store.published = self.revision
        for name, found in self._collections.items():
            floor = self.revision
            store._collections[name] = Collection(
                dict(found.records), list(found.keys), floor=floor
            )
        store._by_uid = dict(self._by_uid)
        store._dependents = {uid: set(keys) for uid, keys in self._dependents.items()}
        return store

    def close(self) -> None:
        """Write what is left and close the file."""
        if self._journal is not None:
            self._journal.stop()

    def _load(self, change: Change) -> None:
        assert change.body is not None
        metadata = orjson.loads(change.body)["metadata"]
        record = _record(change.collection, metadata, change.revision, change.body)
        self.collection(change.collection).put(record)
        self._index(record)
        self.revision = max(self.revision, change.revision)

    # Reading

    def collection(self, name: str) -> Collection:
        """A collection; it begins to exist when first asked for."""
        found = self._collections.get(name)
        if found is None:
            found = self._collections[name] = Collection(floor=self.revision)
        return found

    def get(self, collection: str, namespace: str, name: str) -> Record | None:
        """One record, or None."""
        found = self._collections.get(collection)
        return found.records.get((namespace, name)) if found else None

    def by_uid(self, uid: str) -> Record | None:
        """The living object with that uid, or None."""
        return self._by_uid.get(uid)

    def dependents(self, uid: str) -> list[Record]:
        """The objects that name this uid among their owners."""
        found = (self.get(*key) for key in sorted(self._dependents.get(uid, ())))
        return [r for r in found if r is not None]

    def everything(self) -> Iterator[tuple[str, Collection]]:
        """All collections, by name."""
        yield from list(self._collections.items())

    def snapshot(self, collection: str, revision: int) -> dict[Key, Record] | None:
        """The records as they were at a revision; None when history no longer reaches it."""
        found = self.collection(collection)
        if revision < max(found.floor, self.list_floor) or revision > self.revision:
            return None
        records = dict(found.records)
        for event in reversed(found.history):
            if event.revision <= revision:
                break
            key = (event.record.namespace, event.record.name)
            if event.previous is None:
                records.pop(key, None)
            else:
                records[key] = event.previous
        return records

    # Writing

    def put(self, collection: str, obj: Obj) -> Record:
        """Store an object under a new revision, which is written into it. Await `flush` then.

        :raises ApiError: 500 when the disk refused an earlier write.
        """
        self._healthy()
        self.revision += 1
        record = record_of(collection, obj, self.revision)
        found = self.collection(collection)
        previous = found.records.get((record.namespace, record.name))
        found.put(record)
        if previous is not None:
            self._unindex(previous)
        self._index(record)
        kind = "ADDED" if previous is None else "MODIFIED"
        self._log(found, Event(kind, self.revision, record, previous), record.body)
        return record

    def remove(self, record: Record) -> None:
        """Remove a record for good. Await `flush` then."""
        self._healthy()
        self.revision += 1
        found = self.collection(record.collection)
        previous = found.records[record.namespace, record.name]
        found.drop((record.namespace, record.name))
        self._unindex(previous)
        last = record_of(record.collection, previous.decode(), self.revision)
        self._log(found, Event("DELETED", self.revision, last, previous), None)

    async def flush(self) -> None:
        """Wait until everything written so far is durable.

        :raises ApiError: 500 when the disk refused it.
        """
        if self._journal is None:
            # What follows from the write gets its turn before the writer goes on.
            await asyncio.sleep(0)
            return
        if self.published >= self.revision:
            return
        self._loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = self._loop.create_future()
        self._waiting.append((self.revision, future))
        await future
        self._healthy()

    def _healthy(self) -> None:
        if self._journal is not None and self._journal.failure is not None:
            raise ApiError(
                500,
                "InternalError",
                f"the state file cannot be written: {self._journal.failure}; make room on the "
                "disk, then `tidegate local down` and `tidegate local up`",
            )

    def _log(self, collection: Collection, event: Event, body: bytes | None) -> None:
        self.writes += 1
        if len(collection.history) == HISTORY:
            collection.floor = collection.history[0].revision
        collection.history.append(event)
        record = event.record
        if self._journal is None:
            self._publish(event)
            return
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
        self._unpublished.append(event)
        self._journal.append(
            Change(record.collection, record.namespace, record.name, event.revision, body)
        )

    def _publish(self, event: Event) -> None:
        self.published = event.revision
        for subscriber in self.subscribers:
            subscriber(event)

    def _flushed(self, revision: int) -> None:
        # Called on the journal's thread.
        loop = self._loop
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(self._acknowledge, revision)

    def _acknowledge(self, revision: int) -> None:
        failed = revision < 0
        while self._unpublished and self._unpublished[0].revision <= revision:
            self._publish(self._unpublished.popleft())
        while self._waiting and (failed or self._waiting[0][0] <= revision):
            _, future = self._waiting.popleft()
            if not future.done():
                future.set_result(None)

    def _index(self, record: Record) -> None:
        self._by_uid[record.uid] = record
        for owner in record.owners:
            key = (record.collection, record.namespace, record.name)
            self._dependents.setdefault(owner, set()).add(key)

    def _unindex(self, record: Record) -> None:
        self._by_uid.pop(record.uid, None)
        for owner in record.owners:
            keys = self._dependents.get(owner)
            if keys is not None:
                keys.discard((record.collection, record.namespace, record.name))
                if not keys:
                    del self._dependents[owner]
