"""Users' questions to Prometheus, in turn: a few at once, a bounded number waiting, fair by owner.

Somebody whose queries are many or slow waits for himself. A question that finds the queue full, or
waits too long, and one whose owner's last question failed a moment ago, is answered with an error
that says so: overload is shown, never hidden as lateness.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict, deque
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from tidegate.metrics.base import Error

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

FIRST_BACK_OFF_S = 1.0
LONGEST_BACK_OFF_S = 60.0
FORGOTTEN_AFTER_S = 10 * LONGEST_BACK_OFF_S


@dataclass(frozen=True)
class _Failed:
    """How often in a row an owner's questions failed, and the last of them."""

    times: int
    since: float
    error: Error
    text: object


class FairQueue:
    """Runs questions: at most `at_once` of them, owners taking turns.

    `most_waiting` bounds the queue and `patience` how long a question may stand in it.
    """

    def __init__(
        self,
        *,
        at_once: int = 4,
        most_waiting: int = 200,
        patience: timedelta = timedelta(seconds=5),
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._free = at_once
        self._most_waiting = most_waiting
        self._patience_s = patience.total_seconds()
        self._monotonic = monotonic
        self._waiting: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()
        self._failures: dict[str, _Failed] = {}

    async def ask[T](
        self, owner: str, question: Callable[[], Awaitable[T | Error]], *, text: object = None
    ) -> T | Error:
        """The question's answer, or why it was not asked. What was refused is refused again while
        its owner's questions pause, if it has the same `text`; another one is asked at once."""
        failed = self._failures.get(owner)
        if failed is not None:
            pause = min(LONGEST_BACK_OFF_S, FIRST_BACK_OFF_S * 2 ** (failed.times - 1))
            left = failed.since + pause - self._monotonic()
            if left > 0 and failed.error.refused and failed.text == text:
                return failed.error
            if left > 0 and not failed.error.refused:
                return Error(f"the last query failed; Prometheus is asked again in {left:.0f} s")
        refused = await self._enter(owner)
        if refused is not None:
            return refused
        try:
            answer = await question()
        finally:
            self._leave()
        if isinstance(answer, Error):
            times = failed.times + 1 if failed is not None else 1
            self._failures[owner] = _Failed(times, self._monotonic(), answer, text)
            self._forget()
        else:
            self._failures.pop(owner, None)
        return answer

    def _forget(self) -> None:
        """Drop failures that nobody asked about again for long: of owners that are gone, say."""
        long_ago = self._monotonic() - FORGOTTEN_AFTER_S
        for owner in [name for name, one in self._failures.items() if one.since < long_ago]:
            del self._failures[owner]

    @property
    def waiting(self) -> int:
        """Questions that stand in the queue."""
        return sum(len(line) for line in self._waiting.values())

    @property
    def failing(self) -> int:
        """Owners whose last question failed, not long ago."""
        return len(self._failures)

    async def _enter(self, owner: str) -> Error | None:
        if self._free > 0 and not self._waiting:
            self._free -= 1
            return None
        if self.waiting >= self._most_waiting:
            return Error(
                f"{self._most_waiting} queries of metrics wait for Prometheus already: it is asked"
                " more than it answers"
            )
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(owner, deque()).append(turn)
        try:
            await asyncio.wait_for(asyncio.shield(turn), timeout=self._patience_s)
        except (TimeoutError, asyncio.CancelledError) as error:
            self._give_up(owner, turn)
            if isinstance(error, asyncio.CancelledError):
                raise
            return Error(
                f"the query waited {self._patience_s:g} s behind others: Prometheus is asked more"
                " than it answers"
            )
        return None

    def _give_up(self, owner: str, turn: asyncio.Future[None]) -> None:
        """Leave the line; a turn that came at the same moment goes to the next one."""
        if turn.done():
            self._leave()
            return
        turn.cancel()
        line = self._waiting.get(owner)
        if line is not None and turn in line:
            line.remove(turn)
            if not line:
                del self._waiting[owner]

    def _leave(self) -> None:
        """Give the place to the next owner in turn, or free it."""
        if not self._waiting:
            self._free += 1
            return
        owner, line = next(iter(self._waiting.items()))
        turn = line.popleft()
        del self._waiting[owner]
        if line:
            self._waiting[owner] = line  # behind the others
        turn.set_result(None)
