"""Delivery without a Rollout: what switches when, and what never does."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from tidegate.api.model import Scaling
from tidegate.api.model_status import DeliveryStatus, Rejection
from tidegate.domain.conditions import Said
from tidegate.domain.direct import decide_direct, decide_without_rollout
from tidegate.domain.pods import ArmPods, PodFailure
from tidegate.domain.rollout import Decision, Facts, RevisionFacts, RouteFacts, Timing

NOW = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
TIMING = Timing(now=NOW, scrape=timedelta(seconds=1))
R1, R2 = RevisionFacts("r1", "one"), RevisionFacts("r2", "two", 2)


def pods(ready: int, *, desired: int = 2, failure: PodFailure | None = None) -> ArmPods:
    return ArmPods(exists=True, desired=desired, ready=ready, failure=failure)


FACTS = Facts(
    model="m",
    model_generation=1,
    scaling=Scaling(min_replicas=2, max_replicas=2),
    delivery=DeliveryStatus(stable="r1"),
    latest=R2,
    pods={"r1": pods(2), "r2": pods(2)},
    digests={"r1": "one", "r2": "two"},
    route=RouteFacts(weights={"r1": 100, "r2": 0}, programmed=True),
)


def ready_of(decision: Decision) -> Said:
    return next(said for said in decision.model_said if said.type == "Ready")


def test_a_ready_revision_takes_over_and_the_old_one_drains() -> None:
    decision = decide_direct(FACTS, TIMING)
    assert decision.delivery.stable == "r2"
    assert decision.delivery.candidate is None
    assert [entry.revision for entry in decision.delivery.draining] == ["r1"]
    assert decision.weights is not None
    assert decision.weights["r2"] == 100
    assert [note.reason for note in decision.notes] == ["Switched"]


@pytest.mark.parametrize("found", [ArmPods(), pods(0), pods(1), pods(1, desired=1)])
def test_a_revision_that_is_not_fully_ready_takes_over_nothing(found: ArmPods) -> None:
    decision = decide_direct(replace(FACTS, pods={"r1": pods(2), "r2": found}), TIMING)
    assert decision.delivery.stable == "r1"
    assert decision.delivery.candidate == "r2"
    assert decision.floors == {"r1": 2, "r2": 2}
    assert ready_of(decision).status == "False"


def test_a_stable_that_grew_is_matched_before_the_switch() -> None:
    grown = {"r1": pods(5, desired=5), "r2": pods(2)}
    decision = decide_direct(replace(FACTS, pods=grown), TIMING)
    assert decision.delivery.stable == "r1"
    assert decision.floors["r2"] == 5


def test_a_final_failure_is_remembered_and_stable_stays() -> None:
    failure = PodFailure("LoadFailed", "no skops file", final=True)
    broken = replace(FACTS, pods={"r1": pods(2), "r2": pods(0, failure=failure)})
    decision = decide_direct(broken, TIMING)
    assert decision.delivery.stable == "r1"
    assert decision.delivery.candidate is None
    assert [entry.digest for entry in decision.delivery.rejected] == ["two"]
    assert ready_of(decision).reason == "RevisionFailed"
    assert "no skops file" in ready_of(decision).message
    again = decide_direct(replace(broken, delivery=decision.delivery), TIMING)
    assert again.delivery == decision.delivery
    assert again.notes == ()


HELD = Said("Ready", "False", "GateFailed", "auc: below min")


def test_what_is_held_back_is_not_started_and_says_why() -> None:
    decision = decide_direct(replace(FACTS, held_back=HELD, model_problem=HELD), TIMING)
    assert (decision.delivery.stable, decision.delivery.candidate) == ("r1", None)
    assert ready_of(decision).reason == "GateFailed"


def test_a_candidate_under_way_goes_on_while_a_newer_revision_is_held_back() -> None:
    under_way = DeliveryStatus(stable="r1", candidate="r2")
    newer = replace(FACTS, latest=RevisionFacts("r3", "three", 3), held_back=HELD)
    decision = decide_direct(replace(newer, delivery=under_way), TIMING)
    assert decision.delivery.stable == "r2"


def test_a_passing_failure_is_waited_out() -> None:
    failure = PodFailure("ErrImagePull", "no such image", final=False)
    found = replace(FACTS, pods={"r1": pods(2), "r2": pods(0, failure=failure)})
    decision = decide_direct(found, TIMING)
    assert decision.delivery.candidate == "r2"
    assert decision.delivery.rejected == []
    assert "no such image" in ready_of(decision).message


def test_back_to_stable_lets_the_candidate_go() -> None:
    delivery = DeliveryStatus(stable="r1", candidate="r2")
    decision = decide_direct(replace(FACTS, latest=R1, delivery=delivery), TIMING)
    assert decision.delivery.candidate is None
    assert [entry.revision for entry in decision.delivery.draining] == ["r2"]


def test_nothing_moves_while_the_model_is_being_resolved() -> None:
    decision = decide_direct(replace(FACTS, model_current=False), TIMING)
    assert decision.delivery == FACTS.delivery
    assert ready_of(decision).reason == "Resolving"


def test_nothing_moves_while_the_hostname_is_taken() -> None:
    blocked = Said("Ready", "False", "Conflicted", "it belongs to another")
    decision = decide_direct(replace(FACTS, blocked=blocked), TIMING)
    assert decision.delivery.stable == "r1"
    assert ready_of(decision).reason == "Conflicted"


def test_pods_of_a_drained_revision_go_when_their_time_has_come() -> None:
    decision = decide_direct(FACTS, TIMING)
    later = Timing(now=NOW + timedelta(minutes=1), scrape=TIMING.scrape)
    assert decide_direct(replace(FACTS, delivery=decision.delivery), later).delivery.draining == []


def test_without_a_rollout_nothing_ready_takes_over() -> None:
    decision = decide_without_rollout(FACTS, TIMING)
    assert decision.delivery.stable == "r1"
    assert decision.delivery.candidate is None
    assert ready_of(decision).reason == "RolloutMissing"
    assert any(said.type == "RolloutMissing" for said in decision.model_said)


def test_a_candidate_whose_rollout_was_deleted_is_rejected_as_by_abort() -> None:
    delivery = DeliveryStatus(stable="r1", candidate="r2")
    decision = decide_without_rollout(replace(FACTS, delivery=delivery), TIMING)
    assert decision.delivery.candidate is None
    assert [(e.digest, e.reason) for e in decision.delivery.rejected] == [("two", "Aborted")]
    assert decision.weights is not None
    assert decision.weights["r1"] == 100


def test_a_rejected_digest_is_not_tried_again_by_itself() -> None:
    rejection = Rejection(
        digest="two", revision="r2", reason="LoadFailed", at="2026-01-01T00:00:00Z"
    )
    delivery = DeliveryStatus(stable="r1", rejected=[rejection])
    decision = decide_direct(replace(FACTS, delivery=delivery), TIMING)
    assert decision.delivery == delivery
    assert ready_of(decision).reason == "RevisionFailed"


LOST = replace(
    FACTS,
    delivery=DeliveryStatus(stable="r1", candidate="r2"),
    pods={"r1": pods(0), "r2": pods(2)},
    route=RouteFacts(weights={"r1": 0, "r2": 100}, programmed=True),
)
"""The candidate has all traffic already, and stable no pod that could take it back."""


def test_a_stable_that_cannot_serve_gets_nothing_back_when_the_rollout_is_deleted() -> None:
    decision = decide_without_rollout(LOST, TIMING)
    assert decision.weights == {"r2": 100, "r1": 0}
    assert decision.delivery == LOST.delivery
    back = decide_without_rollout(replace(LOST, pods={"r1": pods(1), "r2": pods(2)}), TIMING)
    assert back.weights == {"r1": 100, "r2": 0}
    assert back.delivery.candidate is None


def test_what_carries_all_traffic_takes_over_from_a_stable_that_cannot_serve() -> None:
    decision = decide_direct(LOST, TIMING)
    assert decision.delivery.stable == "r2"
    assert decision.weights is not None
    assert decision.weights["r2"] == 100
    reverted = decide_direct(replace(LOST, latest=R1), TIMING)
    assert reverted.delivery == LOST.delivery
    assert reverted.weights == {"r2": 100, "r1": 0}
