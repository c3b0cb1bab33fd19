"""Waits: one deadline each, edited in place, and no way round a pause."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from tests.domain.rollout.sim import ERRORS, LATENCY, SLO, Sim, spec

from tidegate.api.model import Scaling
from tidegate.domain import evidence
from tidegate.domain.evidence import Unseen
from tidegate.domain.evidence.packing import packed
from tidegate.domain.times import moment, stamp


def at_step(weight: int, **more: Any) -> Sim:
    """r2 is being tried and has this weight."""
    sim = Sim(spec(**more)).stable()
    sim.ask("r2")
    sim.until_weight(weight)
    return sim


def test_waiting_for_the_pods_of_a_higher_step_is_one_hold_with_one_deadline() -> None:
    big = Sim(
        spec((5, 10), (50, 10), holds={"deadline": "2m"}),
        scaling=Scaling(min_replicas=20, max_replicas=20),
    ).stable()
    big.ask("r2")
    big.until_weight(5)
    big.ready["r2"] = 3
    big.run(60)
    assert big.status.hold is not None
    since = big.status.hold.since
    big.run(10)
    assert big.status.hold.since == since
    big.until("Paused", minutes=2)
    assert big.reasons[-1] == "PausedByHold"
    assert big.weight == 5


@pytest.mark.parametrize(("then", "minutes"), [("30s", 0.6), ("20m", 21)])
def test_a_holds_deadline_is_edited_in_place(then: str, minutes: float) -> None:
    step = at_step(25)
    step.ready["r2"] = 1
    step.scaling = Scaling(min_replicas=8, max_replicas=8)
    step.run(5)
    step.rate = 0
    step.until("Holding", minutes=2)
    assert step.status.hold is not None
    began = moment(step.status.hold.since)
    step.spec = spec(holds={"deadline": then})
    step.until("Paused", minutes=minutes)
    assert timedelta(0) <= step.now - began - step.spec.holds.deadline <= timedelta(seconds=2)


def test_a_longer_deadline_counts_after_a_resume_too() -> None:
    late = Sim(
        spec((10, 5), metrics=[LATENCY], deadline="60s", onInconclusive="Pause"), rate=20
    ).stable()
    late.ask("r2")
    late.until("Paused")
    assert late.say("resume") == "Done"
    late.spec = spec((10, 5), metrics=[LATENCY], deadline="10m", onInconclusive="Pause")
    late.run(90)
    assert late.phase == "Progressing"


def test_pods_that_come_back_do_not_raise_the_weight_while_paused() -> None:
    sim = at_step(50)
    sim.ready["r2"] = 1
    sim.run(2)
    assert sim.weight == 25
    sim.spec = spec(paused=True)
    sim.run(2)
    sim.ready = {}
    sim.run(60)
    assert sim.weight == 25
    sim.spec = spec()
    sim.until_weight(50, minutes=1)


def test_a_resume_while_the_cause_stands_grants_one_more_hold_and_no_step() -> None:
    step = at_step(25, holds={"deadline": "30s"})
    step.outage = Unseen("MetricsUnavailable", "connection refused")
    step.until("Paused", minutes=2)
    assert step.say("resume") == "Done"
    step.until("Holding", minutes=1)
    step.until("Paused", minutes=1)
    assert step.reasons[-1] == "PausedByHold"
    assert step.weight == 25


def test_a_rollback_goes_on_by_itself_when_stable_has_a_pod_again() -> None:
    step = at_step(25)
    step.ready["r1"] = 0
    step.say("abort")
    step.run(600)
    assert (step.phase, step.weight) == ("RollingBack", 25)
    step.ready["r1"] = 1
    step.run(2)
    assert step.phase == "Degraded"
    assert step.weights_seen[-1] == {"r1": 100}


@pytest.mark.parametrize(("metric", "phase"), [(ERRORS, "Progressing"), (LATENCY, "WarmingUp")])
def test_only_latency_waits_for_what_stable_did_before(metric: Any, phase: str) -> None:
    sim = Sim(spec(metrics=[metric])).stable()
    sim.ask("r2")
    sim.until("WarmingUp", minutes=2)
    sim.outage = Unseen("NoBaseline", "nothing is known of stable yet")
    while sim.status.phase == "WarmingUp" and sim.status.hold is None:
        sim.run(1)
    assert sim.status.phase == phase
    if phase == "WarmingUp":
        assert sim.status.hold is not None
        assert sim.status.hold.reason == "NoBaseline"
        assert sim.weight == 0


def test_a_batch_that_is_late_is_looked_for_once_a_second_and_not_without_a_break() -> None:
    sim = Sim(spec((20, 60))).stable()
    sim.ask("r2")
    sim.until_weight(20)
    sim.run(2)
    assert sim.status.step is not None
    # Counted up to now, and due long ago: as after a change of the scrape interval.
    step = {"last_batch_end": stamp(sim.now), "next_evaluation_at": stamp(sim.now)}
    sim.status = sim.status.model_copy(update={"step": sim.status.step.model_copy(update=step)})
    sim.look()
    decision = sim.look()
    assert decision.after == timedelta(seconds=1)


def bursty(**more: Any) -> Sim:
    """r2's counts speak against it, though for forty minutes it was never worse."""
    sim = at_step(25, metrics=[ERRORS], **more)
    sim.run(10)
    (entry,) = sim.status.evidence
    state = {**evidence.state_of(entry), "w": [40, 0.0, 4.0, 0, 0, 0, 0, 0]}
    entry = entry.model_copy(update={"state": packed(state)})
    sim.status = sim.status.model_copy(update={"evidence": [entry]})
    sim.behave("r2", error_rate=0.5)
    return sim


