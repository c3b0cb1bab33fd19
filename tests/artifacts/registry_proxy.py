"""A proxy in front of an MLflow server that counts requests and fails as a test says."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import aiohttp
from aiohttp import web

from tidegate import listening

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@dataclass
class RegistryProxy:
    """Hands requests on to `target`; `status` is answered instead, `delay_s` seconds late."""

    target: str
    http: aiohttp.ClientSession
    url: str = ""
    status: int = 0
    delay_s: float = 0.0
    headers: dict[str, str] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    """Method and path of each request, oldest first."""
    authorizations: list[str | None] = field(default_factory=list)

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """One request."""
        self.asked.append(f"{request.method} {request.path}")
        self.authorizations.append(request.headers.get("authorization"))
        await asyncio.sleep(self.delay_s)
        if self.status:
            return web.Response(status=self.status, text="made to fail", headers=self.headers)
        async with self.http.request(
            request.method, self.target + request.path_qs, data=await request.read(),
            headers={"content-type": request.headers.get("content-type", "text/plain")},
        ) as answer:  # fmt: skip
            return web.Response(
                status=answer.status, body=await answer.read(), content_type=answer.content_type
            )


@asynccontextmanager
async def proxy(target: str) -> AsyncIterator[RegistryProxy]:
    """A proxy on a free port of this machine."""
    async with aiohttp.ClientSession() as http:
        found = RegistryProxy(target, http)
        runner = web.ServerRunner(web.Server(found.answer), shutdown_timeout=0.1)
        await runner.setup()
        try:
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            found.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
            yield found
        finally:
            await listening.end(runner)
