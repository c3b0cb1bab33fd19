"""Runs an operator's controllers against a FakeKube, step by step, without kopf and without time.

    async with FakeKube.start() as kube:
        harness = Harness(kube, build)            # the same `build` as app.py gives to `run`
        await kube.put(model)
        await harness.settle()                    # reconcile until nothing is left to do now
        await harness.advance(timedelta(minutes=5))
        kube.transport.kill_after(3)
        with pytest.raises(Killed):
            await harness.settle()
        harness.restart()                         # a new process: new cache, queues, reconcilers
        await harness.settle()

Before each reconcile the cache is brought up to date by lists, as watches would have done; inside
`with harness.stale():` it is not. One request is reconciled at a time, in the order of the queues.
After each the `World` (Deployments, gateway) takes its step. A reconcile that raises what is not a
conflict, an unavailable server or a Retryable fails the test; so does one that changes an object
of the cache.
"""

from __future__ import annotations

from contextlib import AsyncExitStack, contextmanager
from typing import TYPE_CHECKING

import orjson

from tidegate.errors import (
    AlreadyExists,
    Conflict,
    KubeError,
    NotFound,
    Retryable,
    ServerUnavailable,
    TooManyRequests,
)
from tidegate.kube.client import Listing
from tidegate.kube.events import Recorder
from tidegate.runtime.cache import Cache
from tidegate.runtime.process import INDEXED_LABELS, Build, Context, connect, wake
from tidegate.runtime.request import Request, Result
from tidegate.settings import Settings
from tidegate.testing.world import World

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import timedelta

    from tidegate.kube.objects import Object
    from tidegate.runtime.controller import Controller
    from tidegate.testing.kube import FakeKube

_EXPECTED = (Conflict, AlreadyExists, TooManyRequests, ServerUnavailable, Retryable)
_MOST_RECONCILES = 2000


class Harness:
    """One operator process whose time and events a test controls."""

    def __init__(
        self,
        kube: FakeKube,
        build: Build,
        *,
        settings: Settings | None = None,
        world: World | None = None,
    ) -> None:
        self.kube = kube
        self.world = world or World(kube)
        self.settings = settings or Settings()
        self.outcomes: list[tuple[Request, Result | Exception]] = []
        """What each reconcile answered, oldest first."""
        self._build = build
        self._stale = False
        self.restart()

    def restart(self) -> None:
        """Start a new process: nothing in memory is kept, and faults are healed."""
        self.kube.transport.heal()
        self.cache = Cache(self.kube.clock, indexed_labels=INDEXED_LABELS)
        self.context = Context(
            settings=self.settings,
            client=self.kube.client,
            cache=self.cache,
            recorder=Recorder(self.kube.client),
            clock=self.kube.clock,
            exit_stack=AsyncExitStack(),
        )
        self.controllers = list(self._build(self.context))
        self._watched = connect(self.controllers, self.cache)
        self._delivered = -1

    async def close(self) -> None:
        """Close what the build opened (`context.exit_stack`)."""
        await self.context.exit_stack.aclose()

    @contextmanager
    def stale(self) -> Iterator[None]:
        """Deliver no events inside: reconcilers see the world as it was."""
        self._stale = True
        try:
            yield
        finally:
            self._stale = False

    def wake_all(self) -> None:
        """Enqueue everything, as a resync does."""
        wake(self.controllers, self.cache)

    async def settle(self) -> int:
        """Reconcile until nothing waits and the world stands still; return how often it ran.

        Raises AssertionError when it does not come to rest, and what a reconciler raised that it
        must not.
        """
        ran = 0
        while True:
            moved = await self.world.step()
            await self.kube.clock.rest()
            await self._deliver()
            found = self._next()
            if found is None:
                if not moved or self._stale:
                    return ran
                continue
            await self._process(*found)
            ran += 1
            if ran > _MOST_RECONCILES:
                raise AssertionError(f"no rest after {ran} reconciles; the last: {found[1]}")

    async def once(self, controller: str, request: Request) -> None:
        """Bring the cache up to date, and let one controller reconcile one request, once."""
        await self._deliver()
        found = next(one for one in self.controllers if one.name == controller)
        await self._process(found, request)

    async def advance(self, delta: timedelta) -> int:
        """Let time pass: settle at each timer that falls due on the way, and at the end."""
        clock = self.kube.clock
        target = clock.monotonic() + delta.total_seconds()
        ran = await self.settle()
        while (due := self._next_due()) is not None and due <= target:
            await clock.advance(max(0.0, due - clock.monotonic()))
            ran += await self.settle()
        await clock.advance(target - clock.monotonic())
        return ran + await self.settle()

    def why(self, request: Request) -> str:
        """Return what the last reconcile of `request` waits for; "" for nothing."""
        for one, outcome in reversed(self.outcomes):
            if one == request:
                return outcome.why if isinstance(outcome, Result) else str(outcome)
        raise AssertionError(f"{request} was never reconciled")

    def _next(self) -> tuple[Controller, Request] | None:
        for controller in self.controllers:
            if (request := controller.queue.take()) is not None:
                return controller, request
        return None

    def _next_due(self) -> float | None:
        dues = [controller.queue.next_due() for controller in self.controllers]
        return min((due for due in dues if due is not None), default=None)

    async def _deliver(self) -> None:
        if self._stale or self._delivered == self.kube.revision:
            return
        self._delivered = self.kube.revision
        for watched in self._watched:
            try:
                selector = watched.label_selector
                listing = await self.kube.user.list(watched.res, label_selector=selector)
            except NotFound:
                if not watched.optional:
                    raise
                listing = Listing([], "")
            self.cache.replace(watched.res, listing)

    async def _process(self, controller: Controller, request: Request) -> None:
        held = self._held()
        before = orjson.dumps(held)
        outcome = await controller.process(request)
        self.outcomes.append((request, outcome))
        if isinstance(outcome, Exception) and not isinstance(outcome, _EXPECTED):
            detail = f" {outcome.details}" if isinstance(outcome, KubeError) else ""
            raise AssertionError(f"{request} failed: {outcome!r}{detail}") from outcome
        if orjson.dumps(held) != before:
            raise AssertionError(f"{request} changed an object of the shared cache")

    def _held(self) -> list[Object]:
        """The objects that the cache shares now: they may be replaced, never changed."""
        return [obj for watched in self._watched for obj in self.cache.list(watched.res)]
