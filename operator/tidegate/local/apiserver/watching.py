"""Watches: who is told of which change, in which words, and when a stream ends.

A writer never waits for a watcher: events go into a bounded queue for each, and one that does not
keep up is cut off and has to list again.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import orjson

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable

    from tidegate.local.apiserver.messages import Obj
    from tidegate.local.apiserver.store import Event, Record, Store

# Events that a watcher may be behind before it is cut off.
BACKLOG = 8192
BOOKMARK_S = 60.0
BOOKMARK_BEFORE_END_S = 2.0
# Without timeoutSeconds a watch ends by itself after 30 to 60 minutes, as on a real server.
DEFAULT_TIMEOUT_S = (1800.0, 3600.0)


@dataclass
class Scope:
    """What a watch looks at, and how it shows an object."""

    collection: str
    namespace: str | None
    matches: Callable[[Record], bool]
    encode: Callable[[str, Record], bytes]
    """`(event type, record)` to one line."""
    bookmark: Callable[[int, bool], bytes]
    """`(revision, initial events end)` to one line."""


@dataclass(eq=False)
class Watcher:
    """One open watch."""

    scope: Scope
    pending: deque[Event] = field(default_factory=deque)
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    closed: bool = False

    def offer(self, event: Event) -> None:
        """Take an event into the queue, or give up on the watcher."""
        if self.closed:
            # Whoever is cut off must not see later events: there would be a gap.
            return
        if len(self.pending) >= BACKLOG:
            self.closed = True
            self.pending.clear()
        else:
            self.pending.append(event)
        self.wake.set()

    def lines(self, events: Iterable[Event]) -> list[bytes]:
        """The lines of those events that concern this watch."""
        found = (self._line(event) for event in events)
        return [line for line in found if line]

    def _line(self, event: Event) -> bytes:
        scope = self.scope
        if scope.namespace is not None and event.record.namespace != scope.namespace:
            return b""
        before = event.previous is not None and scope.matches(event.previous)
        if event.type == "DELETED":
            return scope.encode("DELETED", event.record) if before else b""
        after = scope.matches(event.record)
        if after:
            return scope.encode("MODIFIED" if before else "ADDED", event.record)
        if not before or event.previous is None:
            return b""
        # It left the selector: the last state that matched, with the revision of leaving.
        return scope.encode("DELETED", at_revision(event.previous, event.revision))


def at_revision(record: Record, revision: int) -> Record:
    """The same state under another resourceVersion."""
    obj = record.decode()
    obj["metadata"]["resourceVersion"] = str(revision)
    return record._replace(revision=revision, body=orjson.dumps(obj))


class Hub:
    """Hands every published change to the watchers of its collection."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.pace = 1.0
        """How long a second of a watch lasts; less where nobody can wait for bookmarks."""
        self._watchers: dict[str, set[Watcher]] = {}
        store.subscribers.append(self._on_event)

    def _on_event(self, event: Event) -> None:
        for watcher in tuple(self._watchers.get(event.record.collection, ())):
            watcher.offer(event)

    def close_collection(self, collection: str) -> None:
        """End every watch of a collection, after what it was already told."""
        for watcher in tuple(self._watchers.get(collection, ())):
            watcher.closed = True
            watcher.wake.set()

    def close(self) -> None:
        """End every watch."""
        for collection in tuple(self._watchers):
            self.close_collection(collection)

    def count(self) -> int:
        """How many watches are open."""
        return sum(len(w) for w in self._watchers.values())

    async def stream(
        self,
        scope: Scope,
        *,
        since: int | None,
        initial: bool,
        bookmarks: bool,
        end_of_initial: bool,
        timeout: float | None,
    ) -> AsyncIterator[bytes]:
        """The lines of one watch, several to a piece.

        `since` is the revision to resume after (None: from now); `initial` sends the present
        objects first. The caller has checked that history reaches back to `since`.
        """
        watcher = Watcher(scope)
        watchers = self._watchers.setdefault(scope.collection, set())
        # Registered before anything is sent, so nothing falls between list and watch.
        watchers.add(watcher)
        try:
            head = self._head(watcher, since=since, initial=initial)
            if end_of_initial:
                head.append(scope.bookmark(self._store.published, True))
            if head:
                yield b"".join(head)
            async for piece in self._live(watcher, since, bookmarks=bookmarks, timeout=timeout):
                yield piece
        finally:
            watchers.discard(watcher)

    def _head(self, watcher: Watcher, *, since: int | None, initial: bool) -> list[bytes]:
        scope = watcher.scope
        collection = self._store.collection(scope.collection)
        lines: list[bytes] = []
        if initial:
            snapshot = self._store.snapshot(scope.collection, self._store.published)
            keys = sorted(snapshot) if snapshot is not None else []
            for key in keys:
                record = snapshot[key] if snapshot is not None else None
                if record is None or scope.namespace not in (None, record.namespace):
                    continue
                if scope.matches(record):
                    lines.append(scope.encode("ADDED", record))
        elif since is not None:
            published = self._store.published
            missed = (e for e in collection.history if since < e.revision <= published)
            lines.extend(watcher.lines(missed))
        return lines

    async def _live(
        self, watcher: Watcher, since: int | None, *, bookmarks: bool, timeout: float | None
    ) -> AsyncIterator[bytes]:
        loop = asyncio.get_running_loop()
        limit = timeout if timeout else random.uniform(*DEFAULT_TIMEOUT_S)
        end = loop.time() + limit * self.pace
        every, before_end = BOOKMARK_S * self.pace, BOOKMARK_BEFORE_END_S * self.pace
        bookmark_at = min(loop.time() + every, end - before_end)
        # A watch shorter than that gets none.
        last_chance = limit <= BOOKMARK_BEFORE_END_S
        while True:
            now = loop.time()
            if watcher.pending:
                events = list(watcher.pending)
                watcher.pending.clear()
                lines = watcher.lines(e for e in events if since is None or e.revision > since)
                if lines:
                    yield b"".join(lines)
            elif watcher.closed or now >= end:
                return
            elif bookmarks and not last_chance and now >= bookmark_at:
                last_chance = bookmark_at >= end - before_end
                bookmark_at = min(now + every, end - before_end)
                yield watcher.scope.bookmark(self._store.published, False)
            else:
                until = min(end, bookmark_at) if bookmarks and not last_chance else end
                await _wait(watcher.wake, max(until - now, 0.0))


async def _wait(event: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return
    event.clear()


def line(event_type: str, body: bytes) -> bytes:
    """One watch line around an encoded object."""
    return b'{"type":"' + event_type.encode() + b'","object":' + body + b"}\n"


def bookmark_line(kind: str, api_version: str, revision: int, *, initial_end: bool) -> bytes:
    """A BOOKMARK line; the first one after initial events says so in an annotation."""
    metadata: Obj = {"resourceVersion": str(revision)}
    if initial_end:
        metadata["annotations"] = {"k8s.io/initial-events-end": "true"}
    obj = {"kind": kind, "apiVersion": api_version, "metadata": metadata}
    return line("BOOKMARK", orjson.dumps(obj))
