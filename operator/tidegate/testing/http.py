"""A small HTTP server that answers as a test says, for what only a real connection shows.

async def slow(request: web.Request) -> web.StreamResponse: ...

async with answering(slow) as server:
    client = server.client(timeout=0.1)
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from aiohttp import web

from tidegate import listening
from tidegate.kube.client import Client
from tidegate.kube.credentials import Credentials
from tidegate.kube.transport import HttpTransport

if TYPE_CHECKING:
    import ssl

type Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class HttpServer:
    """Answers every request by `handler` and keeps what it was asked."""

    handler: Handler
    url: str = ""
    requests: list[web.Request] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)

    def client(self, *, timeout: float = 5.0) -> Client:
        """Return a client of this server; close it before the server."""
        return Client(HttpTransport(Credentials(server=self.url)), timeout=timeout)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Answer one request."""
        self.requests.append(request)
        self.bodies.append(await request.read())
        return await self.handler(request)


@asynccontextmanager
async def answering(
    handler: Handler, *, tls: ssl.SSLContext | None = None
) -> AsyncIterator[HttpServer]:
    """Serve on a free port of 127.0.0.1 while the context is entered."""
    server = HttpServer(handler)
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", server.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
        host, port = runner.addresses[0][:2]
        server.url = f"{'https' if tls else 'http'}://{host}:{port}"
        yield server
    finally:
        await listening.end(runner)
