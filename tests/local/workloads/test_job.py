"""A Job starts pods, replaces failed ones with patience, and ends in the recorded words."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from tidegate.local.workloads.job import expires_in, is_over, job_pod, next_step

NOW = datetime(2026, 11, 23, 13, 0, 10, tzinfo=UTC)
STAMP = "2026-11-23T13:00:10Z"


def job(status: dict[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
    template = {"spec": {"restartPolicy": "Never", "containers": []}}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "j", "namespace": "demo", "uid": "u"},
        "spec": {
            "parallelism": 1,
            "completions": 1,
            "backoffLimit": 1,
            "template": template,
            **spec,
        },
        "status": status or {},
    }


def pod(name: str, phase: str, *, finished: str = STAMP) -> dict[str, Any]:
    ended = {"state": {"terminated": {"exitCode": 0, "finishedAt": finished}}}
    over = phase in ("Succeeded", "Failed")
    return {
        "metadata": {"name": name},
        "spec": {},
        "status": {"phase": phase, "containerStatuses": [ended] if over else []},
    }


def test_a_new_job_starts_one_pod() -> None:
    step = next_step(job(), [], now=NOW)
    assert step.create == 1
    assert step.status["active"] == 1
    assert step.status["startTime"] == STAMP


def test_a_job_whose_pod_runs_has_nothing_to_do() -> None:
    assert next_step(job(), [pod("a", "Running")], now=NOW).create == 0


def test_a_suspended_job_says_so_and_ends_its_pods() -> None:
    started = {"startTime": STAMP}
    step = next_step(job(started, suspend=True), [pod("a", "Running")], now=NOW)
    assert step.delete == ("a",)
    assert "startTime" not in step.status
    [condition] = step.status["conditions"]
    assert (condition["type"], condition["status"]) == ("Suspended", "True")
    assert (condition["reason"], condition["message"]) == ("JobSuspended", "Job suspended")
    resumed = next_step(job(step.status), [], now=NOW)
    assert (resumed.create, resumed.status["startTime"]) == (1, STAMP)
    assert [c["reason"] for c in resumed.status["conditions"]] == ["JobResumed"]


def test_what_is_not_implemented_fails_the_job_in_words() -> None:
    unknown: list[dict[str, Any]] = [
        {"completionMode": "Indexed"},
        {"podFailurePolicy": {"rules": []}},
    ]
    for spec in unknown:
        step = next_step(job(**spec), [], now=NOW)
        assert step.create == 0
        assert step.status["conditions"][-1]["reason"] == "NotImplemented"


def test_a_completed_job_reads_as_recorded() -> None:
    started = {"startTime": "2026-11-23T13:00:08Z"}
    step = next_step(job(started), [pod("a", "Succeeded")], now=NOW)
    condition = {
        "status": "True",
        "lastProbeTime": STAMP,
        "lastTransitionTime": STAMP,
        "reason": "CompletionsReached",
        "message": "Reached expected number of succeeded pods",
    }
    assert step.status == {
        "conditions": [
            {"type": "SuccessCriteriaMet", **condition},
            {"type": "Complete", **condition},
        ],
        "startTime": "2026-11-23T13:00:08Z",
        "completionTime": STAMP,
        "succeeded": 1,
        "terminating": 0,
        "uncountedTerminatedPods": {},
        "ready": 0,
    }
    assert is_over({"status": step.status})


def test_a_failed_job_reads_as_recorded() -> None:
    started = {"startTime": "2026-11-23T13:00:08Z"}
    step = next_step(job(started, backoffLimit=0), [pod("a", "Failed")], now=NOW)
    condition = {
        "status": "True",
        "lastProbeTime": STAMP,
        "lastTransitionTime": STAMP,
        "reason": "BackoffLimitExceeded",
        "message": "Job has reached the specified backoff limit",
    }
    assert step.status == {
        "conditions": [
            {"type": "FailureTarget", **condition},
            {"type": "Failed", **condition},
        ],
        "startTime": "2026-11-23T13:00:08Z",
        "failed": 1,
        "terminating": 0,
        "uncountedTerminatedPods": {},
        "ready": 0,
    }


def test_a_failed_pod_is_replaced_after_a_pause_that_doubles() -> None:
    failed = [pod("a", "Failed")]
    step = next_step(job(backoffLimit=3), failed, now=NOW + timedelta(seconds=4))
    assert (step.create, step.again_s) == (0, 6)
    assert next_step(job(backoffLimit=3), failed, now=NOW + timedelta(seconds=10)).create == 1
    two = [*failed, pod("b", "Failed")]
    assert next_step(job(backoffLimit=3), two, now=NOW + timedelta(seconds=10)).again_s == 10


def test_a_deadline_ends_a_job_and_its_pods() -> None:
    started = {"startTime": "2026-11-23T13:00:00Z"}
    running = [pod("a", "Running")]
    early = next_step(job(started, activeDeadlineSeconds=30), running, now=NOW)
    assert early.again_s == 20
    late = next_step(job(started, activeDeadlineSeconds=10), running, now=NOW)
    assert late.delete == ("a",)
    assert late.status["conditions"][-1]["reason"] == "DeadlineExceeded"


def test_a_suspended_job_gives_up_its_pods() -> None:
    step = next_step(job(suspend=True), [pod("a", "Running")], now=NOW)
    assert (step.create, step.delete) == (0, ("a",))


def test_parallel_completions_never_start_more_than_are_left() -> None:
    wide = job(parallelism=3, completions=4)
    done = [pod("a", "Succeeded"), pod("b", "Succeeded")]
    assert next_step(wide, done, now=NOW).create == 2
    assert next_step(wide, [], now=NOW).create == 3


def test_a_finished_pod_that_was_deleted_stays_counted() -> None:
    step = next_step(job({"succeeded": 1}, completions=2), [], now=NOW)
    assert step.status["succeeded"] == 1
    assert step.create == 1


def test_a_finished_job_lives_as_long_as_it_asks_for() -> None:
    over = next_step(job(ttlSecondsAfterFinished=60), [pod("a", "Succeeded")], now=NOW).status
    finished = job(over, ttlSecondsAfterFinished=60)
    assert expires_in(finished, now=NOW + timedelta(seconds=20)) == 40
    assert expires_in(finished, now=NOW + timedelta(seconds=90)) == 0
    assert expires_in(job(over), now=NOW) is None


def test_a_pod_of_a_job_can_be_found_by_the_jobs_name() -> None:
    labels = job_pod(job())["metadata"]["labels"]
    assert labels["job-name"] == labels["batch.kubernetes.io/job-name"] == "j"
