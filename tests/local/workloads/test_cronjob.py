"""A CronJob starts what is due, once, and keeps what its policies and limits say."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tidegate.local.workloads.cronjob import SCHEDULED_AT, Step, next_step, started

CREATED = datetime(2026, 11, 27, 12, 0, 30, tzinfo=UTC)
FIRST = datetime(2026, 11, 27, 12, 1, tzinfo=UTC)


def stamp(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def cronjob(status: dict[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
    template = {"spec": {"template": {"spec": {}}}, "metadata": {"labels": {"a": "b"}}}
    return {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": {
            "name": "tick",
            "namespace": "demo",
            "uid": "u",
            "creationTimestamp": stamp(CREATED),
        },
        "spec": {"schedule": "* * * * *", "jobTemplate": template, **spec},
        "status": status or {},
    }


def job(name: str, end: str = "", *, start: datetime = FIRST) -> dict[str, Any]:
    """A Job that runs, or that has ended: `end` is Complete or Failed."""
    status: dict[str, Any] = {"startTime": stamp(start)}
    if end:
        status["conditions"] = [{"type": end, "status": "True"}]
    if end == "Complete":
        status["completionTime"] = stamp(start + timedelta(seconds=5))
    return {"metadata": {"name": name, "namespace": "demo", "uid": f"u-{name}"}, "status": status}


def reasons(step: Step) -> list[str]:
    return [each.reason for each in step.told]


def test_before_the_first_time_nothing_is_started() -> None:
    step = next_step(cronjob(), [], now=CREATED)
    assert step.create is None
    assert step.again_s == pytest.approx(30.1)


def test_when_it_is_due_a_job_is_made_that_is_named_after_the_time() -> None:
    step = next_step(cronjob(), [], now=FIRST)
    assert step.create is not None
    assert step.due == FIRST
    metadata = step.create["metadata"]
    assert metadata["name"] == f"tick-{int(FIRST.timestamp()) // 60}"
    assert metadata["annotations"][SCHEDULED_AT] == stamp(FIRST)
    assert metadata["labels"] == {"a": "b"}
    assert metadata["ownerReferences"][0]["kind"] == "CronJob"
    status = started(step.status, {**step.create, "metadata": {**metadata, "uid": "x"}}, FIRST)
    assert status["lastScheduleTime"] == stamp(FIRST)
    assert status["active"][0]["uid"] == "x"


def test_after_it_was_started_it_waits_for_the_next_time() -> None:
    status = {"lastScheduleTime": stamp(FIRST)}
    step = next_step(cronjob(status), [], now=FIRST + timedelta(seconds=1))
    assert step.create is None


def test_a_job_that_was_made_but_not_told_of_is_not_made_again() -> None:
    made = job(f"tick-{int(FIRST.timestamp()) // 60}")
    step = next_step(cronjob(), [made], now=FIRST)
    assert step.create is None
    assert step.status["lastScheduleTime"] == stamp(FIRST)


def test_of_many_missed_times_the_last_one_is_made_up_for() -> None:
    now = CREATED + timedelta(hours=3)
    step = next_step(cronjob(), [], now=now)
    assert step.due == now.replace(second=0)
    assert reasons(step) == ["TooManyMissedTimes"]


def test_what_is_too_late_is_not_made_up_for() -> None:
    hourly = cronjob(schedule="0 * * * *", startingDeadlineSeconds=60)
    step = next_step(hourly, [], now=CREATED + timedelta(hours=1, minutes=20))
    assert step.create is None


@pytest.mark.parametrize(
    ("policy", "starts", "deleted", "told"),
    [
        ("Allow", True, (), []),
        ("Forbid", False, (), ["JobAlreadyActive"]),
        ("Replace", True, ("old",), ["SuccessfulDelete"]),
    ],
)
def test_the_concurrency_policy_decides_about_a_job_that_still_runs(
    policy: str, starts: bool, deleted: tuple[str, ...], told: list[str]
) -> None:
    step = next_step(cronjob(concurrencyPolicy=policy), [job("old")], now=FIRST)
    assert (step.create is not None) == starts
    assert step.delete == deleted
    assert reasons(step) == told


def test_suspended_it_starts_nothing_and_still_counts() -> None:
    step = next_step(cronjob(suspend=True), [job("old")], now=FIRST)
    assert step.create is None
    assert step.again_s is None
    assert [each["name"] for each in step.status["active"]] == ["old"]


def test_finished_jobs_beyond_the_limits_go_oldest_first() -> None:
    ended = [
        job(f"{end}-{n}", end, start=FIRST + timedelta(minutes=n))
        for end in ("Complete", "Failed")
        for n in range(4)
    ]
    status = {"lastScheduleTime": stamp(FIRST)}
    step = next_step(cronjob(status), ended, now=FIRST)
    assert step.delete == ("Complete-0", "Failed-0", "Failed-1", "Failed-2")


def test_a_job_that_ended_leaves_the_list_and_is_told_of() -> None:
    listed = {"uid": "u-done", "name": "done"}
    status = {"active": [listed], "lastScheduleTime": stamp(FIRST)}
    step = next_step(cronjob(status), [job("done", "Complete")], now=FIRST)
    assert "active" not in step.status
    assert step.status["lastSuccessfulTime"] == stamp(FIRST + timedelta(seconds=5))
    assert reasons(step) == ["SawCompletedJob"]
