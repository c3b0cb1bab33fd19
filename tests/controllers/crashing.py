"""A delivery that is played from its start to its end while the operator dies on the way.

Owns the stories, what must hold at every moment of them, and how they ended. When the operator dies
is decided by an onlooker of its writes (`dying.py`).
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from tests.controllers.site import NAMESPACE, Site, rollout

from tidegate.domain.record import replay
from tidegate.kube.resources import CONFIGMAPS, CONTROLLERREVISIONS
from tidegate.specs.record import rows_of, selector
from tidegate.testing.kube import FakeKube
from tidegate.testing.transport import Killed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from contextlib import AbstractAsyncContextManager

    from tidegate.domain.record.rows import Row
    from tidegate.testing.transport import FaultyTransport

    type Sites = Callable[[], AbstractAsyncContextManager[Site]]

V2, V3 = "https://models/v2", "https://models/v3"
DONE = ("Healthy", "Degraded")
AFTERWARDS = timedelta(minutes=12)
"""How long a story is followed after its end, for what is put away later."""
_MOST_TURNS = 1500


@dataclass(frozen=True)
class Story:
    """What happens: a Rollout, v2 with an error rate once it serves, and what comes in between.

    `newer_at` is the weight of v2 at which v3 is asked for; `sours` the error rate that v2 has from
    its promotion on; `others` the error rate of all but v2. With `then` the Rollout gets another
    strategy when v2 comes; without `newer` v2 never comes.
    """

    spec: dict[str, Any]
    error_rate: float = 0.0
    newer_at: int | None = None
    sours: float = 0.0
    others: float = 0.0
    then: dict[str, Any] | None = None
    newer: bool = True
    arms: int = 2


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
class Known:
    """What the story's teller remembers of it, whoever dies."""

    revisions: list[str] = field(default_factory=list)
    asked: int = 0
    """How many attempts were asked for."""
    attempts: int = 0


