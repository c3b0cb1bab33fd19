"""Trainings as objects of the cluster: Jobs from a CronJob's template, and copies of a TrainJob.

What the last line of a finished pod's message says (`{"version": "…"}`) is what it registered.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tidegate.domain.training import Try
from tidegate.errors import AlreadyExists, Conflict, Invalid, NotFound, Retryable, Terminal
from tidegate.kube.objects import is_being_deleted, name_of, namespace_of, owners_of, uid_of
from tidegate.kube.resources import CRONJOBS, JOBS, PODS, TRAINJOBS
from tidegate.specs.training import job_of_cron_job, train_job_of
from tidegate.trainers.base import TRAINING_ENV

if TYPE_CHECKING:
    from datetime import timedelta

    from tidegate.kube.client import Client
    from tidegate.kube.objects import Object
    from tidegate.kube.resources import Resource
    from tidegate.trainers.base import Wanted

CREATOR = "tidegate-training"
JOB_GONE = "JobFromMissing"
NOT_SUSPENDED = "JobFromNotSuspended"
NAME_TAKEN = "NameTaken"
JOB_LABEL = "batch.kubernetes.io/controller-uid"
JOBSET_LABEL = "jobset.sigs.k8s.io/jobset-name"


class Jobs:
    """Trains by objects of one kind; `of` is the kind that they are made from."""

    poll: timedelta | None = None

    def __init__(self, client: Client, *, kind: Resource, of: Resource) -> None:
        self._client = client
        self._kind = kind
        self._of = of

    async def start(self, wanted: Wanted) -> str | None:
        name = wanted.run.job
        if await self._ours(wanted) is not None:
            return None  # begun before a crash
        template = await self._template(wanted)
        variable = (TRAINING_ENV, wanted.id)
        render = job_of_cron_job if self._kind is JOBS else train_job_of
        made = render(
            wanted.parent, template, name=name, number=wanted.run.number, variable=variable
        )
        try:
            await self._client.create(self._kind, made, manager=CREATOR)
        except AlreadyExists:
            await self._check_ours(wanted)
        except Invalid as error:
            raise Terminal(
                "JobFromInvalid",
                f"the API server refuses a {self._kind.kind} made from {name_of(template)}:"
                f" {error}",
            ) from error
        return None

    async def look(self, wanted: Wanted) -> Try:
        job = await self._ours(wanted)
        if job is None:
            return Try("Absent")
        ended = _ended(job)
        if ended is None:
            return Try("Absent" if is_being_deleted(job) else "Running")
        state, message = ended  # also of one that its TTL is taking away
        said = await self._last_words(job, wanted.parent.namespace, well=state == "Succeeded")
        if state == "Succeeded":
            return Try("Succeeded", version=said.get("version"))
        reason = said.get("message")
        return Try("Failed", f"{wanted.run.job}: {message}" + (f" ({reason})" if reason else ""))

    async def stop(self, wanted: Wanted) -> None:
        job = await self._ours(wanted)
        if job is None:
            return
        try:
            await self._client.delete(
                self._kind, name_of(job), namespace=namespace_of(job), uid=uid_of(job)
            )
        except (NotFound, Conflict):
            return  # gone, or gone and another one has its name

    async def _ours(self, wanted: Wanted) -> Object | None:
        """The try, unless the name is somebody else's, whose work is not followed or ended."""
        found = await self._find(wanted.run.job, wanted.parent.namespace)
        uid = wanted.parent.reference["uid"]
        if found is None or uid not in {owner.get("uid") for owner in owners_of(found)}:
            return None
        return found

    async def _template(self, wanted: Wanted) -> Object:
        ref = wanted.of.cron_job_ref or wanted.of.train_job_ref
        assert ref is not None, "the schema requires one"
        found = await self._find(ref.name, wanted.parent.namespace, self._of)
        if found is None:
            raise Terminal(
                JOB_GONE,
                f"{self._of.kind} {ref.name} does not exist in this namespace; create it, or"
                " correct spec.training.jobFrom",
            )
        if not found["spec"].get("suspend", False):
            raise Terminal(
                NOT_SUSPENDED,
                f"{self._of.kind} {ref.name} is not suspended, so it trains by itself too; set"
                " spec.suspend: true there",
            )
        return found

    async def _find(self, name: str, namespace: str, res: Resource | None = None) -> Object | None:
        try:
            return await self._client.get(res or self._kind, name, namespace=namespace)
        except NotFound:
            return None

    async def _check_ours(self, wanted: Wanted) -> None:
        """A name that is taken is a crash's trace when it is ours, and a problem when it is not."""
        if await self._ours(wanted) is not None:
            return
        found = await self._find(wanted.run.job, wanted.parent.namespace)
        if found is None or is_being_deleted(found):
            raise Retryable(f"{wanted.run.job} is just going")
        raise Terminal(
            NAME_TAKEN,
            f"{self._kind.kind} {wanted.run.job} belongs to somebody else; delete or rename it",
        )

    async def _last_words(self, job: Object, namespace: str, *, well: bool) -> dict[str, str]:
        """The JSON that the newest finished pod left as the last line of its message; `well`: the
        newest that ended well."""
        # By its uid: pods of an earlier Job of this name may be there still. The JobSet of a
        # TrainJob, whose uid nobody told us, is named after it.
        by_uid = self._kind is JOBS
        label = f"{JOB_LABEL}={uid_of(job)}" if by_uid else f"{JOBSET_LABEL}={name_of(job)}"
        listing = await self._client.list(PODS, namespace=namespace, label_selector=label)
        newest = sorted(listing.items, key=lambda pod: pod["metadata"]["creationTimestamp"])
        for pod in reversed(newest):
            for container in pod.get("status", {}).get("containerStatuses", ()):
                ended = container.get("state", {}).get("terminated") or {}
                if well and ended.get("exitCode") != 0:
                    continue
                if said := _parsed(ended.get("message", "")):
                    return said
        return {}


def cron_jobs(client: Client) -> Jobs:
    """Jobs from a CronJob's template."""
    return Jobs(client, kind=JOBS, of=CRONJOBS)


def train_jobs(client: Client) -> Jobs:
    """Copies of a suspended TrainJob."""
    return Jobs(client, kind=TRAINJOBS, of=TRAINJOBS)


def _ended(job: Object) -> tuple[str, str] | None:
    """Whether it is over: Complete or Failed, as Jobs and TrainJobs both say it."""
    for condition in job.get("status", {}).get("conditions", ()):
        if condition.get("status") != "True":
            continue
        if condition["type"] == "Complete":
            return "Succeeded", ""
        if condition["type"] == "Failed":
            reason = condition.get("reason", "Failed")
            return "Failed", f"{reason}: {condition.get('message', '')}".rstrip(": ")
    return None


def _parsed(message: str) -> dict[str, str]:
    lines = message.strip().splitlines()
    try:
        found: Any = json.loads(lines[-1]) if lines else None
    except ValueError:
        return {}
    if not isinstance(found, dict):
        return {}
    return {key: str(found[key])[:256] for key in ("version", "message") if found.get(key)}
