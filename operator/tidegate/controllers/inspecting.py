"""What a dvc:// artifact is: its commit is asked of the git server, the rest is looked at in a Job.

A clone and the package `dvc` are too much for the operator. A Job's name comes from what it looks
at, so that one that was begun before a crash is found again; the one that succeeded is kept, so
that an operator that has just begun need not look again. One that failed is tried anew, ever later.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from tidegate.artifacts.base import check_pin
from tidegate.artifacts.dvc.reference import reference
from tidegate.artifacts.dvc.report import Report, read
from tidegate.artifacts.dvc.source import check_format, resolved
from tidegate.controllers.children import Children
from tidegate.controllers.jobs import DEADLINE, ended, over, pods_of, waiting
from tidegate.domain.inspection import is_due
from tidegate.domain.times import moment
from tidegate.errors import Forbidden, Invalid, Retryable, Terminal
from tidegate.kube.objects import is_being_deleted, labels_of, name_of
from tidegate.kube.resources import JOBS
from tidegate.specs.inspection import (
    ATTEMPT_ANNOTATION,
    INSPECTION_LABEL,
    TIMEOUT_S,
    Inspection,
    inspection_job,
)

if TYPE_CHECKING:
    from datetime import datetime

    from tidegate.api.artifact import Artifact
    from tidegate.artifacts.base import Resolved as Found
    from tidegate.artifacts.credentials import Credentials
    from tidegate.artifacts.dvc.advertised import Advertised
    from tidegate.artifacts.dvc.reference import Reference
    from tidegate.kube.client import Client
    from tidegate.kube.clock import Clock
    from tidegate.kube.objects import Object
    from tidegate.runtime.cache import Cache
    from tidegate.settings import Settings
    from tidegate.specs.metadata import Parent

INSPECTING = "Inspecting"
JOB_REFUSED = "JobRefused"
JOB_FAILED = "JobFailed"
_COMMIT_S = 60.0
"""How long a commit that is being looked at is not asked for again."""
_SHOWN = 300


@dataclass
class Inspections:
    """Resolves dvc:// artifacts. Close it; it keeps connections to git servers."""

    client: Client
    cache: Cache
    clock: Clock
    settings: Settings
    _advertised: Advertised | None = None
    _commits: dict[tuple[str, str, str], tuple[str, float]] = field(default_factory=dict)

    async def resolve(
        self,
        parent: Parent,
        artifact: Artifact,
        *,
        previous: Found | None,
        credentials: Credentials,
    ) -> Found:
        """As `Registry.resolve`, for a Model.

        :raises Terminal: as the git server and the Job's report say; JobFailed: the Job left none;
            JobRefused: the API server does not take it.
        :raises Retryable: Inspecting: the Job has not ended.
        """
        named, pinned = reference(artifact.uri), artifact.sha256
        check_format(named, artifact.format)
        if previous is not None and (named.is_commit or previous.sha256 == pinned):
            check_pin(artifact.uri, found=previous.sha256, pinned=pinned)
            return previous
        key = (parent.namespace, parent.name, artifact.uri)
        commit, until = self._commits.get(key, ("", 0.0))
        if self.clock.monotonic() >= until:
            commit, until = await self._commit(named, credentials), 0.0
        if previous is not None and previous.version == commit:
            check_pin(artifact.uri, found=previous.sha256, pinned=pinned)
            return previous
        wanted = Inspection(
            artifact=artifact,
            url=named.url(credentials),
            commit=commit,
            path=named.path,
            image=self.settings.resolver_dvc_image,
            size_limit_bytes=self.settings.artifact_limit_bytes,
        )
        # While it is looked at it stands for a while: every change of a pod leads here.
        self._commits[key] = (commit, until or self.clock.monotonic() + _COMMIT_S)
        report = await self._report(parent, wanted)
        root = self.settings.file_root
        found = resolved(
            named, report, url=wanted.url, commit=commit, at=self.clock.now(),
            root=Path(root) if root else None,
        )  # fmt: skip
        check_pin(artifact.uri, found=found.sha256, pinned=pinned, means=f"commit {commit}")
        return found

    async def close(self) -> None:
        """Close what is open."""
        if self._advertised is not None:
            await self._advertised.close()

    async def _commit(self, named: Reference, credentials: Credentials) -> str:
        """The commit that a revision is now."""
        if self._advertised is None:
            # Late: it carries libraries that most operators have no use for.
            from tidegate.artifacts.dvc.advertised import Advertised

            self._advertised = Advertised()
        return await self._advertised.commit(named, credentials)

    async def _report(self, parent: Parent, wanted: Inspection) -> Report:
        tries = self._tries(parent, wanted.key(parent))
        if not tries:
            raise await self._begin(parent, wanted, attempt=1)
        job = tries[-1]
        end = over(job)
        pods = await pods_of(self.client, job)
        if is_being_deleted(job) or end is None:
            raise _inspecting(wanted, f"Job {name_of(job)} looks at it{waiting(pods)}")
        self._commits.pop((parent.namespace, parent.name, wanted.artifact.uri), None)
        how = ended(job, pods)
        said = read(how.left) if how is not None else None
        if isinstance(said, Report):
            await self._sweep(parent, job)
            return said
        attempt = _attempt(job)
        lost = how is None and end in _COMPLETE
        if lost or is_due(attempt, failed_at=_ended_at(job), now=self.clock.now()):
            raise await self._begin(parent, wanted, attempt=attempt + 1)
        await self._sweep(parent, job)
        if said is not None:
            raise said
        raise _failed(job, end, code=how.exit_code if how else None, left=how.left if how else "")

    async def _begin(self, parent: Parent, wanted: Inspection, *, attempt: int) -> Retryable:
        """Start a try; what is raised then."""
        job = inspection_job(parent, wanted, attempt=attempt)
        try:
            await Children(self.client, self.cache).create(JOBS, job)
        except (Forbidden, Invalid) as error:
            raise Terminal(
                JOB_REFUSED,
                f"the API server refuses Job {name_of(job)}, which resolves dvc://:"
                f" {error.message}; correct the namespace's quota and policies",
            ) from error
        return _inspecting(wanted, f"Job {name_of(job)} has been started")

    def _tries(self, parent: Parent, key: str) -> list[Object]:
        found = [job for job in self._of(parent) if labels_of(job)[INSPECTION_LABEL] == key]
        return sorted(found, key=_attempt)

    def _of(self, parent: Parent) -> list[Object]:
        owner = {"metadata": {"uid": parent.reference["uid"]}}
        return [
            job for job in self.cache.owned_by(owner, JOBS) if INSPECTION_LABEL in labels_of(job)
        ]

    async def _sweep(self, parent: Parent, kept: Object) -> None:
        """Take away the Model's other Jobs that have ended."""
        for job in self._of(parent):
            others = name_of(job) != name_of(kept) and not is_being_deleted(job)
            if others and over(job) is not None:
                await Children(self.client, self.cache).drop(JOBS, job)


