"""Decides what a Deployment's status says: counts and the conditions Available, Progressing. Pure.

The words and the order of the rules are those of Kubernetes (`progress.go`): a rollout progresses
whenever a count moves in the right direction, and has failed when nothing moved for the deadline.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from tidegate.local.workloads.times import parsed, stamp

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tidegate.kube.objects import Object

AVAILABLE = "Available"
PROGRESSING = "Progressing"
REPLICA_FAILURE = "ReplicaFailure"

NEW_REPLICASET_CREATED = "NewReplicaSetCreated"
FOUND_NEW_REPLICASET = "FoundNewReplicaSet"
REPLICASET_UPDATED = "ReplicaSetUpdated"
NEW_REPLICASET_AVAILABLE = "NewReplicaSetAvailable"
DEADLINE_EXCEEDED = "ProgressDeadlineExceeded"
PAUSED = "DeploymentPaused"
RESUMED = "DeploymentResumed"

_RECHECK_MARGIN_S = 1.0
"""Stamps are cut to whole seconds, so a deadline is looked at a second late."""


@dataclass(frozen=True, slots=True)
class Counts:
    """What the ReplicaSets of a Deployment add up to; `wanted` sums their `spec.replicas`."""

    wanted: int = 0
    replicas: int = 0
    updated: int = 0
    ready: int = 0
    available: int = 0
    terminating: int = 0


@dataclass(frozen=True, slots=True)
class Goal:
    """What the status is measured against. `deadline_s` None: the rollout may take for ever."""

    name: str
    generation: int
    replicas: int
    max_unavailable: int
    deadline_s: int | None
    new_set: str = ""
    """The name of the current ReplicaSet, empty before there is one."""


def condition_of(status: Mapping[str, Any], kind: str) -> Object | None:
    """Return the condition of that type, or None."""
    for found in status.get("conditions") or []:
        if found["type"] == kind:
            return dict(found)
    return None


def with_condition(
    conditions: Sequence[Object], *, kind: str, state: str, reason: str, message: str, now: datetime
) -> list[Object]:
    """Return the conditions with one set; nothing changes where state and reason stay the same."""
    current = next((found for found in conditions if found["type"] == kind), None)
    if current and current["status"] == state and current.get("reason") == reason:
        return list(conditions)
    kept = [found for found in conditions if found["type"] != kind]
    since = current["lastTransitionTime"] if current and current["status"] == state else stamp(now)
    return [
        *kept,
        {
            "type": kind,
            "status": state,
            "lastUpdateTime": stamp(now),
            "lastTransitionTime": since,
            "reason": reason,
            "message": message,
        },
    ]


def counted(goal: Goal, counts: Counts, *, previous: Mapping[str, Any], now: datetime) -> Object:
    """Return the status with counts and Available; the other conditions are carried over."""
    enough = counts.available >= goal.replicas - goal.max_unavailable
    conditions = with_condition(
        previous.get("conditions") or [],
        kind=AVAILABLE,
        state="True" if enough else "False",
        reason="MinimumReplicasAvailable" if enough else "MinimumReplicasUnavailable",
        message=(
            "Deployment has minimum availability."
            if enough
            else "Deployment does not have minimum availability."
        ),
        now=now,
    )
    numbers = {
        "replicas": counts.replicas,
        "updatedReplicas": counts.updated,
        "readyReplicas": counts.ready,
        "availableReplicas": counts.available,
        "unavailableReplicas": max(0, counts.wanted - counts.available),
    }
    status: Object = {"observedGeneration": goal.generation}
    status.update({key: value for key, value in numbers.items() if value})
    status["terminatingReplicas"] = counts.terminating
    if previous.get("collisionCount"):
        status["collisionCount"] = previous["collisionCount"]
    status["conditions"] = conditions
    return status


def is_complete(goal: Goal, status: Mapping[str, Any]) -> bool:
    """Tell whether all replicas are new and available, and nothing else is left."""
    keys = ("updatedReplicas", "replicas", "availableReplicas")
    return all(int(status.get(key, 0)) == goal.replicas for key in keys) and (
        int(status.get("observedGeneration", 0)) >= goal.generation
    )


def rollout_status(
    goal: Goal,
    counts: Counts,
    *,
    previous: Mapping[str, Any],
    failure: Mapping[str, Any] | None,
    now: datetime,
) -> Object:
    """Return the status of a running rollout, Progressing and ReplicaFailure included.

    `failure` is the ReplicaFailure condition of a ReplicaSet that cannot create its pods.
    """
    status = counted(goal, counts, previous=previous, now=now)
    conditions: list[Object] = status["conditions"]
    current = condition_of(previous, PROGRESSING)
    if goal.deadline_s is None:
        conditions = [found for found in conditions if found["type"] != PROGRESSING]
    elif not _was_complete(status, current):
        conditions = _progress(goal, status, previous=previous, now=now)
    conditions = [found for found in conditions if found["type"] != REPLICA_FAILURE]
    if failure is not None:
        conditions = with_condition(
            conditions,
            kind=REPLICA_FAILURE,
            state="True",
            reason=str(failure.get("reason", "FailedCreate")),
            message=str(failure.get("message", "")),
            now=parsed(failure.get("lastTransitionTime")) or now,
        )
    status["conditions"] = conditions
    return status


def _was_complete(status: Mapping[str, Any], current: Mapping[str, Any] | None) -> bool:
    return (
        current is not None
        and current.get("reason") == NEW_REPLICASET_AVAILABLE
        and status.get("replicas", 0) == status.get("updatedReplicas", 0)
    )


def _progress(
    goal: Goal, status: Mapping[str, Any], *, previous: Mapping[str, Any], now: datetime
) -> list[Object]:
    conditions: list[Object] = status["conditions"]
    who = f'ReplicaSet "{goal.new_set}"' if goal.new_set else f'Deployment "{goal.name}"'
    if is_complete(goal, status):
        return with_condition(
            conditions,
            kind=PROGRESSING,
            state="True",
            reason=NEW_REPLICASET_AVAILABLE,
            message=f"{who} has successfully progressed.",
            now=now,
        )
    current = condition_of(previous, PROGRESSING)
    if _moved(status, previous):
        kept = [found for found in conditions if found["type"] != PROGRESSING]
        since = current["lastTransitionTime"] if current and current["status"] == "True" else None
        # Written anew each time something moves: the deadline counts from its lastUpdateTime.
        fresh = with_condition(
            [],
            kind=PROGRESSING,
            state="True",
            reason=REPLICASET_UPDATED,
            message=f"{who} is progressing.",
            now=now,
        )
        return [*kept, {**fresh[0], "lastTransitionTime": since or stamp(now)}]
    if timed_out(goal, current, now=now):
        return with_condition(
            conditions,
            kind=PROGRESSING,
            state="False",
            reason=DEADLINE_EXCEEDED,
            message=f"{who} has timed out progressing.",
            now=now,
        )
    return conditions


def _moved(status: Mapping[str, Any], previous: Mapping[str, Any]) -> bool:
    def count(of: Mapping[str, Any], key: str) -> int:
        return int(of.get(key, 0))

    def old(of: Mapping[str, Any]) -> int:
        return count(of, "replicas") - count(of, "updatedReplicas")

    return old(status) < old(previous) or any(
        count(status, key) > count(previous, key)
        for key in ("updatedReplicas", "readyReplicas", "availableReplicas")
    )


def timed_out(goal: Goal, progressing: Mapping[str, Any] | None, *, now: datetime) -> bool:
    """Tell whether nothing has moved for the deadline. A finished rollout never times out."""
    if goal.deadline_s is None or progressing is None:
        return False
    if progressing.get("reason") == NEW_REPLICASET_AVAILABLE:
        return False
    if progressing.get("reason") == DEADLINE_EXCEEDED:
        return True
    updated = parsed(progressing.get("lastUpdateTime"))
    return updated is not None and updated + timedelta(seconds=goal.deadline_s) < now


def recheck_in(goal: Goal, status: Mapping[str, Any], *, now: datetime) -> float | None:
    """Return the seconds until a stuck rollout must be looked at again; None when never."""
    progressing = condition_of(status, PROGRESSING)
    if goal.deadline_s is None or progressing is None or is_complete(goal, status):
        return None
    if progressing.get("reason") in (DEADLINE_EXCEEDED, PAUSED):
        return None
    updated = parsed(progressing.get("lastUpdateTime"))
    if updated is None:
        return None
    rest = (updated + timedelta(seconds=goal.deadline_s) - now).total_seconds()
    return max(0.0, rest) + _RECHECK_MARGIN_S


def pause_condition(
    status: Mapping[str, Any], *, paused: bool, has_deadline: bool, now: datetime
) -> list[Object] | None:
    """Return the conditions with Progressing Unknown when pausing began or ended; None if neither.

    A rollout that has failed keeps saying so.
    """
    current = condition_of(status, PROGRESSING)
    reason = current.get("reason") if current else None
    if not has_deadline or reason == DEADLINE_EXCEEDED or paused == (reason == PAUSED):
        return None
    return with_condition(
        status.get("conditions") or [],
        kind=PROGRESSING,
        state="Unknown",
        reason=PAUSED if paused else RESUMED,
        message="Deployment is paused" if paused else "Deployment is resumed",
        now=now,
    )
