"""Running the container of a gate: a Job beside the pod on trial, followed, read, and taken away.

The Job's name comes from revision and gate, so that one that was begun before a crash is found
again. Judges nothing: that is for `domain/gates/container.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tidegate.controllers.children import Children
from tidegate.domain.gates.container import Ended, judge
from tidegate.domain.gates.results import gate_hash, recorded
from tidegate.errors import Forbidden, Invalid, Retryable, Terminal
from tidegate.kube.objects import is_being_deleted, name_of
from tidegate.kube.resources import JOBS, PODS
from tidegate.specs.gate import (
    GATE_HASH_ANNOTATION,
    GATE_LABEL,
    TRIAL_ANNOTATION,
    gate_job,
    gate_job_name,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tidegate.api.gate import Gate, GateResult
    from tidegate.api.model_status import RevisionStatus
    from tidegate.kube.client import Client
    from tidegate.kube.objects import Object
    from tidegate.runtime.cache import Cache
    from tidegate.specs.metadata import Parent

JOB_LABEL = "batch.kubernetes.io/job-name"
RUNNING = "JobRunning"


@dataclass
class GateJobs:
    """Runs the containers of gates."""

    client: Client
    cache: Cache

    async def judge(self, gate: Gate, parent: Parent, *, revision: str, url: str) -> GateResult:
        """What the gate's container says, once it has ended; it is started where there is none.

        :raises Retryable: `JobRunning`: it has not ended; or it ended by what says nothing of it.
        :raises Terminal: `NameTaken`: a Job of that name belongs to somebody else; or `JobRefused`:
            the API server does not take it.
        """
        of = gate_hash(gate)
        name = gate_job_name(revision, of)
        job = self.cache.get(JOBS, parent.namespace, name)
        if job is None:
            await self._start(gate_job(parent, gate, revision=revision, gate_hash=of, url=url))
            raise Retryable(f"Job {name} has been started", reason=RUNNING)
        if is_being_deleted(job):
            raise Retryable(f"Job {name} is being deleted, and started anew", reason=RUNNING)
        over = _over(job)
        pods = (
            await self.client.list(
                PODS, namespace=parent.namespace, label_selector=f"{JOB_LABEL}={name}"
            )
        ).items
        if over is None:
            raise Retryable(f"Job {name} runs{_waiting(pods)}", reason=RUNNING)
        ended = Ended(None) if over == "DeadlineExceeded" else _ended(pods)
        if ended is None:
            await Children(self.client, self.cache).drop(JOBS, job)
            raise Retryable(
                f"the pod of Job {name} was taken away before it ended; it is started anew",
                reason=RUNNING,
            )
        return judge(gate, ended, source=f"Job {name}, image {gate.job.image if gate.job else ''}")

    async def _start(self, wanted: Object) -> None:
        try:
            await Children(self.client, self.cache).create(JOBS, wanted)
        except (Forbidden, Invalid) as error:
            raise Terminal(
                "JobRefused",
                f"the API server refuses Job {name_of(wanted)}: {error.message}; correct the gate,"
                " or the namespace's quota and policies",
            ) from error

    async def sweep(
        self, owner: Object, gates: Sequence[Gate], entry: RevisionStatus | None
    ) -> None:
        """Take away the Jobs whose results stand in status, and those that nobody waits for."""
        wanted = {
            gate_hash(gate): gate
            for gate in gates
            if gate.job is not None and recorded(entry.gates if entry else (), gate) is None
        }
        for job in self.cache.owned_by(owner, JOBS):
            if GATE_LABEL not in job["metadata"].get("labels", {}) or is_being_deleted(job):
                continue
            marks = job["metadata"].get("annotations", {})
            mine = entry is not None and marks.get(TRIAL_ANNOTATION) == entry.name
            if not mine or marks.get(GATE_HASH_ANNOTATION) not in wanted:
                await Children(self.client, self.cache).drop(JOBS, job)


def _over(job: Object) -> str | None:
    """The reason of a Job that has ended; None while it has not."""
    for condition in job.get("status", {}).get("conditions", ()):
        if condition.get("type") in ("Complete", "Failed") and condition.get("status") == "True":
            return str(condition.get("reason") or condition["type"])
    return None


def _ended(pods: Iterable[Object]) -> Ended | None:
    """How the container ended; None where no pod says: it was evicted, or deleted by hand."""
    for pod in pods:
        for status in pod.get("status", {}).get("containerStatuses", ()):
            over = status.get("state", {}).get("terminated")
            if over is not None and over.get("exitCode") is not None:
                return Ended(int(over["exitCode"]), str(over.get("message") or ""))
    return None


def _waiting(pods: Iterable[Object]) -> str:
    """What keeps a container from starting, if anything does."""
    for pod in pods:
        for status in pod.get("status", {}).get("containerStatuses", ()):
            waits = status.get("state", {}).get("waiting") or {}
            if waits.get("reason") not in (None, "ContainerCreating", "PodInitializing"):
                why = waits.get("message") or waits["reason"]
                return f"; pod {name_of(pod)} waits: {waits['reason']}: {why}"
    return ""
