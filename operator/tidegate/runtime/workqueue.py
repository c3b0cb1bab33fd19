"""Which requests wait to be reconciled, in what order, and how long failed ones rest.

- A request that waits is there once, however often it is added.
- A request that is being worked on is given to nobody else; added meanwhile, it runs once more.
- `retry` doubles its wait with each failure in a row (jitter keeps failures apart); `forget` ends
  the row. A timer is forgotten when its request is handed out: what the reconcile then says
  replaces it.

All times are seconds of the clock's `monotonic()`. One event loop only; no tasks of its own.
"""

from __future__ import annotations

import asyncio
import heapq
import random
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tidegate.kube.clock import Clock
    from tidegate.runtime.request import Request


@dataclass(frozen=True, slots=True)
class BackOff:
    """How long the n-th failure in a row rests: a random part of [half, whole] of first·2ⁿ⁻¹."""

    first_s: float = 0.2
    longest_s: float = 120.0

    def wait(self, failures: int, *, jitter: random.Random) -> float:
        """Return seconds to rest after `failures` (≥ 1) failures in a row."""
        # 2.0 ** 1024 overflows; by 64 the longest wait has long been reached.
        whole = min(self.first_s * 2.0 ** min(failures - 1, 64), self.longest_s)
        return jitter.uniform(whole / 2, whole)


class WorkQueue:
    """Requests of one controller."""

    def __init__(
        self,
        clock: Clock,
        *,
        back_off: BackOff | None = None,
        jitter: random.Random | None = None,
    ) -> None:
        self._clock = clock
        self._back_off = back_off or BackOff()
        self._jitter = jitter or random.Random()
        self._ready: dict[Request, float] = {}
        self._working: set[Request] = set()
        self._again: dict[Request, float] = {}
        self._timers: dict[Request, float] = {}
        self._heap: list[tuple[float, int, Request]] = []
        self._order = count()
        self._failures: dict[Request, int] = {}
        self._changed = asyncio.Event()
        self._closed = False

    def add(self, request: Request) -> None:
        """Have `request` reconciled as soon as a worker is free."""
        if self._closed:
            return
        now = self._clock.monotonic()
        if request in self._working:
            self._again.setdefault(request, now)
        else:
            self._ready.setdefault(request, now)
        self._changed.set()

    def add_after(self, request: Request, seconds: float) -> None:
        """Have `request` reconciled after `seconds`, or earlier if it was to be already."""
        if seconds <= 0:
            self.add(request)
            return
        if self._closed:
            return
        due = self._clock.monotonic() + seconds
        if due < self._timers.get(request, float("inf")):
            self._timers[request] = due
            heapq.heappush(self._heap, (due, next(self._order), request))
            self._changed.set()

    def retry(self, request: Request, *, at_least: float = 0.0) -> float:
        """Have `request` reconciled after its back-off; return the seconds it rests."""
        failures = self._failures.get(request, 0) + 1
        self._failures[request] = failures
        wait = max(self._back_off.wait(failures, jitter=self._jitter), at_least)
        self.add_after(request, wait)
        return wait

    def forget(self, request: Request) -> None:
        """End the row of failures of `request`."""
        self._failures.pop(request, None)

    async def get(self) -> Request | None:
        """Wait for a request and take it; None when the queue was closed. Then call `done`."""
        while not self._closed:
            if (request := self.take()) is not None:
                return request
            self._changed.clear()
            due = self.next_due()
            wait = None if due is None else max(0.0, due - self._clock.monotonic())
            await self._clock.wait_for(self._changed, wait)
        return None

    def take(self) -> Request | None:
        """Take a request that waits, without waiting for one. Then call `done`."""
        self._promote()
        for request in self._ready:
            del self._ready[request]
            self._working.add(request)
            self._timers.pop(request, None)
            return request
        return None

    def done(self, request: Request) -> None:
        """Tell that the work on `request` is over; what was added meanwhile waits now."""
        self._working.discard(request)
        added = self._again.pop(request, None)
        if added is not None and not self._closed:
            self._ready.setdefault(request, added)
            self._changed.set()

    def close(self) -> None:
        """Hand out nothing any more; `get` returns None."""
        self._closed = True
        self._ready.clear()
        self._again.clear()
        self._timers.clear()
        self._heap.clear()
        self._changed.set()

    def next_due(self) -> float | None:
        """Return when the earliest timer runs out (`monotonic()` seconds), or None."""
        while self._heap and self._timers.get(self._heap[0][2]) != self._heap[0][0]:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def failures(self, request: Request) -> int:
        """Return how often in a row `request` has failed."""
        return self._failures.get(request, 0)

    def waiting(self) -> Iterator[Request]:
        """Yield the requests that wait for a worker now."""
        self._promote()
        yield from tuple(self._ready)

    @property
    def working(self) -> frozenset[Request]:
        """The requests that are being worked on."""
        return frozenset(self._working)

    def __len__(self) -> int:
        return len(self._ready) + len(self._again)

    def _promote(self) -> None:
        """Move requests whose timer has run out to those that wait."""
        now = self._clock.monotonic()
        while (due := self.next_due()) is not None and due <= now:
            _, _, request = heapq.heappop(self._heap)
            del self._timers[request]
            self.add(request)
