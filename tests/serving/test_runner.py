"""Quick predictions on the loop, slow ones in threads, too many refused."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from tidegate.serving.runner import Overloaded, Runner


def where(_: bytes) -> str:
    return threading.current_thread().name


async def test_quick_predictions_come_to_run_on_the_loop() -> None:
    runner = Runner(threads=1, inline_s=0.5, max_pending=10)
    places = [await runner.run(where, b"") for _ in range(3)]
    assert places[0].startswith("predict")
    assert places[-1] == threading.current_thread().name
    runner.close()


async def test_a_large_body_never_runs_on_the_loop() -> None:
    runner = Runner(threads=1, inline_s=0.5, max_pending=10)
    for _ in range(3):
        await runner.run(where, b"")
    assert (await runner.run(where, b"", large=True)).startswith("predict")
    runner.close()


async def test_slow_predictions_leave_the_loop_again() -> None:
    def slow(_: bytes) -> str:
        time.sleep(0.05)
        return threading.current_thread().name

    runner = Runner(threads=1, inline_s=0.01, max_pending=10)
    for _ in range(3):
        await runner.run(where, b"")
    places = [await runner.run(slow, b"") for _ in range(8)]
    assert places[-1].startswith("predict")
    runner.close()


async def test_more_than_may_wait_are_refused_and_later_ones_served() -> None:
    runner = Runner(threads=1, inline_s=0, max_pending=2)
    go = threading.Event()
    waiting = [asyncio.create_task(runner.run(lambda _: go.wait(10), b"")) for _ in range(2)]
    await asyncio.sleep(0)
    with pytest.raises(Overloaded):
        await runner.run(where, b"")
    go.set()
    assert await asyncio.gather(*waiting) == [True, True]
    assert (await runner.run(where, b"")).startswith("predict")
    runner.close()


async def test_what_a_prediction_raises_arrives_where_it_was_asked_for() -> None:
    def fail(_: bytes) -> None:
        raise ValueError("no")

    runner = Runner(threads=1, inline_s=0.5, max_pending=1)
    for _ in range(3):
        with pytest.raises(ValueError, match="no"):
            await runner.run(fail, b"")
    assert runner.pending == 0
    runner.close()
