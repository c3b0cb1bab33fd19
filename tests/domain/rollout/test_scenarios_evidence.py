"""Behaviours about what may count as evidence: incidents, warm-up, silence, outages."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from tests.domain.rollout.sim import ERRORS, LATENCY, SLO, Sim, spec

from tidegate.api.model import Scaling
from tidegate.domain.evidence import Unseen
from tidegate.domain.times import moment

OUTAGE = Unseen("MetricsUnavailable", "connection refused")


def at_step(weight: int, *steps: tuple[int, int], **more: Any) -> Sim:
    """r2 is being tried and has this weight."""
    sim = Sim(spec(*steps, **more)).stable()
    sim.ask("r2")
    sim.until_weight(weight)
    return sim


@pytest.mark.scenario("AV-05")
def test_an_incident_that_both_arms_share_moves_nothing_and_is_told_once() -> None:
    sim = at_step(25, (5, 20), (25, 30), (50, 20), metrics=[ERRORS, SLO])
    for name in ("r1", "r2"):
        sim.behave(name, error_rate=0.4)
    sim.run(6 * 60)
    assert (sim.phase, sim.weight) == ("Holding", 25)
    assert sim.status.hold is not None
    assert sim.status.hold.reason == "CommonCause"
    assert "both arms" in sim.status.hold.message
    assert len(sim.told("CommonCause")) == 1
    for name in ("r1", "r2"):
        sim.behave(name, error_rate=0.0)
    sim.until("Healthy")
    assert sim.delivery.stable == "r2"
    assert sim.delivery.rejected == []


@pytest.mark.scenario("AV-07")
def test_errors_of_pods_that_warm_up_are_never_counted() -> None:
    """Three pods that get ready one after the other, each bad for its first 25 seconds."""
    sim = Sim(
        spec((60, 30), metrics=[ERRORS, SLO], analysis={"warmup": "30s"}),
        scaling=Scaling(min_replicas=3, max_replicas=3),
    ).stable()
    for name in ("r1", "r2"):
        sim.behave(name, error_rate=0.01)
    sim.ready["r2"] = 0
    sim.ask("r2")
    for ready in (1, 2, 3):
        sim.ready["r2"] = ready
        sim.behave("r2", error_rate=0.5)
        sim.run(12)
    last_ready = sim.now - timedelta(seconds=12)
    sim.run(13)
    sim.behave("r2", error_rate=0.01)
    sim.until("Healthy")
    assert sim.delivery.stable == "r2"
    # The first weight takes two pods; the third was ready before the arm had warmed up.
    assert sim.batches[0].start >= last_ready + timedelta(seconds=18)


@pytest.mark.scenario("AV-11")
def test_what_is_short_of_evidence_is_named_at_the_last_step() -> None:
    loose = {**ERRORS, "margin": {"ratio": 10.0, "absolute": 0.3}}
    sim = at_step(50, (50, 1), metrics=[loose, LATENCY], analysis={"minRequests": 0})
    sim.rate = 20.0
    while sim.status.evidence[0].verdict != "Promote":
        sim.run(1)
    ready = next(c for c in sim.status.conditions if c.type == "Ready")
    assert "no verdict yet from latency" in ready.message
    assert "errors" not in ready.message
    assert sim.weight == 50


@pytest.mark.scenario("AV-12")
def test_an_attempt_that_was_ended_early_supports_no_later_one() -> None:
    sim = at_step(25, (25, 60), metrics=[ERRORS, SLO])
    while (sim.status.evidence[0].promote or 0) < 50:
        sim.run(1)
    wider = {**ERRORS, "margin": {"ratio": 3.0, "absolute": 0.05}}
    sim.spec = spec((25, 60), metrics=[wider, SLO])
    sim.settle()
    ended = next(e for e in sim.status.history if e.reason == "Superseded")
    assert "metrics were changed" in ended.message
    assert sim.status.evidence == []
    assert "EvidencePromotes" not in sim.reasons
    sim.until_weight(25)
    began = sim.now
    sim.until("Promoting")
    assert sim.now - began >= timedelta(seconds=60)
    assert all(batch.start >= began for batch in sim.batches[-3:])


@pytest.mark.scenario("ND-01")
def test_no_request_at_all_is_a_hold_that_clears_by_itself() -> None:
    sim = Sim(spec((5, 20), (50, 20), metrics=[ERRORS, SLO])).stable()
    sim.ask("r2")
    sim.until("WarmingUp")
    sim.rate = 0.0
    sim.until_weight(5)
    began = sim.now
    sim.until("Holding")
    assert sim.now - began <= timedelta(seconds=5 + 2 + 1)  # the first evaluation
    sim.run(7 * 60)
    assert (sim.phase, sim.weight) == ("Holding", 5)
    assert sim.status.hold is not None
    assert sim.status.hold.reason == "NoData"
    assert sim.status.step is not None
    assert sim.status.step.observed_duration == 0
    assert all(entry.rollback == 0 for entry in sim.status.evidence)
    assert len(sim.told("NoData")) == 1
    sim.rate = 200.0
    sim.until("Healthy")
    assert sim.delivery.stable == "r2"


@pytest.mark.scenario("ND-08")
def test_twenty_minutes_without_prometheus_cost_time_and_nothing_else() -> None:
    sim = at_step(25, (5, 5), (25, 60), metrics=[ERRORS, SLO], holds={"deadline": "30m"})
    sim.run(20)
    before = sim.status.evidence[0].candidate.n
    assert sim.status.step is not None
    last = sim.status.step.last_batch_end
    sim.outage = OUTAGE
    asked = 0
    for _ in range(20 * 60):
        sim.now += timedelta(seconds=1)
        asked += sim.facts().observation is not None
        sim.settle()
    assert (sim.phase, sim.weight) == ("Holding", 25)
    assert sim.status.hold is not None
    assert sim.status.hold.reason == "MetricsUnavailable"
    assert sim.status.step.last_batch_end == last
    assert asked <= 20 * 60 / 5 + 1  # once an interval, however often it looks
    sim.outage = None
    sim.run(8)
    assert sim.status.evidence[0].candidate.n > before
    assert last is not None
    assert moment(last) in [batch.start for batch in sim.batches]  # from where it was
    sim.until("Healthy")
    assert sim.status.attempts == 1
