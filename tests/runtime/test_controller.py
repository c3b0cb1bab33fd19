"""What becomes of each outcome of a reconcile."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from tidegate.errors import (
    AlreadyExists,
    Conflict,
    NotFound,
    Retryable,
    ServerUnavailable,
    Terminal,
    TooManyRequests,
)
from tidegate.runtime.controller import Controller
from tidegate.runtime.instruments import REGISTRY
from tidegate.runtime.request import Request, Result
from tidegate.testing.clock import FakeClock

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

A = Request("Model", "demo", "a")
B = Request("Model", "demo", "b")


@dataclass
class Scripted:
    """Answers by a script, then with done."""

    script: list[Result | BaseException] = field(default_factory=list)
    seen: list[Request] = field(default_factory=list)

    async def reconcile(self, request: Request) -> Result:
        self.seen.append(request)
        answer = self.script.pop(0) if self.script else Result.done()
        if isinstance(answer, BaseException):
            raise answer
        return answer


def controller(
    reconciler: Scripted | Calling, clock: FakeClock, *, timeout: float = 60
) -> Controller:
    return Controller("test", reconciler, watched=(), clock=clock, timeout=timeout)


@dataclass
class Calling:
    """Reconciles by a function."""

    function: Callable[[Request], Awaitable[Result]]

    async def reconcile(self, request: Request) -> Result:
        return await self.function(request)


async def step(one: Controller) -> Result | Exception:
    request = one.queue.take()
    assert request is not None
    return await one.process(request)


async def test_what_is_done_is_left_alone() -> None:
    one = controller(Scripted(), FakeClock())
    one.queue.add(A)
    await step(one)

    assert one.queue.take() is None
    assert one.queue.next_due() is None


async def test_a_result_says_when_to_look_again() -> None:
    clock = FakeClock()
    one = controller(Scripted([Result.after(30, "waiting for step 2")]), clock)
    one.queue.add(A)
    outcome = await step(one)

    assert outcome == Result(30, "waiting for step 2")
    assert one.queue.next_due() == 30


@pytest.mark.parametrize(
    "error",
    [
        Conflict("changed meanwhile", status=409),
        AlreadyExists("there already", status=409),
        Retryable("not yet"),
        ServerUnavailable("down"),
        NotFound("gone", status=404),
        Terminal("Broken", "must not have been raised"),
        ValueError("a bug"),
    ],
)
async def test_every_error_is_retried_with_back_off(error: Exception) -> None:
    clock = FakeClock()
    one = controller(Scripted([error, error]), clock)
    one.queue.add(A)

    assert await step(one) is error
    first = one.queue.next_due()
    assert first is not None
    assert 0 < first <= 0.2
    clock.jump(first)
    assert await step(one) is error
    assert one.queue.failures(A) == 2


async def test_a_success_ends_the_row_of_failures() -> None:
    clock = FakeClock()
    one = controller(Scripted([Retryable("not yet")]), clock)
    one.queue.add(A)
    await step(one)
    clock.jump(1)
    await step(one)

    assert one.queue.failures(A) == 0


@pytest.mark.parametrize(
    "error",
    [
        TooManyRequests("slow down", retry_after=45),
        ServerUnavailable("overloaded", status=503, retry_after=45),
    ],
)
async def test_retry_after_is_obeyed(error: Exception) -> None:
    one = controller(Scripted([error]), FakeClock())
    one.queue.add(A)
    await step(one)

    assert one.queue.next_due() == 45


async def test_a_reconcile_that_hangs_is_ended_and_retried() -> None:
    async def hang(request: Request) -> Result:
        await asyncio.sleep(60)
        return Result.done()

    one = controller(Calling(hang), FakeClock(), timeout=0.01)
    one.queue.add(A)

    assert isinstance(await step(one), TimeoutError)
    assert one.queue.next_due() is not None


async def test_a_bug_is_logged_with_its_traceback_and_object(
    caplog: pytest.LogCaptureFixture,
) -> None:
    one = controller(Scripted([ValueError("a bug")]), FakeClock())
    one.queue.add(A)
    with caplog.at_level(logging.ERROR):
        await step(one)

    (record,) = caplog.records
    fields = record.__dict__["fields"]
    assert record.exc_info is not None
    assert (fields["kind"], fields["ns"], fields["name"]) == ("Model", "demo", "a")
    assert len(fields["reconcile_id"]) == 8


async def test_a_conflict_is_no_news_for_people(caplog: pytest.LogCaptureFixture) -> None:
    one = controller(Scripted([Conflict("changed", status=409)]), FakeClock())
    one.queue.add(A)
    with caplog.at_level(logging.INFO):
        await step(one)

    assert caplog.records == []


async def test_outcomes_are_counted() -> None:
    def count(outcome: str) -> float:
        labels = {"controller": "test", "outcome": outcome}
        return REGISTRY.get_sample_value("tidegate_reconcile_total", labels) or 0.0

    before = count("done"), count("conflict")
    one = controller(Scripted([Conflict("changed", status=409)]), FakeClock())
    one.queue.add(A)
    await step(one)
    one.queue.add(A)
    await step(one)

    assert (count("done"), count("conflict")) == (before[0] + 1, before[1] + 1)


async def test_workers_run_different_requests_at_the_same_time() -> None:
    together = asyncio.Barrier(2)

    async def meet(request: Request) -> Result:
        await together.wait()
        one.close()
        return Result.done()

    one = controller(Calling(meet), FakeClock(), timeout=5)
    one.queue.add(A)
    one.queue.add(B)
    async with asyncio.timeout(5):
        await one.run()

    assert together.n_waiting == 0
    assert one.queue.failures(A) == one.queue.failures(B) == 0


async def test_closing_lets_a_running_reconcile_finish() -> None:
    started, finish = asyncio.Event(), asyncio.Event()
    finished = []

    async def slow(request: Request) -> Result:
        started.set()
        await finish.wait()
        finished.append(request)
        return Result.done()

    one = controller(Calling(slow), FakeClock())
    one.queue.add(A)
    one.queue.add(B)
    running = asyncio.create_task(one.run())
    await started.wait()
    one.close()
    finish.set()
    await running

    assert A in finished
