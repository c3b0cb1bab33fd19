"""What a Rollout does next, scenario by scenario: steps, pauses, verdicts, outages."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any

import pytest
from tests.domain.rollout.sim import Sim, spec

from tidegate.api.model import Scaling
from tidegate.domain.evidence import Unseen
from tidegate.domain.pods import PodFailure


def sim(*steps: tuple[int, int], metrics: list[Any] | None = None, **more: Any) -> Sim:
    return Sim(spec(*steps, metrics=metrics, **more)).stable()


def at_step(weight: int, **more: Any) -> Sim:
    """An attempt for r2 whose candidate has that weight."""
    found = sim(**more)
    found.ask("r2")
    found.until_weight(weight)
    return found


# -- the first revision ------------------------------------------------------------------------


@pytest.mark.scenario("FD-01", "FD-02")
def test_the_first_revision_gets_no_traffic_before_all_its_pods_are_ready() -> None:
    first = Sim(ready={"r1": 3})
    first.run(30)
    assert first.weights_seen == []
    assert first.phase == "Pending"
    first.ready.clear()
    first.run(1)
    assert first.weights_seen == [{"r1": 100}]
    assert first.reasons == ["InitialDeploy"]
    assert first.status.evidence == []
    assert first.status.attempts == 0


def test_a_first_revision_that_fails_is_remembered_and_not_tried_again() -> None:
    first = Sim(ready={"r1": 0}, failures={"r1": PodFailure("CrashLoop", "boom", final=True)})
    first.run(60)
    assert first.phase == "Degraded"
    assert first.reasons == ["RevisionFailed"]
    assert [entry.revision for entry in first.delivery.rejected] == ["r1"]
    first.run(20 * 60)
    assert first.reasons == ["RevisionFailed"]
    assert first.sizes == {}
    first.ask("r2")
    first.run(1)
    assert first.delivery.stable == "r2"
    assert first.reasons == ["RevisionFailed", "Reset", "InitialDeploy"]


# -- steps -----------------------------------------------------------------------------------------


@pytest.mark.scenario("SW-01")
def test_every_weight_stays_at_least_its_duration_and_sums_to_a_hundred() -> None:
    walk = sim((5, 30), (25, 60), (50, 45))
    walk.ask("r2")
    changes: dict[int, datetime] = {}
    while walk.phase != "Healthy" or walk.delivery.stable != "r2":
        walk.run(1)
        changes.setdefault(walk.weight, walk.now)
    assert [seen.get("r2", 0) for seen in walk.weights_seen] == [0, 5, 25, 50, 100]
    assert changes[25] - changes[5] >= timedelta(seconds=30)
    assert changes[50] - changes[25] >= timedelta(seconds=60)
    assert changes[100] - changes[50] >= timedelta(seconds=45)
    assert walk.delivery.previous == "r1"
    assert walk.sizes == {"r1": 4, "r2": 4}


@pytest.mark.scenario("SW-02")
def test_a_steps_clock_starts_when_the_gateway_confirms_the_weight() -> None:
    step = at_step(5)
    step.follows = False
    step.until_weight(25)
    step.run(180)
    assert step.weight == 25
    assert step.status.step is not None
    assert step.status.step.started_at is None
    assert step.weights_seen[-1] == {"r1": 95, "r2": 5}
    step.follows = True
    step.run(1)
    confirmed = step.now
    step.until_weight(50)
    assert step.now - confirmed >= timedelta(seconds=20)


@pytest.mark.scenario("SW-04")
def test_a_duration_is_a_least_and_time_alone_promotes_nothing() -> None:
    slow = sim((50, 10))
    slow.rate = 1.0
    slow.ask("r2")
    slow.run(10 * 60)
    assert slow.phase == "Progressing"
    assert slow.weight == 50
    slow.rate = 200.0
    slow.until("Healthy", minutes=5)
    assert slow.delivery.stable == "r2"


@pytest.mark.scenario("SW-04")
def test_a_step_waits_for_its_own_requests() -> None:
    steps = [{"weight": 5, "duration": "5s", "minRequests": 2000}, {"weight": 50, "duration": "5s"}]
    step = at_step(5, steps=steps)
    step.run(150)
    assert step.weight == 5
    ready = next(c for c in step.status.conditions if c.type == "Ready")
    assert re.search(r"5 of 5 s, \d+ of 2000 requests", ready.message), ready.message
    step.until_weight(50, minutes=2)


@pytest.mark.scenario("ND-04")
def test_an_old_step_with_many_requests_does_not_pass_the_next_one() -> None:
    step = at_step(25)
    step.rate = 0.0
    step.run(120)
    assert step.weight == 25
    assert step.phase == "Holding"
    assert step.status.hold is not None
    assert step.status.hold.reason == "NoData"


def test_a_higher_step_waits_for_the_pods_that_carry_it() -> None:
    big = Sim(spec((5, 10), (50, 10)), scaling=Scaling(min_replicas=20, max_replicas=20)).stable()
    big.ask("r2")
    big.until_weight(5)
    big.ready["r2"] = 3
    big.run(120)
    assert big.weight == 5
    assert big.status.hold is not None
    assert "3 ready pods and needs 10" in big.status.hold.message
    assert big.sizes["r2"] == 10
    assert big.sizes["r1"] == 20
    del big.ready["r2"]
    big.until_weight(50, minutes=1)


@pytest.mark.scenario("RE-07")
def test_a_cluster_without_room_for_the_candidate_pauses_and_blames_nobody() -> None:
    full = sim()
    full.ready["r2"] = 0
    full.ask("r2")
    full.until("Paused", minutes=11)
    assert full.reasons[-1] == "PausedByHold"
    assert full.delivery.rejected == []
    assert full.weights_seen[-1] == {"r1": 100}


def test_a_candidate_that_loses_pods_keeps_what_the_others_carry() -> None:
    step = at_step(50, steps=[{"weight": 50, "duration": "60s"}])
    step.ready["r2"] = 1
    step.run(2)
    assert step.weight == 25
    assert step.phase == "Holding"
    del step.ready["r2"]
    step.run(2)
    assert step.weight == 50
    assert step.status.step is not None
    assert step.status.step.observed_duration == 0


def test_a_candidate_without_pods_for_a_minute_is_taken_back_even_in_a_hold() -> None:
    step = at_step(25)
    step.outage = Unseen("MetricsUnavailable", "connection refused")
    step.run(20)
    step.ready["r2"] = 0
    step.run(2)
    assert step.weight == 0
    step.until("Degraded", minutes=1.2)
    assert step.delivery.rejected[0].reason == "CandidateUnavailable"