_COMPLETE = ("Complete", "CompletionsReached")
"""Reasons of a Job that succeeded. Without a pod it was taken away since: look again."""


def _inspecting(wanted: Inspection, what: str) -> Retryable:
    return Retryable(f"{wanted.url} at {wanted.commit[:12]}: {what}", reason=INSPECTING)


def _attempt(job: Object) -> int:
    text = job["metadata"].get("annotations", {}).get(ATTEMPT_ANNOTATION, "1")
    return int(text) if text.isdigit() else 1


def _ended_at(job: Object) -> datetime | None:
    """When a Job ended, as its condition says."""
    for condition in job.get("status", {}).get("conditions", ()):
        ended = condition.get("type") in ("Complete", "Failed")
        if ended and condition.get("lastTransitionTime"):
            return moment(condition["lastTransitionTime"])
    return None


def _failed(job: Object, end: str, *, code: int | None, left: str) -> Terminal:
    """Why a Job ended without a report."""
    if end == DEADLINE:
        why = f"did not end within {TIMEOUT_S} s: is its image there, the remote fast enough?"
    elif code is None:
        why = "lost its pod"
    else:
        why = f"ended with exit code {code} (137: too little memory): {left.strip()[-_SHOWN:]}"
    return Terminal(
        JOB_FAILED,
        f"Job {name_of(job)}, which resolves dvc://, {why}; it is tried again, at once when you"
        " delete it",
    )
