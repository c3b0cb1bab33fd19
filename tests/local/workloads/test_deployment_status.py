"""A Deployment's status says what the real controller says, in its words.

Expected values are those that a Kubernetes 1.36 controller manager wrote.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from tidegate.local.workloads.deployment_status import (
    Counts,
    Goal,
    condition_of,
    is_complete,
    pause_condition,
    recheck_in,
    rollout_status,
    with_condition,
)

NOW = datetime(2026, 11, 23, 12, 59, 58, tzinfo=UTC)
STAMP = "2026-11-23T12:59:58Z"
GOAL = Goal("web", 1, 2, max_unavailable=0, deadline_s=600, new_set="web-54fb6f695f")
DONE = Counts(wanted=2, replicas=2, updated=2, ready=2, available=2)
COMPLETE = {
    "observedGeneration": 1,
    "replicas": 2,
    "updatedReplicas": 2,
    "readyReplicas": 2,
    "availableReplicas": 2,
    "terminatingReplicas": 0,
    "conditions": [
        {
            "type": "Available",
            "status": "True",
            "lastUpdateTime": STAMP,
            "lastTransitionTime": STAMP,
            "reason": "MinimumReplicasAvailable",
            "message": "Deployment has minimum availability.",
        },
        {
            "type": "Progressing",
            "status": "True",
            "lastUpdateTime": STAMP,
            "lastTransitionTime": STAMP,
            "reason": "NewReplicaSetAvailable",
            "message": 'ReplicaSet "web-54fb6f695f" has successfully progressed.',
        },
    ],
}


def status(
    counts: Counts,
    previous: dict[str, Any],
    *,
    goal: Goal = GOAL,
    after_s: float = 0,
    failure: dict[str, Any] | None = None,
) -> dict[str, Any]:
    now = NOW + timedelta(seconds=after_s)
    return rollout_status(goal, counts, previous=previous, failure=failure, now=now)


def progressing(found: dict[str, Any]) -> dict[str, Any]:
    condition = condition_of(found, "Progressing")
    assert condition is not None
    return condition


def created() -> dict[str, Any]:
    conditions = with_condition(
        [], kind="Progressing", state="True", reason="NewReplicaSetCreated", message="", now=NOW
    )
    return {"conditions": conditions}


def test_a_finished_rollout_reads_as_recorded() -> None:
    begun = status(Counts(wanted=2, replicas=2, updated=2), created())
    found = status(DONE, begun)
    assert found == COMPLETE
    assert is_complete(GOAL, found)
    assert recheck_in(GOAL, found, now=NOW) is None


def test_a_status_that_says_it_already_does_not_change_with_time() -> None:
    assert status(DONE, COMPLETE, after_s=3600) == COMPLETE


def test_a_deployment_with_too_few_pods_is_not_available() -> None:
    found = status(Counts(wanted=2, replicas=2, updated=2, ready=1, available=1), created())
    condition = condition_of(found, "Available")
    assert condition is not None
    assert (condition["status"], condition["reason"]) == ("False", "MinimumReplicasUnavailable")
    assert condition["message"] == "Deployment does not have minimum availability."
    assert found["unavailableReplicas"] == 1


def test_every_movement_starts_the_deadline_anew_and_keeps_the_transition_time() -> None:
    one = status(Counts(wanted=2, replicas=1, updated=1), created(), after_s=5)
    assert progressing(one)["reason"] == "ReplicaSetUpdated"
    assert progressing(one)["message"] == 'ReplicaSet "web-54fb6f695f" is progressing.'
    two = status(Counts(wanted=2, replicas=2, updated=2, ready=1, available=1), one, after_s=9)
    assert progressing(two)["lastUpdateTime"] == "2026-11-23T13:00:07Z"
    assert progressing(two)["lastTransitionTime"] == STAMP


def test_a_rollout_that_stands_still_for_the_deadline_has_failed() -> None:
    stuck = Counts(wanted=3, replicas=3, updated=1, ready=2, available=2)
    begun = status(stuck, created())
    assert status(stuck, begun, after_s=599) == begun
    assert recheck_in(GOAL, begun, now=NOW + timedelta(seconds=500)) == 101
    late = status(stuck, begun, after_s=601)
    assert progressing(late)["status"] == "False"
    assert progressing(late)["reason"] == "ProgressDeadlineExceeded"
    assert progressing(late)["message"] == 'ReplicaSet "web-54fb6f695f" has timed out progressing.'
    assert recheck_in(GOAL, late, now=NOW + timedelta(seconds=700)) is None


def test_a_failed_rollout_recovers_when_something_moves_again() -> None:
    stuck = Counts(wanted=2, replicas=2, updated=2)
    late = status(stuck, status(stuck, created()), after_s=601)
    healed = status(DONE, late, after_s=700)
    assert progressing(healed)["reason"] == "NewReplicaSetAvailable"
    assert progressing(healed)["lastTransitionTime"] == "2026-11-23T13:11:38Z"


def test_a_crashing_pod_of_a_finished_rollout_is_no_failed_rollout() -> None:
    crashed = Counts(wanted=2, replicas=2, updated=2, ready=1, available=1)
    found = status(crashed, COMPLETE, after_s=7200)
    assert progressing(found) == COMPLETE["conditions"][1]  # type: ignore[index]


def test_without_a_deadline_there_is_no_progressing_condition() -> None:
    goal = Goal("web", 1, 2, max_unavailable=0, deadline_s=None)
    assert condition_of(status(DONE, COMPLETE, goal=goal), "Progressing") is None


def test_pods_that_cannot_be_made_are_reported_until_they_can() -> None:
    failure = {"reason": "FailedCreate", "message": "no", "lastTransitionTime": STAMP}
    found = status(Counts(wanted=2), created(), failure=failure)
    condition = condition_of(found, "ReplicaFailure")
    assert condition is not None
    assert (condition["reason"], condition["message"]) == ("FailedCreate", "no")
    assert condition_of(status(DONE, found), "ReplicaFailure") is None


def test_pausing_and_resuming_are_told_once() -> None:
    paused = pause_condition(COMPLETE, paused=True, has_deadline=True, now=NOW)
    assert paused is not None
    assert paused[-1]["reason"] == "DeploymentPaused"
    assert paused[-1]["status"] == "Unknown"
    held = {"conditions": paused}
    assert pause_condition(held, paused=True, has_deadline=True, now=NOW) is None
    resumed = pause_condition(held, paused=False, has_deadline=True, now=NOW)
    assert resumed is not None
    assert resumed[-1]["reason"] == "DeploymentResumed"
    assert pause_condition(COMPLETE, paused=False, has_deadline=True, now=NOW) is None
