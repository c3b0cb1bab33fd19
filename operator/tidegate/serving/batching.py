"""Gathering requests that wait into one prediction.

A model that takes a thousand rows nearly as quickly as one is asked for what waits, together. What
waits is all that is ever gathered without a delay: while one batch is predicted, others queue. Only
where `max_delay_s` allows it is the first of a batch kept waiting for more, never longer than that,
and only while requests come so closely that another one is expected in that time. A wait that
brings nobody is not tried again for a while, longer each time: a caller that sends its next request
only after the answer to its last would else be kept waiting for itself.

It decides who is predicted with whom, and nothing about models: `predict` gets the items of a batch
and returns a result or an exception for each, in their order.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tidegate.serving.runner import Overloaded

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

_SMOOTHING = 0.2
_MOST_SKIPPED = 1024


@dataclass(slots=True)
class _Member[A, R]:
    """A request that waits: how many rows it has, and since when (loop time) it waits."""

    item: A
    rows: int
    since: float
    answer: asyncio.Future[R]


def patience_s(
    *, rows: int, max_rows: int, waited_s: float, gap_s: float, max_delay_s: float
) -> float:
    """How many seconds longer a batch of `rows` waits for more; 0 when it goes now.

    `waited_s` is how long its first member has waited, `gap_s` the usual time between requests.
    """
    if rows >= max_rows or gap_s >= max_delay_s:
        return 0.0
    return max(0.0, max_delay_s - waited_s)


class Batcher[A, R]:
    """Batches of at most `max_rows` rows, `at_once` of them at a time.

    A request that has more rows is predicted alone. At most `max_waiting` wait.
    """

    def __init__(
        self,
        predict: Callable[[list[A]], Awaitable[Sequence[R | Exception]]],
        *,
        max_rows: int,
        max_delay_s: float,
        at_once: int,
        max_waiting: int,
    ) -> None:
        self._predict = predict
        self._max_rows = max_rows
        self._max_delay_s = max_delay_s
        self._at_once = at_once
        self._max_waiting = max_waiting
        self._waiting: deque[_Member[A, R]] = deque()
        self._rows = 0
        self._active: set[asyncio.Task[None]] = set()
        self._look_at: asyncio.Handle | None = None
        self._gap_s = float("inf")
        self._last = float("-inf")
        self._waited_with = 0
        self._skipped = 0
        self._skip = 0

    async def submit(self, item: A, *, rows: int) -> R:
        """The result for `item`, in whichever batch.

        :raises Overloaded: too many wait already.
        :raises Exception: what `predict` returned for it.
        """
        if len(self._waiting) >= self._max_waiting:
            raise Overloaded
        loop = asyncio.get_running_loop()
        now = loop.time()
        self._note_gap(now - self._last)
        self._last = now
        member = _Member[A, R](item, rows, now, loop.create_future())
        self._waiting.append(member)
        self._rows += rows
        if self._look_at is None or self._rows >= self._max_rows:
            self._look_soon(loop)
        return await member.answer

    def _note_gap(self, gap_s: float) -> None:
        """A pause tells at once that nobody is near; closeness has to last."""
        if gap_s >= self._max_delay_s:
            self._gap_s = gap_s
        else:
            before = min(self._gap_s, 2 * self._max_delay_s)
            self._gap_s = before + _SMOOTHING * (gap_s - before)

    def _note_batch(self) -> None:
        """A batch goes: learn from the wait before it, if there was one."""
        if not self._waited_with:
            self._skipped += 1
            return
        brought = len(self._waiting) > self._waited_with
        self._skip = 0 if brought else min(max(1, 2 * self._skip), _MOST_SKIPPED)
        self._skipped = self._waited_with = 0

    def _look_soon(self, loop: asyncio.AbstractEventLoop) -> None:
        """Look once the requests that the loop has read already are in the queue too."""
        if self._look_at is not None:
            self._look_at.cancel()
        self._look_at = loop.call_soon(self._look)

    def _look(self) -> None:
        self._look_at = None
        loop = asyncio.get_running_loop()
        while self._waiting and len(self._active) < self._at_once:
            wait_s = patience_s(
                rows=self._rows,
                max_rows=self._max_rows,
                waited_s=loop.time() - self._waiting[0].since,
                gap_s=self._gap_s,
                max_delay_s=self._max_delay_s,
            )
            if wait_s > 0 and self._skipped >= self._skip:
                self._waited_with = self._waited_with or len(self._waiting)
                self._look_at = loop.call_later(wait_s, self._look)
                return
            self._note_batch()
            task = loop.create_task(self._run(self._taken()))
            self._active.add(task)
            task.add_done_callback(self._ended)

    def _taken(self) -> list[_Member[A, R]]:
        """The first ones that wait, as many as go together; the first whatever its size."""
        batch: list[_Member[A, R]] = []
        rows = 0
        while self._waiting and (not batch or rows + self._waiting[0].rows <= self._max_rows):
            member = self._waiting.popleft()
            self._rows -= member.rows
            if not member.answer.cancelled():  # its caller has left
                batch.append(member)
                rows += member.rows
        return batch

    async def _run(self, batch: list[_Member[A, R]]) -> None:
        if not batch:
            return
        try:
            results = await self._predict([member.item for member in batch])
        except BaseException as error:
            for member in batch:
                if not member.answer.done():
                    member.answer.set_exception(error)
            if not isinstance(error, Exception):
                raise
            return
        for member, result in zip(batch, results, strict=True):
            if member.answer.done():
                continue
            if isinstance(result, Exception):
                member.answer.set_exception(result)
            else:
                member.answer.set_result(result)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._active.discard(task)
        if self._waiting and self._look_at is None:
            self._look()
