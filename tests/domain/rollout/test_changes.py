"""Something else is asked for in the middle, or after the end: superseding, the window, sizes."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from tests.domain.rollout.sim import ERRORS, LATENCY, SLO, Sim, spec

from tidegate.api.model import Scaling
from tidegate.domain.conditions import Said
from tidegate.domain.rollout.facts import Command


def at_step(weight: int, **more: Any) -> Sim:
    found = Sim(spec(**more)).stable()
    found.ask("r2")
    found.until_weight(weight)
    return found


def promoted(**more: Any) -> Sim:
    """r2 is stable, r1 is the way back."""
    found = Sim(spec(**more)).stable()
    found.ask("r2")
    found.until("Healthy")
    assert (found.delivery.stable, found.delivery.previous) == ("r2", "r1")
    return found


# -- what is held back ---

HELD = Said("Ready", "Unknown", "GatesPending", "its gates are still to be judged")


def test_what_is_held_back_supersedes_nothing_and_comes_in_once_it_may() -> None:
    step = at_step(25)
    step.held_back = HELD
    step.ask("r3")
    step.until("Healthy")
    assert step.delivery.stable == "r2"
    assert "r3" not in {name for seen in step.weights_seen for name in seen}
    step.run(60)
    assert (step.status.attempts, step.delivery.candidate) == (1, None)
    step.held_back = None
    step.until_weight(5)
    assert step.delivery.candidate == "r3"


def test_what_is_held_back_ends_no_baking() -> None:
    baked = at_step(50, baking={"duration": "10m"})
    baked.until("Baking")
    baked.held_back = HELD
    baked.ask("r3")
    baked.run(30)
    assert baked.phase == "Baking"


def test_a_first_revision_that_is_held_back_does_not_serve() -> None:
    first = Sim()
    first.held_back = HELD
    first.run(30)
    assert (first.delivery.stable, first.delivery.candidate) == (None, None)
    first.held_back = None
    first.until("Healthy")
    assert first.delivery.stable == "r1"


def test_a_first_revision_under_way_goes_on_while_a_newer_one_is_held_back() -> None:
    first = Sim()
    first.ready["r1"] = 0
    first.run(5)
    assert first.delivery.candidate == "r1"
    first.held_back = HELD
    first.ask("r2")
    del first.ready["r1"]
    first.until("Healthy")
    assert first.delivery.stable == "r1"


# -- superseding ---


@pytest.mark.scenario("SU-01", "SU-02")
@pytest.mark.parametrize("follows_at_once", [True, False])
def test_a_newer_revision_never_gets_the_weight_of_the_older(follows_at_once: bool) -> None:
    step = at_step(50)
    step.follows = follows_at_once
    step.ready["r3"] = 0
    step.ask("r3")
    step.run(30)
    assert step.weights_seen[-1] == ({"r1": 100} if follows_at_once else {"r1": 50, "r2": 50})
    step.follows = True
    step.run(30)
    assert step.weights_seen[-1] == {"r1": 100}
    assert step.delivery.candidate == "r3"
    assert step.delivery.rejected == []
    assert step.status.attempts == 2
    assert step.status.evidence == []
    del step.ready["r3"]
    step.until("Healthy")
    assert step.delivery.stable == "r3"


@pytest.mark.scenario("SU-04")
def test_of_three_revisions_in_ten_seconds_only_the_last_gets_traffic() -> None:
    hasty = Sim().stable()
    for name in ("r2", "r3", "r4"):
        hasty.ask(name)
        hasty.run(4)
    hasty.until("Healthy")
    assert hasty.delivery.stable == "r4"
    assert {name for seen in hasty.weights_seen for name in seen} == {"r1", "r4"}
    hasty.run(60)
    assert set(hasty.sizes) == {"r1", "r4"}
    assert hasty.status.attempts == 3


@pytest.mark.scenario("SU-05")
def test_back_to_stable_in_the_middle_ends_without_steps_and_rejects_nothing() -> None:
    step = at_step(25)
    step.ask("r1")
    step.run(1)
    assert step.phase == "Healthy"
    assert step.weights_seen[-1] == {"r1": 100}
    assert step.reasons[-2:] == ["Superseded", "TakenBack"]
    assert step.delivery.rejected == []
    step.run(60)
    step.ask("r2")
    assert step.status.attempts == 2


@pytest.mark.scenario("SU-08", "AV-12")
def test_a_widened_margin_starts_the_evidence_anew() -> None:
    step = at_step(25)
    step.run(10)
    assert step.status.evidence[0].candidate.n > 0
    wider = {**ERRORS, "margin": {"ratio": 2.0, "absolute": 0.005}}
    step.spec = spec(metrics=[wider, LATENCY, SLO])
    step.settle()
    assert step.weights_seen[-1] == {"r1": 100}
    assert step.status.attempts == 2
    assert step.status.evidence == []
    assert "Promoted" not in step.reasons
    step.until("Healthy")
    assert step.delivery.stable == "r2"


@pytest.mark.parametrize(
    "change",
    [
        {"deadline": "3h"},
        {"holds": {"deadline": "1m", "then": "Rollback"}},
        {"onFailure": "Pause"},
        {"onInconclusive": "Promote"},
        {"rollbackWindow": {"duration": "2h"}},
        {"analysis": {"interval": "10s", "warmup": "1m", "minRequests": 900}},
    ],
)
def test_policies_apply_in_place(change: dict[str, Any]) -> None:
    step = at_step(25)
    step.spec = spec(**change)
    step.settle()
    assert (step.status.attempts, step.weight) == (1, 25)


@pytest.mark.scenario("SU-07")
def test_a_shorter_list_of_steps_starts_over_inside_the_new_list() -> None:
    step = at_step(50)
    step.spec = spec((1, 5))
    step.settle()
    step.until("Progressing")
    assert step.status.step is not None
    assert step.status.step.index == 0
    assert step.weight == 1
    step.until("Healthy")


@pytest.mark.scenario("SU-13")
def test_a_revision_that_comes_during_the_promotion_waits_for_its_end() -> None:
    last = at_step(50)
    last.follows = False
    last.until("Promoting")
    last.ask("r3")
    last.run(20)
    assert last.phase == "Promoting"
    last.follows = True
    last.until_weight(5)
    assert (last.delivery.stable, last.delivery.candidate) == ("r2", "r3")
    last.until("Healthy")
    assert last.delivery.stable == "r3"
    assert last.reasons.count("Promoted") == 2


# -- the window ---


@pytest.mark.scenario("AB-08")
def test_back_inside_the_window_is_one_write_without_steps() -> None:
    found = promoted()
    found.run(20 * 60)
    found.ask("r1")
    found.until("Healthy", minutes=2)
    assert [seen.get("r1", 0) for seen in found.weights_seen][-2:] == [0, 100]
    assert found.delivery.stable == "r1"
    assert found.status.evidence == []


@pytest.mark.scenario("AB-09")
def test_back_after_the_window_is_an_ordinary_attempt() -> None:
    found = promoted(rollbackWindow={"duration": "5m"})
    found.run(6 * 60)
    assert "r1" not in found.sizes
    found.ask("r1")
    assert found.phase in ("Starting", "WarmingUp")
    found.until("Progressing")
    found.until("Healthy")
    assert "FastRollback" not in found.reasons


@pytest.mark.scenario("AB-11")
def test_back_with_too_few_ready_pods_goes_as_far_as_they_carry() -> None:
    found = promoted()
    found.ready["r1"] = 1
    found.ask("r1")
    found.run(5)
    assert found.weights_seen[-1] == {"r1": 25, "r2": 75}
    assert found.status.hold is not None
    assert found.status.hold.reason == "CapacityMissing"
    del found.ready["r1"]
    found.until("Healthy", minutes=1)
    assert found.weights_seen[-1] == {"r1": 100}


def test_without_a_window_the_old_stable_only_drains() -> None:
    found = Sim(spec(rollbackWindow={"duration": "0s"})).stable()
    found.ask("r2")
    found.until("Healthy")
    assert found.delivery.previous is None
    found.run(40)
    assert set(found.sizes) == {"r2"}


@pytest.mark.scenario("RE-10")
def test_only_one_previous_is_kept_warm() -> None:
    found = promoted()
    found.run(30 * 60)
    found.ask("r3")
    found.until("Healthy")
    found.run(40)
    assert (found.delivery.stable, found.delivery.previous) == ("r3", "r2")
    assert set(found.sizes) == {"r2", "r3"}
    found.run(61 * 60)
    assert set(found.sizes) == {"r3"}


# -- sizes ---


@pytest.mark.scenario("RE-12")
def test_stable_is_never_made_smaller_for_the_candidate() -> None:
    walk = Sim().stable()
    walk.ask("r2")
    while walk.delivery.stable == "r1":
        walk.run(1)
        assert walk.sizes["r1"] == 4


@pytest.mark.scenario("RE-02")
def test_scaling_while_paused_moves_no_weight_and_empties_no_arm() -> None:
    step = at_step(25)
    step.say("pause")
    step.scaling = Scaling(min_replicas=8, max_replicas=8)
    step.run(30)
    assert step.weight == 25
    assert step.sizes["r1"] == 8
    assert step.sizes["r2"] >= 2
    step.scaling = Scaling(min_replicas=4, max_replicas=4)
    step.run(30)
    assert step.weight == 25
    assert step.sizes["r1"] >= 4
    assert step.sizes["r2"] >= 1


@pytest.mark.scenario("RE-09")
def test_a_rejected_candidate_never_grows_again() -> None:
    step = at_step(25)
    step.say("abort")
    size = step.sizes["r2"]
    step.scaling = Scaling(min_replicas=10, max_replicas=10)
    step.run(60)
    assert step.sizes["r2"] == size
    assert step.sizes["r1"] == 10
    assert step.weights_seen[-1] == {"r1": 100}
    assert step.phase == "Degraded"


def test_a_rollback_without_a_ready_stable_stays_with_what_serves() -> None:
    step = at_step(50)
    step.ready["r1"] = 0
    step.say("abort")
    step.run(20)
    assert step.phase == "RollingBack"
    assert step.weights_seen[-1] == {"r1": 50, "r2": 50}
    assert step.status.hold is not None
    assert step.status.hold.reason == "StableUnavailable"
    del step.ready["r1"]
    step.run(6)
    assert step.phase == "Degraded"
    assert step.weights_seen[-1] == {"r1": 100}


# -- status ---


@pytest.mark.scenario("ST-01")
def test_conditions_say_what_is_under_way_and_when_a_person_is_needed() -> None:
    step = at_step(25)
    said = {c.type: c for c in step.status.conditions}
    assert said["Ready"].status == "False"
    assert said["Reconciling"].status == "True"
    assert "Stalled" not in said
    assert "step 2 of 3, weight 25" in said["Ready"].message
    step.say("abort")
    said = {c.type: c for c in step.status.conditions}
    assert said["Stalled"].reason == "RolledBack"
    assert "Reconciling" not in said


@pytest.mark.scenario("ST-02")
def test_what_people_are_told_comes_once_and_in_order() -> None:
    story = at_step(5)
    story.say("abort")
    story.run(60)
    story.say("retry")
    story.until("Healthy")
    story.run(300)
    told = [note.reason for note in story.notes if note.reason != "CommandIgnored"]
    assert told == [
        "InitialDeploy",
        *["AttemptStarted", "StepReached", "Aborted", "RolledBack"],
        *["AttemptStarted", "StepReached", "StepReached", "StepReached"],
        *["EvidencePromotes", "Promoted"],
    ]


@pytest.mark.scenario("ST-07")
def test_a_status_stays_small_over_many_attempts() -> None:
    busy = Sim().stable()
    for number in range(2, 60):
        busy.ask(f"r{number}")
        busy.until_weight(5)
        busy.say("abort")
        busy.run(2)
    assert busy.status.attempts == 58
    assert 10 <= len(busy.status.history) <= 20
    assert len(busy.delivery.rejected) == 20
    assert busy.delivery.rejected[-1].revision == "r59"


def test_many_rejections_at_once_leave_room_in_the_route() -> None:
    busy = Sim(spec(keepFailed="1d")).stable()
    for number in range(2, 22):
        busy.ask(f"r{number}")
        busy.until_weight(5)
        busy.say("abort")
        busy.run(2)
    assert [entry.revision for entry in busy.delivery.draining] == [f"r{n}" for n in range(14, 22)]
    assert len(busy.route.weights or {}) <= 16


def test_older_rejections_are_told_in_fewer_words() -> None:
    busy = Sim().stable()
    lengths: dict[int, list[int]] = {}
    for number in range(2, 25):
        busy.ask(f"r{number}")
        busy.until_weight(5)
        busy.command = Command(id=f"abort-{number}", verb="abort", by="b" * 200)
        busy.settle()
        busy.run(2)
        rejected = busy.delivery.rejected
        lengths[len(rejected)] = [len(entry.message) for entry in rejected]
    assert min(lengths[5]) > 200, "there is room for all"
    assert lengths[12][0] == 120
    assert lengths[20][0] == 0
    assert min(lengths[20][-3:]) > 200


def test_a_window_that_ends_in_the_middle_of_an_attempt_lets_it_rest() -> None:
    found = promoted(rollbackWindow={"duration": "5m"})
    found.run(4 * 60)
    found.spec = spec((5, 600), rollbackWindow={"duration": "5m"})
    found.ask("r3")
    found.run(3 * 60)
    assert (found.phase, found.delivery.previous) == ("Progressing", "r1")
    assert found.settle().after != timedelta(0)
    found.until("Healthy")
    found.run(60)
    assert (found.delivery.stable, found.delivery.previous) == ("r3", "r2")


@pytest.mark.scenario("RS-01")
def test_what_is_taken_back_again_after_a_crash_keeps_its_times() -> None:
    step = at_step(25)
    step.behave("r2", error_rate=0.9)
    while not step.delivery.draining:
        step.now += timedelta(seconds=1)
        for _ in range(9):
            step.look(written=3 if step.phase != "RollingBack" else 1)
    told = step.delivery
    assert step.phase == "RollingBack", "the Rollout does not know yet that it is over"
    for _ in range(5):
        step.now += timedelta(seconds=3)
        step.look(written=1)
        assert step.delivery == told
    assert [entry.revision for entry in told.rejected] == ["r2"]
