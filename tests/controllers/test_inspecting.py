"""dvc:// through the real controllers: a commit from a git server, the rest from a Job."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, Any

import pytest
from tests.controllers.site import NAMESPACE, SETTINGS, Site, condition, model, sha

from tidegate.artifacts.dvc.report import Metric, Report, write, write_failure
from tidegate.domain.inspection import pause_after
from tidegate.errors import Terminal
from tidegate.kube.resources import CONTROLLERREVISIONS, JOBS, PODS
from tidegate.testing.forge import Forge, forge

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PLACE = "dvc+s3://bucket/files/md5/ab/" + "c" * 30
REPORT = Report(
    location=PLACE,
    sha256=sha("v1"),
    size=7,
    kind="file",
    datasets={"data.csv": "d" * 32},
    metrics=[Metric(name="auc", value=0.8, dataset="holdout.csv", md5="e" * 32)],
)
NOT_PUSHED = Terminal("ArtifactNotFound", "the remote has nothing at x: `dvc push` it")


class Repository:
    """A git server with one repository, and what its branch `main` is."""

    def __init__(self, served: Forge, folder: Path) -> None:
        self.forge = served
        self._folder = folder
        self._commits = 0

    def git(self, *arguments: str) -> str:
        command = ["git", "-C", str(self._folder), *arguments]
        who = {"GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@example", "PATH": "/usr/bin:/bin",
               "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@example"}  # fmt: skip
        done = subprocess.run(command, check=True, capture_output=True, text=True, env=who)
        return done.stdout.strip()

    def commit(self) -> str:
        """Another commit on `main`."""
        self._commits += 1
        made = self.git("commit-tree", self.git("write-tree"), "-m", f"{self._commits}")
        self.git("update-ref", "refs/heads/main", made)
        return made

    def model(self, *, path: str = "models/flight.skops", **artifact: Any) -> dict[str, Any]:
        document = model(f"dvc://{self.forge.host}/flights.git//{path}?rev=main", delivery="Direct")
        del document["spec"]["artifact"]["sha256"]
        document["spec"]["artifact"] |= artifact
        return document


@pytest.fixture
def repository(tmp_path: Path) -> Iterator[Repository]:
    folder = tmp_path / "flights.git"
    subprocess.run(["git", "init", "--quiet", "--bare", "-b", "main", folder], check=True)
    with forge(tmp_path) as served:
        yield Repository(served, folder)


async def jobs(site: Site) -> list[dict[str, Any]]:
    found = (await site.kube.user.list(JOBS, namespace=NAMESPACE)).items
    return sorted(found, key=lambda job: str(job["metadata"]["name"]))


async def other_than(site: Site, job: dict[str, Any]) -> dict[str, Any]:
    """The one Job beside another."""
    (found,) = [one for one in await jobs(site) if one["metadata"]["uid"] != job["metadata"]["uid"]]
    return found


async def put(site: Site, document: dict[str, Any]) -> dict[str, Any]:
    await site.kube.put(document)
    await site.harness.settle()
    return await site.model()


async def end(
    site: Site, job: dict[str, Any], left: str, *, exit_code: int | None = 0, reason: str = ""
) -> None:
    """Let a Job end as its own controller would say."""
    name = job["metadata"]["name"]
    uid = job["metadata"]["uid"]
    labels = {"batch.kubernetes.io/controller-uid": uid}
    pod = {
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": f"{name}-{uid[:5]}", "namespace": NAMESPACE, "labels": labels},
        "spec": job["spec"]["template"]["spec"],
    }  # fmt: skip
    created = await site.kube.user.create(PODS, pod, manager="world")
    if exit_code is not None:
        over = {"exitCode": exit_code, "reason": "x", "message": left}
        entry = {"name": "resolve", "image": "i", "imageID": "", "ready": False, "restartCount": 0}
        status = {"containerStatuses": [{**entry, "state": {"terminated": over}}]}
        await site.kube.set_status(created, {"phase": "Failed", **status})
    type_ = "Complete" if exit_code == 0 else "Failed"
    said = {"type": type_, "status": "True", "reason": reason or type_, "message": "",
            "lastTransitionTime": site.kube.clock.now().strftime("%Y-%m-%dT%H:%M:%SZ")}  # fmt: skip
    await site.kube.set_status(job, {"conditions": [said]})
    await site.harness.settle()


async def test_a_commit_is_looked_at_in_a_restricted_job_and_served_from_the_remote(
    site: Site, repository: Repository
) -> None:
    commit = repository.commit()
    found = await put(site, repository.model())
    (job,) = await jobs(site)
    resolved = condition(found, "Resolved")
    assert (resolved["status"], resolved["reason"]) == ("Unknown", "Inspecting")
    pod = job["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    said = "\0".join(container["args"])
    assert f"--repository\0http://{repository.forge.host}/flights.git\0" in said
    assert f"--commit\0{commit}\0--path=models/flight.skops\0" in said
    assert container["image"] == SETTINGS.resolver_dvc_image
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert job["spec"]["activeDeadlineSeconds"] > 0
    assert len(job["metadata"]["name"]) <= 63
    await end(site, job, write(REPORT))
    found = await site.model()
    resolved = found["status"]["resolved"]
    assert (resolved["version"], resolved["sha256"]) == (commit, REPORT.sha256)
    assert (resolved["location"], resolved["immutable"]) == (PLACE, True)
    revision = found["status"]["latestRevision"]
    made = await site.kube.user.get(CONTROLLERREVISIONS, revision, namespace=NAMESPACE)
    origin = made["data"]["origin"]
    assert (origin["gitCommit"], origin["alias"]) == (commit, "main")
    assert origin["datasets"] == [{"name": "data.csv", "digest": f"md5:{'d' * 32}"}]
    assert origin["metrics"] == [
        {"metric": "auc", "value": 0.8, "dataset": "holdout.csv", "digest": f"md5:{'e' * 32}"}
    ]
    args = made["data"]["podTemplate"]["spec"]["initContainers"][0]["args"]
    assert args[args.index("--source") + 1] == PLACE


async def test_an_unmoved_branch_costs_one_request_a_poll_and_a_moved_one_another_job(
    site: Site, repository: Repository
) -> None:
    repository.commit()
    await put(site, repository.model(pollInterval="30s"))
    (first,) = await jobs(site)
    await end(site, first, write(REPORT))
    repository.forge.asked.clear()
    await site.pass_time(seconds=31)
    assert len(repository.forge.asked) == 1
    assert [job["metadata"]["uid"] for job in await jobs(site)] == [first["metadata"]["uid"]]
    moved = repository.commit()
    await site.pass_time(seconds=31)
    new = await other_than(site, first)
    assert moved in new["spec"]["template"]["spec"]["containers"][0]["args"]
    found = await site.model()
    assert found["status"]["resolved"]["sha256"] == REPORT.sha256
    after = Report(location=PLACE, sha256=sha("v2"), size=7, kind="file", datasets={})
    await end(site, new, write(after))
    assert (await site.model())["status"]["resolved"]["sha256"] == sha("v2")
    assert [job["metadata"]["uid"] for job in await jobs(site)] == [new["metadata"]["uid"]]


async def test_an_operator_that_has_just_begun_finds_the_job_again(
    site: Site, repository: Repository
) -> None:
    repository.commit()
    await put(site, repository.model())
    (job,) = await jobs(site)
    site.harness.restart()
    site.harness.wake_all()
    await site.harness.settle()
    assert [one["metadata"]["uid"] for one in await jobs(site)] == [job["metadata"]["uid"]]
    await end(site, job, write(REPORT))
    site.harness.restart()
    site.harness.wake_all()
    await site.harness.settle()
    assert [one["metadata"]["uid"] for one in await jobs(site)] == [job["metadata"]["uid"]]
    assert condition(await site.model(), "Resolved")["status"] == "True"


async def test_what_the_job_refuses_is_said_and_tried_again_ever_later(
    site: Site, repository: Repository
) -> None:
    repository.commit()
    await put(site, repository.model())
    (first,) = await jobs(site)
    await end(site, first, write_failure(NOT_PUSHED), exit_code=1)
    said = condition(await site.model(), "Resolved")
    assert (said["reason"], said["message"]) == (NOT_PUSHED.reason, NOT_PUSHED.message)
    await site.pass_time(seconds=50)
    assert len(await jobs(site)) == 1
    await site.pass_time(seconds=75)
    (_, second) = await jobs(site)
    assert second["metadata"]["annotations"]["tidegate.dev/attempt"] == "2"
    await end(site, second, write(REPORT))
    assert condition(await site.model(), "Resolved")["status"] == "True"
    assert [job["metadata"]["name"] for job in await jobs(site)] == [second["metadata"]["name"]]


@pytest.mark.parametrize(
    ("exit_code", "left", "reason", "said"),
    [
        (137, "", "", "ended with exit code 137"),
        (None, "", "", "lost its pod"),
        (0, "nonsense", "", "exit code 0"),
        (None, "", "DeadlineExceeded", "did not end within 3600 s"),
    ],
)
async def test_a_job_that_leaves_no_report_is_named_and_what_serves_serves_on(
    site: Site, repository: Repository, exit_code: int | None, left: str, reason: str, said: str
) -> None:
    repository.commit()
    await put(site, repository.model(pollInterval="30s"))
    (first,) = await jobs(site)
    await end(site, first, write(REPORT))
    await site.pass_time(seconds=5)
    repository.commit()
    await site.pass_time(seconds=31)
    second = await other_than(site, first)
    await end(site, second, left, exit_code=exit_code, reason=reason)
    found = await site.model()
    assert condition(found, "Resolved")["reason"] == "JobFailed"
    assert said in condition(found, "Resolved")["message"]
    assert condition(found, "Available")["status"] == "True"


async def test_a_job_that_somebody_deletes_is_begun_anew_without_waiting(
    site: Site, repository: Repository
) -> None:
    repository.commit()
    await put(site, repository.model(pollInterval="1h"))
    (first,) = await jobs(site)
    await end(site, first, write_failure(NOT_PUSHED), exit_code=1)
    await site.pass_time(seconds=12)
    await site.kube.user.delete(JOBS, first["metadata"]["name"], namespace=NAMESPACE)
    await site.pass_time(seconds=2)
    (second,) = await jobs(site)
    assert second["metadata"]["uid"] != first["metadata"]["uid"]
    await end(site, second, write(REPORT))
    assert condition(await site.model(), "Resolved")["status"] == "True"


async def test_a_revision_that_is_not_there_and_a_folder_for_one_file_start_no_job(
    site: Site, repository: Repository
) -> None:
    found = await put(site, repository.model())
    assert condition(found, "Resolved")["reason"] == "ArtifactNotFound"
    assert "has no main: correct ?rev=" in condition(found, "Resolved")["message"]
    repository.commit()
    found = await put(site, repository.model(path="models/tree/"))
    assert condition(found, "Resolved")["reason"] == "FormatMismatch"
    assert await jobs(site) == []


async def test_credentials_are_mounted_and_stand_nowhere_else(
    site: Site, repository: Repository
) -> None:
    repository.commit()
    repository.forge.password = "s3cret"
    hosts = {"tidegate.dev/hosts": "127.0.0.1"}
    named = {"name": "reader", "namespace": NAMESPACE, "annotations": hosts}
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": named}
    await site.kube.put({**secret, "stringData": {"token": "s3cret"}})
    await put(site, repository.model(credentialsRef={"name": "reader"}))
    (job,) = await jobs(site)
    assert "s3cret" not in str(job)
    volumes = job["spec"]["template"]["spec"]["volumes"]
    assert [one["secret"]["secretName"] for one in volumes if "secret" in one] == ["reader"]


async def test_a_place_on_this_machine_is_held_to_the_folder_that_may_be_read(
    site: Site, repository: Repository
) -> None:
    repository.commit()
    await put(site, repository.model())
    (job,) = await jobs(site)
    place = f"dvc+file:///etc/files/md5/ab/{'c' * 30}"
    report = Report(location=place, sha256=sha("v1"), size=7, kind="file", datasets={})
    await end(site, job, write(report))
    assert condition(await site.model(), "Resolved")["reason"] == "FileOutsideRoot"


def test_each_try_waits_longer_and_none_longer_than_half_an_hour() -> None:
    pauses = [pause_after(attempt).total_seconds() for attempt in (1, 2, 3, 6, 50)]
    assert pauses == [60, 120, 240, 1800, 1800]
