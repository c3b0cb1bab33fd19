"""What a Rollout does next, scenario by scenario: steps, pauses, verdicts, outages."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from tests.domain.rollout.sim import ERRORS, LATENCY, SLO, Sim, spec

from tidegate.api.model import Scaling
from tidegate.domain.evidence import Unseen, judge
from tidegate.domain.pods import PodFailure
from tidegate.domain.times import moment


def sim(*steps: tuple[int, int], metrics: list[Any] | None = None, **more: Any) -> Sim:
    return Sim(spec(*steps, metrics=metrics, **more)).stable()


def at_step(weight: int, **more: Any) -> Sim:
    """An attempt for r2 whose candidate has that weight."""
    found = sim(**more)
    found.ask("r2")
    found.until_weight(weight)
    return found


# -- the first revision ------------------------------------------------------------------------


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


def test_a_step_waits_for_its_own_requests() -> None:
    steps = [{"weight": 5, "duration": "5s", "minRequests": 2000}, {"weight": 50, "duration": "5s"}]
    step = at_step(5, steps=steps)
    step.run(150)
    assert step.weight == 5
    step.until_weight(50, minutes=2)


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


# -- verdicts --------------------------------------------------------------------------------------


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
    assert "%" in message
    assert "of" in message
    assert len(bad.told("RolledBack")) == 1


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


def test_evidence_before_a_crash_is_counted_once() -> None:
    calm, shaken = at_step(25), at_step(25)
    for _ in range(12):
        calm.run(1)
        shaken.now += timedelta(seconds=1)
        shaken.look(written=0)
        shaken.settle()
    assert shaken.status.evidence == calm.status.evidence
    assert shaken.status.step == calm.status.step


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


# -- pauses --------------------------------------------------------------------------------------


def test_time_spent_paused_gives_no_free_advance() -> None:
    step = at_step(25)
    step.run(8)
    step.spec = step.spec.model_copy(update={"paused": True})
    step.run(30 * 60)
    assert (step.phase, step.weight) == ("Paused", 25)
    before = step.status
    step.look()
    assert step.status == before
    step.spec = step.spec.model_copy(update={"paused": False})
    resumed = step.now
    step.until_weight(50)
    assert step.now - resumed >= timedelta(seconds=5)


def test_both_causes_of_a_pause_must_be_lifted() -> None:
    step = at_step(25)
    assert step.say("pause") == "Done"
    step.spec = step.spec.model_copy(update={"paused": True})
    step.run(120)
    assert step.weight == 25
    assert step.say("resume") == "Done"
    step.run(60)
    assert (step.phase, step.weight) == ("Paused", 25)
    assert "spec.paused" in step.say("resume")
    step.spec = step.spec.model_copy(update={"paused": False})
    step.until_weight(50)


def test_a_pause_by_command_alone_does_not_run_out() -> None:
    step = at_step(25)
    step.say("pause")
    step.run(20 * 60)
    assert (step.phase, step.weight) == ("Paused", 25)
    step.say("resume")
    step.until("Healthy")


def test_a_pause_before_the_first_step_resumes_at_the_start() -> None:
    early = sim()
    early.ready["r2"] = 0
    early.ask("r2")
    early.say("pause")
    assert early.phase == "Paused"
    del early.ready["r2"]
    early.run(60)
    assert early.phase == "Paused"
    early.say("resume")
    early.until("Healthy")
    assert early.delivery.stable == "r2"


def test_a_hold_without_end_pauses_and_only_a_person_resumes() -> None:
    dry = at_step(5)
    dry.rate = 0.0
    dry.run(30)
    assert dry.status.hold is not None
    ends = moment(dry.status.hold.deadline)
    dry.until("Paused", minutes=11)
    assert dry.now >= ends
    assert dry.delivery.rejected == []
    dry.rate = 200.0
    dry.run(20 * 60)
    assert (dry.phase, dry.weight) == ("Paused", 5)
    dry.say("resume")
    dry.until("Healthy")


def test_a_hold_rolls_back_at_its_deadline_where_the_policy_says_so() -> None:
    dry = at_step(5, holds={"deadline": "1m", "then": "Rollback"})
    dry.rate = 0.0
    dry.until("Degraded", minutes=2)
    assert dry.delivery.rejected[0].reason == "HoldExpired"
