"""A key is reconciled as often as it changed, by one task at a time, until it succeeds."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from tidegate.errors import Conflict, NotFound
from tidegate.local.workloads.loop import Key, KeyedLoop

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

KEY = ("demo", "a")


@asynccontextmanager
async def running(loop: KeyedLoop) -> AsyncIterator[None]:
    task = asyncio.create_task(loop.run())
    await asyncio.sleep(0)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_key_added_while_it_is_worked_on_is_worked_on_once_more() -> None:
    begun, go_on, runs = asyncio.Event(), asyncio.Event(), 0

    async def reconcile(key: Key) -> float | None:
        nonlocal runs
        runs += 1
        begun.set()
        await go_on.wait()
        return None

    loop = KeyedLoop("test", reconcile)
    async with running(loop):
        loop.add(KEY)
        await begun.wait()
        for _ in range(5):
            loop.add(KEY)
        assert runs == 1
        go_on.set()
        await asyncio.sleep(0.01)
        assert runs == 2


async def test_keys_added_before_the_start_are_not_lost() -> None:
    seen = asyncio.Queue[Key]()

    async def reconcile(key: Key) -> float | None:
        seen.put_nowait(key)
        return None

    loop = KeyedLoop("test", reconcile)
    loop.add(KEY)
    async with running(loop):
        assert await asyncio.wait_for(seen.get(), 1) == KEY


async def test_a_failed_reconcile_is_tried_again_and_other_keys_go_on() -> None:
    tries: dict[Key, int] = {}
    done = asyncio.Event()

    async def reconcile(key: Key) -> float | None:
        tries[key] = tries.get(key, 0) + 1
        if key == KEY:
            if tries[key] == 1:
                raise Conflict("changed", status=409)
            if tries[key] == 2:
                raise NotFound("not yet", status=404)
            done.set()
        return None

    loop = KeyedLoop("test", reconcile)
    async with running(loop):
        loop.add(KEY)
        loop.add(("demo", "b"))
        await asyncio.wait_for(done.wait(), 5)
    assert tries == {KEY: 3, ("demo", "b"): 1}


async def test_a_reconcile_may_ask_for_a_later_look() -> None:
    runs = 0
    done = asyncio.Event()

    async def reconcile(key: Key) -> float | None:
        nonlocal runs
        runs += 1
        if runs < 3:
            return 0 if runs == 1 else 0.01
        done.set()
        return None

    loop = KeyedLoop("test", reconcile)
    async with running(loop):
        loop.add(KEY)
        await asyncio.wait_for(done.wait(), 5)
        await asyncio.sleep(0.05)
    assert runs == 3
