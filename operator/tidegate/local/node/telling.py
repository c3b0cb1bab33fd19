"""Records events about pods without making their containers wait for the API server."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tidegate.kube.events import Recorder
    from tidegate.kube.objects import Object

_MOST_WAITING = 500


class Teller:
    """Takes events at once and writes them one after the other, in `run`."""

    def __init__(self, events: Recorder) -> None:
        self._events = events
        self._waiting: asyncio.Queue[tuple[Object, str, str, bool]] = asyncio.Queue(_MOST_WAITING)

    def tell(self, pod: Object, *, reason: str, note: str, warning: bool = False) -> None:
        """Have an event written soon. When the API server is far behind, it is dropped."""
        if not self._waiting.full():
            self._waiting.put_nowait((pod, reason, note, warning))

    async def run(self) -> None:
        """Write events until cancelled."""
        while True:
            pod, reason, note, warning = await self._waiting.get()
            await self._events.emit(
                pod,
                type="Warning" if warning else "Normal",
                reason=reason,
                note=note,
                action=reason,
            )