@dataclass
class Run:
    """One delivery; the operator is started again whenever it dies."""

    site: Site
    story: Story
    known: Known = field(default_factory=Known)
    died: int = 0
    disturb: Callable[[FaultyTransport], None] | None = None
    """What befalls the API server, once a second."""
    absence: float = 0.0
    """How many seconds there is no operator when one has died."""

    async def prepare(self) -> None:
        """v1 serves, with much traffic, so that evidence comes fast."""
        self.known.revisions.append(await self.site.start(**self.story.spec))
        self.site.rate = 1000.0
        await self.site.pass_time(seconds=1)

    async def deliver(self) -> End:
        """From what is asked for to the end."""
        if self.disturb is not None:
            self.disturb(self.site.kube.transport)
        await self._ask(V2)
        return await self.go_on()

    async def go_on(self) -> End:
        """From wherever it stands to the end."""
        for _ in range(_MOST_TURNS):
            try:
                await self._happen()
                await self.site.harness.settle()
                await self.check()
                if await self._ended():
                    break
                if self.disturb is not None:
                    self.disturb(self.site.kube.transport)
                await self.site.pass_time(seconds=1)
            except Killed:
                await self.restart()
        else:
            raise AssertionError(f"it did not end: {(await self.site.rollout())['status']}")
        self.site.kube.transport.heal()
        await self._rest()
        return await self._end()

    async def _rest(self) -> None:
        until = self.site.kube.clock.now() + AFTERWARDS
        for _ in range(_MOST_TURNS):
            try:
                await self.site.harness.advance(until - self.site.kube.clock.now())
                return
            except Killed:
                await self.restart()
        raise AssertionError("it did not come to rest")

    async def restart(self) -> None:
        """A new operator, that knows nothing but what the API server tells it."""
        self.died += 1
        await self.site.kube.clock.advance(self.absence)
        await self.site.flow()
        self.site.harness.restart()
        self.site.harness.wake_all()

    async def _ask(self, uri: str) -> None:
        self.known.asked += 1
        try:
            if self.story.then is not None:
                await self.site.kube.put(rollout(**self.story.spec, strategy=self.story.then))
            if self.story.newer:
                await self.site.ask_for(uri)
        except Killed:
            await self.restart()

    async def check(self) -> None:
        """What must hold at every moment, whatever died when."""
        weights = await self.site.weights()
        assert all(0 <= weight <= 100 for weight in weights.values())
        assert sum(weights.values()) == 100
        assert len(weights) <= self.story.arms, f"more than one attempt has traffic: {weights}"
        ready = await self.site.ready()
        assert all(ready.get(name, 0) > 0 for name in weights), f"{weights} for {ready}"
        status = (await self.site.rollout())["status"]
        assert self.known.attempts <= status["attempts"] <= self.known.asked
        self.known.attempts = status["attempts"]
        delivery = (await self.site.model())["status"]["delivery"]
        stable = delivery["stable"]
        assert ready.get(stable, 0) > 0, f"there is no way back to {stable}: {ready}"
        kept = (await self.site.kube.user.list(CONTROLLERREVISIONS, namespace=NAMESPACE)).items
        ways = {stable, delivery.get("previous", stable)}
        assert ways <= {each["metadata"]["name"] for each in kept}

    async def _happen(self) -> None:
        """What happens by itself: versions fail as they do, and a newer one comes."""
        latest = (await self.site.model())["status"].get("latestRevision", "")
        known = self.known.revisions
        if latest and latest not in known:
            known.append(latest)
        weights = await self.site.weights()
        for name in weights if self.story.others else ():
            if name != known[-1]:
                self.site.metrics.behave(self.site.cluster(name), error_rate=self.story.others)
        if len(known) == 2 and self.known.asked == 1 and weights.get(known[1], 0) > 0:
            phase = (await self.site.rollout())["status"]["phase"]
            rate = self.story.sours if phase == "Baking" else self.story.error_rate
            self.site.metrics.behave(self.site.cluster(known[1]), error_rate=rate)
            if self.story.newer_at == weights[known[1]]:
                await self._ask(V3)

    async def _ended(self) -> bool:
        status = (await self.site.rollout())["status"]
        latest = (await self.site.model())["status"]["latestRevision"]
        resolved = len(self.known.revisions) == 1 + self.known.asked * self.story.newer
        settled = status["phase"] in DONE and status.get("observedRevision") == latest
        return bool(resolved and settled and status["attempts"] >= self.known.asked)

    async def _end(self) -> End:
        await self.check()
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
        """There is one record of each attempt, and nothing of it in two places."""
        listed = await self.site.kube.user.list(
            CONFIGMAPS, namespace=NAMESPACE, label_selector=selector()
        )
        found = listed.items
        assert len(found) == self.known.asked
        for record in found:
            assert record["immutable"] is True
            whole(rows_of(record))
        assert (await self.site.rollout())["status"].get("records", []) == []


def whole(rows: list[Row]) -> None:
    """A record is whole: it is closed, no batch is in it twice or from before its attempt, and its
    verdicts are what its batches give."""
    assert (rows[0].kind, rows[-1].kind) == ("begin", "end")
    assert replay(rows).same
    ends = [rows[0].at, *(row.at for row in rows if row.kind == "batch")]
    assert all(earlier < later for earlier, later in pairwise(ends))


@asynccontextmanager
async def usual_site() -> AsyncIterator[Site]:
    """A site whose Model has a backend of Tidegate's own."""
    async with FakeKube.start(namespace=NAMESPACE) as kube:
        yield Site(kube)


@asynccontextmanager
async def prepared(story: Story, *, sites: Sites = usual_site) -> AsyncIterator[Run]:
    """A story that is about to begin."""
    async with sites() as site:
        run = Run(site, story)
        await run.prepare()
        yield run


async def play(story: Story, *, disturb: Callable[[FaultyTransport], None] | None = None) -> End:
    """How a story ends in which nobody dies."""
    async with prepared(story) as run:
        run.disturb = disturb
        return await run.deliver()
