"""The server's process: its sockets, loading beside serving, signals and draining.

The sockets are open while the model loads, so that the liveness probe passes and readiness says no.

A stopped pod goes on being sent requests until every proxy has heard of it, and a proxy may send
one on a connection in the moment in which it is closed. So after SIGTERM the server first only
stops being ready and answers each request with `connection: close`; it ends when nobody is
connected any more, or nobody has asked for a while, and at the latest after the drain limit.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import sys
import time
from typing import TYPE_CHECKING

import uvicorn
from prometheus_client import disable_created_metrics

from tidegate.errors import Terminal
from tidegate.serving.application import Application
from tidegate.serving.distribution import Distributions
from tidegate.serving.listening import BACKLOG, bind
from tidegate.serving.loading import load_model, load_profile
from tidegate.serving.outputs import Ring
from tidegate.serving.runner import Runner
from tidegate.serving.settings import PROFILE_NAME
from tidegate.serving.sideports import SidePorts
from tidegate.serving.telemetry import Telemetry
from tidegate.serving.wire import Connection

if TYPE_CHECKING:
    import socket
    from types import FrameType

    from tidegate.serving.settings import Settings

log = logging.getLogger(__name__)

KEEP_ALIVE_S = 2 * 60 * 60
"""Longer than any proxy keeps an idle connection (Envoy: an hour): the proxy closes it, never the
server, so that no request is sent into a connection that is being closed."""

QUIET_S = 2.0
"""While draining: connections that were idle this long are given up."""

FINISH_S = 5.0
"""For answers still under way when the drain limit is reached."""


class _Server(uvicorn.Server):
    """uvicorn, with a lame-duck time between SIGTERM and closing."""

    def __init__(self, config: uvicorn.Config, application: Application, settings: Settings):
        super().__init__(config)
        self._application = application
        self._settings = settings
        self._asked_at: float | None = None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        # uvicorn would raise the signal again after its shutdown; a drained server exits with 0.
        if self._asked_at is not None:
            return
        self._asked_at = time.monotonic()
        self._application.drain()

    async def on_tick(self, counter: int) -> bool:
        if await super().on_tick(counter):
            return True
        return self._asked_at is not None and self._is_drained(self._asked_at)

    def _is_drained(self, asked_at: float) -> bool:
        now = time.monotonic()
        if now - asked_at >= self._settings.drain_limit_s or not self._application.was_ready:
            return True
        if now - asked_at < self._settings.drain_settle_s or self.server_state.tasks:
            return False
        quiet = now - max(asked_at, self._application.last_request) >= QUIET_S
        return quiet or not self.server_state.connections


async def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT.

    :raises Terminal: the model cannot be loaded, or the address cannot be bound.
    """
    runner = Runner(
        threads=settings.threads,
        inline_s=settings.inline_ms / 1000,
        max_pending=settings.limits.in_flight,
    )
    # A series beside each counter that nobody reads.
    disable_created_metrics()  # type: ignore[no-untyped-call]
    telemetry = Telemetry(model=settings.model, revision=settings.revision)
    ring = Ring(
        model=settings.model,
        revision=settings.revision,
        rate=settings.sample_rate,
        max_entries=settings.kept_outputs,
        max_bytes=settings.kept_bytes,
    )
    application = Application(
        model=settings.model,
        revision=settings.revision,
        limits=settings.limits,
        runner=runner,
        telemetry=telemetry,
        ring=ring,
    )
    sockets = _bind_all(settings, application, SidePorts(telemetry=telemetry, ring=ring))
    server = _Server(_configuration(settings, application), application, settings)
    loading = asyncio.create_task(_load(settings, application, server, telemetry))
    await server.serve(sockets=sockets)
    runner.close()
    log.info("stopped")
    if not loading.done():
        # Stopped while loading: a thread in the middle of it cannot be cancelled, only left.
        sys.stderr.flush()
        os._exit(0)
    loading.result()


async def _load(
    settings: Settings, application: Application, server: _Server, telemetry: Telemetry
) -> None:
    try:
        model = await asyncio.to_thread(load_model, settings)
    except Terminal:
        server.should_exit = True
        raise
    distributions = Distributions(
        model.signature,
        model=settings.model,
        revision=settings.revision,
        profile=await asyncio.to_thread(load_profile, settings.profile),
    )
    if distributions.left_out:
        log.warning(
            "%s has columns that the signature has not, or not so: %s",
            PROFILE_NAME,
            ", ".join(distributions.left_out),
        )
    telemetry.add(distributions.render)
    # What is loaded stays: the collector need not walk through it again in every full collection.
    gc.collect()
    gc.freeze()
    if settings.batch_rows:
        application.batch(
            max_rows=settings.batch_rows,
            max_delay_s=settings.batch_delay_s,
            at_once=settings.threads,
        )
    application.serve(model, distributions)
    log.info("ready model=%s revision=%s", settings.model, settings.revision)


def _configuration(settings: Settings, application: Application) -> uvicorn.Config:
    return uvicorn.Config(
        application,
        loop="uvloop",
        http=Connection,
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="warning",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        date_header=False,
        headers=[("x-tidegate-revision", settings.revision)],
        backlog=BACKLOG,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=int(FINISH_S),
    )


def _bind_all(settings: Settings, application: Application, side: SidePorts) -> list[socket.socket]:
    """The sockets of all three ports; the application is told which is for what."""
    main = bind(settings.host, settings.port)
    metrics = bind(settings.host, settings.metrics_port)
    outputs = bind(settings.host, settings.outputs_port)
    ports = [listener.getsockname()[1] for listener in (main, metrics, outputs)]
    application.lead({ports[1]: side.metrics, ports[2]: side.outputs})
    log.info("listening address=%s port=%d metrics=%d outputs=%d", settings.host, *ports)
    return [main, metrics, outputs]
