"""Running the container of a gate: a Job beside the pod on trial, followed, read, and taken away.

The Job's name comes from revision and gate, so that one that was begun before a crash is found
again. Judges nothing: that is for `domain/gates/container.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tidegate.controllers.children import Children
from tidegate.controllers.jobs import DEADLINE, ended, over, pods_of, taken, waiting
from tidegate.domain.gates.container import Ended, judge, lost
from tidegate.domain.gates.results import gate_hash, recorded
from tidegate.errors import Forbidden, Invalid, Retryable, Terminal
from tidegate.kube.objects import is_being_deleted, name_of
from tidegate.kube.resources import JOBS
from tidegate.specs.gate import (
    GATE_HASH_ANNOTATION,
    GATE_LABEL,
    TRIAL_ANNOTATION,
    gate_job,
    gate_job_name,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tidegate.api.gate import Gate, GateResult
    from tidegate.api.model_status import RevisionStatus
    from tidegate.kube.client import Client
    from tidegate.kube.objects import Object
    from tidegate.runtime.cache import Cache
    from tidegate.specs.metadata import Parent

RUNNING = "JobRunning"
TRIES = 3
"""So often a container is started whose pod is taken away before it ends."""


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
        names = [gate_job_name(revision, of, attempt=number + 1) for number in range(TRIES)]
        found = [self.cache.get(JOBS, parent.namespace, name) for name in names]
        attempt = max((number for number, one in enumerate(found, 1) if one is not None), default=1)
        name, job = names[attempt - 1], found[attempt - 1]
        if job is None:
            await self._start(gate_job(parent, gate, revision=revision, gate_hash=of, url=url))
            raise Retryable(f"Job {name} has been started", reason=RUNNING)
        if is_being_deleted(job):
            raise Retryable(f"Job {name} is being deleted, and started anew", reason=RUNNING)
        end = over(job)
        pods = await pods_of(self.client, job)
        if end is None:
            raise Retryable(f"Job {name} runs{waiting(pods)}", reason=RUNNING)
        how = Ended(None) if end == DEADLINE else ended(job, pods)
        source = f"Job {name}, image {gate.job.image if gate.job else ''}"
        if how is not None:
            return judge(gate, how, source=source)
        if attempt == TRIES:
            return lost(gate, tries=TRIES, why=taken(pods), source=source)
        # The Jobs before stay until the gate is judged: they are the count of its tries.
        await self._start(
            gate_job(parent, gate, revision=revision, gate_hash=of, url=url, attempt=attempt + 1)
        )
        raise Retryable(
            f"the pod of Job {name} was taken away before it ended{taken(pods)}; it is started"
            f" anew as Job {names[attempt]}",
            reason=RUNNING,
        )

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
