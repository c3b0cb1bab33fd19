"""When an operator dies: at every write of a delivery, before it and after it.

`Moments` keeps the world around each write of a run in which nobody dies, so that the rest can be
played from each by an operator that knows nothing of what was before. `Reaper` kills within one run
every operator at its first write, before it and, at the next try, after it.
"""

from __future__ import annotations

from collections import Counter
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from tests.controllers.crashing import Known, Run
from tests.controllers.site import NAMESPACE, Site

from tidegate.kube.resources import ROLLOUTS
from tidegate.testing.clock import FakeClock
from tidegate.testing.kube import FakeKube
from tidegate.testing.transport import Killed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from datetime import datetime

    from tidegate.kube.transport import Response
    from tidegate.local.apiserver import Store
    from tidegate.testing.metrics import FakeMetrics
    from tidegate.testing.transport import Sent

EVENTS = ("POST events", "PATCH events")


@dataclass(frozen=True)
class Moment:
    """The world without an operator, at a write of a run. `around` are the writes that it is
    before or after."""

    run: Run
    store: Store
    at: datetime
    metrics: FakeMetrics
    known: Known
    rate: float
    around: list[str]

    def phase(self) -> str:
        """The Rollout's phase."""
        (rollout,) = self.store.collection(f"{ROLLOUTS.group}/{ROLLOUTS.plural}").select(NAMESPACE)
        return str(rollout.decode()["status"]["phase"])

    @asynccontextmanager
    async def entered(self) -> AsyncIterator[Run]:
        """The run, as it stands when the operator has died here and another one is started."""
        clock = FakeClock(self.at)
        async with FakeKube.over(self.store, clock=clock) as kube:
            site = Site(kube, self.metrics.copy(clock.now))
            site.rate = self.rate
            run = Run(site, self.run.story, self.known)
            await run.restart()
            yield run


@dataclass
class Moments:
    """Keeps each moment at which an operator may die.

    Between one write and the next, moments are one if nothing was stored and no time passed: the
    next operator cannot tell them apart. Nor can it tell whether an Event was stored.
    """

    run: Run
    kept: list[Moment] = field(default_factory=list)
    kinds: Counter[str] = field(default_factory=Counter)
    _seen: tuple[int, float] | None = None

    async def before(self, sent: Sent) -> None:
        """See `Onlooker`."""
        self.kinds[kind_of(sent)] += 1
        self._keep(f"before {sent}", self._now())

    async def after(self, sent: Sent, answer: Response) -> None:
        """See `Onlooker`."""
        await self.run.check()
        if kind_of(sent) in EVENTS:
            self._seen = self._now()
        self._keep(f"after {sent}", self._now())

    def once_warm(self) -> list[Moment]:
        """Those since a candidate is ready: what goes before is the same for every strategy."""
        phases = [moment.phase() for moment in self.kept]
        return self.kept[phases.index("WarmingUp") :]

    def _now(self) -> tuple[int, float]:
        kube = self.run.site.kube
        return kube.revision, kube.clock.monotonic()

    def _keep(self, words: str, now: tuple[int, float]) -> None:
        kube, known = self.run.site.kube, self.run.known
        if now == self._seen:
            self.kept[-1].around.append(words)
            return
        self._seen = now
        self.kept.append(
            Moment(
                self.run,
                kube.api.store.copy(),
                kube.clock.now(),
                self.run.site.metrics.copy(kube.clock.now),
                replace(known, revisions=list(known.revisions)),
                self.run.site.rate,
                [words],
            )
        )


@dataclass
class Reaper:
    """Lets each operator live for one write that changes something.

    A write kills before it is sent and, when the next operator comes to it, after it was stored. An
    operator lives on from one that changed nothing or was refused: its next write is another.
    """

    run: Run
    before_writes: Counter[str] = field(default_factory=Counter)
    """Operators that died before a write, by its kind."""
    after_writes: Counter[str] = field(default_factory=Counter)
    """Operators that died after a write, by its kind."""
    _spared: set[str] = field(default_factory=set)
    _revision: int = 0

    async def before(self, sent: Sent) -> None:
        """See `Onlooker`."""
        self._revision = self.run.site.kube.revision
        if str(sent) not in self._spared:
            self._spared.add(str(sent))
            self.before_writes[kind_of(sent)] += 1
            raise Killed

    async def after(self, sent: Sent, answer: Response) -> None:
        """See `Onlooker`."""
        await self.run.check()
        if self.run.site.kube.revision != self._revision:
            self._spared.clear()
            self.after_writes[kind_of(sent)] += 1
            raise Killed


def kind_of(sent: Sent) -> str:
    """What kind of write it is: its method, the resource, and the subresource."""
    words = sent.path.split("/namespaces/", 1)[1].split("/")[1:]
    return " ".join([sent.method, words[0], *words[2:]])
