"""The fake clock moves only when told, and wakes each sleeper at its own time."""

from __future__ import annotations

import asyncio

from tidegate.testing.clock import START, FakeClock


async def test_sleepers_wake_in_order_at_their_own_times() -> None:
    clock = FakeClock()
    woken: list[tuple[str, float]] = []

    async def sleeper(name: str, seconds: float) -> None:
        await clock.sleep(seconds)
        woken.append((name, clock.monotonic()))

    async with asyncio.TaskGroup() as group:
        group.create_task(sleeper("late", 30))
        group.create_task(sleeper("early", 10))
        await clock.advance(20)
        assert woken == [("early", 10)]
        await clock.advance(20)

    assert woken == [("early", 10), ("late", 30)]
    assert (clock.now() - START).total_seconds() == 40


async def test_what_wakes_may_sleep_again_within_one_advance() -> None:
    clock = FakeClock()
    ticks = []

    async def tick() -> None:
        for _ in range(3):
            await clock.sleep(10)
            ticks.append(clock.monotonic())

    async with asyncio.TaskGroup() as group:
        group.create_task(tick())
        await clock.advance(25)
        assert ticks == [10, 20]
        await clock.advance(5)

    assert ticks == [10, 20, 30]


async def test_an_event_ends_a_wait_before_its_time() -> None:
    clock = FakeClock()
    event = asyncio.Event()
    waiting = asyncio.create_task(clock.wait_for(event, 10))
    await clock.advance(5)
    event.set()
    await clock.rest()

    assert waiting.done()
    assert waiting.result()
    assert clock.next_due() is None


async def test_a_wait_without_an_event_ends_at_its_time() -> None:
    clock = FakeClock()
    waiting = asyncio.create_task(clock.wait_for(asyncio.Event(), 10))
    await clock.advance(10)

    assert waiting.done()
    assert not waiting.result()


async def test_a_cancelled_sleeper_is_passed_over() -> None:
    clock = FakeClock()
    sleeping = asyncio.create_task(clock.sleep(5))
    await clock.rest()
    sleeping.cancel()
    await clock.advance(10)

    assert sleeping.cancelled()
    assert clock.monotonic() == 10


def test_a_jump_wakes_nobody() -> None:
    clock = FakeClock()
    clock.jump(100)

    assert clock.monotonic() == 100
