from __future__ import annotations

import asyncio
import io
import itertools
import struct
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
from aiohttp import web

from tidegate import listening
from tidegate.demo.answers import Answer, Blame
from tidegate.demo.load import LATEST_START_S, Load, Timetable, as_line, from_line
from tidegate.demo.replay import Replay

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

    type Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def served(handler: Handler) -> AsyncGenerator[str]:
    app = web.Application()
    app.router.add_post("/v2/models/m/infer", handler)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    yield f"http://{host}:{port}/v2/models/m/infer"
    await listening.end(runner)


def load_of(url: str, *, rate: float = 500.0) -> Load:
    replay = Replay(("a",), struct.pack("<10d", *range(10)))
    timetable = Timetable(rate=rate, started=time.monotonic())
    return Load(url, {"Host": "flights.example"}, replay, timetable)


async def answers_of(load: Load, *, requests: int) -> list[Answer]:
    out = io.BytesIO()
    await load.run(out, stop=asyncio.Event(), requests=requests)
    return [from_line(line) for line in out.getvalue().splitlines()]


def test_a_line_tells_the_whole_answer() -> None:
    answer = Answer(7, 12.5, 500, "m-1", 3.25, "why")
    assert from_line(as_line(answer).rstrip(b"\n")) == answer


async def test_every_request_is_written_down_with_who_answered_it() -> None:
    seen: list[tuple[str, object]] = []

    async def handler(request: web.Request) -> web.Response:
        seen.append((request.host, (await request.json())["inputs"][0]["data"]))
        status = 500 if len(seen) % 4 == 0 else 200
        return web.json_response({}, status=status, headers={"x-tidegate-revision": "m-1"})

    async with served(handler) as url:
        answers = await answers_of(load_of(url), requests=20)
    assert sorted(answer.number for answer in answers) == list(range(20))
    assert {answer.revision for answer in answers} == {"m-1"}
    assert sum(answer.blame is Blame.VERSION for answer in answers) == 5
    assert {host for host, _ in seen} == {"flights.example"}
    assert sorted(data for _, data in seen if isinstance(data, list)) == sorted(
        [float(number)] for number in list(range(10)) * 2
    )


async def test_a_server_that_is_not_there_is_our_failure_not_a_versions() -> None:
    async def handler(request: web.Request) -> web.Response:
        raise AssertionError("nobody asks")

    async with served(handler) as url:
        pass
    answers = await answers_of(load_of(url), requests=3)
    assert [answer.blame for answer in answers] == [Blame.OURS] * 3
    assert all(answer.status == 0 and answer.error for answer in answers)


async def test_a_slow_server_is_asked_at_the_same_rate_all_the_same() -> None:
    arrived: list[float] = []

    async def handler(request: web.Request) -> web.Response:
        arrived.append(time.monotonic())
        await asyncio.sleep(0.3)
        return web.json_response({}, headers={"x-tidegate-revision": "m-1"})

    async with served(handler) as url:
        answers = await answers_of(load_of(url, rate=100.0), requests=20)
    # one after the other would have taken 20 x 0.3 s
    assert arrived[-1] - arrived[0] < 2.0
    assert min(answer.milliseconds for answer in answers) >= 300


async def test_it_stops_when_told_and_waits_for_what_is_still_out() -> None:
    stop = asyncio.Event()
    counter = itertools.count(1)

    async def handler(request: web.Request) -> web.Response:
        if next(counter) == 3:
            stop.set()
        await asyncio.sleep(0.1)
        return web.json_response({}, headers={"x-tidegate-revision": "m-1"})

    out = io.BytesIO()
    async with served(handler) as url:
        load = load_of(url)
        await load.run(out, stop=stop, requests=None)
    answers = [from_line(line) for line in out.getvalue().splitlines()]
    assert len(answers) == load.timetable.sent >= 3
    assert {answer.status for answer in answers} == {200}


@pytest.mark.parametrize(("behind_s", "skipped"), [(0.2, 0), (LATEST_START_S + 1.0, 100)])
def test_a_client_far_behind_its_timetable_leaves_requests_out_and_counts_them(
    behind_s: float, skipped: int
) -> None:
    timetable = Timetable(rate=100.0, started=50.0)
    due = timetable.next_due(50.0 + behind_s)
    assert timetable.skipped == skipped
    assert due == pytest.approx(50.0 + skipped / 100.0)