def test_contradictory_evidence_takes_back_as_the_policy_says() -> None:
    sim = bursty()
    sim.until("Degraded", minutes=1)
    assert "Inconclusive" in sim.reasons
    assert "bad requests come in bursts" in sim.status.history[1].message


@pytest.mark.parametrize("policy", ["Pause", "Promote"])
def test_contradictory_evidence_pauses_once_and_never_promotes(policy: str) -> None:
    sim = bursty(onInconclusive=policy)
    sim.until("Paused", minutes=1)
    assert sim.status.pauses == ["PausedByDoubt"]
    assert sim.weight == 25
    sim.run(20)
    assert len(sim.told("PausedByDoubt")) == 1
    assert sim.say("resume") == "Done"
    sim.run(5)
    assert sim.status.pauses == []
    assert len(sim.told("PausedByDoubt")) == 1


def test_a_step_that_traffic_never_fills_ends_some_time_after_the_deadline() -> None:
    steps = [{"weight": 25, "duration": "30s", "minRequests": 10**9}]
    sim = Sim(spec(steps=steps, metrics=[ERRORS], deadline="3m"), rate=2000).stable()
    sim.ask("r2")
    sim.run(3 * 60)
    assert sim.status.evidence[0].verdict == "Promote"
    assert sim.phase == "Progressing"
    sim.until("Degraded", minutes=2)
    assert "Inconclusive" in sim.reasons
    assert "no end of the steps after" in sim.status.history[1].message


def test_blue_green_without_checks_does_not_switch_when_metrics_fail_that_very_second() -> None:
    sim = Sim(spec(strategy={"blueGreen": {}}, metrics=[ERRORS])).stable()
    sim.ask("r2")
    sim.until("Progressing")
    sim.outage = Unseen("MetricsUnavailable", "connection refused")
    sim.run(60)
    assert sim.phase == "Holding"
    assert sim.delivery.stable == "r1"
    sim.outage = None
    sim.until("Baking", minutes=2)
    assert sim.delivery.stable == "r2"


def promoting_without_pods(**more: Any) -> Sim:
    """An operator that died after it had written down that a promotion waits for pods, and before
    it started any."""
    sim = Sim(spec((5, 10), metrics=[ERRORS, SLO], **more)).stable()
    sim.ask("r2")
    sim.until_weight(5)
    for _ in range(600):
        sim.now += timedelta(seconds=1)
        sim.look(written=2)
        if sim.status.phase == "Promoting" and sim.status.hold is not None:
            return sim
    raise AssertionError(f"it never waits for pods: {sim.status.history[:3]}")


def test_a_hold_that_nobody_looked_at_does_not_end_before_something_was_done_about_it() -> None:
    sim = promoting_without_pods(holds={"deadline": "10m"})
    sim.now += timedelta(hours=1)
    sim.since = sim.now
    sim.until("Healthy", minutes=3)
    assert sim.delivery.stable == "r2"
    stuck = promoting_without_pods(holds={"deadline": "10m"})
    stuck.now += timedelta(hours=1)
    stuck.since, stuck.ready["r2"] = stuck.now, 1
    stuck.run(100)
    assert stuck.phase == "Promoting"
    stuck.until("Degraded", minutes=3)
    assert "HoldExpired" in stuck.reasons
