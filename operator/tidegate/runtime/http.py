"""Serves /metrics, /healthz and /readyz: what Prometheus and the kubelet ask this process; and
hands on what others POST to its hooks.

It reports a `Health` and changes nothing by itself. A process that waits for the lease is ready: it
is a stand-by that does its job, and a Deployment's roll-out must not wait for the leader to go.
"""

from __future__ import annotations

import time
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from tidegate import listening
from tidegate.runtime import instruments
from tidegate.runtime.hooks import MAX_BODY, Hooks

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a probe passes, and for people why."""

    ok: bool
    why: str


class Health(Protocol):
    """What the probes ask."""

    def alive(self) -> Verdict:
        """Tell whether a restart would not help: no means that the kubelet restarts."""
        ...

    def ready(self) -> Verdict:
        """Tell whether this process does its job: leads with whole caches, or stands by."""
        ...


@asynccontextmanager
async def serving(
    health: Health, *, host: str, port: int, hooks: Hooks | None = None
) -> AsyncIterator[int]:
    """Serve while the context is entered; yields the port (`port` 0 takes a free one)."""
    taking = hooks or Hooks()

    async def alive(_: web.Request) -> web.Response:
        return _answer(health.alive())

    async def ready(_: web.Request) -> web.Response:
        return _answer(health.ready())

    async def hook(request: web.Request) -> web.Response:
        body = await request.read()
        headers = {name.lower(): value for name, value in request.headers.items()}
        reply = taking.reply(request.path, headers, body, now=time.monotonic())
        return web.Response(status=reply.status, text=reply.text + "\n")

    app = web.Application(client_max_size=MAX_BODY)
    app.router.add_get("/metrics", _metrics)
    app.router.add_get("/healthz", alive)
    app.router.add_get("/readyz", ready)
    app.router.add_post("/webhooks/{name}", hook)
    runner = web.AppRunner(app, handle_signals=False, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port)
        await site.start()
        yield runner.addresses[0][1]
    finally:
        await listening.end(runner)


async def _metrics(_: web.Request) -> web.Response:
    return web.Response(
        body=generate_latest(instruments.REGISTRY), headers={"Content-Type": CONTENT_TYPE_LATEST}
    )


def _answer(verdict: Verdict) -> web.Response:
    return web.json_response(
        {"ok": verdict.ok, "why": verdict.why}, status=200 if verdict.ok else 503
    )
