"""At most one process holds the Lease, and whoever may not hold it any more knows in time."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from tidegate.kube.client import Client
from tidegate.kube.resources import LEASES
from tidegate.runtime.lease import Lease, LeaseLost
from tidegate.testing.clock import FakeClock
from tidegate.testing.kube import FakeKube
from tidegate.testing.transport import FaultyTransport, InProcessTransport

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tidegate.kube.objects import Object


@dataclass
class Candidate:
    """One process that wants the lease, with its own connection."""

    lease: Lease
    transport: FaultyTransport
    acquiring: asyncio.Task[None]

    def has_it(self) -> bool:
        return self.acquiring.done() and self.lease.held


class Election:
    """Processes that compete for one lease of 15 s."""

    def __init__(self, kube: FakeKube) -> None:
        self.kube = kube
        self.clock = kube.clock

    async def join(self, identity: str) -> Candidate:
        transport = FaultyTransport(InProcessTransport(self.kube.api))
        lease = Lease(
            Client(transport, clock=self.clock),
            namespace="demo",
            name="operator",
            identity=identity,
            duration=timedelta(seconds=15),
        )
        candidate = Candidate(lease, transport, asyncio.create_task(lease.acquire()))
        await self.clock.rest()
        return candidate

    async def stored(self) -> Object:
        found = await self.kube.user.get(LEASES, "operator", namespace="demo")
        return dict(found["spec"])


@pytest.fixture
async def election() -> AsyncIterator[Election]:
    async with FakeKube.start(clock=FakeClock()) as kube:
        yield Election(kube)


async def test_the_first_to_come_holds_it(election: Election) -> None:
    first = await election.join("first")
    second = await election.join("second")

    assert first.has_it()
    assert not second.has_it()
    stored = await election.stored()
    assert (stored["holderIdentity"], stored["leaseDurationSeconds"]) == ("first", 15)
    assert stored["leaseTransitions"] == 0
    second.acquiring.cancel()


async def test_a_holder_that_renews_keeps_it(election: Election) -> None:
    first = await election.join("first")
    second = await election.join("second")
    renewing = asyncio.create_task(first.lease.run_while_held())
    await election.clock.advance(300)

    assert first.has_it()
    assert not second.has_it()
    for task in (renewing, second.acquiring):
        task.cancel()


async def test_a_holder_that_died_is_followed_when_its_time_has_run_out(
    election: Election,
) -> None:
    first = await election.join("first")
    second = await election.join("second")
    await election.clock.advance(14)
    assert not second.has_it()
    await election.clock.advance(4)

    assert second.has_it()
    assert not first.lease.held
    assert (await election.stored())["leaseTransitions"] == 1


async def test_a_holder_gives_up_before_anybody_else_may_take_over(election: Election) -> None:
    first = await election.join("first")
    second = await election.join("second")
    overlaps = 0
    for _ in range(200):
        await election.clock.advance(0.1)
        overlaps += first.has_it() and second.has_it()

    assert second.has_it()
    assert overlaps == 0


async def test_a_holder_that_cannot_renew_stops_in_time(election: Election) -> None:
    first = await election.join("first")
    renewing = asyncio.create_task(first.lease.run_while_held())
    await election.clock.advance(10)
    assert first.has_it()
    first.transport.fail(status=503, times=1000)
    await election.clock.advance(12)

    assert renewing.done()
    assert isinstance(renewing.exception(), LeaseLost)
    assert not first.lease.held


async def test_a_short_outage_costs_nothing(election: Election) -> None:
    first = await election.join("first")
    renewing = asyncio.create_task(first.lease.run_while_held())
    first.transport.fail(status=503, times=3)
    await election.clock.advance(60)

    assert first.has_it()
    renewing.cancel()


async def test_a_renewal_whose_answer_was_lost_is_no_loss(election: Election) -> None:
    first = await election.join("first")
    renewing = asyncio.create_task(first.lease.run_while_held())
    first.transport.lose(method="PUT", stored=True)
    await election.clock.advance(60)

    assert first.has_it()
    renewing.cancel()


async def test_a_lease_that_was_taken_away_is_noticed_at_the_next_renewal(
    election: Election,
) -> None:
    first = await election.join("first")
    renewing = asyncio.create_task(first.lease.run_while_held())
    taken = await election.kube.user.get(LEASES, "operator", namespace="demo")
    taken["spec"]["holderIdentity"] = "thief"
    await election.kube.user.replace(LEASES, taken, manager="thief")
    await election.clock.advance(5)

    assert isinstance(renewing.exception(), LeaseLost)
    assert not first.lease.held
    assert (await election.stored())["holderIdentity"] == "thief"


async def test_a_lease_that_was_deleted_is_lost(election: Election) -> None:
    first = await election.join("first")
    renewing = asyncio.create_task(first.lease.run_while_held())
    await election.kube.user.delete(LEASES, "operator", namespace="demo")
    await election.clock.advance(5)

    assert isinstance(renewing.exception(), LeaseLost)


async def test_a_released_lease_is_taken_at_once(election: Election) -> None:
    first = await election.join("first")
    second = await election.join("second")
    await first.lease.release()
    await election.clock.advance(3)

    assert second.has_it()
    assert not first.lease.held


async def test_a_lease_is_released_though_a_renewal_was_cancelled_under_way(
    election: Election,
) -> None:
    first = await election.join("first")
    stored = await election.kube.user.get(LEASES, "operator", namespace="demo")
    renewed = {**stored, "spec": {**stored["spec"], "renewTime": "2026-01-05T12:00:05.000000Z"}}
    await election.kube.user.replace(LEASES, renewed, manager="the cancelled renewal")
    await first.lease.release()

    assert (await election.stored())["holderIdentity"] == ""


async def test_anothers_lease_is_not_released(election: Election) -> None:
    first = await election.join("first")
    taken = await election.kube.user.get(LEASES, "operator", namespace="demo")
    taken["spec"]["holderIdentity"] = "thief"
    await election.kube.user.replace(LEASES, taken, manager="thief")
    await first.lease.release()

    assert (await election.stored())["holderIdentity"] == "thief"


@pytest.mark.scenario("RS-05")
async def test_a_suspended_machine_finds_its_lease_gone(election: Election) -> None:
    first = await election.join("first")
    election.clock.jump(3600)

    assert not first.lease.held
    assert first.lease.remaining == 0


async def test_no_answer_at_first_is_waited_out(election: Election) -> None:
    first = await election.join("first")
    await first.lease.release()
    second = await election.join("second")
    second.transport.fail(status=503, times=3)
    await election.clock.advance(30)

    assert second.acquiring.done()
