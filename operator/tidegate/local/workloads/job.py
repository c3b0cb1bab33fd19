"""Decides what a Job does next: how many pods to start, and whether it is complete or failed. Pure.

A pod that fails is replaced after a back-off that doubles, until `backoffLimit` is passed. What is
not done here (indexed completion, policies for failure and success) fails the Job in words.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from tidegate.kube.objects import is_being_deleted, labels_of, name_of, uid_of
from tidegate.local.workloads import pods as facts
from tidegate.local.workloads.replicaset import pod_for
from tidegate.local.workloads.times import parsed, stamp

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tidegate.kube.objects import Object

BACKOFF_LIMIT_EXCEEDED = "BackoffLimitExceeded"
DEADLINE_EXCEEDED = "DeadlineExceeded"
COMPLETIONS_REACHED = "CompletionsReached"
NOT_IMPLEMENTED = "NotImplemented"
SUSPENDED = "Suspended"
_UNKNOWN = ("podFailurePolicy", "successPolicy", "backoffLimitPerIndex", "maxFailedIndexes")
_FIRST_BACKOFF_S = 10.0
_LONGEST_BACKOFF_S = 600.0
_MESSAGES = {
    COMPLETIONS_REACHED: "Reached expected number of succeeded pods",
    BACKOFF_LIMIT_EXCEEDED: "Job has reached the specified backoff limit",
    DEADLINE_EXCEEDED: "Job was active longer than specified deadline",
    NOT_IMPLEMENTED: "the local cluster runs Jobs without spec.completionMode Indexed, "
    + ", ".join(f"spec.{key}" for key in _UNKNOWN),
}


@dataclass(frozen=True, slots=True)
class Step:
    """What to do now, and what to say. `again_s`: look again after so many seconds."""

    status: Object
    create: int = 0
    delete: tuple[str, ...] = ()
    again_s: float | None = None


@dataclass(frozen=True, slots=True)
class _Tally:
    active: int
    ready: int
    terminating: int
    succeeded: int
    failed: int
    last_failure: datetime | None


def is_over(job: Mapping[str, Any]) -> bool:
    """Tell whether the Job has finished, well or not."""
    return any(
        (found := facts.condition(job, kind)) is not None and found.get("status") == "True"
        for kind in ("Complete", "Failed")
    )


def next_step(job: Mapping[str, Any], pods: Sequence[Object], *, now: datetime) -> Step:
    """Return the next step of a Job that is not over; `pods` are its own."""
    spec, before = job["spec"], job.get("status") or {}
    tally = _tally(pods, before)
    started = None if spec.get("suspend") else before.get("startTime") or stamp(now)
    verdict = _verdict(spec, tally, started=started, pods=pods, now=now)
    running = [name_of(pod) for pod in pods if facts.is_active(pod)]
    if verdict is not None:
        gone = tuple(running)
        tally = _Tally(0, 0, len(gone), tally.succeeded, tally.failed, None)
        return Step(_status(before, tally, started, verdict=verdict, now=now), delete=gone)
    status = _status(before, tally, started, verdict=None, now=now)
    if (conditions := _suspension(spec, before, now=now)) is not None:
        status["conditions"] = conditions
    if spec.get("suspend"):
        return Step(status, delete=tuple(running))
    missing = _missing(spec, tally)
    wait = _backoff_left(tally, now=now)
    if missing > 0 and wait > 0:
        return Step(status, again_s=wait)
    again = _deadline_left(spec, started, now=now)
    if missing > 0:
        status["active"] = tally.active + missing
        return Step(status, create=missing, again_s=again)
    surplus = tuple(running[:-missing]) if missing < 0 else ()
    return Step(status, delete=surplus, again_s=again)


def _tally(pods: Sequence[Object], before: Mapping[str, Any]) -> _Tally:
    active = [pod for pod in pods if facts.is_active(pod)]
    failures = [pod for pod in pods if facts.phase(pod) == "Failed"]
    ends = [end for pod in failures if (end := finished_at(pod))]
    return _Tally(
        active=len(active),
        ready=sum(facts.is_ready(pod) for pod in active),
        terminating=sum(is_being_deleted(pod) and not facts.is_finished(pod) for pod in pods),
        # A finished pod that somebody deleted stays counted.
        succeeded=max(
            sum(facts.phase(pod) == "Succeeded" for pod in pods), int(before.get("succeeded", 0))
        ),
        failed=max(len(failures), int(before.get("failed", 0))),
        last_failure=max(ends, default=None),
    )


def finished_at(pod: Mapping[str, Any]) -> datetime | None:
    """Return when the last container of a finished pod ended."""
    ends = []
    for status in (pod.get("status") or {}).get("containerStatuses") or []:
        end = parsed(((status.get("state") or {}).get("terminated") or {}).get("finishedAt"))
        if end:
            ends.append(end)
    return max(ends, default=None)


def _verdict(
    spec: Mapping[str, Any],
    tally: _Tally,
    *,
    started: str | None,
    pods: Sequence[Object],
    now: datetime,
) -> str | None:
    if spec.get("completionMode") == "Indexed" or any(spec.get(key) for key in _UNKNOWN):
        return NOT_IMPLEMENTED
    limit = int(spec.get("backoffLimit", 6))
    restarts = sum(facts.restarts(pod) for pod in pods if facts.is_active(pod))
    if tally.failed > limit or (restarts > 0 and restarts >= max(limit, 1)):
        return BACKOFF_LIMIT_EXCEEDED
    deadline = spec.get("activeDeadlineSeconds")
    begun = parsed(started)
    if deadline is not None and begun and now >= begun + timedelta(seconds=int(deadline)):
        return DEADLINE_EXCEEDED
    completions = spec.get("completions")
    if completions is None:
        done = tally.succeeded > 0 and tally.active == 0
    else:
        done = tally.succeeded >= int(completions)
    return COMPLETIONS_REACHED if done else None


def _missing(spec: Mapping[str, Any], tally: _Tally) -> int:
    parallelism = int(spec.get("parallelism", 1))
    completions = spec.get("completions")
    if completions is None:
        # A work queue: once one pod has succeeded, no new ones are started.
        return 0 if tally.succeeded else parallelism - tally.active
    return min(parallelism, int(completions) - tally.succeeded) - tally.active


def _backoff_left(tally: _Tally, *, now: datetime) -> float:
    if tally.last_failure is None:
        return 0.0
    pause = min(_FIRST_BACKOFF_S * 2.0 ** (tally.failed - 1), _LONGEST_BACKOFF_S)
    return max(0.0, pause - (now - tally.last_failure).total_seconds())


def _deadline_left(spec: Mapping[str, Any], started: str | None, *, now: datetime) -> float | None:
    deadline, begun = spec.get("activeDeadlineSeconds"), parsed(started)
    if deadline is None or begun is None:
        return None
    return max(0.0, (begun + timedelta(seconds=int(deadline)) - now).total_seconds())


def _status(
    before: Mapping[str, Any],
    tally: _Tally,
    started: str | None,
    *,
    verdict: str | None,
    now: datetime,
) -> Object:
    status: Object = {}
    if verdict is not None:
        good = verdict == COMPLETIONS_REACHED
        kinds = ("SuccessCriteriaMet", "Complete") if good else ("FailureTarget", "Failed")
        kept = list(before.get("conditions") or ())
        status["conditions"] = [*kept, *(_condition(kind, verdict, now=now) for kind in kinds)]
        if good:
            status["completionTime"] = stamp(now)
    elif before.get("conditions"):
        status["conditions"] = before["conditions"]
    if started:
        status["startTime"] = started
    counts = {"active": tally.active, "succeeded": tally.succeeded, "failed": tally.failed}
    status.update({key: value for key, value in counts.items() if value})
    status |= {"terminating": tally.terminating, "uncountedTerminatedPods": {}}
    status["ready"] = tally.ready
    return status


def _suspension(
    spec: Mapping[str, Any], before: Mapping[str, Any], *, now: datetime
) -> list[Object] | None:
    """The conditions when the Job was just suspended or resumed; None when neither."""
    wanted = bool(spec.get("suspend"))
    have = facts.condition({"status": before}, SUSPENDED)
    if wanted == (have is not None and have.get("status") == "True"):
        return None
    others = [c for c in before.get("conditions") or () if c.get("type") != SUSPENDED]
    word = "suspended" if wanted else "resumed"
    return [
        *others,
        {
            "type": SUSPENDED,
            "status": "True" if wanted else "False",
            "lastProbeTime": stamp(now),
            "lastTransitionTime": stamp(now),
            "reason": f"Job{word.capitalize()}",
            "message": f"Job {word}",
        },
    ]


def _condition(kind: str, reason: str, *, now: datetime) -> Object:
    return {
        "type": kind,
        "status": "True",
        "lastProbeTime": stamp(now),
        "lastTransitionTime": stamp(now),
        "reason": reason,
        "message": _MESSAGES[reason],
    }


def job_pod(job: Mapping[str, Any]) -> Object:
    """Return a pod of the Job, with the labels by which people and kubectl find it."""
    pod = pod_for(job, job["spec"]["template"])
    uid, name = uid_of(job), name_of(job)
    pod["metadata"]["labels"] = labels_of(pod) | {
        "batch.kubernetes.io/controller-uid": uid,
        "batch.kubernetes.io/job-name": name,
        "controller-uid": uid,
        "job-name": name,
    }
    return pod


def expires_in(job: Mapping[str, Any], *, now: datetime) -> float | None:
    """Return the seconds until a finished Job is deleted; None when it is kept."""
    ttl = job["spec"].get("ttlSecondsAfterFinished")
    if ttl is None or not is_over(job):
        return None
    over = facts.condition(job, "Complete") or facts.condition(job, "Failed") or {}
    end = parsed(over.get("lastTransitionTime"))
    return max(0.0, int(ttl) - (now - end).total_seconds()) if end else None
