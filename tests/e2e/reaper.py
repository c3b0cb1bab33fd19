"""Stands between operators and the API server, and kills each operator at its first writes.

An operator lives for one write that changes something: it is killed before the write is handed on
and, when the next operator comes to the same write, after the server has answered and before the
operator hears of it. Writes are let through one at a time, and none of a dead operator. Events and
the Lease are handed on like reads: they say nothing about a delivery.
"""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
from collections import Counter
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import aiohttp
import orjson
from aiohttp import web
from yarl import URL

from tidegate import listening
from tidegate.kube.credentials import from_kubeconfig, ssl_context
from tidegate.local.cluster.images import CHECKOUT, SOURCE_ROOT

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
    from pathlib import Path

READS = ("GET", "HEAD", "OPTIONS")
UNCOUNTED = ("leases", "events")
# group or none, version, namespace, resource, name, subresource
_PATH = re.compile(
    r"/api(?:s/([^/]+))?/[^/]+/namespaces/([^/]+)/([^/]+)(?:/([^/]+))?(?:/([^/]+))?$"
)


@dataclass
class Reaper:
    """The proxy. `rests` lets everything pass; `chosen` says of a write, by its kind, whether
    operators die at it."""

    server: str
    http: aiohttp.ClientSession
    admin: Mapping[str, str]
    """The headers of somebody who may read everything."""
    chosen: Callable[[str], bool]
    url: str = ""
    rests: bool = False
    before: Counter[str] = field(default_factory=Counter)
    """Operators killed before a write, by its kind."""
    after: Counter[str] = field(default_factory=Counter)
    """Operators killed after a write that was stored, by its kind."""
    stored: Counter[str] = field(default_factory=Counter)
    """Writes that changed something, by their kind."""
    alive: int | None = None
    """The pid of the operator that may write."""
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    _spared: set[str] = field(default_factory=set)

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """One request."""
        where = _PATH.match(request.path)
        resource = where.group(3) if where else ""
        if request.method in READS or resource in UNCOUNTED or where is None:
            return await self._hand_on(request)
        async with self._turn:
            if self._is_dead(request):
                return _hung_up(request)
            return await self._write(request, where)

    async def _write(self, request: web.BaseRequest, where: re.Match[str]) -> web.StreamResponse:
        kind = " ".join(filter(None, (request.method, where.group(3), where.group(5))))
        this = f"{request.method} {request.path}"
        dies = not self.rests and (this in self._spared or self.chosen(kind))
        if dies and this not in self._spared:
            self._spared.add(this)
            self.before[kind] += 1
            return self._kill(request)
        version = await self._version(request, where)
        answer = await self._hand_on(request)
        assert isinstance(answer, web.Response)
        assert isinstance(answer.body, bytes)
        if answer.status >= 300 or _version_in(answer.body) == version:
            return answer
        self._spared.discard(this)
        self.stored[kind] += 1
        if not dies or self._is_dead(request):
            return answer
        self.after[kind] += 1
        return self._kill(request)

    def _is_dead(self, request: web.BaseRequest) -> bool:
        return request.headers.get("user-agent") != f"operator/{self.alive}"

    def _kill(self, request: web.BaseRequest) -> web.StreamResponse:
        assert self.alive is not None
        os.kill(self.alive, signal.SIGKILL)
        self.alive = None
        return _hung_up(request)

    async def _version(self, request: web.BaseRequest, where: re.Match[str]) -> str:
        """The resourceVersion of the object that is about to be written; "" while there is none."""
        if where.group(4) is None:
            return ""
        path = request.path.removesuffix(f"/{where.group(5)}") if where.group(5) else request.path
        async with self.http.get(self.server + path, headers=self.admin) as found:
            return _version_in(await found.read()) if found.status == 200 else ""

    async def _hand_on(self, request: web.BaseRequest) -> web.StreamResponse:
        names = ("content-type", "accept")
        headers = {name: request.headers[name] for name in names if name in request.headers}
        url = URL(self.server + request.raw_path, encoded=True)
        body = await request.read()
        async with self.http.request(request.method, url, data=body, headers=headers) as found:
            kept = {
                n: found.headers[n] for n in ("content-type", "retry-after") if n in found.headers
            }
            if "watch" not in request.query:
                return web.Response(status=found.status, headers=kept, body=await found.read())
            stream = web.StreamResponse(status=found.status, headers=kept)
            await stream.prepare(request)
            async for chunk in found.content.iter_any():
                await stream.write(chunk)
            return stream


def _version_in(body: bytes) -> str:
    return str(orjson.loads(body).get("metadata", {}).get("resourceVersion", ""))


def _hung_up(request: web.BaseRequest) -> web.StreamResponse:
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


@dataclass
class Succession:
    """Operators in a row: when one has died, the next is born at once."""

    reaper: Reaper
    between: Callable[[], Awaitable[None]]
    """What is done while there is none."""
    born: int = 0

    async def run(self, environment: Mapping[str, str], log: Path) -> None:
        """Until cancelled."""
        with log.open("ab") as errors:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "tests.e2e.nursery", str(os.getpid())),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=errors,
                cwd=CHECKOUT,
                env={**os.environ, "PYTHONPATH": f"{SOURCE_ROOT}:{CHECKOUT}", **environment},
            )
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            while True:
                await self.between()
                process.stdin.write(b"next\n")
                born = (await process.stdout.readline()).decode().split()
                assert born[:1] == ["born"], f"no operator was born; see {log}"
                self.born += 1
                self.reaper.alive = int(born[1])
                died = await process.stdout.readline()
                self.reaper.alive = None
                assert died, f"the operators ended; see {log}"
        finally:
            # The operator has asked to be ended with the process that bore it.
            process.kill()
            await process.wait()


@asynccontextmanager
async def reaping(
    kubeconfig: Path, *, token: str, chosen: Callable[[str], bool]
) -> AsyncIterator[Reaper]:
    """The proxy on a port of its own; it asks with `token`, the operator's."""
    credentials = from_kubeconfig(kubeconfig)
    connector = aiohttp.TCPConnector(ssl=ssl_context(credentials), limit=0)
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=10)
    headers = {"authorization": f"Bearer {token}"}
    async with aiohttp.ClientSession(
        connector=connector, timeout=timeout, headers=headers
    ) as session:
        admin = {"authorization": f"Bearer {credentials.token}"}
        reaper = Reaper(credentials.server, session, admin, chosen)
        server = web.Server(reaper.answer, handler_cancellation=True)
        runner = web.ServerRunner(server, shutdown_timeout=0.1)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            host, port = runner.addresses[0][:2]
            reaper.url = f"http://{host}:{port}"
            yield reaper
        finally:
            await listening.end(runner)
