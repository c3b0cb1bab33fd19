"""A work loop by key: each key is reconciled by one task at a time, as often as it was asked for.

Owns when a reconcile runs and what follows its failure (back-off with jitter). Decides nothing
about objects. At rest it holds no task and no timer.
"""

from __future__ import annotations

import asyncio
import logging
import random
from typing import TYPE_CHECKING

from tidegate.errors import Conflict, KubeError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

type Key = tuple[str, str]
"""Namespace and name."""
type Reconcile = Callable[[Key], Awaitable[float | None]]
"""Returns after how many seconds to look again; None when only a change can matter."""

_FIRST_BACKOFF_S = 0.2
_LONGEST_BACKOFF_S = 30.0
_CONCURRENT = 8

log = logging.getLogger(__name__)


class KeyedLoop:
    """Runs `reconcile` for the keys that are added, within `run`."""

    def __init__(self, name: str, reconcile: Reconcile) -> None:
        self._name = name
        self._reconcile = reconcile
        self._waiting: set[Key] = set()
        self._running: set[Key] = set()
        self._timers: dict[Key, asyncio.TimerHandle] = {}
        self._failures: dict[Key, int] = {}
        self._slots = asyncio.Semaphore(_CONCURRENT)
        self._tasks: asyncio.TaskGroup | None = None

    def add(self, key: Key) -> None:
        """Ask for a reconcile. Asked for again before it began, it still runs once."""
        if key in self._waiting:
            return
        self._waiting.add(key)
        if self._tasks is not None and key not in self._running:
            self._start(key)

    async def run(self) -> None:
        """Work until cancelled."""
        try:
            async with asyncio.TaskGroup() as tasks:
                self._tasks = tasks
                for key in list(self._waiting):
                    self._start(key)
                await asyncio.Event().wait()
        finally:
            self._tasks = None
            for timer in self._timers.values():
                timer.cancel()
            self._timers.clear()

    def _start(self, key: Key) -> None:
        assert self._tasks is not None
        self._running.add(key)
        self._tasks.create_task(self._work(key), name=f"{self._name} {key[0]}/{key[1]}")

    async def _work(self, key: Key) -> None:
        async with self._slots:
            while key in self._waiting:
                self._waiting.discard(key)
                if timer := self._timers.pop(key, None):
                    timer.cancel()
                after = await self._once(key)
                if after is not None and after <= 0:
                    self._waiting.add(key)
                    await asyncio.sleep(0)
                elif after is not None:
                    self._timers[key] = asyncio.get_running_loop().call_later(after, self._due, key)
            # No await between the last look at `waiting` and this: no request can fall between.
            self._running.discard(key)

    def _due(self, key: Key) -> None:
        self._timers.pop(key, None)
        self.add(key)

    async def _once(self, key: Key) -> float | None:
        try:
            after = await self._reconcile(key)
        except Conflict:
            # Somebody wrote in between; the watch is about to tell, so look again soon.
            return random.uniform(_FIRST_BACKOFF_S / 2, _FIRST_BACKOFF_S)
        except KubeError as error:
            return self._failed(key, str(error))
        except Exception as error:
            log.exception("reconcile failed", extra={"fields": self._fields(key)})
            return self._failed(key, repr(error))
        self._failures.pop(key, None)
        return after

    def _failed(self, key: Key, error: str) -> float:
        failures = self._failures[key] = self._failures.get(key, 0) + 1
        fields = {**self._fields(key), "error": error, "failures": failures}
        log.debug("reconcile will be retried", extra={"fields": fields})
        longest = min(_FIRST_BACKOFF_S * 2.0**failures, _LONGEST_BACKOFF_S)
        return random.uniform(longest / 2, longest)

    def _fields(self, key: Key) -> dict[str, object]:
        return {"loop": self._name, "namespace": key[0], "name": key[1]}
