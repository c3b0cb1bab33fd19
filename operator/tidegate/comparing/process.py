"""The comparer's process: a round of reading every interval, and a port for /metrics and /healthz.

The rounds run beside uvicorn, which owns the signals; when either ends, the other does.
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING

import httpx
import uvicorn
from prometheus_client import disable_created_metrics

from tidegate.comparing.arms import Arm
from tidegate.comparing.comparison import compare as compare_pair
from tidegate.comparing.join import Join
from tidegate.comparing.poller import Poller
from tidegate.comparing.telemetry import CONTENT_TYPE, Telemetry
from tidegate.serving.listening import bind

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from uvicorn._types import ASGIReceiveCallable, ASGISendCallable, Scope

    from tidegate.comparing.settings import Settings
    from tidegate.serving.records import Page

log = logging.getLogger(__name__)

STALLED_AFTER_S = 30.0
"""Without a finished round for this long, /healthz fails and the pod is restarted."""


class Comparer:
    """Everything between the pods' pages and the counters."""

    def __init__(self, settings: Settings, telemetry: Telemetry, client: httpx.AsyncClient) -> None:
        self._tolerance = settings.tolerance
        self._telemetry = telemetry
        self._join = Join()
        self._pollers = {arm: self._poller(settings, arm, client) for arm in Arm}

    def _poller(self, settings: Settings, arm: Arm, client: httpx.AsyncClient) -> Poller:
        return Poller(
            settings.side(arm),
            model=settings.model,
            port=settings.outputs_port,
            client=client,
            take=self._taker(arm),
            on_failure=lambda: self._telemetry.failed(arm),
        )

    def _taker(self, arm: Arm) -> Callable[[Page], None]:
        def take(page: Page) -> None:
            self.take(arm, page, now=time.monotonic())

        return take

    def take(self, arm: Arm, page: Page, *, now: float) -> None:
        """Join and count the records of a page."""
        self._telemetry.lost(arm, page.lost)
        for record in page.records:
            pair = self._join.add(arm, record, now=now)
            if pair is not None:
                self._telemetry.pair(
                    compare_pair(pair.stable, pair.candidate, tolerance=self._tolerance)
                )

    async def round(self) -> None:
        """Read both arms once, side by side, and give up what waited too long."""
        async with asyncio.TaskGroup() as tasks:
            for poller in self._pollers.values():
                tasks.create_task(poller.poll(now=time.monotonic()))
        self._join.expire(now=time.monotonic())
        self._telemetry.unpaired(self._join.take_unpaired())
        for arm, poller in self._pollers.items():
            self._telemetry.pods(arm, poller.answering)


class Application:
    """ASGI: /metrics, and /healthz that fails when the rounds stand still."""

    def __init__(self, telemetry: Telemetry) -> None:
        self._telemetry = telemetry
        self.last_round = time.monotonic()

    async def __call__(
        self, scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable
    ) -> None:
        if scope["type"] != "http":
            return
        status, body, content_type = self._answer(scope["path"])
        headers = [
            (b"content-type", content_type.encode()),
            (b"content-length", str(len(body)).encode()),
        ]
        await send(
            {
                "type": "http.response.start",
                "status": status,
                "headers": headers,
                "trailers": False,
            }
        )
        await send({"type": "http.response.body", "body": body, "more_body": False})

    def _answer(self, path: str) -> tuple[int, bytes, str]:
        if path == "/metrics":
            return 200, self._telemetry.render(), CONTENT_TYPE
        if path == "/healthz":
            stalled = time.monotonic() - self.last_round > STALLED_AFTER_S
            return (503, b"stalled", "text/plain") if stalled else (200, b"ok", "text/plain")
        return 404, b"/metrics and /healthz are here", "text/plain"


class _Server(uvicorn.Server):
    """uvicorn, which would raise the signal again after its shutdown; a stopped pod ends with 0."""

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self.should_exit = True


async def compare(settings: Settings) -> None:
    """Compare until SIGTERM or SIGINT.

    :raises Terminal: the address cannot be bound.
    """
    # A series beside each counter that nobody reads.
    disable_created_metrics()  # type: ignore[no-untyped-call]
    telemetry = Telemetry(settings)
    application = Application(telemetry)
    server = _Server(
        uvicorn.Config(
            application,
            http="httptools",
            ws="none",
            lifespan="off",
            log_config=None,
            log_level="warning",
            access_log=False,
            proxy_headers=False,
            timeout_graceful_shutdown=2,
        )
    )
    listener = bind(settings.host, settings.port)
    log.info("listening address=%s port=%d", *listener.getsockname()[:2])
    limits = httpx.Limits(max_connections=None, keepalive_expiry=30.0)
    async with httpx.AsyncClient(trust_env=False, limits=limits, timeout=None) as client:
        comparer = Comparer(settings, telemetry, client)
        rounds = asyncio.create_task(_rounds(comparer, application, settings.interval_s))
        rounds.add_done_callback(lambda _: server.handle_exit(0, None))
        await server.serve(sockets=[listener])
        rounds.cancel()
        await asyncio.wait([rounds])
    if not rounds.cancelled():
        rounds.result()  # it never returns: what ended it is raised


async def _rounds(comparer: Comparer, application: Application, interval_s: float) -> None:
    while True:
        began = time.monotonic()
        await comparer.round()
        application.last_round = time.monotonic()
        await asyncio.sleep(max(0.0, interval_s - (time.monotonic() - began)))
