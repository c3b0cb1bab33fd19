"""A delivery that is played from its start to its end while the operator dies again and again."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from tests.controllers.site import NAMESPACE, Site

from tidegate.domain.record import replay
from tidegate.kube.resources import CONFIGMAPS
from tidegate.specs.record import rows_of
from tidegate.testing.kube import FakeKube
from tidegate.testing.transport import Killed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tidegate.testing.transport import FaultyTransport

V2, V3 = "https://models/v2", "https://models/v3"
DONE = ("Healthy", "Degraded")


@dataclass(frozen=True)
class Story:
    """What happens: a Rollout, v2 with an error rate once it serves, and what comes in between.

    `newer_at` is the weight of v2 at which v3 is asked for; `sours` the error rate that v2 has from
    its promotion on.
    """

    spec: dict[str, Any]
    error_rate: float = 0.0
    newer_at: int | None = None
    sours: float = 0.0


@dataclass(frozen=True)
class Kills:
    """The operator dies at the `first`-th write of the delivery, and again `every` so many after
    it started anew; after the write was stored, before it, or by turns."""

    first: int
    every: int | None = None
    after: bool = False
    by_turns: bool = False

    def orders(self) -> Iterator[tuple[int, bool]]:
        """How many writes from now, and whether after it."""
        after = self.after
        yield self.first, after
        while self.every is not None:
            after = not after if self.by_turns else after
            yield self.every, after


@dataclass(frozen=True)
class End:
    """How a delivery ended, as far as anybody depends on it."""

    phase: str
    weights: dict[str, int]
    stable: str
    previous: str | None
    rejected: tuple[str, ...]
    attempts: int
    deployments: frozenset[str]


@dataclass
class Run:
    """One delivery, killed as ordered or not at all."""

    site: Site
    story: Story
    kills: Iterator[tuple[int, bool]] = field(default_factory=lambda: iter(()))
    died: int = 0
    disturb: Callable[[FaultyTransport], None] | None = None
    """What befalls the API server, once a second."""
    revisions: list[str] = field(default_factory=list)
    _asked: int = 1
    _attempts: int = 0

    async def prepare(self) -> None:
        """v1 serves, with much traffic, so that evidence comes fast."""
        self.revisions.append(await self.site.start(**self.story.spec))
        self.site.rate = 1000.0
        await self.site.pass_time(seconds=1)

    async def deliver(self) -> End:
        """From the new artifact to the end, restarting the operator when it dies."""
        self._order()
        if self.disturb is not None:
            self.disturb(self.site.kube.transport)
        await self._ask(V2)
        for _ in range(600):
            try:
                await self.site.harness.settle()
                await self._check()
                if await self._ended():
                    return await self._end()
                if self.disturb is not None:
                    self.disturb(self.site.kube.transport)
                await self.site.pass_time(seconds=1)
            except Killed:
                self._restart()
        raise AssertionError(f"it did not end: {(await self.site.rollout())['status']}")

    def _order(self) -> None:
        nth, after = next(self.kills, (0, False))
        if nth:
            transport = self.site.kube.transport
            (transport.kill_after if after else transport.kill_before)(nth)

    def _restart(self) -> None:
        self.died += 1
        self.site.harness.restart()
        self.site.harness.wake_all()
        self._order()

    async def _ask(self, uri: str) -> None:
        self._asked += 1
        try:
            await self.site.ask_for(uri)
        except Killed:
            self._restart()

    async def _check(self) -> None:
        """What must hold at every moment, whatever died when; and what happens by itself."""
        weights = await self.site.weights()
        assert all(0 <= weight <= 100 for weight in weights.values())
        assert sum(weights.values()) == 100
        ready = await self.site.deployments()
        assert all(ready.get(name, 0) > 0 for name in weights), "traffic to an arm without pods"
        status = (await self.site.rollout())["status"]
        assert self._attempts <= status["attempts"], "an attempt was forgotten"
        self._attempts = status["attempts"]
        latest = (await self.site.model())["status"].get("latestRevision", "")
        if latest and latest not in self.revisions:
            self.revisions.append(latest)
        await self._happen(weights, status)

    async def _happen(self, weights: dict[str, int], status: dict[str, Any]) -> None:
        new = self.revisions[-1]
        if self._asked == 2 and weights.get(new, 0) > 0 and len(self.revisions) == 2:
            rate = self.story.sours if status["phase"] == "Baking" else self.story.error_rate
            self.site.metrics.behave(self.site.cluster(new), error_rate=rate)
            if self.story.newer_at == weights[new]:
                await self._ask(V3)

    async def _ended(self) -> bool:
        status = (await self.site.rollout())["status"]
        latest = (await self.site.model())["status"]["latestRevision"]
        tried = len(self.revisions) == self._asked and status["attempts"] >= self._asked - 1
        settled = status["phase"] in DONE and status.get("observedRevision") == latest
        return settled and tried

    async def _end(self) -> End:
        self.site.kube.transport.heal()
        await self.site.harness.advance(timedelta(minutes=12))
        await self._check_records()
        status = (await self.site.rollout())["status"]
        delivery = (await self.site.model())["status"]["delivery"]
        return End(
            phase=status["phase"],
            weights=await self.site.weights(),
            stable=delivery["stable"],
            previous=delivery.get("previous"),
            rejected=tuple(r["revision"] for r in delivery.get("rejected", ())),
            attempts=status["attempts"],
            deployments=frozenset(await self.site.deployments()),
        )

    async def _check_records(self) -> None:
        """The record of each attempt is whole: no batch twice, no verdict that its batches do not
        give, and nothing of it in two places."""
        found = (await self.site.kube.user.list(CONFIGMAPS, namespace=NAMESPACE)).items
        assert len(found) == self._asked - 1
        for record in found:
            assert record["immutable"] is True
            rows = rows_of(record)
            assert replay(rows).same
            ends = [row.at for row in rows if row.kind == "batch"]
            assert all(earlier < later for earlier, later in pairwise(ends))
            assert rows[-1].kind == "end"
        assert (await self.site.rollout())["status"].get("records", []) == []


async def play(
    story: Story,
    kills: Kills | None = None,
    *,
    disturb: Callable[[FaultyTransport], None] | None = None,
) -> tuple[End, int, int]:
    """One run; its end, how many writes the delivery took, how often the operator died."""
    async with FakeKube.start(namespace=NAMESPACE) as kube:
        run = Run(Site(kube), story, kills.orders() if kills else iter(()), disturb=disturb)
        await run.prepare()
        before = len(kube.transport.writes)
        end = await run.deliver()
        return end, len(kube.transport.writes) - before, run.died
