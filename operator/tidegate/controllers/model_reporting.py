"""What a Model's status says of its artifact and its revisions, and the conditions about them.

Owns the fields of status that the Model controller writes; writes them only when they differ from
what stands there. It decides nothing about pods.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tidegate.api.model_status import ArmRevision, Resolved, RevisionStatus
from tidegate.artifacts.uri import shown
from tidegate.controllers.backing import look, pods_by_revision
from tidegate.controllers.children import same_status
from tidegate.controllers.lineage import LineageArchive, stable_lineage
from tidegate.controllers.revisions import digest_of, number_of
from tidegate.controllers.statuses import StatusWriter
from tidegate.controllers.trial import passed
from tidegate.domain.admission import gates_passed
from tidegate.domain.asking import still_asked, undecided
from tidegate.domain.conditions import Said, merged
from tidegate.domain.kept import fallen, kept
from tidegate.domain.lineage import origin_of, served
from tidegate.domain.revisions import UNVERIFIED, phase_of, trial_phase, verified
from tidegate.domain.times import stamp
from tidegate.domain.write_back import untold
from tidegate.kube.objects import (
    name_of,
    owner_reference,
)
from tidegate.kube.resources import MODELS
from tidegate.specs.metadata import Parent

if TYPE_CHECKING:
    from tidegate.api.base import Condition
    from tidegate.api.model import Model
    from tidegate.api.origin import Origin
    from tidegate.controllers.revisions import Revisions
    from tidegate.controllers.trial import Trial
    from tidegate.domain.pods import ArmPods
    from tidegate.kube.client import Client
    from tidegate.kube.clock import Clock
    from tidegate.kube.objects import Object
    from tidegate.runtime.cache import Cache

STATUS_MANAGER = "tidegate-model"
CONDITION_TYPES = ("Resolved", "Verified", "GatesPassed", "Approved")
STATUS_FIELDS = {
    "resolvedGeneration", "resolved", "latestRevision", "revisions", "arms", "lineage",
}  # fmt: skip


@dataclass(frozen=True)
class Latest:
    """The revision of the current spec, or why there is none; what the Rollout asks for besides;
    and how it stands with what it has to pass, where the Model declares anything."""

    resolved: Resolved | None = None
    revision: Object | None = None
    problem: Said | None = None
    again_s: float | None = None
    why: str = ""
    arms: tuple[ArmRevision, ...] = ()
    origin: Origin | None = None
    trial: Trial | None = None


class ModelReporter:
    """Writes what the Model controller found."""

    def __init__(self, client: Client, cache: Cache, clock: Clock, revisions: Revisions) -> None:
        self._status = StatusWriter(client, cache, manager=STATUS_MANAGER)
        self._cache = cache
        self._clock = clock
        self._revisions = revisions
        self._lineage = LineageArchive(client)

    async def write(self, obj: Object, model: Model, latest: Latest) -> None:
        """Write what was found, when it differs from what stands there."""
        namespace, name = obj["metadata"]["namespace"], name_of(obj)
        revision = latest.revision
        latest_name = name_of(revision) if revision else model.status.latest_revision
        resolved = latest.resolved or model.status.resolved
        generation = int(obj["metadata"].get("generation", 0))
        parent = Parent(name, namespace, owner_reference(obj))
        made = self._revisions.of(parent)
        over = fallen(model.status, {name_of(one): number_of(one) for one in made})
        made = [one for one in made if name_of(one) not in over]
        backed = look(self._cache, model.spec.backend, namespace=namespace, model=name)
        pods = pods_by_revision(self._cache, backed, namespace, [name_of(one) for one in made])
        revisions = [
            self._revision_status(model, one, pods[name_of(one)], latest_name, latest.trial)
            for one in made
        ]
        revisions = await self._lineage.keep(model, parent, made, revisions)
        unsaid = untold(
            model.spec.artifact.write_back,
            model.status,
            {name_of(one): origin_of(one) for one in made},
        )
        revisions = kept(model.status, revisions, latest=latest_name, untold=unsaid)
        stable = stable_lineage(model, made)
        status: dict[str, Any] = {
            "resolvedGeneration": generation if revision else model.status.resolved_generation,
            "resolved": resolved.wire() if resolved else None,
            "latestRevision": latest_name,
            "revisions": [entry.wire() for entry in revisions],
            "arms": [arm.wire() for arm in latest.arms] or None,
            "lineage": stable.wire() if stable else None,
        }
        conditions = self._conditions(model, latest, latest_name, revisions, generation)
        live = obj.get("status", {})
        before = [c for c in live.get("conditions", ()) if c["type"] in CONDITION_TYPES]
        said = [condition.wire() for condition in conditions]
        if same_status(live, status, STATUS_FIELDS) and before == said:
            return
        await self._status.write(MODELS, obj, {**status, "conditions": said})

    def _conditions(
        self,
        model: Model,
        latest: Latest,
        name: str | None,
        revisions: list[RevisionStatus],
        generation: int,
    ) -> list[Condition]:
        said = []
        if latest.problem is not None:
            said.append(latest.problem)
        elif latest.resolved is not None:
            short = latest.resolved.sha256[:12]
            said.append(
                Said(
                    "Resolved",
                    "True",
                    "Resolved",
                    f"{shown(latest.resolved.location)} is sha256 {short}…",
                )
            )
        said += self._about_latest(model, latest, name, revisions, generation)
        return merged(
            model.status.conditions,
            said,
            types=CONDITION_TYPES,
            generation=generation,
            now=self._clock.now(),
        )

    def _about_latest(
        self,
        model: Model,
        latest: Latest,
        name: str | None,
        revisions: list[RevisionStatus],
        generation: int,
    ) -> list[Said]:
        """What is said of the latest revision: nothing while it is not known which that is."""
        problem = latest.problem
        if problem is not None and still_asked(model.status, problem.reason, generation=generation):
            problem = None
        if problem is not None and latest.revision is None:
            types = ["GatesPassed"] if model.spec.gates else []
            types += ["Approved"] if model.spec.approval is not None else []
            return [
                verified(problem, name=None, revisions=[])
                if problem.reason in UNVERIFIED
                else undecided("Verified", problem),
                *(undecided(type_, problem) for type_ in types),
            ]
        said = [verified(problem, name=name, revisions=revisions)]
        if model.spec.gates:
            entry = next((entry for entry in revisions if entry.name == name), None)
            said.append(gates_passed(entry.gates if entry else []))
        if latest.trial is not None and latest.trial.approved is not None:
            said.append(latest.trial.approved)
        return said

    def _revision_status(
        self,
        model: Model,
        revision: Object,
        pods: ArmPods,
        latest: str | None,
        trial: Trial | None,
    ) -> RevisionStatus:
        name = name_of(revision)
        of = digest_of(revision)
        phase, reason, message = phase_of(
            model.status.delivery, name=name, digest=of, pods=pods, latest=latest
        )
        before = next((entry for entry in model.status.revisions if entry.name == name), None)
        if trial is not None and trial.revision == name and phase == "Pending":
            phase, reason, message = trial_phase(trial.admission)
        same = before is not None and before.phase == phase
        return RevisionStatus(
            name=name,
            number=max(1, int(revision.get("revision", 1))),
            digest=of,
            phase=phase,
            reason=reason,
            message=message,
            at=before.at if same and before else stamp(self._clock.now()),
            **passed(trial, name, before),
            served=served(
                before.served if before else None,
                is_stable=name == (model.status.delivery and model.status.delivery.stable),
                now=self._clock.now(),
            ),
            lineage=before.lineage if before else None,
        )
