"""The strategies, each in its own words: shadow steps, approvals, blue-green, shadow."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from tests.domain.rollout.sim import ERRORS, Sim, spec
from tests.domain.rollout.trying import candidate_weights, tried

from tidegate.api.strategy import Strategy
from tidegate.domain.conditions import Said
from tidegate.domain.evidence import Arm, Batch, CountersAsk, state_of
from tidegate.domain.evidence.packing import packed
from tidegate.domain.rollout import Timing, decide, wanted
from tidegate.domain.rollout.plan import Stage, stages
from tidegate.domain.route import NO_DETOURS, Detours, Mirror, Preview
from tidegate.domain.times import moment, stamp

SHADOW = {"shadow": {"percent": 100}, "duration": "20s"}


# -- the plan ----------------------------------------------------------------------------------


def test_an_approval_stays_at_the_weight_before_it() -> None:
    plan = stages(
        Strategy.model_validate(
            {"canary": {"steps": [{"approval": {}}, {"weight": 5}, {"approval": {}}]}}
        )
    )
    assert [(stage.verb, stage.weight) for stage in plan] == [
        ("approval", 0),
        ("weight", 5),
        ("approval", 5),
    ]


@pytest.mark.parametrize(
    ("strategy", "load"),
    [
        ({"canary": {"steps": [SHADOW, {"weight": 5}]}}, 100),
        ({"canary": {"steps": [{"weight": 0}, {"weight": 5}]}}, 0),
        ({"adaptive": {"errorBudget": 10, "minWeight": 3}}, 3),
        ({"blueGreen": {"shadow": {"percent": 40}}}, 40),
        ({"blueGreen": {}}, 0),
        ({"shadow": {"percent": 30}}, 30),
    ],
)
def test_pods_are_asked_for_what_the_first_stage_sends_copies_included(
    strategy: dict[str, Any], load: int
) -> None:
    assert stages(Strategy.model_validate(strategy))[0].load == load


def test_only_the_strategy_shadow_is_without_an_end() -> None:
    endless = stages(Strategy.model_validate({"shadow": {}}))
    assert endless == (Stage("shadow", mirror=100, endless=True),)


# -- canary: weight 0, shadow, approval ---------------------------------------------------------


@pytest.mark.scenario("SW-07")
def test_at_weight_0_the_candidate_runs_without_a_request_and_lack_of_them_is_no_hold() -> None:
    sim = tried(steps=[{"weight": 0, "duration": "60s"}, {"weight": 10, "duration": "5s"}])
    sim.until("Progressing")
    sim.run(55)
    assert (sim.weight, sim.phase, sim.status.hold) == (0, "Progressing", None)
    sim.until_weight(10)
    assert candidate_weights(sim)[:2] == [0, 10]


@pytest.mark.scenario("XS-01")
def test_a_shadow_step_mirrors_at_weight_0_and_the_mirror_goes_with_the_first_weight() -> None:
    sim = tried(steps=[SHADOW, {"weight": 5, "duration": "5s"}])
    sim.until("Progressing")
    sim.run(10)
    assert sim.route.detours == Detours(mirror=Mirror("r2", 100))
    assert sim.weight == 0
    assert sim.status.step is not None
    assert sim.status.step.requests > 0
    sim.until_weight(5)
    assert sim.route.detours == NO_DETOURS


@pytest.mark.scenario("XS-03")
def test_a_candidate_that_fails_on_copies_is_taken_back_before_anybody_met_it() -> None:
    sim = tried(steps=[SHADOW, {"weight": 5}])
    sim.behave("r2", error_rate=1.0)
    sim.until("Degraded")
    assert max(candidate_weights(sim)) == 0
    assert sim.route.detours == NO_DETOURS
    assert [entry.revision for entry in sim.delivery.rejected] == ["r2"]


@pytest.mark.scenario("PA-04", "PA-05")
def test_an_approval_waits_without_a_limit_and_costs_nothing_of_the_deadline() -> None:
    sim = tried(
        steps=[{"weight": 5, "duration": "5s"}, {"approval": {}}, {"weight": 50}], deadline="10m"
    )
    sim.until("Paused")
    assert sim.status.pauses == ["ApprovalNeeded"]
    assert "`tidegate approve flights`" in sim.status.history[0].message
    assert sim.status.attempt is not None
    spent = sim.status.attempt.evaluating_s
    sim.run(20 * 60)
    assert (sim.phase, sim.weight) == ("Paused", 5)
    assert sim.status.attempt.evaluating_s == spent
    assert "waits for an approval" in sim.say("resume")
    assert "waits for an approval" in sim.say("skip")
    assert sim.say("approve") == "Done"
    assert sim.weight == 50
    assert "Approved" in [note.reason for note in sim.notes]


def test_an_approval_that_nothing_waits_for_is_refused() -> None:
    sim = tried()
    sim.until("Progressing")
    assert "nothing waits for an approval" in sim.say("approve")


def test_a_candidate_that_fails_while_a_person_is_waited_for_is_taken_back() -> None:
    sim = tried(steps=[{"weight": 20}, {"approval": {}}, {"weight": 50}])
    sim.until("Paused")
    sim.behave("r2", error_rate=0.5)
    sim.until("Degraded")
    assert "EvidenceRollsBack" in sim.reasons or "GuardBroken" in sim.reasons


def test_an_approval_does_not_lift_a_pause_that_a_person_asked_for() -> None:
    sim = tried(steps=[{"weight": 5}, {"approval": {}}, {"weight": 50}])
    sim.until("Paused")
    assert sim.say("pause") == "Done"
    assert sim.say("approve") == "Done"
    assert (sim.phase, sim.weight) == ("Paused", 5)
    assert sim.say("resume") == "Done"
    assert sim.weight == 50


# -- blue-green ------------------------------------------------------------------------------------


@pytest.mark.scenario("XS-06")
def test_blue_green_shows_the_candidate_by_header_and_then_switches_at_once() -> None:
    sim = tried(strategy={"blueGreen": {"preview": {}, "shadow": {}, "duration": "30s"}})
    sim.until("Progressing")
    sim.run(5)
    preview = Preview("x-tidegate-preview", "candidate", "r2")
    assert sim.route.detours == Detours(mirror=Mirror("r2"), preview=preview)
    assert sim.weight == 0
    sim.until("Baking")
    assert sim.delivery.stable == "r2"
    assert set(candidate_weights(sim)) == {0, 100}
    assert sim.route.detours == NO_DETOURS
    assert (sim.delivery.previous, sim.sizes["r1"]) == ("r1", 4)
    assert "ChecksPassed" in sim.reasons


@pytest.mark.scenario("XS-06")
def test_blue_green_switches_only_with_the_candidate_at_full_size() -> None:
    sim = tried(strategy={"blueGreen": {}})
    sim.ready["r2"] = 3
    sim.run(120)
    assert (sim.phase, sim.weight, sim.sizes["r2"]) == ("Promoting", 0, 4)
    sim.ready.clear()
    sim.until("Baking")
    assert set(candidate_weights(sim)) == {0, 100}


def test_blue_green_takes_back_what_fails_on_copies_and_never_switches() -> None:
    sim = tried(strategy={"blueGreen": {"shadow": {}, "duration": "5m"}})
    sim.behave("r2", error_rate=0.5)
    sim.until("Degraded")
    assert set(candidate_weights(sim)) == {0}


def test_blue_green_waits_for_an_approval_where_one_is_asked_for() -> None:
    sim = tried(strategy={"blueGreen": {"approval": {}}})
    sim.until("Paused")
    sim.run(600)
    assert sim.weight == 0
    assert sim.say("approve") == "Done"
    sim.until("Baking")
    assert sim.delivery.stable == "r2"


# -- shadow ----------------------------------------------------------------------------------


@pytest.mark.scenario("XS-04")
def test_a_shadow_that_agrees_for_a_day_is_never_promoted() -> None:
    sim = tried(strategy={"shadow": {"percent": 50}}, analysis={"interval": "5m"})
    sim.until("Progressing")
    for _ in range(24):
        sim.run(60)
        sim.now += timedelta(minutes=59)
    assert (sim.phase, sim.weight) in (("Progressing", 0), ("Holding", 0))
    assert set(candidate_weights(sim)) == {0}
    assert sim.status.evidence
    assert "never promotes" in sim.say("promote")
    assert "never promotes" in sim.say("promote", force=True)
    assert "no steps to skip" in sim.say("skip")
    assert sim.say("abort") == "Done"
    assert sim.phase == "Degraded"


# -- supersede -----------------------------------------------------------------------------------


def test_a_moving_reference_waits_for_the_end_of_the_attempt_and_only_its_last_value_does() -> None:
    sim = tried()
    sim.until_weight(25)
    sim.ask("r3", polled=True)
    sim.ask("r4", polled=True)
    sim.run(5)
    assert sim.weights_seen[-1] == {"r1": 75, "r2": 25}
    sim.until("Promoting")
    while sim.delivery.stable != "r2":
        sim.run(1)
    sim.run(1)
    assert sim.delivery.candidate == "r4"
    assert "r3" not in sim.sizes


def test_a_moving_reference_supersedes_what_has_met_no_request_yet() -> None:
    sim = tried()
    sim.ask("r3", polled=True)
    sim.run(2)
    assert sim.delivery.candidate == "r3"


@pytest.mark.parametrize(
    ("policy", "polled", "candidate"),
    [
        ("WhenNewer", True, "r3"),
        ("WhenNewer", False, "r3"),
        ("AfterAttempt", True, "r2"),
        ("AfterAttempt", False, "r2"),
        (None, False, "r3"),
        (None, True, "r2"),
    ],
)
def test_supersede_says_what_a_newer_revision_does(
    policy: str | None, polled: bool, candidate: str
) -> None:
    more: dict[str, Any] = {"supersede": policy} if policy else {}
    sim = tried(**more)
    sim.until_weight(25)
    sim.ask("r3", polled=polled)
    sim.run(3)
    assert sim.delivery.candidate == candidate


def test_back_to_stable_ends_an_attempt_whatever_supersede_says() -> None:
    sim = tried(supersede="AfterAttempt")
    sim.until_weight(25)
    sim.ask("r1")
    sim.run(3)
    assert (sim.phase, sim.weights_seen[-1]) == ("Healthy", {"r1": 100})


# -- what else keeps a strategy from its end ---

VALUE = {
    "name": "budget",
    "type": "Value",
    "prometheus": {"query": "spent"},
    "condition": "value < 0.2",
}


@pytest.mark.parametrize(("holds", "phase"), [(None, "Progressing"), (False, "Degraded"),
                                              (True, "Healthy")])  # fmt: skip
def test_blue_green_does_not_switch_while_a_condition_does_not_hold(
    holds: bool | None, phase: str
) -> None:
    sim = Sim(
        spec(strategy={"blueGreen": {}}, metrics=[ERRORS, VALUE], rollbackWindow={"duration": "0s"})
    ).stable()
    sim.value = holds
    sim.ask("r2")
    sim.run(60)
    if phase == "Progressing":
        assert sim.phase in ("Progressing", "Holding")
        sim.value = True
        phase = "Healthy"
    sim.until(phase, minutes=5)


def test_a_batch_from_before_the_weight_is_no_lack_of_requests() -> None:
    steps = [{"shadow": {}, "duration": "20s"}, {"weight": 20, "duration": "60s"}]
    sim = Sim(spec(steps=steps, metrics=[ERRORS])).stable()
    sim.ask("r2")
    sim.until_weight(20)
    step = sim.status.step
    assert step is not None
    assert step.started_at is not None
    assert step.last_batch_end is not None
    began, end = moment(step.last_batch_end), moment(step.started_at)
    assert began < end
    calm, nothing = Arm(requests=3000, errors=0), Arm(requests=0, errors=0)
    for after, reason in ((0, None), (10, "NoData")):
        batch = Batch(began, end + timedelta(seconds=after), calm, nothing)
        decision = decide(sim.declared, replace(sim.facts(), observation=batch), sim.timing)
        assert decision.rollout is not None
        hold = decision.rollout.hold
        assert (hold.reason if hold else None) == reason


def test_copies_before_the_first_weight_never_count_as_requests_of_callers() -> None:
    counted = {
        "name": "cancelled",
        "type": "Counters",
        "prometheus": {"bad": "cancelled", "total": "booked"},
        "margin": {"ratio": 1.5, "absolute": 0.005},
    }
    steps = [{"shadow": {}, "duration": "20s"}, {"weight": 20, "duration": "5m"}]
    sim = Sim(spec(steps=steps, metrics=[ERRORS, counted])).stable()
    sim.ask("r2")
    sim.until_weight(20, minutes=5)
    step = sim.status.step
    assert step is not None
    assert step.started_at is not None
    began, lag = moment(step.started_at), timedelta(seconds=30)
    late = step.model_copy(update={"last_batch_end": stamp(began - lag)})
    # What was asked in vain in the shadow step is not caught up on as the callers' either.
    entries = [
        entry.model_copy(update={"state": packed({**state_of(entry), "due": stamp(began - lag)})})
        for entry in sim.status.evidence
    ]
    sim.status = sim.status.model_copy(update={"step": late, "evidence": entries})
    found = []
    for seconds in (15, 48, 60):
        now = Timing(now=began + timedelta(seconds=seconds), scrape=lag / 2)
        batch = wanted(sim.declared, sim.delivery, now).batch
        ask = batch.asks[0] if batch else None
        since = ask.start if isinstance(ask, CountersAsk) else None
        found.append((batch.shadow, batch.start, since) if batch else None)
    first = began + lag / 2  # a scrape later: a sample from before may be that much older
    assert found == [(True, began - lag, began - lag), None, (False, first, first)]


# -- nothing may move, but back ---


def test_pods_lost_while_nothing_may_move_lower_the_weight_afterwards() -> None:
    sim = tried(steps=[{"weight": 50, "duration": "10m"}], metrics=[ERRORS])
    sim.until_weight(50)
    sim.blocked = Said("Ready", "False", "Conflicted", "the hostname belongs to another Model")
    sim.ready["r2"] = 1
    sim.run(5)
    assert sim.weight == 50
    sim.blocked = None
    sim.run(2)
    assert sim.weight == 25


@pytest.mark.parametrize("phase", ["WarmingUp", "Progressing", "Paused", "Promoting", "Baking"])
def test_abort_takes_back_what_may_not_move_otherwise(phase: str) -> None:
    sim = Sim(spec((20, 60), metrics=[ERRORS], baking={"duration": "30m"})).stable()
    sim.ask("r2")
    if phase == "Paused":
        sim.until_weight(20)
        sim.say("pause")
    sim.until(phase)
    sim.blocked = Said("Ready", "False", "StrategyNotSupported", "the provider lacks that")
    sim.run(5)
    assert sim.phase == phase
    assert sim.say("abort") == "Done"
    sim.run(5)
    assert (sim.phase, sim.delivery.stable) == ("Degraded", "r1")
    assert sim.weights_seen[-1] == {"r1": 100}
