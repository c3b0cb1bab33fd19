"""Gates that are containers, through the real controllers: started once, read, and taken away."""

from __future__ import annotations

from typing import Any

import pytest
from tests.controllers.named import direct, revision_of, traffic
from tests.controllers.site import NAMESPACE, Site, condition
from tests.controllers.test_trial import put, results

from tidegate.kube.objects import uid_of
from tidegate.kube.resources import JOBS, PODS
from tidegate.specs.gate import gate_job_name

V1 = "https://models/v1"
REVISION = revision_of(V1)
GATE = {
    "name": "bias",
    "job": {
        "image": "checks:1",
        "command": ["python", "-m", "checks"],
        "env": [{"name": "LIMIT", "value": "0.05"}, {"name": "TIDEGATE_URL", "value": "x"}],
        "timeout": "90s",
    },
}
REPORT = '{"value": 0.03, "bound": "max 0.05", "message": "parity gap 0.03"}'


async def jobs(site: Site) -> list[dict[str, Any]]:
    return list((await site.kube.user.list(JOBS, namespace=NAMESPACE)).items)


async def begin(site: Site, *gates: dict[str, Any]) -> dict[str, Any]:
    """A Model whose pod on trial is ready; returns the Job that judges it."""
    site.harness.world.address(REVISION, "10.0.0.9")
    await put(site, direct(V1, gates=list(gates) or [GATE]))
    (job,) = await jobs(site)
    return job


async def end(
    site: Site, job: dict[str, Any], exit_code: int | None, *, left: str = "", reason: str = ""
) -> dict[str, Any]:
    """Let a Job end as its own controller would say; returns the Model a little later."""
    name = job["metadata"]["name"]
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": f"{name}-abcde",
            "namespace": NAMESPACE,
            "labels": {"batch.kubernetes.io/controller-uid": job["metadata"]["uid"]},
        },
        "spec": job["spec"]["template"]["spec"],
    }
    created = await site.kube.user.create(PODS, pod, manager="world")
    status: dict[str, Any] = {"phase": "Failed"}
    if exit_code is not None:
        over = {"exitCode": exit_code, "reason": "x", "message": left}
        entry = {"name": "gate", "image": "i", "imageID": "", "ready": False, "restartCount": 0}
        # Somebody else's container beside it, that ended well: it says nothing of the gate.
        proxy = {**entry, "name": "a-proxy", "state": {"terminated": {"exitCode": 0}}}
        status["containerStatuses"] = [proxy, {**entry, "state": {"terminated": over}}]
    await site.kube.set_status(created, status)
    type_ = "Complete" if exit_code == 0 else "Failed"
    said = {"type": type_, "status": "True", "reason": reason or type_, "message": ""}
    await site.kube.set_status(job, {"conditions": [said]})
    await site.harness.settle()
    await site.pass_time(seconds=5)
    return await site.model()


async def test_the_container_gets_the_pods_address_and_is_restricted(site: Site) -> None:
    job = await begin(site)
    pod = job["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    env = {one["name"]: one["value"] for one in container["env"]}
    assert env["TIDEGATE_URL"] == "http://10.0.0.9:8080"
    assert env["TIDEGATE_REVISION"] == REVISION
    assert env["LIMIT"] == "0.05"
    assert container["command"] == ["python", "-m", "checks"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["automountServiceAccountToken"] is False
    assert job["spec"]["activeDeadlineSeconds"] == 90
    assert len(job["metadata"]["name"]) <= 63
    assert "tidegate.dev/revision" not in job["spec"]["template"]["metadata"]["labels"]
    found = await site.model()
    assert results(found, REVISION) == {"bias": "Pending JobRunning"}
    assert await site.weights() == {}


async def test_a_container_that_ends_well_admits_and_its_job_goes(site: Site) -> None:
    found = await end(site, await begin(site), 0, left=f"noise\n{REPORT}")
    assert results(found, REVISION) == {"bias": "Passed Passed"}
    result = found["status"]["revisions"][0]["gates"][0]
    assert (result["value"], result["bound"]) == (0.03, "max 0.05")
    assert result["message"] == "parity gap 0.03"
    assert await jobs(site) == []
    assert await traffic(site) == {REVISION: 100}


@pytest.mark.parametrize(
    ("exit_code", "reason", "said"),
    [
        (2, "BackoffLimitExceeded", "it ended with exit code 2: parity gap 0.03"),
        (None, "DeadlineExceeded", "it did not end within 1m30s"),
    ],
)
async def test_a_container_that_fails_refuses_once(
    site: Site, exit_code: int | None, reason: str, said: str
) -> None:
    found = await end(site, await begin(site), exit_code, left=REPORT, reason=reason)
    assert said in condition(found, "GatesPassed")["message"]
    assert condition(found, "Ready")["reason"] == "GateFailed"
    await site.pass_time(minutes=3)
    assert await jobs(site) == []
    assert await site.weights() == {}


async def test_a_pod_that_was_taken_away_says_nothing_and_is_started_anew(site: Site) -> None:
    job = await begin(site)
    found = await end(site, job, None, reason="BackoffLimitExceeded")
    assert results(found, REVISION) == {"bias": "Pending JobRunning"}
    await site.kube.user.delete(
        PODS, f"{job['metadata']['name']}-abcde", namespace=NAMESPACE, grace_period_seconds=0
    )
    await site.pass_time(seconds=20)
    (again,) = [one for one in await jobs(site) if one["metadata"]["uid"] != uid_of(job)]
    await end(site, again, 0)
    assert await jobs(site) == []
    assert await traffic(site) == {REVISION: 100}


async def test_a_pod_that_is_taken_away_again_and_again_fails_the_gate(site: Site) -> None:
    await begin(site)
    seen: set[str] = set()
    for _ in range(3):
        (job,) = [one for one in await jobs(site) if uid_of(one) not in seen]
        seen.add(uid_of(job))
        site.harness.restart()  # the count outlives an operator
        site.harness.wake_all()
        await end(site, job, None, reason="BackoffLimitExceeded")
        await site.pass_time(seconds=20)
    assert results(await site.model(), REVISION) == {"bias": "Failed JobLost"}
    await site.pass_time(minutes=3)
    assert await jobs(site) == []
    assert await site.weights() == {}


def test_the_names_of_all_tries_are_short_enough_for_a_label() -> None:
    names = {gate_job_name("m" * 40 + "-12345678", "a" * 16, attempt=n) for n in (1, 2, 3)}
    assert len(names) == 3
    assert max(map(len, names)) <= 63


async def test_a_job_that_was_begun_before_a_crash_is_found_again(site: Site) -> None:
    job = await begin(site)
    site.harness.restart()
    site.harness.wake_all()
    await site.pass_time(seconds=30)
    (same,) = await jobs(site)
    assert same["metadata"]["uid"] == job["metadata"]["uid"]
    await end(site, same, 0)
    assert await traffic(site) == {REVISION: 100}


async def test_a_gate_that_is_removed_takes_its_job_along(site: Site) -> None:
    await begin(site)
    await put(site, direct(V1))
    assert await jobs(site) == []
    assert await traffic(site) == {REVISION: 100}


async def test_an_edited_container_is_run_anew(site: Site) -> None:
    await end(site, await begin(site), 1)
    site.harness.world.address(REVISION, "10.0.0.9")
    edited = {"name": "bias", "job": {"image": "checks:2"}}
    await put(site, direct(V1, gates=[edited]))
    (job,) = await jobs(site)
    assert job["spec"]["template"]["spec"]["containers"][0]["image"] == "checks:2"
