"""Behaviours about what people do meanwhile: pauses, verbs, edits, and coming back."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from tests.domain.rollout.sim import ERRORS, LATENCY, SLO, Sim, spec

from tidegate.domain.pods import PodFailure
from tidegate.domain.rollout import Command


def at_step(weight: int, **more: Any) -> Sim:
    """r2 is being tried and has this weight."""
    sim = Sim(spec(**more)).stable()
    sim.ask("r2")
    sim.until_weight(weight)
    return sim


def pause(sim: Sim, how: str) -> None:
    """Pause, by either of its two ways."""
    if how == "verb":
        assert sim.say("pause") == "Done"
    else:
        sim.spec = sim.spec.model_copy(update={"paused": True})
        sim.settle()


@pytest.mark.scenario("PA-02")
@pytest.mark.parametrize("how", ["verb", "spec"])
def test_a_candidate_that_fails_in_a_pause_is_taken_back_and_stays_so(how: str) -> None:
    sim = at_step(25)
    pause(sim, how)
    sim.run(120)
    sim.behave("r2", error_rate=0.5)
    sim.until("Degraded", minutes=1)
    assert sim.weights_seen[-1] == {"r1": 100}
    assert sim.delivery.rejected[0].reason in ("EvidenceRollsBack", "GuardBroken")
    assert f"PausedBy{'Command' if how == 'verb' else 'Spec'}" in sim.reasons
    sim.say("resume")
    sim.spec = sim.spec.model_copy(update={"paused": False})
    sim.run(300)
    assert (sim.phase, sim.status.attempts) == ("Degraded", 1)


@pytest.mark.scenario("PA-04")
def test_waiting_for_an_approval_repeats_nothing() -> None:
    steps = [
        {"shadow": {"percent": 100}, "duration": "5s"},
        {"weight": 5, "duration": "5s"},
        {"approval": {}},
        {"weight": 50},
    ]
    sim = at_step(5, steps=steps)
    sim.until("Paused")
    reached, detours = len(sim.told("StepReached")), list(sim.detours_seen)
    for _ in range(6 * 60):
        sim.now += timedelta(minutes=1)
        sim.settle()
    assert (sim.phase, sim.weight) == ("Paused", 5)
    assert (len(sim.told("StepReached")), sim.detours_seen) == (reached, detours)
    assert sim.say("approve") == "Done"
    assert (sim.phase, sim.weight) == ("Progressing", 50)


@pytest.mark.scenario("PA-05")
def test_waiting_for_a_person_leaves_of_the_deadline_what_was_left() -> None:
    strict = {**ERRORS, "margin": {"ratio": 1.01, "absolute": 0.0001}}
    steps = [{"weight": 5, "duration": "30s"}, {"approval": {}}, {"weight": 50}]
    sim = at_step(5, steps=steps, metrics=[strict], deadline="2m", onInconclusive="Rollback")
    for name in ("r1", "r2"):
        sim.behave(name, error_rate=0.01)
    sim.until("Paused")
    for _ in range(3 * 60):
        sim.now += timedelta(minutes=1)
        sim.settle()
    assert sim.phase == "Paused"
    assert sim.say("approve") == "Done"
    approved = sim.now
    sim.until("Degraded", minutes=4)
    assert timedelta(seconds=80) <= sim.now - approved <= timedelta(seconds=100)
    assert sim.delivery.rejected[0].reason == "Inconclusive"


@pytest.mark.scenario("AB-13")
def test_pods_that_crash_take_back_what_onfailure_only_paused() -> None:
    sim = at_step(25, onFailure="Pause")
    sim.behave("r2", error_rate=0.3)
    sim.until("Paused", minutes=2)
    sim.ready["r2"] = 0
    sim.failures["r2"] = PodFailure("CrashLoop", "exit 1", final=True)
    sim.run(2)
    assert sim.weights_seen[-1] == {"r1": 100}
    assert sim.phase == "Degraded"
    assert sim.delivery.rejected[0].reason == "CrashLoop"


@pytest.mark.scenario("AB-03")
def test_retry_warms_up_again_before_any_weight_and_forgets_the_verdict() -> None:
    sim = at_step(5)
    sim.behave("r2", error_rate=0.5)
    sim.until("Degraded")
    sim.run(11 * 60)
    assert "r2" not in sim.sizes
    sim.behave("r2", error_rate=0.0)
    sim.ready["r2"] = 0
    assert sim.say("retry") == "Done"
    sim.run(60)
    assert (sim.phase, sim.weight, sim.status.attempts) == ("Starting", 0, 2)
    sim.ready.clear()
    ready = sim.now
    sim.until_weight(5)
    assert sim.now - ready >= timedelta(seconds=10)
    assert all(entry.rollback < 100 for entry in sim.status.evidence)
    sim.until("Healthy")
    assert sim.delivery.stable == "r2"


@pytest.mark.scenario("AB-05")
def test_polling_the_reference_again_tries_nothing_that_was_rejected() -> None:
    sim = at_step(5)
    sim.say("abort")
    sim.until("Degraded")
    notes = len(sim.notes)
    for _ in range(24):
        sim.now += timedelta(minutes=5)
        sim.ask("r2", polled=True)
    assert (sim.phase, sim.status.attempts, len(sim.notes)) == ("Degraded", 1, notes)
    assert sim.weights_seen[-1] == {"r1": 100}
    ready = next(c for c in sim.status.conditions if c.type == "Ready")
    assert "Change the Model, or try it again: `tidegate retry flights`" in ready.message


@pytest.mark.scenario("AB-07")
def test_every_new_digest_after_a_rejection_has_its_turn() -> None:
    sim = at_step(5)
    sim.say("abort")
    sim.until("Degraded")
    for name in ("r3", "r4"):
        sim.ask(name)
        assert sim.delivery.candidate == name
        sim.until("Healthy")
        assert sim.delivery.stable == name
    after = [set(seen) for seen in sim.weights_seen[sim.weights_seen.index({"r1": 100}, 1) :]]
    assert all("r2" not in seen for seen in after)


@pytest.mark.scenario("SU-07")
def test_other_steps_are_another_attempt_from_weight_zero() -> None:
    sim = at_step(25)
    sim.run(10)
    seen = len(sim.weights_seen)
    sim.spec = spec((1, 5), (10, 5))
    sim.settle()
    assert sim.weights_seen[seen:] == [{"r1": 100}]
    assert (sim.status.attempts, sim.status.step, sim.status.evidence) == (2, None, [])
    sim.until("Healthy")
    walked = [weights.get("r2", 0) for weights in sim.weights_seen[seen:]]
    assert walked == [0, 1, 10, 100]


@pytest.mark.scenario("SU-11")
@pytest.mark.parametrize("verb", ["promote", "skip"])
def test_a_verb_that_a_verdict_overrules_is_answered_so(verb: str) -> None:
    sim = at_step(25, metrics=[ERRORS, LATENCY, SLO])
    sim.run(1)
    sim.behave("r2", error_rate=0.5)
    while sim.facts().observation is None:
        sim.now += timedelta(seconds=1)
    sim.command = Command(id="7", verb=verb, by="alice")
    sim.look()
    assert sim.phase == "RollingBack"
    assert sim.weight == 0
    assert sim.status.last_command is not None
    assert sim.status.last_command.result.startswith("Ignored: overruled")
    sim.until("Degraded", minutes=1)
    sim.run(60)
    assert (sim.phase, sim.delivery.stable) == ("Degraded", "r1")
