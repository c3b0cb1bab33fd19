"""A Prometheus in a process of its own that answers every cluster from a formula.

For benchmarks: what it costs to ask and to read, without what it costs to store. It knows the two
selectors of the profile `envoy`, `time()` and `up`; anything else is an empty answer.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import aiohttp
import orjson
from aiohttp import web

if TYPE_CHECKING:
    from multiprocessing.connection import Connection
    from multiprocessing.process import BaseProcess

SCRAPE_S = 15
RATE = 20.0
_NAMES = re.compile(r'envoy_cluster_name=~"([^"]*)"')
_BOUNDS = re.compile(r'le=~"([^"]*)"')
_WINDOW = re.compile(r"\[(\d+)ms\]$")
_BASE = {"instance": "10.0.0.9:9901", "job": "envoy"}


def _unescaped(text: str) -> list[str]:
    return [name.replace("\\\\", "").replace("\\", "") for name in text.split("|")]


def answer(query: str, at: float) -> list[dict[str, Any]]:
    """The matrix of a range selector."""
    names, window = _NAMES.search(query), _WINDOW.search(query)
    if names is None or window is None:
        return []
    first = at - int(window[1]) / 1000
    scrapes = range(int(first // SCRAPE_S + 1) * SCRAPE_S, int(at) + 1, SCRAPE_S)
    bounds = _BOUNDS.search(query)
    series: list[tuple[dict[str, str], float]] = []
    for cluster in _unescaped(names[1]):
        labels = {**_BASE, "envoy_cluster_name": cluster}
        if bounds is not None:
            name = {"__name__": "envoy_cluster_upstream_rq_time_bucket"}
            for le in _unescaped(bounds[1]):
                share = 1.0 if le == "+Inf" else min(1.0, float(le) / 40.0)
                series.append(({**labels, **name, "le": le}, RATE * share))
            continue
        code = "envoy_response_code_class"
        rq_xx = {"__name__": "envoy_cluster_upstream_rq_xx"}
        series.append(({**labels, **rq_xx, code: "2"}, RATE * 0.99))
        series.append(({**labels, **rq_xx, code: "5"}, RATE * 0.01))
        series.append(({**labels, "__name__": "envoy_cluster_upstream_rq_total"}, RATE))
        series.append(({**labels, "__name__": "envoy_cluster_membership_total"}, 0.0))
    return [
        {"metric": labels, "values": [[at, f"{int(rate * (at % 10_000_000))}"] for at in scrapes]}
        for labels, rate in series
    ]


async def _serve(port: Connection) -> None:
    asked = 0

    async def query(request: web.Request) -> web.Response:
        nonlocal asked
        asked += 1
        text, at = request.query["query"], float(request.query.get("time", time.time()))
        if text == "time()":
            found: Any = {"resultType": "scalar", "result": [time.time(), f"{time.time()}"]}
        else:
            found = {"resultType": "matrix", "result": answer(text, at)}
        body = orjson.dumps({"status": "success", "data": found})
        return web.Response(body=body, content_type="application/json")

    async def count(_: web.Request) -> web.Response:
        return web.Response(text=str(asked))

    app = web.Application()
    app.add_routes([web.get("/api/v1/query", query), web.get("/asked", count)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    assert runner.addresses
    port.send(runner.addresses[0][1])
    await asyncio.Event().wait()


def _process(port: Connection) -> None:
    asyncio.run(_serve(port))


@dataclass
class FormulaPrometheus:
    """The running process, and where it listens."""

    process: BaseProcess
    url: str

    @classmethod
    def started(cls) -> FormulaPrometheus:
        """Start it and wait until it listens, ten seconds at most."""
        context = multiprocessing.get_context("spawn")
        mine, theirs = context.Pipe()
        process = context.Process(target=_process, args=(theirs,), daemon=True)
        process.start()
        if not mine.poll(10):
            raise AssertionError("the formula's process did not start")
        return cls(process, f"http://127.0.0.1:{mine.recv()}")

    async def asked(self) -> int:
        """How many queries it has answered."""
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"{self.url}/asked", timeout=aiohttp.ClientTimeout(5)) as response,
        ):
            return int(await response.text())

    def stop(self) -> None:
        """End it."""
        self.process.terminate()
        self.process.join(5)
