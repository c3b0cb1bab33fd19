"""What time it is, and how to wait: the system's clock, and the API server's.

Deadlines are stored as absolute times and read by whoever leads next, so they are counted on the
API server's clock (its `Date` header plus a monotonic delta), never on a node's own.
"""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Protocol

_SINCE_BOOT = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
_DATE_RESOLUTION_S = 1.0
"""A `Date` header is cut to whole seconds."""
_STEP_S = 5.0
"""A disagreement beyond this is a clock that was set, not measurement noise."""


class Clock(Protocol):
    """Time as code under test may be given it. All waiting of `runtime/` goes through one."""

    def now(self) -> datetime:
        """Return the current time, aware, in UTC."""
        ...

    def monotonic(self) -> float:
        """Return seconds that never run backwards, from an arbitrary start."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait `seconds` (at least one turn of the loop)."""
        ...

    async def wait_for(self, event: asyncio.Event, timeout: float | None) -> bool:
        """Wait until `event` is set, `timeout` seconds at most; tell whether it is set."""
        ...


class SystemClock:
    """This machine's own clock."""

    def now(self) -> datetime:
        """Return the current time, aware, in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Return seconds since boot, the time that the machine was suspended included.

        A lease runs out while its holder sleeps, so a clock that stops then would be wrong.
        """
        return time.clock_gettime(_SINCE_BOOT)

    async def sleep(self, seconds: float) -> None:
        """Wait `seconds`."""
        await asyncio.sleep(seconds)

    async def wait_for(self, event: asyncio.Event, timeout: float | None) -> bool:
        """Wait until `event` is set, `timeout` seconds at most; tell whether it is set."""
        try:
            async with asyncio.timeout(timeout):
                await event.wait()
        except TimeoutError:
            return False
        return True


class ServerClock:
    """The API server's clock, estimated from the `Date` headers of its answers.

    An answer sent at `sent` and received at `received` (monotonic seconds) with date D proves that
    the offset server − monotonic lies in [D − received, D + 1 s − sent]. The intersection of all
    such intervals narrows far below the header's resolution; when it is empty, somebody set a
    clock, or the two drifted apart, and the newest interval counts alone.

    `now()` does not run backwards, unless the server's clock was set back by more than 5 s: then a
    frozen clock would be worse. Before the first answer it is the machine's own clock.
    """

    def __init__(self, base: Clock | None = None) -> None:
        self._base = base or SystemClock()
        self._low: float | None = None
        self._high = 0.0
        self._latest: datetime | None = None

    def observe(self, date: str, *, sent: float, received: float) -> None:
        """Learn from a `Date` header; `sent` and `received` are of `monotonic()`.

        A header that is no date is ignored: some proxies write nonsense, and a clock must go on.
        """
        try:
            stamp = parsedate_to_datetime(date).timestamp()
        except ValueError:
            return
        low, high = stamp - received, stamp + _DATE_RESOLUTION_S - sent
        if self._low is not None and max(low, self._low) <= min(high, self._high):
            self._low, self._high = max(low, self._low), min(high, self._high)
        else:
            self._low, self._high = low, high

    def now(self) -> datetime:
        """Return the API server's current time, aware, in UTC."""
        reading = self._reading()
        latest = self._latest
        if latest is not None and reading < latest < reading + timedelta(seconds=_STEP_S):
            return latest
        self._latest = reading
        return reading

    def monotonic(self) -> float:
        """Return seconds of the machine's monotonic clock."""
        return self._base.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Wait `seconds`."""
        await self._base.sleep(seconds)

    async def wait_for(self, event: asyncio.Event, timeout: float | None) -> bool:
        """Wait until `event` is set, `timeout` seconds at most; tell whether it is set."""
        return await self._base.wait_for(event, timeout)

    def _reading(self) -> datetime:
        if self._low is None:
            return self._base.now()
        offset = (self._low + self._high) / 2
        return datetime.fromtimestamp(self._base.monotonic() + offset, UTC)


def to_micro_time(moment: datetime) -> str:
    """Return a `metav1.MicroTime`, as Leases and events carry it."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
