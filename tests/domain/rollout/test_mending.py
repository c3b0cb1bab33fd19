"""A status that is not as the operator wrote it: by hand, by another version, from a backup."""

from __future__ import annotations

from typing import Any

import pytest
from tests.domain.rollout.invariants import positive
from tests.domain.rollout.sim import Sim, revision, spec

from tidegate.api.model_status import DeliveryStatus
from tidegate.api.rollout_status import RolloutStatus
from tidegate.domain.rollout import RouteFacts


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


@pytest.mark.parametrize("phase", ["Progressing", "RollingBack", "Promoting"])
def test_a_status_of_before_somebody_else_moved_stable_moves_nothing_back(phase: str) -> None:
    sim = at_step(25)
    if phase == "Promoting":
        sim = promoting()
    if phase == "RollingBack":
        sim.follows = False
        sim.say("abort")
        sim.follows = True
    assert sim.phase == phase
    sim.delivery = sim.delivery.model_copy(update={"stable": "r2", "candidate": None})
    sim.weights_seen.clear()
    sim.run(5)
    assert (sim.phase, sim.delivery.stable) == ("Healthy", "r2")
    assert sim.weights_seen[-1] == {"r2": 100}
    assert all(weights == {"r2": 100} for weights in sim.weights_seen)


@pytest.mark.parametrize("state", ["", "{", "[]", "{}", '{"c": [{}]}', '{"c": 3, "h": 4}', "null"])
@pytest.mark.parametrize("verb", [None, "promote"])
def test_evidence_that_cannot_be_read_begins_the_attempt_anew(state: str, verb: str | None) -> None:
    step = at_step(25)
    entries = [entry.model_copy(update={"state": state}) for entry in step.status.evidence]
    step.status = step.status.model_copy(update={"evidence": entries})
    if verb is None:
        step.settle()
        assert step.weights_seen[-1] == {"r1": 100}
        assert step.delivery.rejected == []
        assert "StatusLost" in step.reasons
    else:
        assert step.say(verb) == "Done"
    step.until("Healthy")
    assert step.delivery.stable == "r2"


def test_evidence_that_lacks_a_metric_begins_the_attempt_anew() -> None:
    step = at_step(25)
    step.status = step.status.model_copy(update={"evidence": step.status.evidence[1:]})
    step.settle()
    assert "StatusLost" in step.reasons
    step.until("Healthy")


@pytest.mark.parametrize(
    "lost", ["attempt", "step", "arms", "evidence", "phase_since", "pauses", "warm_since"]
)
@pytest.mark.parametrize(
    "phase", ["WarmingUp", "Progressing", "Paused", "Promoting", "RollingBack", "Degraded"]
)
def test_a_status_without_a_field_comes_to_rest(phase: str, lost: str) -> None:
    sim = Sim().stable()
    sim.ask("r2")
    sim.until("WarmingUp")
    if phase != "WarmingUp":
        sim.until_weight(25)
    if phase == "Paused":
        sim.say("pause")
    if phase == "Promoting":
        sim = promoting()
    if phase in ("RollingBack", "Degraded"):
        sim.follows = False
        sim.say("abort")
    if phase == "Degraded":
        sim.follows = True
        sim.until("Degraded")
    assert sim.phase == phase
    if lost == "warm_since":
        assert sim.status.attempt is not None
        sim.status = sim.status.model_copy(
            update={"attempt": sim.status.attempt.model_copy(update={"warm_since": None})}
        )
    else:
        default = getattr(RolloutStatus(), lost)
        sim.status = sim.status.model_copy(update={lost: default})
    sim.follows, sim.ready = True, {}
    sim.run(5)
    if sim.phase == "Paused":
        sim.say("resume")
    if sim.phase == "Degraded":
        sim.say("retry")
    sim.until("Healthy", minutes=10)
    assert positive(sim.route.weights) == {sim.delivery.stable: 100}


@pytest.mark.parametrize("phase", ["Healthy", "Degraded", "Progressing"])
def test_a_model_that_was_deleted_and_created_again_begins_with_a_first_revision(
    phase: str,
) -> None:
    sim = Sim().stable()
    if phase != "Healthy":
        sim = at_step(25)
    if phase == "Degraded":
        sim.say("abort")
        sim.until("Degraded")
    sim.delivery, sim.sizes, sim.route = DeliveryStatus(), {}, RouteFacts()
    sim.latest = revision("r3")
    sim.weights_seen.clear()
    sim.run(2)
    assert (sim.phase, sim.delivery.stable) == ("Healthy", "r3")
    assert sim.weights_seen == [{"r3": 100}]
