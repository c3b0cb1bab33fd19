"""Who is predicted with whom: each gets its own answer, in batches within bounds, and soon."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidegate.serving.batching import Batcher, patience_s
from tidegate.serving.runner import Overloaded

if TYPE_CHECKING:
    from collections.abc import Sequence

DELAY_S = 0.05


class Model:
    """Doubles numbers, fails on negative ones, and notes its batches. Takes a turn of the loop, or
    as long as `open` is not set."""

    def __init__(self, *, closed: bool = False) -> None:
        self.batches: list[list[int]] = []
        self.at_once = self.most_at_once = 0
        self.open, self.asked = asyncio.Event(), asyncio.Event()
        if not closed:
            self.open.set()

    async def __call__(self, batch: list[int]) -> Sequence[int | Exception]:
        self.batches.append(list(batch))
        self.asked.set()
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await asyncio.sleep(0)
        await self.open.wait()
        self.at_once -= 1
        return [ValueError(f"no {item}") if item < 0 else 2 * item for item in batch]


def a_batcher(
    model: Model,
    *,
    max_rows: int = 8,
    max_delay_s: float = 0.0,
    at_once: int = 1,
    max_waiting: int = 100,
) -> Batcher[int, int]:
    return Batcher(
        model,
        max_rows=max_rows,
        max_delay_s=max_delay_s,
        at_once=at_once,
        max_waiting=max_waiting,
    )


class Recorder:
    """What became of each request."""

    def __init__(self) -> None:
        self.answers: dict[int, int | str] = {}

    async def ask(self, batcher: Batcher[int, int], place: int, item: int, rows: int) -> None:
        try:
            self.answers[place] = await batcher.submit(item, rows=rows)
        except ValueError as error:
            self.answers[place] = str(error)


@given(
    requests=st.lists(
        st.tuples(st.integers(-5, 50), st.integers(1, 12), st.integers(0, 3)), max_size=40
    ),
    max_rows=st.integers(1, 10),
    at_once=st.integers(1, 3),
    max_delay_ms=st.integers(0, 2),
)
@settings(max_examples=60, deadline=None)
async def test_every_request_gets_its_own_answer_in_batches_within_bounds(
    requests: list[tuple[int, int, int]], max_rows: int, at_once: int, max_delay_ms: int
) -> None:
    """Each request: a number, its rows, and how many turns of the loop pass before the next."""
    model, recorder = Model(), Recorder()
    batcher = a_batcher(model, max_rows=max_rows, max_delay_s=max_delay_ms / 1000, at_once=at_once)
    async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
        for place, (item, rows, turns) in enumerate(requests):
            tasks.create_task(recorder.ask(batcher, place, item, rows))
            for _ in range(turns):
                await asyncio.sleep(0)
    assert recorder.answers == {
        place: f"no {item}" if item < 0 else 2 * item for place, (item, _, _) in enumerate(requests)
    }
    assert sorted(item for batch in model.batches for item in batch) == sorted(
        item for item, _, _ in requests
    )
    assert model.most_at_once <= at_once
    each = iter([rows for _, rows, _ in requests])  # batches go first come, first served
    for batch in model.batches:
        counts = [next(each) for _ in batch]
        assert sum(counts) <= max_rows or len(counts) == 1


@given(
    rows=st.integers(1, 100),
    max_rows=st.integers(1, 100),
    waited_s=st.floats(0, 10),
    gap_s=st.floats(0, 10) | st.just(float("inf")),
    max_delay_s=st.floats(0, 1),
)
def test_nobody_is_asked_to_wait_longer_than_allowed(
    rows: int, max_rows: int, waited_s: float, gap_s: float, max_delay_s: float
) -> None:
    more_s = patience_s(
        rows=rows, max_rows=max_rows, waited_s=waited_s, gap_s=gap_s, max_delay_s=max_delay_s
    )
    assert 0 <= more_s <= max_delay_s
    assert more_s == 0 or waited_s + more_s <= max_delay_s + 1e-9
    if rows >= max_rows or gap_s >= max_delay_s:
        assert more_s == 0


async def test_what_comes_while_one_is_predicted_goes_together() -> None:
    model = Model(closed=True)
    batcher = a_batcher(model, max_rows=3)
    asked = []
    for item in range(6):
        asked.append(asyncio.create_task(batcher.submit(item, rows=1)))
        if item == 0:
            await model.asked.wait()
    await asyncio.sleep(0)
    model.open.set()
    assert await asyncio.gather(*asked) == [0, 2, 4, 6, 8, 10]
    assert model.batches == [[0], [1, 2, 3], [4, 5]]


async def test_a_lone_request_goes_at_once_even_where_a_delay_is_allowed() -> None:
    model = Model()
    batcher = a_batcher(model, max_delay_s=3600)
    async with asyncio.timeout(20):
        assert await batcher.submit(1, rows=1) == 2


async def test_a_caller_that_waits_for_its_answers_is_soon_not_kept_waiting_for_itself(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    loop = asyncio.get_running_loop()
    kept_waiting: list[float] = []

    def call_later(delay: float, *args: Any) -> asyncio.TimerHandle:
        kept_waiting.append(delay)
        return loop.call_at(loop.time() + delay, *args)

    monkeypatch.setattr(loop, "call_later", call_later)
    batcher = a_batcher(Model(), max_delay_s=DELAY_S)
    for item in range(60):
        await batcher.submit(item, rows=1)
    assert len(kept_waiting) <= 6  # doubling pauses: 1 + 2 + 4 + 8 + 16 requests go in between
    assert max(kept_waiting, default=0) <= DELAY_S


async def test_requests_that_come_closely_wait_for_each_other() -> None:
    model = Model()
    batcher = a_batcher(model, max_rows=4, max_delay_s=5)
    async with asyncio.timeout(20):
        for _ in range(5):  # closeness has to last before anybody waits
            await batcher.submit(0, rows=1) if not model.batches else None
            await asyncio.gather(*(batcher.submit(i, rows=1) for i in range(4)))
    assert model.batches[-1] == [0, 1, 2, 3]


async def test_more_than_may_wait_are_refused_and_a_caller_that_left_is_left_out() -> None:
    model = Model(closed=True)
    batcher = a_batcher(model, max_waiting=2)
    first = asyncio.create_task(batcher.submit(0, rows=1))
    await model.asked.wait()
    waiting = [asyncio.create_task(batcher.submit(item, rows=1)) for item in (1, 2)]
    await asyncio.sleep(0)
    with pytest.raises(Overloaded):
        await batcher.submit(3, rows=1)
    waiting[0].cancel()
    await asyncio.sleep(0)
    model.open.set()
    assert await first == 0
    assert await waiting[1] == 4
    assert model.batches == [[0], [2]]
