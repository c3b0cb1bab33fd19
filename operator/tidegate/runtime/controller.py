"""Runs one reconciler: workers take requests from a queue, and outcomes decide what comes next.

The whole switch over outcomes is `Controller._settle`. This is the one place that catches every
exception: a reconciler's bug must cost its own request a back-off, not the process its life.
"""

from __future__ import annotations

import asyncio
import random
import time
from typing import TYPE_CHECKING

from tidegate.errors import (
    AlreadyExists,
    Conflict,
    Retryable,
    ServerUnavailable,
    TooManyRequests,
)
from tidegate.runtime import instruments
from tidegate.runtime.logs import bound, get_logger
from tidegate.runtime.request import Reconciler, Request, Result
from tidegate.runtime.workqueue import WorkQueue

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tidegate.kube.clock import Clock
    from tidegate.runtime.owners import Watched

_RECONCILE_TIMEOUT_S = 120.0

log = get_logger(__name__)


class Controller:
    """One reconciler with its queue, its workers and the resources that wake it."""

    def __init__(
        self,
        name: str,
        reconciler: Reconciler,
        *,
        watched: Sequence[Watched],
        clock: Clock,
        workers: int = 2,
        queue: WorkQueue | None = None,
        timeout: float = _RECONCILE_TIMEOUT_S,
    ) -> None:
        """`timeout` is in seconds, for one reconcile."""
        self.name = name
        self.watched = tuple(watched)
        self.queue = queue or WorkQueue(clock)
        self._reconciler = reconciler
        self._workers = workers
        self._timeout = timeout

    async def run(self) -> None:
        """Reconcile until `close` is called; what runs then is finished first."""
        async with asyncio.TaskGroup() as group:
            for number in range(self._workers):
                group.create_task(self._work(), name=f"{self.name} worker {number}")

    def close(self) -> None:
        """Take no further requests."""
        self.queue.close()

    async def process(self, request: Request) -> Result | Exception:
        """Reconcile a request that was taken from the queue, and settle its outcome."""
        started = time.perf_counter()
        fields = {"kind": request.kind, "ns": request.namespace, "name": request.name}
        instruments.WORKERS_BUSY.labels(self.name).inc()
        try:
            with bound(
                controller=self.name, **fields, reconcile_id=f"{random.getrandbits(32):08x}"
            ):
                outcome = await self._outcome(request)
                settled = self._settle(request, outcome)
        finally:
            self.queue.done(request)
            instruments.WORKERS_BUSY.labels(self.name).dec()
        instruments.RECONCILES.labels(self.name, settled).inc()
        instruments.RECONCILE_SECONDS.labels(self.name).observe(time.perf_counter() - started)
        instruments.QUEUE_LENGTH.labels(self.name).set(len(self.queue))
        return outcome

    async def _work(self) -> None:
        while (request := await self.queue.get()) is not None:
            await self.process(request)

    async def _outcome(self, request: Request) -> Result | Exception:
        try:
            async with asyncio.timeout(self._timeout):
                return await self._reconciler.reconcile(request)
        except Exception as error:
            return error

    def _settle(self, request: Request, outcome: Result | Exception) -> str:
        """Decide what becomes of a request; return the outcome's name for the metrics."""
        if isinstance(outcome, Result):
            self.queue.forget(request)
            if outcome.seconds is None:
                log.debug("reconciled")
                return "done"
            self.queue.add_after(request, outcome.seconds)
            log.debug("reconciled", again_in=round(outcome.seconds, 3), why=outcome.why)
            return "requeued"
        match outcome:
            case Conflict() | AlreadyExists():
                # Somebody was faster. Never a verdict: read again what is there now.
                wait = self.queue.retry(request)
                log.debug("conflict", retry_in=round(wait, 3), error=str(outcome))
                return "conflict"
            case TooManyRequests() | ServerUnavailable():
                wait = self.queue.retry(request, at_least=outcome.retry_after or 0.0)
                log.warning("API server unavailable", retry_in=round(wait, 3), error=str(outcome))
                return "unavailable"
            case Retryable():
                wait = self.queue.retry(request)
                log.info(
                    "will be retried",
                    retry_in=round(wait, 3),
                    reason=outcome.reason,
                    error=str(outcome),
                )
                return "retryable"
            case _:
                # A Terminal error ends here too: its place is a condition, so this is a bug.
                wait = self.queue.retry(request)
                log.error("reconcile failed", error=outcome, retry_in=round(wait, 3))
                return "error"
