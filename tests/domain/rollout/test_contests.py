"""The strategy abTest: who takes part, what arms get, who leaves, who wins, what comes of it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from tests.domain.rollout.sim import ERRORS, LATENCY, SLO, Sim, revision, spec

from tidegate.domain.conditions import find
from tidegate.domain.pods import PodFailure
from tidegate.domain.rollout import ArmFacts
from tidegate.domain.route import NO_DETOURS, Sticky

SHA = {"c": "c" * 64, "d": "d" * 64, "e": "e" * 64}
A, B = {"name": "a", "revision": "stable"}, {"name": "b", "revision": "latest"}


def artifact(name: str) -> dict[str, Any]:
    """An arm with an artifact of its own."""
    made = {"uri": f"https://models/{name}.onnx", "sha256": SHA[name], "format": "onnx"}
    return {"name": name, "artifact": made}


def made(name: str, of: str) -> ArmFacts:
    """What the Model controller says of an arm whose revision is there."""
    return ArmFacts(name=name, source=SHA[name], revision=revision(of))


def a_test(*arms: dict[str, Any], **more: Any) -> Any:
    """A spec with an abTest of these arms."""
    own: dict[str, Any] = {
        key: more.pop(key) for key in ("stickyBy", "allocation", "minDuration") if key in more
    }
    declared = {"arms": list(arms), "goal": "errors", "minDuration": "60s", **own}
    return spec(strategy={"abTest": declared}, metrics=more.pop("metrics", [ERRORS]), **more)


def side_by_side(*arms: dict[str, Any], **more: Any) -> Sim:
    """A stable r1; nothing else is asked for yet, and it fails once in ten requests."""
    sim = Sim(a_test(*(arms or (A, B)), **more)).stable()
    sim.behave("r1", error_rate=0.1)
    return sim


def contest(sim: Sim) -> Any:
    assert sim.status.contest is not None
    return sim.status.contest


def ready(sim: Sim) -> Any:
    return find(sim.status.conditions, "Ready")


# -- the Model's latest revision against stable --------------------------------------------


def test_both_arms_get_an_even_share_and_the_better_latest_is_promoted() -> None:
    sim = side_by_side()
    sim.behave("r2", error_rate=0.03)
    sim.ask("r2")
    sim.until("Progressing")
    assert sim.weights_seen[-1] == {"r1": 50, "r2": 50}
    sim.until("Healthy")
    assert sim.delivery.stable == "r2"
    assert "ContestWon" in sim.reasons
    assert (contest(sim).winner, contest(sim).ended) == ("b", "ContestWon")
    assert [arm.name for arm in contest(sim).arms] == ["a", "b"]
    assert contest(sim).unit == "Requests"
    assert ready(sim).status == "True"


def test_a_worse_latest_loses_to_stable_and_is_not_tried_again_by_itself() -> None:
    sim = side_by_side(metrics=[{**ERRORS, "margin": {"ratio": 3, "absolute": 0.2}}])
    sim.behave("r2", error_rate=0.14)
    sim.ask("r2")
    sim.until("Degraded")
    assert [(r.revision, r.reason) for r in sim.delivery.rejected] == [("r2", "LostToStable")]
    assert (contest(sim).winner, contest(sim).ended) == ("a", "LostToStable")
    sim.run(60)
    assert (sim.phase, sim.weights_seen[-1]) == ("Degraded", {"r1": 100})
    sim.behave("r2", error_rate=0.0)
    assert sim.say("retry") == "Done"
    sim.until("Healthy")
    assert sim.delivery.stable == "r2"


def test_no_winner_is_named_before_the_least_duration() -> None:
    sim = side_by_side(minDuration="10m")
    sim.behave("r2", error_rate=0.0)
    sim.ask("r2")
    sim.until("Progressing")
    sim.run(9 * 60)
    assert sim.phase == "Progressing"
    assert all(pair.evidence >= 100 for pair in contest(sim).pairs if pair.arm == "b")
    sim.until("Promoting", minutes=3)


@pytest.mark.parametrize(
    ("policy", "phase", "stable"),
    [("Rollback", "Degraded", "r1"), ("Pause", "Paused", "r1"), ("Promote", "Healthy", "r2")],
)
def test_without_a_winner_the_deadline_ends_it_as_the_policy_says(
    policy: str, phase: str, stable: str
) -> None:
    sim = side_by_side(deadline="2m", onInconclusive=policy)
    sim.behave("r2", error_rate=0.1)
    sim.ask("r2")
    sim.until("Progressing")
    sim.until(phase, minutes=5)
    assert sim.delivery.stable == stable
    assert contest(sim).winner is None


def test_abort_gives_all_traffic_to_stable_in_one_write_and_ends_the_test() -> None:
    sim = side_by_side(A, B, artifact("c"))
    sim.arms = (made("c", "r9"),)
    sim.ask("r2")
    sim.until("Progressing")
    before = len(sim.weights_seen)
    assert sim.say("abort") == "Done"
    assert sim.weights_seen[before:] == [{"r1": 100}]
    sim.run(120)
    assert (sim.phase, contest(sim).ended) == ("Degraded", "Aborted")
    assert sim.delivery.contenders == []


def test_a_newer_revision_takes_the_place_of_the_test() -> None:
    sim = side_by_side(A, B, artifact("c"))
    sim.arms = (made("c", "r9"),)
    sim.ask("r2")
    sim.until("Progressing")
    sim.ask("r3")
    sim.until("Progressing")
    assert [arm.revision for arm in contest(sim).arms] == ["r1", "r3", "r9"]
    assert sim.weights_seen[-1] == {"r1": 34, "r3": 33, "r9": 33}


# -- artifacts --------------------------------------------


def test_arms_with_artifacts_are_tested_while_the_model_asks_for_stable() -> None:
    sim = side_by_side(A, artifact("c"), artifact("d"))
    sim.behave("r3", error_rate=0.02)
    sim.behave("r4", error_rate=0.1)
    sim.arms = (made("c", "r3"), made("d", "r4"))
    sim.settle()
    assert sim.status.attempt is not None
    assert sim.status.attempt.revision == "r3"
    sim.until("Progressing")
    assert sim.weights_seen[-1] == {"r1": 34, "r3": 33, "r4": 33}
    assert ready(sim).status == "False"
    sim.until("Healthy")
    assert (sim.delivery.stable, contest(sim).winner) == ("r1", "c")
    named = find(sim.status.conditions, "WinnerNamed")
    assert named is not None
    assert SHA["c"] in named.message
    assert [(r.revision, r.reason) for r in sim.delivery.rejected] == [("r4", "LostToWinner")]
    sim.run(300)
    assert (sim.phase, ready(sim).status) == ("Healthy", "True")
    assert "r3" in sim.sizes
    assert "r4" not in sim.sizes


def test_a_winner_that_the_model_then_asks_for_is_promoted_at_once_without_another_test() -> None:
    sim = side_by_side(A, artifact("c"))
    sim.behave("r3", error_rate=0.0)
    sim.arms = (made("c", "r3"),)
    sim.settle()
    sim.until("Progressing")
    sim.until("Healthy")
    before = len(sim.weights_seen)
    sim.ask("r3")
    sim.until("Healthy")
    assert sim.delivery.stable == "r3"
    assert "WinnerAdopted" in sim.reasons
    assert all("r3" in weights for weights in sim.weights_seen[before:])
    sim.run(60)
    assert (sim.phase, sim.delivery.stable) == ("Healthy", "r3")
    assert find(sim.status.conditions, "WinnerNamed") is None


@pytest.mark.parametrize("end", ["Aborted", "HoldExpired"])
def test_a_winner_whose_promotion_was_taken_back_is_promoted_again_only_by_retry(end: str) -> None:
    sim = side_by_side()
    sim.behave("r2", error_rate=0.0)
    sim.ask("r2")
    sim.until("Progressing")
    sim.ready["r2"] = 2
    sim.until("Promoting")
    if end == "Aborted":
        assert sim.say("abort") == "Done"
    sim.until("Degraded")
    sim.ready.clear()
    sim.run(600)
    assert end in sim.reasons
    assert "WinnerAdopted" not in sim.reasons
    assert (sim.phase, sim.delivery.stable, sim.status.attempts) == ("Degraded", "r1", 1)
    assert [r.revision for r in sim.delivery.rejected] == ["r2"]
    assert sim.say("retry") == "Done"
    sim.until("Healthy")
    assert sim.delivery.stable == "r2"


def test_a_winner_that_was_taken_back_is_not_named_any_more() -> None:
    sim = side_by_side(A, artifact("c"))
    sim.behave("r3", error_rate=0.0)
    sim.arms = (made("c", "r3"),)
    sim.settle()
    sim.until("Progressing")
    sim.until("Healthy")
    assert find(sim.status.conditions, "WinnerNamed") is not None
    sim.ready["r3"] = 2
    sim.ask("r3")
    sim.until("Promoting")
    assert sim.say("abort") == "Done"
    sim.until("Degraded")
    sim.ask("r1")
    sim.run(30)
    assert sim.delivery.stable == "r1"
    assert find(sim.status.conditions, "WinnerNamed") is None


def test_the_pods_of_a_winner_stay_warm_as_long_as_the_way_back() -> None:
    sim = side_by_side(A, artifact("c"), rollbackWindow={"duration": "10m"})
    sim.behave("r3", error_rate=0.0)
    sim.arms = (made("c", "r3"),)
    sim.settle()
    sim.until("Progressing")
    sim.until("Healthy")
    sim.run(9 * 60)
    assert "r3" in sim.sizes
    sim.run(2 * 60)
    assert "r3" not in sim.sizes
    sim.ask("r3")
    sim.until("Healthy")
    assert sim.delivery.stable == "r3"


@pytest.mark.parametrize(
    ("arms", "reason", "said"),
    [
        ((), "ArmsPending", "arm c"),
        (
            (ArmFacts("c", SHA["c"], reason="DigestMismatch", message="found another"),),
            "DigestMismatch",
            "arm c: found another",
        ),
        ((made("c", "r2"),), "ArmsEqual", "strategy aa"),
        ((made("c", "r1"),), "ArmsEqual", "strategy aa"),
    ],
)
def test_what_keeps_a_test_from_beginning_is_said_and_nothing_moves(
    arms: tuple[ArmFacts, ...], reason: str, said: str
) -> None:
    sim = side_by_side(A, B, artifact("c"))
    sim.arms = arms
    sim.ask("r2")
    sim.run(60)
    assert sim.status.attempt is None
    assert ready(sim).reason == reason
    assert said in ready(sim).message
    assert sim.weights_seen == [{"r1": 100}]


def test_a_revision_that_no_arm_has_is_not_delivered_and_that_is_said() -> None:
    sim = side_by_side(A, artifact("c"))
    sim.ask("r2")
    sim.arms = (made("c", "r3"),)
    sim.run(60)
    assert ready(sim).reason == "DeliversNothing"
    assert "revision: latest" in ready(sim).message


# -- arms that leave --------------------------------------------


def test_an_arm_that_breaks_a_guard_leaves_and_the_others_go_on() -> None:
    sim = side_by_side(
        A, B, artifact("c"), metrics=[ERRORS, {**SLO, "max": 0.3}], minDuration="10m"
    )
    sim.behave("r2", error_rate=0.1)
    sim.behave("r9", error_rate=0.6)
    sim.arms = (made("c", "r9"),)
    sim.ask("r2")
    sim.until("Progressing")
    while not sim.told("ArmLeft"):
        sim.run(1)
    assert sim.weights_seen[-1] == {"r1": 50, "r2": 50}
    assert [arm.left for arm in contest(sim).arms][:2] == [None, None]
    assert [r.revision for r in sim.delivery.rejected] == ["r9"]
    sim.run(15 * 60)
    assert "r9" not in sim.sizes
    assert "r9" not in str(contest(sim).pairs)


def test_the_last_challenger_that_leaves_ends_the_test() -> None:
    sim = side_by_side(A, B, artifact("c"))
    sim.behave("r2", error_rate=0.9)
    sim.behave("r9", error_rate=0.9)
    sim.arms = (made("c", "r9"),)
    sim.ask("r2")
    sim.until("Degraded")
    assert sorted(r.revision for r in sim.delivery.rejected) == ["r2", "r9"]
    assert sim.weights_seen[-1] == {"r1": 100}


def test_an_arm_whose_pods_are_gone_for_a_minute_leaves() -> None:
    sim = side_by_side(A, B, artifact("c"), minDuration="1h")
    sim.arms = (made("c", "r9"),)
    sim.ask("r2")
    sim.until("Progressing")
    sim.ready["r9"] = 0
    sim.run(5)
    assert sim.weights_seen[-1] == {"r1": 67, "r2": 33}
    assert (sim.phase, sim.status.hold is not None) == ("Holding", True)
    sim.run(60)
    assert contest(sim).arms[2].left == "CandidateUnavailable"
    sim.run(5)
    assert sim.weights_seen[-1] == {"r1": 50, "r2": 50}


def test_an_arm_that_can_never_be_ready_leaves_before_the_first_request() -> None:
    sim = side_by_side(A, B, artifact("c"), minDuration="1h")
    sim.arms = (made("c", "r9"),)
    sim.ready["r9"] = 0
    sim.failures["r9"] = PodFailure("LoadFailed", "no such operator", final=True)
    sim.ask("r2")
    sim.until("Progressing")
    assert sim.weights_seen[-1] == {"r1": 50, "r2": 50}
    assert [(r.revision, r.reason) for r in sim.delivery.rejected] == [("r9", "LoadFailed")]


def test_no_arm_gets_a_request_before_all_are_warm() -> None:
    sim = side_by_side(A, B, artifact("c"))
    sim.arms = (made("c", "r9"),)
    sim.ready["r9"] = 1
    sim.ask("r2")
    sim.run(60)
    assert sim.phase == "Starting"
    assert sim.status.hold is not None
    assert "r9 has 1 ready pods and needs 2" in sim.status.hold.message
    sim.ready.clear()
    sim.until("Progressing")


# -- sticky --------------------------------------------


def test_by_cookie_new_callers_are_compared_each_by_its_first_answer() -> None:
    sim = side_by_side(stickyBy={"cookie": "tg-arm"})
    sim.users = 50
    sim.behave("r2", error_rate=0.03)
    sim.ask("r2")
    sim.until("Progressing")
    sim.run(20)
    assert sim.route.detours.sticky == Sticky("cookie", "tg-arm", (("a", "r1"), ("b", "r2")))
    assert contest(sim).unit == "Users"
    assert 0 < sum(arm.users for arm in contest(sim).arms) < 25 * 50
    sim.until("Healthy")
    assert sim.delivery.stable == "r2"
    assert sim.route.detours == NO_DETOURS


def test_an_arm_that_left_loses_its_callers_to_the_others() -> None:
    sim = side_by_side(A, B, artifact("c"), stickyBy={"header": "x-arm"}, minDuration="1h")
    sim.behave("r9", error_rate=0.9)
    sim.arms = (made("c", "r9"),)
    sim.ask("r2")
    sim.until("Progressing")
    while not sim.told("ArmLeft"):
        sim.run(1)
    assert sim.route.detours.sticky == Sticky("header", "x-arm", (("a", "r1"), ("b", "r2")))


@pytest.mark.scenario("XS-12")
@pytest.mark.parametrize("policy", ["Rollback", "Promote", "Pause"])
def test_callers_that_arrive_otherwise_than_shared_out_end_it_without_blame(policy: str) -> None:
    sim = side_by_side(stickyBy={"cookie": "tg-arm"}, onInconclusive=policy)
    sim.users, sim.strays = 50, {"r2": 53 / 47}
    sim.behave("r2", error_rate=0.0)
    sim.spec = sim.spec.model_copy(update={"deadline": timedelta(days=1)})
    sim.spec = a_test(
        A, B, stickyBy={"cookie": "tg-arm"}, onInconclusive=policy, minDuration="2h", deadline="1d"
    )
    sim.ask("r2")
    sim.until("Progressing")
    for _ in range(60 * 60):
        if sim.phase in ("Healthy", "Paused"):
            break
        sim.run(1)
    assert contest(sim).winner is None
    assert sim.delivery.rejected == []
    if policy == "Pause":
        assert sim.status.pauses == ["PausedByMismatch"]
        return
    assert contest(sim).ended == "SampleRatioMismatch"
    assert sim.delivery.stable == "r1"
    sim.run(120)
    assert (sim.phase, ready(sim).reason) == ("Healthy", "SampleRatioMismatch")
    assert find(sim.status.conditions, "Stalled") is not None
    assert sim.weights_seen[-1] == {"r1": 100}


def test_callers_that_arrive_as_shared_out_raise_no_alarm_whatever_the_weights_do() -> None:
    sim = side_by_side(
        A, B, artifact("c"), stickyBy={"cookie": "c"}, allocation="TopTwo", minDuration="2h"
    )
    sim.users = 50
    sim.behave("r2", error_rate=0.08)
    sim.arms = (made("c", "r9"),)
    sim.ask("r2")
    sim.until("Progressing")
    sim.run(20 * 60)
    assert contest(sim).ended is None
    assert contest(sim).mismatch < 50
    assert len(sim.weights_seen) > 3


# -- allocation --------------------------------------------


def test_top_two_gives_more_to_the_better_arms_and_never_less_than_the_floor() -> None:
    sim = side_by_side(A, B, artifact("c"), allocation="TopTwo", minDuration="1h", analysis={})
    sim.behave("r2", error_rate=0.06)
    sim.behave("r9", error_rate=0.12)
    sim.arms = (made("c", "r9"),)
    sim.ask("r2")
    sim.until("Progressing")
    sim.run(10 * 60)
    last = sim.weights_seen[-1]
    assert last["r2"] > 45
    assert min(min(w.values()) for w in sim.weights_seen if len(w) == 3) >= 5


def test_top_two_draws_the_same_again_after_a_crash() -> None:
    arms = (A, B, artifact("c"))
    sims = [side_by_side(*arms, allocation="TopTwo", minDuration="1h") for _ in range(2)]
    for crashes, sim in enumerate(sims):
        sim.behave("r2", error_rate=0.08)
        sim.arms = (made("c", "r9"),)
        sim.ask("r2")
        sim.until("Progressing")
        for second in range(120):
            sim.now += timedelta(seconds=1)
            if crashes and second % 7 == 0:
                sim.look(written=second % 2)
            sim.settle()
    assert sims[0].status.contest == sims[1].status.contest


# -- crash, size, commands --------------------------------------------


def test_each_batch_counts_once_for_every_arm_whatever_was_written_before_a_crash() -> None:
    sim = side_by_side(A, B, artifact("c"), minDuration="1h")
    sim.arms = (made("c", "r9"),)
    sim.ask("r2")
    sim.until("Progressing")
    for second in range(90):
        sim.now += timedelta(seconds=1)
        sim.look(written=second % 2)
        sim.settle()
    counted = {"r1": 0.0, "r2": 0.0, "r9": 0.0}
    seen = set()
    for batch in sim.batches:
        if batch.end in seen:
            continue
        seen.add(batch.end)
        counted["r1"] += batch.stable.requests
        counted["r2"] += batch.candidate.requests
        counted["r9"] += batch.others["r9"].requests
    assert {arm.revision: arm.n for arm in contest(sim).arms} == counted


def test_five_arms_with_three_metrics_fit_into_a_status() -> None:
    arms = (A, B, artifact("c"), artifact("d"), artifact("e"))
    sim = side_by_side(
        *arms, metrics=[ERRORS, LATENCY, SLO], stickyBy={"cookie": "t"}, minDuration="1h"
    )
    sim.users = 30
    sim.behave("r1", error_rate=0.01)
    sim.arms = (made("c", "r3"), made("d", "r4"), made("e", "r5"))
    sim.ask("r2")
    sim.until("Progressing")
    sim.run(300)  # every look checks the size of the status
    assert sim.weights_seen[-1] == {"r1": 20, "r2": 20, "r3": 20, "r4": 20, "r5": 20}


def test_a_status_whose_test_cannot_be_read_starts_it_over() -> None:
    sim = side_by_side()
    sim.ask("r2")
    sim.until("Progressing")
    broken = contest(sim).model_copy(update={"state": "{"})
    sim.status = sim.status.model_copy(update={"contest": broken})
    sim.run(20)
    assert "StatusLost" in sim.reasons


def test_verbs_say_what_a_test_does_with_them() -> None:
    sim = side_by_side(A, artifact("c"))
    sim.arms = (made("c", "r3"),)
    sim.settle()
    sim.until("Progressing")
    assert "no steps to skip" in sim.say("skip")
    assert "put the artifact of an arm into" in sim.say("promote")
    assert sim.say("pause") == "Done"
    assert sim.phase == "Paused"
    assert sim.say("resume") == "Done"


def test_while_the_gateway_has_not_confirmed_new_weights_nobody_looks_again_and_again() -> None:
    sim = side_by_side(A, B, artifact("c"), allocation="TopTwo", minDuration="1h")
    sim.behave("r2", error_rate=0.02)
    sim.arms = (made("c", "r9"),)
    sim.ask("r2")
    sim.until("Progressing")
    sim.follows = False
    sim.run(30)  # it comes to rest after every second
    assert not sim.route.programmed
