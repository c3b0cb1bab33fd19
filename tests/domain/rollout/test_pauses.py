"""Pauses and holds: what starts them, what they keep, and what ends them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from tests.domain.rollout.sim import Sim, spec

from tidegate.domain.times import moment


def sim(*steps: tuple[int, int], metrics: list[Any] | None = None, **more: Any) -> Sim:
    return Sim(spec(*steps, metrics=metrics, **more)).stable()


def at_step(weight: int, **more: Any) -> Sim:
    """An attempt for r2 whose candidate has that weight."""
    found = sim(**more)
    found.ask("r2")
    found.until_weight(weight)
    return found


@pytest.mark.scenario("PA-01")
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


@pytest.mark.scenario("PA-06")
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


@pytest.mark.scenario("PA-06")
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


@pytest.mark.scenario("ND-02")
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
