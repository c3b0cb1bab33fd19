"""The operator is killed before and after every write of a whole delivery; it must not matter."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from tests.controllers.site import NAMESPACE, Site

from tidegate.domain.record import replay
from tidegate.kube.resources import CONFIGMAPS
from tidegate.specs.record import rows_of
from tidegate.testing.kube import FakeKube
from tidegate.testing.transport import Killed

STEPS = [{"weight": 10, "duration": "5s"}, {"weight": 50, "duration": "10s"}]
FAST: dict[str, Any] = {"strategy": {"canary": {"steps": STEPS}}}
DONE = ("Healthy", "Degraded")


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


class Run:
    """One delivery of a version with an error rate, killed at one write or not at all."""

    def __init__(self, site: Site, error_rate: float) -> None:
        self.site = site
        self.error_rate = error_rate
        self.new = ""
        self.evidenced = False

    async def prepare(self) -> None:
        await self.site.start(**FAST)
        self.site.rate = 1000.0
        await self.site.pass_time(seconds=1)

    async def deliver(self) -> End:
        """From the new artifact to the end, restarting the operator when it dies."""
        try:
            self.new = await self.site.ask_for("https://models/v2")
        except Killed:
            self.site.harness.restart()
        for _ in range(120):
            try:
                await self.site.harness.settle()
                await self._check()
                if await self._ended():
                    return await self._end()
                await self.site.pass_time(seconds=1)
            except Killed:
                self.site.harness.restart()
                self.site.harness.wake_all()
        raise AssertionError(f"it did not end: {(await self.site.rollout())['status']}")

    async def _check(self) -> None:
        """What must hold at every moment, whatever died when."""
        weights = await self.site.weights()
        assert sum(weights.values()) == 100
        ready = await self.site.deployments()
        assert all(ready.get(name, 0) > 0 for name, weight in weights.items() if weight > 0)
        revision = (await self.site.model())["status"].get("latestRevision", "")
        if revision and not self.new:
            self.new = revision
        if weights.get(self.new, 0) > 0:
            self.site.metrics.behave(self.site.cluster(self.new), error_rate=self.error_rate)

    async def _check_record(self) -> None:
        """The decision record is whole, and nothing of it is in two places."""
        (found,) = (await self.site.kube.user.list(CONFIGMAPS, namespace=NAMESPACE)).items
        assert found["immutable"] is True
        rows = rows_of(found)
        assert replay(rows).same
        ends = [row.at for row in rows if row.kind == "batch"]
        assert ends == sorted(set(ends))
        assert rows[-1].kind == "end"
        assert (await self.site.rollout())["status"].get("records", []) == []

    async def _ended(self) -> bool:
        status = (await self.site.rollout())["status"]
        return status["phase"] in DONE and status["attempts"] > 0

    async def _end(self) -> End:
        await self.site.harness.advance(timedelta(minutes=12))
        await self._check_record()
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


async def _run(error_rate: float, *, kill: tuple[int, bool] | None = None) -> tuple[End, int]:
    """One run; returns its end and how many writes the delivery took."""
    async with FakeKube.start(namespace=NAMESPACE) as kube:
        run = Run(Site(kube), error_rate)
        await run.prepare()
        before = len(kube.transport.writes)
        if kill is not None:
            nth, after = kill
            order = kube.transport.kill_after if after else kube.transport.kill_before
            order(nth)
        end = await run.deliver()
        return end, len(kube.transport.writes) - before


@pytest.mark.scenario("RS-01")
@pytest.mark.timeout(170)
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize(("error_rate", "phase"), [(0.0, "Healthy"), (0.2, "Degraded")])
async def test_a_kill_around_any_write_leads_to_the_same_end(
    error_rate: float, phase: str, *, after: bool
) -> None:
    undisturbed, writes = await _run(error_rate)
    assert undisturbed.phase == phase
    assert undisturbed.attempts == 1
    for nth in range(1, writes + 1):
        end, _ = await _run(error_rate, kill=(nth, after))
        assert end == undisturbed, f"killed {'after' if after else 'before'} write {nth}"
