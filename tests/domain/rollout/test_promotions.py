"""Promotions that somebody or something gets in the way of."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from tests.domain.rollout.sim import ERRORS, SLO, Sim, spec

from tidegate.domain.conditions import find
from tidegate.domain.pods import PodFailure
from tidegate.domain.rollout import Command


def at_step(weight: int, **more: Any) -> Sim:
    """r2 is being tried and has this weight."""
    sim = Sim(spec(**more)).stable()
    sim.ask("r2")
    sim.until_weight(weight)
    return sim


def promoting(**more: Any) -> Sim:
    """r2 is being promoted, with too few pods for all the traffic."""
    sim = at_step(50, **more)
    sim.ready["r2"] = 3
    assert sim.say("promote") == "Done"
    assert (sim.phase, sim.weight) == ("Promoting", 75)
    return sim


@pytest.mark.parametrize("phase", ["Starting", "WarmingUp", "Promoting"])
def test_a_pause_in_any_phase_is_answered(phase: str) -> None:
    sim = Sim().stable()
    sim.ready["r2"] = 0
    sim.ask("r2")
    if phase == "WarmingUp":
        sim.ready = {}
        sim.until("WarmingUp")
    if phase == "Promoting":
        sim = promoting()
    assert sim.phase == phase
    result = sim.say("pause")
    if phase == "Promoting":
        assert result.startswith("Ignored")
        assert "abort" in result
        return
    assert (result, sim.phase) == ("Done", "Paused")
    sim.ready = {}
    sim.run(600)
    assert (sim.phase, sim.weight) == ("Paused", 0)
    assert sim.say("resume") == "Done"
    sim.until("Healthy")


def test_spec_paused_freezes_the_weight_of_a_promotion_too() -> None:
    sim = promoting()
    sim.spec = spec(paused=True)
    sim.ready = {}
    sim.run(900)
    assert (sim.phase, sim.weight) == ("Promoting", 75)
    ready = find(sim.status.conditions, "Ready")
    assert ready is not None
    assert "spec.paused" in ready.message
    sim.spec = spec()
    sim.until("Healthy", minutes=1)
    assert sim.delivery.stable == "r2"


def test_spec_paused_outranks_promote_without_force() -> None:
    sim = at_step(25, paused=False)
    sim.spec = spec(paused=True)
    sim.settle()
    assert "spec.paused" in sim.say("promote")
    assert (sim.phase, sim.weight) == ("Paused", 25)


def test_a_promotion_that_loses_pods_gives_back_what_it_cannot_carry() -> None:
    sim = promoting()
    sim.ready["r2"] = 1
    sim.run(1)
    assert sim.weights_seen[-1] == {"r1": 75, "r2": 25}
    sim.ready["r2"] = 0
    sim.run(1)
    assert sim.weights_seen[-1] == {"r1": 100}
    sim.run(61)
    assert sim.phase == "Degraded"


def test_a_promotion_goes_on_when_stable_loses_all_its_pods() -> None:
    sim = promoting()
    sim.ready = {"r1": 0, "r2": 3}
    sim.run(2)
    assert sim.weight == 75
    sim.ready = {"r1": 0}
    sim.until("Healthy", minutes=1)
    assert sim.delivery.stable == "r2"


def test_fewer_steps_after_the_last_raise_do_not_stop_a_promotion() -> None:
    last = at_step(50)
    last.follows = False
    last.until("Promoting")
    assert last.weight == 100
    last.spec = spec((10, 5))
    last.run(5)
    last.follows = True
    last.until("Healthy")
    assert last.delivery.stable == "r2"


def test_only_force_silences_the_evidence_not_a_failure_that_paused() -> None:
    sim = at_step(25, onFailure="Pause")
    sim.behave("r2", error_rate=0.5)
    sim.until("Paused", minutes=2)
    assert sim.say("promote").startswith("Ignored")
    sim.ready["r2"] = 2
    assert sim.say("promote", force=True) == "Done"
    sim.run(10)
    assert (sim.phase, sim.weight) == ("Promoting", 50)


def test_a_forced_promotion_outranks_what_is_asked_for_next() -> None:
    sim = at_step(25)
    sim.ready["r2"] = 3
    assert sim.say("promote", force=True) == "Done"
    sim.ask("r3")
    sim.run(5)
    assert sim.phase == "Promoting"
    sim.ready = {}
    sim.until_weight(5)
    assert (sim.delivery.stable, sim.delivery.candidate) == ("r2", "r3")


def test_back_to_stable_ends_a_forced_promotion_too() -> None:
    sim = at_step(25)
    sim.ready["r2"] = 3
    assert sim.say("promote", force=True) == "Done"
    sim.ask("r1")
    sim.run(2)
    assert sim.weights_seen[-1] == {"r1": 100}


def test_promote_with_force_ends_a_rollback_that_has_nowhere_to_go() -> None:
    sim = at_step(25)
    sim.ready["r1"] = 0
    sim.say("abort")
    sim.run(5)
    assert (sim.phase, sim.weight) == ("RollingBack", 25)
    assert sim.say("promote").startswith("Ignored")
    sim.ready["r2"] = 4
    assert sim.say("promote", force=True) == "Done"
    sim.until("Healthy", minutes=2)
    assert sim.delivery.stable == "r2"
    assert sim.delivery.rejected == []


def test_a_rollback_under_way_cannot_be_turned_round() -> None:
    sim = at_step(25)
    sim.follows = False
    sim.say("abort")
    assert (sim.phase, sim.weight) == ("RollingBack", 0)
    assert sim.say("promote", force=True).startswith("Ignored")


@pytest.mark.parametrize("command", [None, "promote", "skip"])
def test_strategy_or_metrics_edited_while_the_next_artifact_cannot_be_found(
    command: str | None,
) -> None:
    step = at_step(50)
    step.current = False
    wider = {**ERRORS, "name": "other", "margin": {"ratio": 2.0, "absolute": 0.005}}
    step.spec = spec((5, 20), metrics=[wider, SLO])
    if command:
        step.command = Command(id="1", verb=command)
    step.run(2)
    assert step.weights_seen[-1] == {"r1": 100}
    assert step.delivery.rejected == []
    step.current = True
    step.settle()
    step.until("Healthy")
    assert step.delivery.stable == "r2"


def test_a_first_revision_that_is_starting_after_a_failed_one_is_not_called_failed() -> None:
    sim = Sim()
    sim.ready["r1"] = 0
    sim.failures["r1"] = PodFailure("LoadFailed", "no such file", final=True)
    sim.settle()
    assert sim.phase == "Degraded"
    sim.ready["r2"] = 0
    sim.ask("r2")
    assert sim.phase == "Pending"
    assert find(sim.status.conditions, "Stalled") is None
    assert find(sim.status.conditions, "Reconciling") is not None
    sim.ready = {}
    sim.settle()
    assert (sim.phase, sim.delivery.stable) == ("Healthy", "r2")


def test_a_gateway_that_does_not_follow_is_named() -> None:
    sim = Sim().stable()
    sim.ask("r2")
    sim.until("WarmingUp")
    sim.follows = False
    sim.until_weight(5)
    sim.run(30)
    ready = find(sim.status.conditions, "Ready")
    assert ready is not None
    assert "gateway" in ready.message
    assert "not yet" in ready.message


def test_a_promotion_does_not_speak_of_steps() -> None:
    sim = at_step(50)
    sim.quiet = False
    sim.until("Promoting")
    ready = find(sim.status.conditions, "Ready")
    assert ready is not None
    assert "step" not in ready.message


# -- a crash between the two statuses: the Model's, which is written first, is ahead ---


def half_promoted(**more: Any) -> Sim:
    """The Model's status says that r2 is stable; the Rollout's still says Promoting."""
    sim = Sim(spec((20, 10), metrics=[ERRORS], **more)).stable()
    sim.ask("r2")
    sim.until("Promoting")
    for _ in range(60):
        sim.now += timedelta(seconds=1)
        sim.look(written=1)
        if sim.delivery.stable == "r2":
            return sim
        sim.look()
    raise AssertionError("never promoted")


def test_an_abort_right_after_a_crash_takes_no_traffic_from_what_became_stable() -> None:
    sim = half_promoted()
    assert sim.say("abort").startswith("Ignored: there is nothing to abort")
    sim.run(5)
    assert (sim.phase, sim.delivery.stable) == ("Healthy", "r2")
    assert sim.weights_seen[-1] == {"r2": 100}
    assert sim.delivery.rejected == []


def test_an_abort_right_after_a_crash_takes_back_what_bakes() -> None:
    sim = half_promoted(baking={"duration": "30m"})
    assert sim.say("abort") == "Done"
    sim.run(5)
    assert (sim.phase, sim.delivery.stable) == ("Degraded", "r1")
    assert sim.weights_seen[-1] == {"r1": 100}


def test_pods_that_fail_right_after_a_crash_leave_the_way_back_open() -> None:
    sim = half_promoted()
    sim.ready["r2"] = 0
    sim.failures["r2"] = PodFailure("CrashLoopBackOff", "it crashes", final=True)
    sim.run(10)
    assert (sim.phase, sim.delivery.stable, sim.delivery.previous) == ("Healthy", "r2", "r1")
    sim.ask("r1")
    sim.until("Healthy", minutes=2)
    assert sim.weights_seen[-1] == {"r1": 100}
