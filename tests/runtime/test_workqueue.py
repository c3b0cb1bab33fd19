"""The queue's promises: nothing twice at a time, nothing lost, failures rest longer and longer."""

from __future__ import annotations

import asyncio
import random
from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tidegate.runtime.request import Request
from tidegate.runtime.workqueue import BackOff, WorkQueue
from tidegate.testing.clock import FakeClock

A, B, C = (Request("Model", "demo", name) for name in "abc")


def test_a_request_waits_once_however_often_it_is_added() -> None:
    queue = WorkQueue(FakeClock())
    for request in (A, B, A, A):
        queue.add(request)

    assert [queue.take(), queue.take(), queue.take()] == [A, B, None]


def test_a_request_at_work_is_given_to_nobody_else_and_runs_again_afterwards() -> None:
    queue = WorkQueue(FakeClock())
    queue.add(A)
    assert queue.take() == A
    queue.add(A)
    queue.add(A)

    assert queue.take() is None
    queue.done(A)
    assert queue.take() == A
    queue.done(A)
    assert queue.take() is None


def test_the_earliest_of_several_timers_counts() -> None:
    clock = FakeClock()
    queue = WorkQueue(clock)
    queue.add_after(A, 30)
    queue.add_after(A, 10)
    queue.add_after(A, 20)

    assert queue.next_due() == 10
    clock.jump(10)
    assert queue.take() == A
    queue.done(A)
    clock.jump(30)
    assert queue.take() is None


def test_a_reconcile_replaces_the_timer_that_was_set_before_it() -> None:
    clock = FakeClock()
    queue = WorkQueue(clock)
    queue.add_after(A, 30)
    queue.add(A)
    assert queue.take() == A
    queue.add_after(A, 60)
    queue.done(A)

    clock.jump(30)
    assert queue.take() is None
    clock.jump(30)
    assert queue.take() == A


def test_a_timer_that_runs_out_during_the_work_runs_it_again() -> None:
    clock = FakeClock()
    queue = WorkQueue(clock)
    queue.add(A)
    assert queue.take() == A
    queue.add_after(A, 5)
    clock.jump(5)

    assert queue.take() is None
    queue.done(A)
    assert queue.take() == A


def test_failures_in_a_row_rest_longer_until_they_are_forgotten() -> None:
    queue = WorkQueue(FakeClock(), back_off=BackOff(first_s=1, longest_s=60))
    waits = [queue.retry(A) for _ in range(10)]

    for n, wait in enumerate(waits):
        whole = min(2.0**n, 60)
        assert whole / 2 <= wait <= whole
    queue.forget(A)
    assert queue.retry(A) <= 1


def test_a_server_that_says_how_long_to_wait_is_obeyed() -> None:
    queue = WorkQueue(FakeClock())

    assert queue.retry(A, at_least=17) == 17
    assert queue.next_due() == 17


@given(failures=st.integers(1, 10_000), seed=st.integers())
def test_a_back_off_stays_within_its_bounds(failures: int, seed: int) -> None:
    back_off = BackOff(first_s=0.2, longest_s=120)

    assert 0.1 <= back_off.wait(failures, jitter=random.Random(seed)) <= 120


async def test_a_worker_waits_for_work_and_for_time() -> None:
    clock = FakeClock()
    queue = WorkQueue(clock)
    waiting = asyncio.create_task(queue.get())
    await clock.rest()
    assert not waiting.done()
    queue.add_after(A, 60)
    await clock.advance(59)
    assert not waiting.done()
    await clock.advance(1)

    assert await waiting == A


async def test_an_earlier_timer_wakes_a_worker_that_waits_for_a_later_one() -> None:
    clock = FakeClock()
    queue = WorkQueue(clock)
    queue.add_after(A, 60)
    waiting = asyncio.create_task(queue.get())
    await clock.advance(1)
    queue.add_after(B, 5)
    await clock.advance(5)

    assert await waiting == B


async def test_closing_sends_waiting_workers_home() -> None:
    queue = WorkQueue(FakeClock())
    waiting = [asyncio.create_task(queue.get()) for _ in range(3)]
    await asyncio.sleep(0)
    queue.close()

    assert await asyncio.gather(*waiting) == [None, None, None]
    queue.add(A)
    assert queue.take() is None


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 2**32), workers=st.integers(1, 5))
async def test_with_any_number_of_workers_nothing_is_lost_and_nothing_runs_twice_at_a_time(
    seed: int, workers: int
) -> None:
    chance = random.Random(seed)
    clock = FakeClock()
    queue = WorkQueue(clock)
    running: set[Request] = set()
    last_added: dict[Request, float] = {}
    last_started: dict[Request, float] = {}
    moment = iter(range(10**6))

    async def work() -> None:
        while (request := await queue.get()) is not None:
            assert request not in running
            running.add(request)
            last_started[request] = next(moment)
            for _ in range(chance.randrange(4)):
                await asyncio.sleep(0)
            running.discard(request)
            queue.done(request)

    async with asyncio.TaskGroup() as group:
        for _ in range(workers):
            group.create_task(work())
        for _ in range(40):
            request = chance.choice((A, B, C))
            if chance.random() < 0.3:
                queue.add_after(request, chance.uniform(0, 5))
            else:
                queue.add(request)
                last_added[request] = next(moment)
            if chance.random() < 0.5:
                await asyncio.sleep(0)
        await clock.advance(10)
        queue.close()

    for request, added in last_added.items():
        assert last_started[request] > added


class QueueMachine(RuleBasedStateMachine):
    """Compares the queue with the plainest statement of what it promises."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = FakeClock()
        self.queue = WorkQueue(self.clock)
        self.wanted: set[Request] = set()
        self.working: set[Request] = set()
        self.timers: dict[Request, float] = {}

    requests = st.sampled_from((A, B, C))

    @rule(request=requests)
    def add(self, request: Request) -> None:
        self.queue.add(request)
        self.wanted.add(request)

    @rule(request=requests, seconds=st.integers(1, 5))
    def add_after(self, request: Request, seconds: int) -> None:
        self.queue.add_after(request, seconds)
        due = self.clock.monotonic() + seconds
        self.timers[request] = min(due, self.timers.get(request, due))

    @rule(seconds=st.integers(1, 5))
    def wait(self, seconds: int) -> None:
        self.clock.jump(seconds)

    @rule()
    def take(self) -> None:
        for request, due in list(self.timers.items()):
            if due <= self.clock.monotonic():
                self.wanted.add(request)
                del self.timers[request]
        taken = self.queue.take()
        free = self.wanted - self.working
        assert (taken in free) if free else (taken is None)
        if taken is not None:
            self.wanted.discard(taken)
            self.working.add(taken)
            self.timers.pop(taken, None)

    @precondition(lambda self: self.working)
    @rule(data=st.data())
    def done(self, data: st.DataObject) -> None:
        request = data.draw(st.sampled_from(sorted(self.working)))
        self.queue.done(request)
        self.working.discard(request)

    @invariant()
    def at_work_are_those_that_were_taken(self) -> None:
        assert self.queue.working == self.working


TestQueueMachine = QueueMachine.TestCase


def test_counting_requests_that_wait_leaves_out_those_at_work() -> None:
    queue = WorkQueue(FakeClock())
    queue.add(A)
    queue.add(B)
    queue.take()

    assert Counter(queue.waiting()) == Counter([B])
    assert len(queue) == 1
