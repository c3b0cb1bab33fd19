"""The strategy aa: a twin of stable, trial after trial, and no verdict with a consequence."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from tests.domain.rollout.sim import ERRORS, LATENCY, SLO, Sim, revision, spec

from tidegate.api.contest_status import Trial, Trials
from tidegate.domain.conditions import find
from tidegate.domain.evidence import Unseen
from tidegate.domain.pods import PodFailure
from tidegate.domain.rollout import ArmFacts
from tidegate.domain.rollout.trialing import with_trial

TWIN = ArmFacts(name="twin", source="r1", revision=revision("t1"))


def trying(*, metrics: list[Any] | None = None, twin: ArmFacts | None = TWIN, **aa: Any) -> Sim:
    """r1 serves, and its twin is there."""
    declared = {"trials": 3, "duration": "60s", **aa}
    sim = Sim(spec(strategy={"aa": declared}, metrics=metrics or [ERRORS, LATENCY, SLO]))
    sim.arms = (twin,) if twin is not None else ()
    return sim.stable()


def trials(sim: Sim) -> Trials:
    assert sim.status.aa is not None
    return sim.status.aa


def ready(sim: Sim) -> Any:
    return find(sim.status.conditions, "Ready")


def test_trials_follow_each_other_and_end_by_themselves_and_the_twin_goes() -> None:
    sim = trying()
    sim.until("Progressing")
    sim.run(10)
    assert sim.weights_seen[-1] == {"r1": 90, "t1": 10}
    assert (ready(sim).status, ready(sim).reason) == ("True", "TrialsRunning")
    sim.run(4 * 60)
    assert (trials(sim).done, trials(sim).ended) == (3, "TrialsDone")
    assert (trials(sim).false_alarms, trials(sim).twin) == (0, "t1")
    assert all(trial.seconds >= 60 for trial in trials(sim).results)
    assert all(trial.n > 0 for trial in trials(sim).results)
    assert sim.weights_seen[-1] == {"r1": 100}
    sim.run(120)
    assert "t1" not in sim.sizes
    assert (sim.phase, ready(sim).reason) == ("Healthy", "Promoted")
    assert "no false alarm in 3 trials" in ready(sim).message
    assert sim.delivery.rejected == []
    assert sim.status.attempts == 1


def test_a_false_alarm_ends_its_trial_names_the_metric_and_has_no_other_consequence() -> None:
    sim = trying(duration="10m")
    sim.behave("t1", error_rate=0.5)
    sim.until("Progressing")
    while trials(sim).done < 2:
        sim.run(1)
    assert trials(sim).false_alarms == 2
    assert [(m.metric, m.false_alarms) for m in trials(sim).by_metric] == [("slo", 2)]
    assert trials(sim).results[0].seconds < 600
    assert sim.weights_seen[-1] == {"r1": 90, "t1": 10}
    assert sim.delivery.rejected == []
    assert len(sim.told("TrialEnded")) == 2
    assert "false alarm by slo" in sim.told("TrialEnded")[0]


def test_each_trial_begins_from_nothing() -> None:
    sim = trying(metrics=[ERRORS], trials=5)
    sim.until("Progressing")
    while trials(sim).done < 1:
        sim.run(1)
    sim.run(10)
    assert sim.status.evidence[0].candidate.n < 10 * sim.rate


def test_a_trial_that_reaches_promote_is_counted_as_such() -> None:
    sim = trying(metrics=[ERRORS], duration="10m", trials=1)
    sim.behave("r1", error_rate=0.001)
    sim.behave("t1", error_rate=0.001)
    sim.rate = 2000
    sim.until("Progressing")
    sim.run(12 * 60)
    assert (trials(sim).promotions, trials(sim).results[0].verdict) == (1, "Promote")


def test_a_new_revision_ends_the_trials_at_once_and_is_not_delivered() -> None:
    sim = trying(trials=50)
    sim.until("Progressing")
    sim.run(5)
    sim.ask("r2", polled=True)
    assert sim.weights_seen[-1] == {"r1": 100}
    assert trials(sim).ended == "Superseded"
    sim.run(60)
    assert (ready(sim).status, ready(sim).reason) == ("False", "DeliversNothing")
    assert "canary" in ready(sim).message
    assert find(sim.status.conditions, "Stalled") is not None
    assert sim.delivery.candidate is None
    sim.spec = spec()
    sim.until("Progressing")
    assert sim.delivery.candidate == "r2"


def test_a_twin_whose_pods_fail_ends_the_trials() -> None:
    sim = trying()
    sim.until("Progressing")
    sim.ready["t1"] = 0
    sim.failures["t1"] = PodFailure("CrashLoop", "it ended", final=True)
    sim.run(60)
    assert trials(sim).ended == "CandidateFailed"
    assert sim.weights_seen[-1] == {"r1": 100}
    assert sim.phase == "Healthy"
    sim.failures.clear()
    sim.ready.clear()
    assert sim.say("retry") == "Done"
    sim.until("Progressing")


@pytest.mark.parametrize(
    ("twin", "reason"),
    [
        (None, "ArmsPending"),
        (ArmFacts("twin", "r0", revision("t0")), "ArmsPending"),
        (ArmFacts("twin", "r1", reason="RevisionCollision", message="taken"), "RevisionCollision"),
    ],
)
def test_without_a_twin_nothing_begins_and_that_is_said(twin: ArmFacts | None, reason: str) -> None:
    sim = trying(twin=twin)
    sim.run(30)
    assert sim.status.attempt is None
    assert ready(sim).reason == reason


def test_without_data_a_trial_waits_and_goes_on_from_where_it_was() -> None:
    sim = trying()
    sim.until("Progressing")
    sim.run(30)
    step = sim.status.step
    assert step is not None
    sim.outage = Unseen("MetricsUnavailable", "connection refused")
    sim.run(60)
    assert (sim.phase, trials(sim).done) == ("Holding", 0)
    sim.outage = None
    sim.run(90)
    assert trials(sim).done >= 1


def test_crashes_between_writes_count_no_trial_twice() -> None:
    sim = trying()
    for second in range(400):
        sim.now += timedelta(seconds=1)
        sim.look(written=second % 3)
        sim.settle()
    assert (trials(sim).done, trials(sim).ended) == (3, "TrialsDone")
    assert len(trials(sim).results) == 3


def test_verbs_say_what_trials_do_with_them() -> None:
    sim = trying()
    sim.until("Progressing")
    assert "no steps to skip" in sim.say("skip")
    assert "never promotes" in sim.say("promote", force=True)
    assert sim.say("abort") == "Done"
    sim.run(60)
    assert (trials(sim).ended, sim.phase) == ("Aborted", "Healthy")


@pytest.mark.parametrize(
    ("alarms", "done", "said"),
    [
        (0, 20, "no false alarm in 20 trials"),
        (1, 20, "can still explain"),
        (3, 20, "do not rely on these settings"),
        (1, 1, "can still explain"),
    ],
)
def test_the_message_says_what_the_trials_mean(alarms: int, done: int, said: str) -> None:
    found = Trials(key="k", stable="r1", twin="t1", expected_at_most=0.01)
    for number in range(done):
        alarm = number < alarms
        found = with_trial(
            found,
            Trial(
                at="2026-01-05T12:00:00Z",
                verdict="Rollback" if alarm else "Continue",
                metric="errors" if alarm else "",
                n=500,
                seconds=60,
            ),
        )
    assert said in found.message
    assert found.upper_bound is not None
    assert alarms / done <= found.upper_bound <= 1
