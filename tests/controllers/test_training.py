"""Trainings through the real controllers: made, followed, retried, never made twice."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from tests.controllers.named import direct
from tests.controllers.site import NAME, NAMESPACE, Site, condition

from tidegate.errors import NotFound
from tidegate.kube.resources import CRONJOBS, JOBS, MODELS, PODS
from tidegate.testing.transport import Killed

if TYPE_CHECKING:
    from tidegate.kube.resources import Resource

CRON_JOB = {
    "apiVersion": "batch/v1",
    "kind": "CronJob",
    "metadata": {"name": "retrain", "namespace": NAMESPACE},
    "spec": {
        "suspend": True,
        "schedule": "0 0 1 1 *",
        "jobTemplate": {
            "metadata": {"labels": {"team": "ml"}},
            "spec": {
                "backoffLimit": 0,
                "template": {
                    "spec": {
                        "restartPolicy": "Never",
                        "containers": [
                            {
                                "name": "train",
                                "image": "trainer:1",
                                "env": [{"name": "SEED", "value": "1"}],
                            }
                        ],
                    }
                },
            },
        },
    },
}
FROM = {"cronJobRef": {"name": "retrain"}}
OTHERS_JOB: dict[str, Any] = {
    "apiVersion": "batch/v1",
    "kind": "Job",
    "metadata": {"name": f"{NAME}-train-1", "namespace": NAMESPACE},
    "spec": {
        "backoffLimit": 0,
        "template": {
            "spec": {
                "restartPolicy": "Never",
                "containers": [{"name": "other", "image": "other:1"}],
            }
        },
    },
}


async def declared(site: Site, **training: Any) -> None:
    await site.kube.put(direct("https://models/v1", training={"jobFrom": FROM, **training}))
    await site.harness.settle()


async def ask(site: Site, id_: str = "1") -> None:
    text = json.dumps({"id": id_, "by": "ann"})
    body = {"metadata": {"annotations": {"tidegate.dev/retrain": text}}}
    await site.kube.user.patch(MODELS, NAME, body, namespace=NAMESPACE, manager="ann")


async def runs(site: Site) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await site.model())["status"]["training"]["runs"]
    return found


async def jobs(site: Site, res: Resource = JOBS) -> dict[str, dict[str, Any]]:
    listing = await site.kube.user.list(res, namespace=NAMESPACE)
    return {job["metadata"]["name"]: job for job in listing.items}


async def end(
    site: Site, name: str, type_: str, *, res: Resource = JOBS, settle: bool = True
) -> None:
    """Let a Job end, as its controller would."""
    now = "2026-01-01T00:00:00Z"
    said = {"type": type_, "status": "True", "reason": "Over", "message": "it is over"}
    times = {"lastProbeTime": now} if res is JOBS else {}
    body = {"status": {"conditions": [{**said, **times, "lastTransitionTime": now}]}}
    if res is JOBS:
        body["status"] |= {"startTime": now}  # type: ignore[dict-item]
    await site.kube.user.patch(
        res, name, body, namespace=NAMESPACE, manager="controller", subresource="status"
    )
    if settle:
        await site.harness.settle()


async def test_a_command_makes_a_job_as_kubectl_would_that_belongs_to_the_model(
    site: Site,
) -> None:
    await site.kube.put(CRON_JOB)
    await declared(site)
    await ask(site)
    await site.harness.settle()
    (job,) = (await jobs(site)).values()
    assert job["metadata"]["name"] == f"{NAME}-train-1"
    assert job["metadata"]["annotations"]["cronjob.kubernetes.io/instantiate"] == "manual"
    assert job["metadata"]["labels"]["team"] == "ml"
    assert job["metadata"]["ownerReferences"][0]["kind"] == "Model"
    (container,) = job["spec"]["template"]["spec"]["containers"]
    assert container["env"] == [
        {"name": "SEED", "value": "1"},
        {"name": "TIDEGATE_TRAINING", "value": f"{NAMESPACE}/{NAME}/1"},
    ]
    assert (await runs(site))[0]["phase"] == "Running"
    assert condition(await site.model(), "Trained")["status"] == "Unknown"
    assert condition(await site.model(), "Ready")["status"] == "True", "what serves goes on"


async def ended_pod(site: Site, pod: str, job_uid: str, *, exit_code: int, message: str) -> None:
    """A pod of a Job, as its controller and the kubelet leave it."""
    labels = {
        "batch.kubernetes.io/job-name": f"{NAME}-train-1",
        "batch.kubernetes.io/controller-uid": job_uid,
    }
    made = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": pod, "namespace": NAMESPACE, "labels": labels},
        "spec": {"containers": [{"name": "train", "image": "trainer:1"}]},
    }
    await site.kube.user.create(PODS, made, manager="controller")
    state = {"terminated": {"exitCode": exit_code, "message": message}}
    status = {"name": "train", "image": "i", "imageID": "", "ready": False, "restartCount": 0}
    await site.kube.user.patch(
        PODS,
        pod,
        {"status": {"containerStatuses": [{**status, "state": state}]}},
        namespace=NAMESPACE,
        manager="kubelet",
        subresource="status",
    )
    await site.kube.clock.advance(2)  # creationTimestamp has whole seconds


async def test_what_the_newest_pod_says_that_ended_well_is_what_was_registered(site: Site) -> None:
    await site.kube.put(CRON_JOB)
    await declared(site)
    await ask(site)
    await site.harness.settle()
    name = f"{NAME}-train-1"
    uid = (await jobs(site))[name]["metadata"]["uid"]
    await ended_pod(site, "first", uid, exit_code=0, message='{"version": "6"}')
    await ended_pod(site, "newest", uid, exit_code=0, message='done\n{"version": "7"}')
    await ended_pod(site, "failed", uid, exit_code=1, message='{"version": "8"}')
    await ended_pod(site, "namesake", "another", exit_code=0, message='{"version": "9"}')
    await end(site, name, "Complete")
    (run,) = await runs(site)
    assert (run["phase"], run["produced"]) == ("Succeeded", {"version": "7"})
    assert condition(await site.model(), "Trained")["status"] == "True"


async def test_a_job_that_fails_is_tried_again_after_a_pause_and_then_it_is_said(
    site: Site,
) -> None:
    await site.kube.put(CRON_JOB)
    await declared(site, retries=1)
    await ask(site)
    await site.harness.settle()
    await end(site, f"{NAME}-train-1", "Failed")
    assert set(await jobs(site)) == {f"{NAME}-train-1"}
    await site.harness.advance(timedelta(seconds=31))
    assert set(await jobs(site)) == {f"{NAME}-train-1", f"{NAME}-train-1-2"}
    await end(site, f"{NAME}-train-1-2", "Failed")
    (run,) = await runs(site)
    assert (run["phase"], run["attempt"]) == ("Failed", 2)
    said = condition(await site.model(), "Trained")
    assert (said["status"], said["reason"]) == ("False", "TrainingFailed")
    assert "it is over" in said["message"]
    assert "tidegate retrain" in said["message"]


@pytest.mark.parametrize(
    ("cron_job", "reason"),
    [
        (None, "JobFromMissing"),
        ({**CRON_JOB, "spec": {**CRON_JOB["spec"], "suspend": False}}, "JobFromNotSuspended"),  # type: ignore[dict-item]
    ],
)
async def test_what_cannot_be_begun_says_what_to_mend_and_nothing_is_made(
    site: Site, cron_job: dict[str, Any] | None, reason: str
) -> None:
    if cron_job is not None:
        await site.kube.put(cron_job)
    await declared(site)
    await ask(site)
    await site.harness.settle()
    assert await jobs(site) == {}
    said = condition(await site.model(), "Trained")
    assert (said["status"], said["reason"]) == ("False", reason)
    if cron_job is None:
        await site.kube.put(CRON_JOB)
        await ask(site, "2")
        await site.harness.settle()
        assert set(await jobs(site)) == {f"{NAME}-train-2"}


async def test_a_schedule_trains_by_itself(site: Site) -> None:
    await site.kube.put(CRON_JOB)
    await declared(site, schedule="*/10 * * * *")
    assert await jobs(site) == {}
    await site.harness.advance(timedelta(minutes=11))
    assert set(await jobs(site)) == {f"{NAME}-train-1"}
    assert (await runs(site))[0]["askedBy"] == "Schedule"


async def test_one_that_takes_too_long_is_deleted(site: Site) -> None:
    await site.kube.put(CRON_JOB)
    await declared(site, timeout="10m", retries=0)
    await ask(site)
    await site.harness.settle()
    await site.harness.advance(timedelta(minutes=11))
    assert await jobs(site) == {}
    assert condition(await site.model(), "Trained")["reason"] == "TrainingTimedOut"


async def test_a_job_of_somebody_else_that_has_the_name_is_neither_followed_nor_ended(
    site: Site,
) -> None:
    await site.kube.put(CRON_JOB)
    name = f"{NAME}-train-1"
    await site.kube.put(OTHERS_JOB)
    await declared(site, timeout="10m", retries=0)
    await ask(site)
    await site.harness.settle()
    await site.harness.advance(timedelta(minutes=11))
    assert set(await jobs(site)) == {name}
    said = condition(await site.model(), "Trained")
    assert (said["status"], said["reason"]) == ("False", "NameTaken")


@pytest.mark.parametrize("writes", [1, 2])
async def test_one_that_takes_too_long_is_deleted_though_the_operator_dies(
    site: Site, writes: int
) -> None:
    await site.kube.put(CRON_JOB)
    await declared(site, timeout="10m", retries=0)
    await ask(site)
    await site.harness.settle()
    site.kube.transport.kill_after(writes)
    with pytest.raises(Killed):
        await site.harness.advance(timedelta(minutes=11))
    site.harness.restart()
    await site.harness.settle()
    assert await jobs(site) == {}
    assert [run["phase"] for run in await runs(site)] == ["Failed"]


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
async def test_a_crash_at_any_write_makes_no_second_job_and_loses_none(
    site: Site, after: bool
) -> None:
    await site.kube.put(CRON_JOB)
    await declared(site)
    for number in range(1, 20):
        await ask(site, str(number))
        kill = site.kube.transport.kill_after if after else site.kube.transport.kill_before
        kill(number)
        killed = False
        try:
            await site.harness.settle()
        except Killed:
            killed = True
            site.harness.restart()
            await site.harness.settle()
        site.kube.transport.heal()
        assert len(await jobs(site)) == number
        await end(site, f"{NAME}-train-{number}", "Complete")
        assert [run["number"] for run in await runs(site)][:1] == [number]
        assert {run["phase"] for run in await runs(site)} == {"Succeeded"}
        if not killed:
            break
    assert number >= 4, "status, job, status, events"


async def test_a_deleted_model_takes_its_trainings_along(site: Site) -> None:
    await site.kube.put(CRON_JOB)
    await declared(site)
    await ask(site)
    await site.harness.settle()
    await site.kube.user.delete(MODELS, NAME, namespace=NAMESPACE, propagation="Foreground")
    await site.harness.settle()
    with pytest.raises(NotFound):
        await site.model()
    assert await jobs(site) == {}
    assert await jobs(site, CRONJOBS) != {}
