"""What evidence does to a Rollout: verdicts, deadlines, and that a batch counts once."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from tests.domain.rollout.sim import ERRORS, LATENCY, SLO, Sim, spec

from tidegate.domain.evidence import judge


def sim(*steps: tuple[int, int], metrics: list[Any] | None = None, **more: Any) -> Sim:
    return Sim(spec(*steps, metrics=metrics, **more)).stable()


def at_step(weight: int, **more: Any) -> Sim:
    """An attempt for r2 whose candidate has that weight."""
    found = sim(**more)
    found.ask("r2")
    found.until_weight(weight)
    return found


@pytest.mark.scenario("AV-01")
def test_gross_failure_is_taken_back_within_two_evaluations() -> None:
    bad = sim(analysis={"interval": "15s", "warmup": "30s"})
    bad.behave("r1", error_rate=0.01)
    bad.behave("r2", error_rate=0.5)
    bad.ask("r2")
    bad.until_weight(5)
    began = bad.now
    bad.until("Degraded")
    assert bad.now - began <= timedelta(seconds=2 * 15 + 5)
    assert bad.weights_seen[-1] == {"r1": 100}
    assert [entry.digest for entry in bad.delivery.rejected] == ["digest-of-r2"]
    message = bad.delivery.rejected[0].message
    assert re.match(
        r"\w+: candidate [\d.]+% \(\d+ of \d+\) errors, stable [\d.]+% \(\d+ of \d+\)", message
    ), message
    assert [seen.get("r2", 0) for seen in bad.weights_seen] == [0, 5, 0]
    assert any((entry.rollback or 0) >= 100 for entry in bad.status.evidence)
    assert [n.type for n in bad.notes if n.reason == "RolledBack"] == ["Warning"]


@pytest.mark.scenario("AV-02")
def test_blips_in_a_long_rollout_do_not_add_up_to_a_failure() -> None:
    long = sim((25, 3000), metrics=[ERRORS, SLO], deadline="3h")
    for name in ("r1", "r2"):
        long.behave(name, error_rate=0.01)
    long.ask("r2")
    long.until_weight(25)
    for second in range(3000):
        blip = second % 600 < 15
        long.behave("r2", error_rate=0.03 if blip else 0.01)
        long.run(1)
        assert long.phase in ("Progressing", "Promoting", "Healthy")
    long.until("Healthy")
    assert long.delivery.stable == "r2"


@pytest.mark.scenario("AV-06")
def test_only_the_guard_is_blamed_when_only_it_is_broken() -> None:
    wide = {**ERRORS, "margin": {"ratio": 20.0, "absolute": 0.2}}
    guarded = sim(metrics=[wide, SLO])
    guarded.behave("r1", error_rate=0.01)
    guarded.behave("r2", error_rate=0.09)
    guarded.ask("r2")
    guarded.until("Degraded")
    assert guarded.delivery.rejected[0].reason == "GuardBroken"
    assert guarded.delivery.rejected[0].message.startswith("slo:")
    assert {e.metric: e.verdict for e in guarded.status.evidence}["errors"] != "Rollback"


@pytest.mark.scenario("AV-09")
@pytest.mark.parametrize(
    ("policy", "phase", "reason"),
    [
        ("Rollback", "Degraded", "RolledBack"),
        ("Pause", "Paused", "PausedByDeadline"),
        ("Promote", "Healthy", "Promoted"),
    ],
)
def test_an_inconclusive_deadline_does_what_the_policy_says(
    policy: str, phase: str, reason: str
) -> None:
    metrics = [{**ERRORS, "margin": {"ratio": 1.01, "absolute": 0.0001}}]
    open_ = sim((5, 10), metrics=metrics, deadline="120s", onInconclusive=policy)
    for name in ("r1", "r2"):
        open_.behave(name, error_rate=0.01)
    open_.ask("r2")
    open_.until("Progressing")
    found = open_.until(phase, minutes=5)
    assert found.history[0].reason == reason
    ends = ("Inconclusive", "PausedByDeadline", "PromotedByDeadline")
    assert len([each for each in open_.reasons if each in ends]) == 1
    if policy == "Rollback":
        assert open_.delivery.rejected[0].reason == "Inconclusive"
    elif policy == "Promote":
        assert "PromotedByDeadline" in open_.reasons
        assert "onInconclusive is Promote" in open_.told("PromotedByDeadline")[0]
    else:
        assert open_.weight == 5
        assert open_.say("resume") == "Done"
        open_.run(60)
        assert open_.phase == "Progressing"
        open_.until("Paused", minutes=3)


@pytest.mark.parametrize("hours", [1, 3, 20])
def test_hours_in_which_nobody_looked_are_no_time_of_the_deadline(hours: int) -> None:
    away = sim((5, 60), (25, 60), (50, 60), metrics=[ERRORS, SLO], deadline="30m")
    away.ask("r2")
    away.until_weight(5)
    away.run(10)
    away.now += timedelta(hours=hours)  # no operator, and the requests go on
    away.until("Healthy")
    assert away.delivery.stable == "r2"
    assert [seen.get("r2", 0) for seen in away.weights_seen] == [0, 5, 25, 50, 100]
    bad = sim((5, 60), metrics=[ERRORS, SLO], deadline="30m")
    bad.ask("r2")
    bad.until_weight(5)
    bad.behave("r2", error_rate=0.3)
    bad.now += timedelta(hours=hours)
    bad.until("Degraded", minutes=2)


@pytest.mark.scenario("AV-11")
def test_promotion_waits_for_every_metric_and_names_the_missing_one() -> None:
    loose = {**ERRORS, "margin": {"ratio": 10.0, "absolute": 0.3}}
    waiting = sim((50, 1), metrics=[loose, LATENCY], analysis={"minRequests": 0})
    waiting.rate = 20.0
    waiting.ask("r2")
    waiting.until_weight(50)
    while waiting.status.evidence[0].verdict != "Promote":
        waiting.run(1)
    assert waiting.status.evidence[1].verdict == "Continue"
    assert waiting.phase == "Progressing"
    said = judge(waiting.status.evidence, waiting.spec.analysis, candidate_requests=1e6)
    assert (said.verdict, said.metric) == ("Continue", "latency")
    waiting.until("Healthy", minutes=5)
    assert waiting.delivery.stable == "r2"


@pytest.mark.scenario("RS-04")
def test_evidence_before_a_crash_is_counted_once() -> None:
    calm, shaken = at_step(25), at_step(25)
    for _ in range(12):
        calm.run(1)
        shaken.now += timedelta(seconds=1)
        shaken.look(written=0)
        shaken.settle()
    assert shaken.status.evidence == calm.status.evidence
    assert shaken.status.step == calm.status.step


@pytest.mark.scenario("RS-02")
def test_restarts_give_no_free_step() -> None:
    step = at_step(25, steps=[{"weight": 25, "duration": "5m"}, {"weight": 50, "duration": "5m"}])
    step.run(60)
    assert step.status.step is not None
    due = step.status.step.next_evaluation_at
    batches = len(step.batches)
    for _ in range(20):
        step.look()
    assert step.status.step.next_evaluation_at == due
    assert len(step.batches) == batches
    step.run(120)
    assert step.weight == 25


@pytest.mark.scenario("RS-10")
def test_a_clock_that_moves_back_undoes_and_repeats_nothing() -> None:
    step = at_step(25)
    step.run(8)
    ends = [batch.end for batch in step.batches]
    index = step.status.step.index if step.status.step else -1
    step.now -= timedelta(seconds=90)
    step.run(60)
    assert step.status.step is not None
    assert step.status.step.index == index
    assert [batch.end for batch in step.batches] == ends
    step.until("Healthy")
    for earlier, later in zip(step.batches, step.batches[1:], strict=False):
        assert later.start >= earlier.end
