"""A proxy in front of the cluster's Prometheus that breaks as a test says.

The operator asks the proxy and nobody else does; what breaks here, breaks for every Rollout.
"""

from __future__ import annotations

import asyncio
import math
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import aiohttp
import orjson
from aiohttp import web

from tidegate import listening

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

FAULTS = ("refused", "500", "slow", "NaN", "empty")


@dataclass
class PrometheusProxy:
    """Hands queries on to `target`. `fault` is one of FAULTS; samples of before `since` and after
    `until` (unix seconds) are held back: a restart without data, and data that stand still."""

    target: str
    http: aiohttp.ClientSession
    url: str = ""
    fault: str = ""
    since: float = -math.inf
    until: float = math.inf
    asked: int = 0

    @contextmanager
    def broken(self, fault: str) -> Iterator[None]:
        """Break so inside the block."""
        assert fault in FAULTS
        self.fault = fault
        try:
            yield
        finally:
            self.fault = ""

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """One request."""
        self.asked += 1
        match self.fault:
            case "refused":
                assert request.transport is not None
                request.transport.abort()
            case "slow":
                await asyncio.sleep(60)
            case "500":
                return web.Response(status=500, text="made to fail")
        async with self.http.request(
            request.method, self.target + request.path_qs, data=await request.read(),
            headers={"content-type": request.headers.get("content-type", "text/plain")},
        ) as answer:  # fmt: skip
            document = orjson.loads(await answer.read())
            if answer.status == 200:
                self._change(document["data"])
            return web.Response(
                status=answer.status, body=orjson.dumps(document), content_type="application/json"
            )

    def _change(self, data: Any) -> None:
        """Make of what Prometheus said what the fault says. Scalars, which are the time, stay."""
        if not isinstance(data, dict) or data.get("resultType") not in ("matrix", "vector"):
            return
        if self.fault == "empty":
            data["result"] = []
        for series in data["result"]:
            for name in ("value", "values"):
                if name in series:
                    series[name] = self._samples(series[name], many=name == "values")
        data["result"] = [s for s in data["result"] if s.get("value") or s.get("values")]

    def _samples(self, found: Any, *, many: bool) -> Any:
        samples = found if many else [found]
        kept = [
            [at, "NaN" if self.fault == "NaN" else value]
            for at, value in samples
            if self.since <= at <= self.until
        ]
        return kept if many else next(iter(kept), None)


@asynccontextmanager
async def serving(target: str, http: aiohttp.ClientSession) -> AsyncIterator[PrometheusProxy]:
    """The proxy on a port of its own."""
    proxy = PrometheusProxy(target, http)
    runner = web.ServerRunner(web.Server(proxy.answer), shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0][:2]
        proxy.url = f"http://{host}:{port}"
        yield proxy
    finally:
        await listening.end(runner)
