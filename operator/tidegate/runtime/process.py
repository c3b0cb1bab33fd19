"""The life of an operator process: lease, watches, controllers, and an orderly end.

Order matters. The Lease is taken before anything is watched or reconciled. Controllers start when
every watched kind was listed once. On SIGTERM (or when `stop` is set) controllers finish what they
do, then the watches end, then the Lease is released. When the Lease is lost, everything is
cancelled at once, writes are already fenced, and `run` raises: the process must exit.

An operator is put together by one function that gets a `Context` and returns its controllers:

    def build(context: Context) -> list[Controller]:
        return [
            Controller(
                "model",
                ModelReconciler(context.client, context.cache, context.recorder),
                watched=[
                    Watched(MODELS, itself("Model")),
                    Watched(DEPLOYMENTS, owner("Model"), managed_only=True),
                ],
                clock=context.clock,
                workers=context.settings.workers,
            ),
            Controller(
                "delivery",
                DeliveryReconciler(…),
                watched=[
                    Watched(MODELS, itself("Model")),
                    Watched(ROLLOUTS, named_by("Model", "spec", "modelRef", "name")),
                    Watched(HTTPROUTES, owner("Model"), managed_only=True),
                ],
                clock=context.clock,
            ),
        ]

    await run(settings, build)

Controllers may watch the same resource; it is listed, watched and kept once. What else a build
opens (an HTTP session) it registers with `context.exit_stack`, closed after the controllers.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import socket
from collections.abc import Callable, Coroutine, Iterable, Sequence
from contextlib import AsyncExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from tidegate.kube.client import Client
from tidegate.kube.events import Recorder
from tidegate.kube.transport import HttpTransport
from tidegate.runtime import instruments, kopf_host
from tidegate.runtime.cache import Cache
from tidegate.runtime.controller import Controller
from tidegate.runtime.fence import FencedTransport
from tidegate.runtime.hooks import Hooks
from tidegate.runtime.http import Verdict, serving
from tidegate.runtime.lease import Lease, LeaseLost
from tidegate.runtime.logs import get_logger
from tidegate.runtime.resync import Resync
from tidegate.specs.metadata import MODEL_LABEL, REVISION_LABEL

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tidegate.kube.clock import Clock
    from tidegate.kube.objects import Object
    from tidegate.runtime.owners import Watched
    from tidegate.settings import Settings

_DRAIN_S = 20.0
"""How long a reconcile may finish after SIGTERM; Kubernetes kills after 30 s."""
_WATCH_DEAD_AFTER_S = 120.0
INDEXED_LABELS = (MODEL_LABEL, REVISION_LABEL)
"""Labels that every reconcile looks children up by."""

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Context:
    """What controllers are made of.

    `client` writes only while this process leads. `clock` is the API server's. `cache` is to be
    read only; objects in it are shared. What is put into `hooks` may be POSTed to from then on.
    """

    settings: Settings
    client: Client
    cache: Cache
    recorder: Recorder
    clock: Clock
    exit_stack: AsyncExitStack
    hooks: Hooks = field(default_factory=Hooks)


type Build = Callable[[Context], Sequence[Controller]]


async def run(
    settings: Settings,
    build: Build,
    *,
    transport: HttpTransport | None = None,
    stop: asyncio.Event | None = None,
    on_http: Callable[[int], None] | None = None,
) -> None:
    """Run an operator until SIGTERM, SIGINT or `stop`; returns after an orderly end.

    `transport` defaults to KUBECONFIG, then the pod's service account; it is closed at the end.
    `on_http` is told the port of /metrics, /healthz and /readyz. Raises LeaseLost (the process must
    exit), Terminal for unusable credentials, and whatever broke a watch for good.
    """
    stop = stop or asyncio.Event()
    async with AsyncExitStack() as stack:
        transport = transport or HttpTransport.from_environment()
        stack.push_async_callback(transport.close)
        stack.enter_context(_signals(stop))
        lease = _lease(settings, Client(transport))
        process = _Process(settings, lease=lease, transport=transport, stop=stop)
        port = settings.http_port
        server = (
            serving(process, host=settings.http_host, port=port, hooks=process.hooks)
            if port
            else nullcontext(0)
        )
        bound_port = await stack.enter_async_context(server)
        if on_http is not None and bound_port:
            on_http(bound_port)
        if await _first_of(lease.acquire(), stop):
            stack.push_async_callback(lease.release)
            await process.lead(build)


def wake(controllers: Iterable[Controller], cache: Cache) -> None:
    """Have everything reconciled that the cache holds."""
    for controller in controllers:
        for watched in controller.watched:
            for obj in cache.list(watched.res):
                for request in watched.to_requests(obj, cache):
                    controller.queue.add(request)


def connect(controllers: Iterable[Controller], cache: Cache) -> list[Watched]:
    """Have changes in `cache` wake `controllers`; return the resources to watch, each once.

    Raises ValueError when one resource is watched by different labels, or both whole and by one.
    """
    distinct: dict[object, Watched] = {}
    for controller in controllers:
        for watched in controller.watched:
            other = distinct.setdefault(watched.res, watched)
            if other.label_selector != watched.label_selector:
                raise ValueError(f"{watched.res} is watched both whole and by label")
            cache.subscribe(
                watched.res, partial(_wake, controller, watched, cache), matters=watched.matters
            )
    return list(distinct.values())


def _wake(controller: Controller, watched: Watched, cache: Cache, obj: Object) -> None:
    for request in watched.to_requests(obj, cache):
        controller.queue.add(request)


class _Process:
    """What runs while this process leads, and how it is with it."""

    def __init__(
        self, settings: Settings, *, lease: Lease, transport: HttpTransport, stop: asyncio.Event
    ) -> None:
        self._settings = settings
        self._lease = lease
        self._transport = transport
        self._stop = stop
        self._synced = asyncio.Event()
        self._client = Client(FencedTransport(transport, lease))
        self._cache = Cache(self._client.clock, indexed_labels=INDEXED_LABELS)
        self._leading = False
        self.hooks = Hooks()

    def alive(self) -> Verdict:
        """See `Health`: no when a list showed changes that no watch has told for two minutes."""
        missed = self._cache.missed_since()
        if missed is None:
            return Verdict(True, "watches deliver")
        silent = self._client.clock.monotonic() - missed
        return Verdict(silent < _WATCH_DEAD_AFTER_S, f"a change is untold for {silent:.0f} s")

    def ready(self) -> Verdict:
        """See `Health`."""
        if not self._leading:
            return Verdict(True, "standing by for the lease")
        if not self._lease.held:
            return Verdict(False, "the lease ran out")
        if not self._synced.is_set():
            return Verdict(False, "the first lists are under way")
        return Verdict(True, "leading")

    async def lead(self, build: Build) -> None:
        """Reconcile until `stop` is set; the lease must be held."""
        async with AsyncExitStack() as opened:
            controllers = build(self._context(opened))
            watched = connect(controllers, self._cache)
            self._leading = True
            instruments.LEADING.set(1)
            try:
                await self._lead(controllers, watched)
            except ExceptionGroup as group:
                if (lost := group.subgroup(LeaseLost)) is not None:
                    raise LeaseLost("the lease was lost; restart the process") from lost
                raise
            finally:
                self._leading = False
                self.hooks.by_path.clear()
                instruments.LEADING.set(0)

    async def _lead(self, controllers: Sequence[Controller], watched: Sequence[Watched]) -> None:
        resync = Resync(
            self._client,
            self._cache,
            watched,
            namespaces=self._settings.watch_namespaces,
            every_s=self._settings.resync.total_seconds(),
            wake_all=lambda: wake(controllers, self._cache),
        )
        unwatch = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            renewing = group.create_task(self._lease.run_while_held(), name="lease")
            listing = group.create_task(self._list(resync), name="resync")
            reconciling = group.create_task(self._reconcile(controllers), name="controllers")
            watching = group.create_task(self._watch(watched, unwatch), name="kopf")
            await self._stop.wait()
            log.info("stopping")
            await self._drain(controllers, reconciling)
            listing.cancel()
            unwatch.set()
            await watching
            renewing.cancel()

    async def _list(self, resync: Resync) -> None:
        await resync.first(self._synced)
        await resync.run()

    async def _reconcile(self, controllers: Sequence[Controller]) -> None:
        await self._synced.wait()
        log.info("reconciling", controllers=[controller.name for controller in controllers])
        async with asyncio.TaskGroup() as group:
            for controller in controllers:
                group.create_task(controller.run(), name=controller.name)

    async def _drain(
        self, controllers: Sequence[Controller], reconciling: asyncio.Task[None]
    ) -> None:
        """Let running reconciles finish, within limits; those that do not are cancelled."""
        for controller in controllers:
            controller.close()
        limit = _DRAIN_S if self._synced.is_set() else 0.0
        done, _ = await asyncio.wait([reconciling], timeout=limit)
        if limit and not done:
            log.warning("reconciles were cancelled: they did not finish in time", seconds=limit)
        reconciling.cancel()

    async def _watch(self, watched: Sequence[Watched], unwatch: asyncio.Event) -> None:
        await kopf_host.run(
            watched,
            cache=self._cache,
            credentials=self._transport.credentials,
            token=self._transport.token,
            namespaces=self._settings.watch_namespaces,
            stop=unwatch,
            on_started=lambda: _take_signals(self._stop),
        )
        if not unwatch.is_set():
            # kopf ends by itself only on a signal that it caught before we took signals back.
            self._stop.set()

    def _context(self, opened: AsyncExitStack) -> Context:
        return Context(
            settings=self._settings,
            client=self._client,
            cache=self._cache,
            recorder=Recorder(self._client),
            clock=self._client.clock,
            exit_stack=opened,
            hooks=self.hooks,
        )


def _lease(settings: Settings, client: Client) -> Lease:
    return Lease(
        client,
        namespace=settings.namespace,
        name=settings.lease_name,
        identity=f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}",
        duration=settings.lease_duration,
    )


async def _first_of(waiting: Coroutine[None, None, None], stop: asyncio.Event) -> bool:
    """Run `waiting` unless `stop` is set first; tell whether it ended."""
    task = asyncio.create_task(waiting)
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait([task, stopping], return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            task.result()
            return True
        return False
    finally:
        for one in (task, stopping):
            one.cancel()
        await asyncio.gather(task, stopping, return_exceptions=True)


@contextmanager
def _signals(stop: asyncio.Event) -> Iterator[None]:
    _take_signals(stop)
    try:
        yield
    finally:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)


def _take_signals(stop: asyncio.Event) -> None:
    """Have SIGTERM and SIGINT end the process in order."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
