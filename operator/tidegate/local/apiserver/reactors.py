"""Runs what must happen after a change, one change at a time and never inside another write.

A reactor may write to the store itself; its writes come back as further changes. A change is shown
to every reactor before the next one is shown to any.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from typing import TYPE_CHECKING, Protocol

from tidegate.local.apiserver.errors import ApiError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tidegate.local.apiserver.store import Event

log = logging.getLogger(__name__)

# Changes handled before requests get their turn again.
_SLICE = 200


class Reactor(Protocol):
    """Something that follows the store."""

    def on_event(self, event: Event) -> None:
        """React to one change; must not wait for anything."""
        ...


class Reactors:
    """The queue between the store and the reactors."""

    def __init__(self, reactors: Sequence[Reactor]) -> None:
        self._reactors = reactors
        self._events: deque[Event] = deque()
        self._scheduled = False
        self.stopped = False

    def __call__(self, event: Event) -> None:
        """Take note of a change."""
        self._events.append(event)
        self._schedule()

    def _schedule(self) -> None:
        if self._scheduled or self.stopped:
            return
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            # Written outside of the loop (while starting): `run` comes later.
            return
        self._scheduled = True
        loop.call_soon(self.run)

    def run(self) -> None:
        """Show the waiting changes to the reactors."""
        self._scheduled = False
        for _ in range(_SLICE):
            if not self._events or self.stopped:
                return
            event = self._events.popleft()
            for reactor in self._reactors:
                try:
                    reactor.on_event(event)
                except ApiError as error:
                    log.warning(
                        "reactor-refused reactor=%s object=%s/%s error=%s",
                        type(reactor).__name__,
                        event.record.collection,
                        event.record.name,
                        error.message,
                    )
        self._schedule()
