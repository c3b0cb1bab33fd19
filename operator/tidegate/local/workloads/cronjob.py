"""Decides what a CronJob does next: which Job to start, which to remove, what to say. Pure.

The rules are those of Kubernetes' CronJob controller (version 2): a run that was missed is made up
for once, the newest one, unless its starting deadline has passed.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from tidegate.kube.objects import is_being_deleted, name_of, owner_reference, uid_of
from tidegate.local.workloads import pods as facts
from tidegate.local.workloads.job import is_over
from tidegate.local.workloads.times import parsed, stamp
from tidegate.schedules import Schedule, parse, zone_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tidegate.kube.objects import Object

SCHEDULED_AT = "batch.kubernetes.io/cronjob-scheduled-timestamp"
_TOO_MANY_MISSED = 100
_MARGIN_S = 0.1


@dataclass(frozen=True, slots=True)
class Told:
    """One event."""

    reason: str
    note: str
    warning: bool = False


@dataclass(frozen=True, slots=True)
class Step:
    """What to do now, and what to say. `again_s`: look again after so many seconds."""

    status: Object
    create: Object | None = None
    due: datetime | None = None
    delete: tuple[str, ...] = ()
    told: tuple[Told, ...] = ()
    again_s: float | None = None


def next_step(cronjob: Mapping[str, Any], jobs: Sequence[Object], *, now: datetime) -> Step:
    """Return the next step; `jobs` are the CronJob's own.

    Raises ValueError for a schedule that cannot be read.
    """
    spec = cronjob["spec"]
    status, told = _counted(cronjob, jobs)
    expired = _expired(spec, jobs)
    told += [Told("SuccessfulDelete", f"Deleted job {name}") for name in expired]
    if spec.get("suspend"):
        return Step(status, delete=expired, told=tuple(told))
    schedule = parse(spec["schedule"], zone=spec.get("timeZone"))
    again_s = (schedule.after(now) - now).total_seconds() + _MARGIN_S
    due, late = _due(cronjob, schedule, now=now)
    if due is None:
        return Step(status, delete=expired, told=tuple(told), again_s=again_s)
    made = job_for(cronjob, due)
    if any(name_of(job) == name_of(made) for job in jobs):
        # Made already, by a reconcile that could not say so.
        status["lastScheduleTime"] = stamp(due)
        return Step(status, delete=expired, told=tuple(told), again_s=again_s)
    told += late
    running = [job for job in jobs if not is_over(job) and not is_being_deleted(job)]
    policy = spec.get("concurrencyPolicy") or "Allow"
    if policy == "Forbid" and running:
        note = (
            "Not starting job because prior execution is running and concurrency policy is Forbid"
        )
        told.append(Told("JobAlreadyActive", note))
        return Step(status, delete=expired, told=tuple(told), again_s=again_s)
    replaced: tuple[str, ...] = ()
    if policy == "Replace":
        replaced = tuple(name_of(job) for job in running)
        told += [Told("SuccessfulDelete", f"Deleted job {name}") for name in replaced]
    return Step(status, made, due, delete=(*expired, *replaced), told=tuple(told), again_s=again_s)


def _counted(cronjob: Mapping[str, Any], jobs: Sequence[Object]) -> tuple[Object, list[Told]]:
    """The status as the Jobs stand now, and what is told of those that ended since."""
    before = cronjob.get("status") or {}
    status = {key: value for key, value in before.items() if key != "active"}
    listed = {ref.get("uid") for ref in before.get("active") or ()}
    told: list[Told] = []
    active = []
    for job in sorted(jobs, key=name_of):
        if not is_over(job):
            if not is_being_deleted(job):
                active.append(reference(job))
            continue
        how = "Complete" if facts.condition(job, "Complete") else "Failed"
        if uid_of(job) in listed:
            note = f"Saw completed job: {name_of(job)}, condition: {how}"
            told.append(Told("SawCompletedJob", note))
        ended = (job.get("status") or {}).get("completionTime")
        if how == "Complete" and ended and ended > status.get("lastSuccessfulTime", ""):
            status["lastSuccessfulTime"] = ended
    if active:
        status["active"] = active
    return status, told


def reference(job: Mapping[str, Any]) -> Object:
    """Return the entry of `status.active` for a Job."""
    metadata = job["metadata"]
    found = {"apiVersion": "batch/v1", "kind": "Job", "name": metadata["name"]}
    kept = ("namespace", "resourceVersion", "uid")
    return found | {key: metadata[key] for key in kept if key in metadata}


def started(status: Object, job: Object, due: datetime) -> Object:
    """Return the status after `job` was started for the time `due`."""
    active = [*(status.get("active") or ()), reference(job)]
    return {**status, "active": active, "lastScheduleTime": stamp(due)}


def _due(
    cronjob: Mapping[str, Any], schedule: Schedule, *, now: datetime
) -> tuple[datetime | None, list[Told]]:
    """The newest run that is due and not too late, and what is told of others that were missed."""
    spec, status = cronjob["spec"], cronjob.get("status") or {}
    since = parsed(status.get("lastScheduleTime")) or parsed(
        cronjob["metadata"].get("creationTimestamp")
    )
    if since is None:
        return None, []
    deadline = spec.get("startingDeadlineSeconds")
    if deadline is not None:
        since = max(since, now - timedelta(seconds=int(deadline)))
    latest = schedule.latest(since=since, until=now)
    if latest is None or not _many(schedule, since=since, until=now):
        return latest, []
    note = (
        f"too many missed start times: more than {_TOO_MANY_MISSED}. Set or decrease "
        ".spec.startingDeadlineSeconds or check clock skew"
    )
    return latest, [Told("TooManyMissedTimes", note, warning=True)]


def _many(schedule: Schedule, *, since: datetime, until: datetime) -> bool:
    for _ in range(_TOO_MANY_MISSED + 1):
        since = schedule.after(since)
        if since > until:
            return False
    return True


def _expired(spec: Mapping[str, Any], jobs: Sequence[Object]) -> tuple[str, ...]:
    """Names of finished Jobs beyond the history limits, oldest first."""
    gone: list[str] = []
    for kind, key, default in (
        ("Complete", "successfulJobsHistoryLimit", 3),
        ("Failed", "failedJobsHistoryLimit", 1),
    ):
        ended = [job for job in jobs if facts.condition(job, kind) and not is_being_deleted(job)]
        ended.sort(key=lambda job: (str((job["status"]).get("startTime") or ""), name_of(job)))
        limit = spec.get(key)
        surplus = len(ended) - int(default if limit is None else limit)
        gone += [name_of(job) for job in ended[: max(0, surplus)]]
    return tuple(gone)


def job_for(cronjob: Mapping[str, Any], due: datetime) -> Object:
    """Return the Job of the run at `due`; its name follows from the time, so it is made once."""
    template = cronjob["spec"]["jobTemplate"]
    metadata = template.get("metadata") or {}
    zone = zone_of(cronjob["spec"].get("timeZone"))
    at = due.astimezone(zone).isoformat(timespec="seconds").replace("+00:00", "Z")
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": f"{name_of(cronjob)}-{int(due.timestamp()) // 60}",
            "namespace": cronjob["metadata"]["namespace"],
            "labels": dict(metadata.get("labels") or {}),
            "annotations": {**(metadata.get("annotations") or {}), SCHEDULED_AT: at},
            "ownerReferences": [owner_reference(cronjob)],
        },
        "spec": template["spec"],
    }
