"""A clock that stands still until a test moves it.

Waiting on it costs no time: `advance` runs through every timer that falls due, in order, and lets
the tasks that it woke run before it goes on.
"""

from __future__ import annotations

import asyncio
import heapq
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import count

START = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
_TURNS = 50
"""Turns of the loop in which woken tasks come to rest; nothing here does real I/O."""


class FakeClock:
    """Implements `tidegate.kube.clock.Clock`."""

    def __init__(self, start: datetime = START) -> None:
        self._start = start
        self._elapsed = 0.0
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._order = count()

    def now(self) -> datetime:
        """Return the current time, aware, in UTC."""
        return self._start + timedelta(seconds=self._elapsed)

    def monotonic(self) -> float:
        """Return seconds since the clock was made."""
        return self._elapsed

    async def sleep(self, seconds: float) -> None:
        """Wait until `advance` has moved the clock by `seconds`."""
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        future = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._elapsed + seconds, next(self._order), future))
        await future

    async def wait_for(self, event: asyncio.Event, timeout: float | None) -> bool:
        """Wait until `event` is set, `timeout` seconds of this clock at most."""
        if event.is_set():
            return True
        if timeout is None:
            return await event.wait()
        sleeping = asyncio.ensure_future(self.sleep(timeout))
        waiting = asyncio.ensure_future(event.wait())
        try:
            await asyncio.wait((sleeping, waiting), return_when=asyncio.FIRST_COMPLETED)
            return event.is_set()
        finally:
            for task in (sleeping, waiting):
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task

    async def advance(self, seconds: float) -> None:
        """Move the clock, waking each sleeper at its own time."""
        target = self._elapsed + seconds
        await self.rest()
        while (due := self.next_due()) is not None and due <= target:
            _, _, future = heapq.heappop(self._sleepers)
            self._elapsed = max(self._elapsed, due)
            future.set_result(None)
            await self.rest()
        self._elapsed = max(self._elapsed, target)
        await self.rest()

    def jump(self, seconds: float) -> None:
        """Move the clock at once and wake nobody, as when a machine was suspended."""
        self._elapsed += seconds

    def next_due(self) -> float | None:
        """Return when (`monotonic()` seconds) the next sleeper wakes, or None."""
        while self._sleepers and self._sleepers[0][2].done():
            heapq.heappop(self._sleepers)
        return self._sleepers[0][0] if self._sleepers else None

    @staticmethod
    async def rest() -> None:
        """Let all tasks run until they wait for something."""
        for _ in range(_TURNS):
            await asyncio.sleep(0)
