"""Where a prediction runs: on the event loop, or in one of a few threads.

A prediction of a millisecond is quickest on the loop: handing it to a thread costs a switch there
and back, and under load the loop then competes with the threads for the interpreter. A slow one
would keep probes waiting, so it goes to a thread. The runner keeps a moving average of how long
predictions take and chooses by it. Measured by `tests/benchmarks/request.py` on two cores at 600
requests/s: a prediction of 0.2 ms has p99 2 ms and 0.64 ms CPU a request on the loop, 15 ms and
0.85 ms in threads; one of 10 ms runs in a thread, and probes are then answered within 20 ms.
"""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

INLINE_BODY_BYTES = 32 * 1024
"""Bodies above this hold many rows: they are `large`."""

_SMOOTHING = 0.1


class Overloaded(Exception):
    """Too many requests wait for a prediction already."""


class Runner:
    """Runs predictions. `inline_s`: quicker ones than this run on the loop (0: none).

    At most `max_pending` wait or run at a time; more are refused with `Overloaded`, so that a
    burst costs memory within bounds and callers learn of it while they still wait.
    """

    def __init__(self, *, threads: int, inline_s: float, max_pending: int) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="predict")
        self._inline_s = inline_s
        self._max_pending = max_pending
        self._pending = 0
        self._usual_s = inline_s  # unknown: the first requests go to a thread

    @property
    def pending(self) -> int:
        return self._pending

    async def run[A, T](self, call: Callable[[A], T], given: A, *, large: bool = False) -> T:
        """`call(given)`, wherever it belongs; a `large` one never on the loop.

        :raises Overloaded: `max_pending` requests are waiting.
        """
        if self._usual_s < self._inline_s and not large:
            return self._timed(call, given, large)
        if self._pending >= self._max_pending:
            raise Overloaded
        self._pending += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(
                self._pool, self._timed, call, given, large
            )
        finally:
            self._pending -= 1

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _timed[A, T](self, call: Callable[[A], T], given: A, large: bool, /) -> T:
        started = time.perf_counter()
        try:
            return call(given)
        finally:
            if not large:
                took = time.perf_counter() - started
                self._usual_s += _SMOOTHING * (took - self._usual_s)
