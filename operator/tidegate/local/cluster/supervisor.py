"""Keeps the parts of a cluster running in one process: starts them in order, stops them backwards.

A part that fails is started again with back-off, and said to have failed until it is ready again.
Knows nothing of what the parts do.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tidegate.errors import Terminal
from tidegate.local.cluster.report import FAILED, READY, STARTING, Report

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

_FIRST_WAIT_S = 0.5
_LONGEST_WAIT_S = 15.0
_STEADY_S = 30.0
_PROBE_STARTING_S = 0.05
_PROBE_READY_S = 2.0
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class PartSpec:
    """One part. `run` ends only by failing; `ready` answers quickly and raises nothing.

    The parts after one that is `needed` are started only when it is ready, and a Terminal error of
    it ends the supervisor.
    """

    name: str
    run: Callable[[], Awaitable[None]]
    ready: Callable[[], Awaitable[bool]]
    detail: str = ""
    needed: bool = False


class Supervisor:
    """Runs the parts until cancelled."""

    def __init__(self, parts: Sequence[PartSpec], report: Report) -> None:
        self._parts = parts
        self._report = report
        self._ready = {part.name: asyncio.Event() for part in parts}

    async def run(self) -> None:
        """Start everything, keep it running, and stop it in the opposite order when cancelled."""
        for part in self._parts:
            self._report.set(part.name, STARTING, detail=part.detail)
        tasks: list[asyncio.Task[None]] = []
        try:
            for part in self._parts:
                tasks.append(asyncio.create_task(self._keep(part), name=f"part {part.name}"))
                tasks.append(asyncio.create_task(self._probe(part), name=f"probe {part.name}"))
                if part.needed:
                    await self._until_ready(part, tasks)
            # Not gather: cancelled, it would end every part at once instead of backwards.
            ended, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in ended:
                task.result()
        finally:
            for task in reversed(tasks):
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task

    async def _until_ready(self, part: PartSpec, tasks: Sequence[asyncio.Task[None]]) -> None:
        """Wait for a needed part. Raises what ended a task meanwhile."""
        ready = asyncio.create_task(self._ready[part.name].wait())
        try:
            await asyncio.wait((ready, *tasks), return_when=asyncio.FIRST_COMPLETED)
            for task in tasks:
                if task.done():
                    task.result()
        finally:
            ready.cancel()

    async def all_ready(self) -> None:
        """Wait until every part has been ready once."""
        for event in self._ready.values():
            await event.wait()

    async def _keep(self, part: PartSpec) -> None:
        loop = asyncio.get_running_loop()
        wait = _FIRST_WAIT_S
        while True:
            began = loop.time()
            try:
                await part.run()
                why = "it ended by itself"
            except Exception as error:
                if part.needed and isinstance(error, Terminal):
                    # It would fail in the same way for ever, and nothing works without it.
                    raise
                _log.exception("a part failed", extra={"fields": {"part": part.name}})
                why = _first_cause(error)
            if loop.time() - began > _STEADY_S:
                wait = _FIRST_WAIT_S
            self._report.set(part.name, FAILED, f"{why}; next start in {wait:g} s")
            await asyncio.sleep(wait)
            wait = min(wait * 2, _LONGEST_WAIT_S)

    async def _probe(self, part: PartSpec) -> None:
        was_ready = False
        while True:
            now_ready = await part.ready()
            if now_ready and not was_ready:
                self._report.set(part.name, READY)
                self._ready[part.name].set()
            elif was_ready and not now_ready:
                self._report.set(part.name, FAILED, "it does not answer")
            was_ready = now_ready
            await asyncio.sleep(_PROBE_READY_S if now_ready else _PROBE_STARTING_S)


def _first_cause(error: BaseException) -> str:
    """The message of the innermost error of a group: the group's own says nothing."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return f"{type(error).__name__}: {error}"
