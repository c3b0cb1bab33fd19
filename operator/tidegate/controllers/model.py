"""The Model controller: resolves the artifact, makes revisions, keeps the pods of the live ones.

Reads which revisions are live from `status.delivery`, which the delivery controller alone writes;
moves no traffic and never changes the size of anything. A revision's pod template is rendered once
and frozen.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from tidegate.api.model import Model
from tidegate.api.model_status import Resolved
from tidegate.artifacts.credentials import NO_CREDENTIALS, Credentials
from tidegate.controllers.approving import Approving
from tidegate.controllers.arms import Arms
from tidegate.controllers.children import Children
from tidegate.controllers.credentials import credentials_of
from tidegate.controllers.gating import Gating
from tidegate.controllers.model_reporting import Latest, ModelReporter
from tidegate.controllers.revisions import Revisions, is_twin
from tidegate.controllers.trial import Trials, serving
from tidegate.domain.conditions import Said
from tidegate.domain.revisions import live_revisions
from tidegate.domain.times import stamp
from tidegate.domain.verification import verify
from tidegate.errors import Retryable, Terminal
from tidegate.kube.objects import (
    is_being_deleted,
    labels_of,
    name_of,
    namespace_of,
    owner_reference,
    uid_of,
)
from tidegate.kube.resources import (
    CONTROLLERREVISIONS,
    DEPLOYMENTS,
    HORIZONTALPODAUTOSCALERS,
    MODELS,
    PODDISRUPTIONBUDGETS,
    SERVICES,
)
from tidegate.runtime.request import Request, Result
from tidegate.specs.autoscaler import disruption_budget
from tidegate.specs.deployment import deployment, first_deployment
from tidegate.specs.metadata import MODEL_LABEL, REVISION_LABEL, Parent
from tidegate.specs.service import revision_service

if TYPE_CHECKING:
    from tidegate.artifacts.base import Resolved as Found
    from tidegate.inference.pods import Inference
    from tidegate.kube.client import Client
    from tidegate.kube.clock import Clock
    from tidegate.kube.events import Recorder
    from tidegate.kube.objects import Object
    from tidegate.runtime.cache import Cache
    from tidegate.settings import Settings

RETRY_S = 10.0
SERVED_KINDS = (
    HORIZONTALPODAUTOSCALERS, PODDISRUPTIONBUDGETS, SERVICES, DEPLOYMENTS,
)  # fmt: skip
"""What a live revision has; in the order in which it goes."""


class Resolver(Protocol):
    """Turns an artifact's URI into an immutable version of it."""

    async def resolve(
        self,
        uri: str,
        *,
        sha256: str | None,
        previous: Found | None,
        credentials: Credentials = NO_CREDENTIALS,
    ) -> Found:
        """The version behind a URI. `previous` is what was found last, so that an unchanged one is
        cheap.

        :raises Terminal: it will not work until somebody changes something.
        :raises Retryable: the source did not answer.
        """
        ...


@dataclass(frozen=True)
class _Seen:
    """What was asked of an artifact's source last, and when."""

    asked: tuple[str, str | None]
    at: float
    found: Found


class ModelReconciler:
    """Brings one Model from its artifact to the pods of its live revisions."""

    def __init__(
        self,
        client: Client,
        cache: Cache,
        recorder: Recorder,
        clock: Clock,
        settings: Settings,
        resolver: Resolver,
        inference: Inference,
    ) -> None:
        self._client = client
        self._cache = cache
        self._clock = clock
        self._settings = settings
        self._resolver = resolver
        self._children = Children(client, cache)
        self._revisions = Revisions(client, cache, self._children, settings)
        self._arms = Arms(client, cache, clock, self._revisions, resolver)
        approving = Approving(client, recorder, namespace=settings.namespace)
        gating = Gating(client, cache, inference)
        self._trials = Trials(cache, clock, recorder, gating, approving)
        self._reporter = ModelReporter(client, cache, clock, self._revisions)
        self._seen: dict[str, _Seen] = {}

    async def reconcile(self, request: Request) -> Result:
        """One look at one Model. Children of a deleted one go by their owner references."""
        obj = self._cache.get(MODELS, request.namespace, request.name)
        if obj is None or is_being_deleted(obj):
            return Result.done()
        model = Model.model_validate(obj)
        parent = Parent(request.name, request.namespace, owner_reference(obj))
        latest = await self._latest(obj, model, parent)
        arms, again_s = await self._arms.make(model, parent)
        problem = latest.problem
        trial = await self._trials.look(obj, model, latest.revision, origin=latest.origin)
        latest = replace(latest, trial=trial)
        try:
            with_pods = live_revisions(model.status.delivery)
            if trial is not None and trial.pod:
                with_pods.add(trial.revision)
            await self._keep_live(model, parent, with_pods)
        except Terminal as error:
            problem = Said("Resolved", "False", error.reason, error.message)
        kept = {arm.revision for arm in arms if arm.revision is not None}
        await self._prune(obj, model, latest, kept)
        await self._reporter.write(obj, model, replace(latest, problem=problem, arms=tuple(arms)))
        if trial is not None:
            await self._trials.tell(obj, trial)
        waits = [(latest.again_s, latest.why), (again_s, "the artifact of an arm may appear")]
        if trial is not None:
            waits.append((trial.again_s, "the revision on trial"))
        found = [(after, why) for after, why in waits if after is not None]
        return Result.after(*min(found)) if found else Result.done()

    # -- artifact and revision -----------------------------------------------------------------

    async def _latest(self, obj: Object, model: Model, parent: Parent) -> Latest:
        """Resolve the artifact and make its revision, unless both are there already."""
        poll = model.spec.artifact.poll_interval.total_seconds()
        try:
            found = await self._resolve(obj, model)
            self._verify(model, parent, found)
            revision = await self._revisions.make(model.spec, parent, found)
            if name_of(revision) != model.status.latest_revision:
                revision = await self._revisions.renumber(parent, revision)
        except Retryable as error:
            said = Said("Resolved", "Unknown", error.reason, error.message)
            return Latest(problem=said, again_s=RETRY_S, why="the artifact's source")
        except Terminal as error:
            said = Said("Resolved", "False", error.reason, error.message)
            return Latest(problem=said, again_s=max(RETRY_S, poll), why="the artifact may appear")
        resolved = self._resolved(model, found)
        found_out = Latest(resolved, revision, origin=found.origin)
        if model.spec.artifact.sha256 is not None:
            return found_out
        return replace(found_out, again_s=poll, why="the artifact is polled")

    def _verify(self, model: Model, parent: Parent, found: Found) -> None:
        """Check a version before a revision is made of it; one that is there was checked then."""
        if self._revisions.known(model.spec, parent, sha256=found.sha256) is not None:
            return
        delivery = model.status.delivery
        stable = (delivery.stable if delivery else None) or ""
        revision = self._cache.get(CONTROLLERREVISIONS, parent.namespace, stable)
        verify(model.spec, found.origin, serving(revision) if revision is not None else None)

    async def _resolve(self, obj: Object, model: Model) -> Found:
        """What stands behind the URI; a pinned artifact is asked for once, others by their
        interval."""
        artifact = model.spec.artifact
        asked = (artifact.uri, artifact.sha256)
        seen = self._seen.get(uid_of(obj))
        now = self._clock.monotonic()
        previous = None
        if seen is not None and seen.asked == asked:
            young = now - seen.at < artifact.poll_interval.total_seconds()
            if artifact.sha256 is not None or young:
                return seen.found
            previous = seen.found
        found = await self._resolver.resolve(
            artifact.uri,
            sha256=artifact.sha256,
            previous=previous,
            credentials=await credentials_of(
                artifact, namespace=str(namespace_of(obj)), client=self._client
            ),
        )
        self._seen[uid_of(obj)] = _Seen(asked, now, found)
        return found

    def _resolved(self, model: Model, found: Found) -> Resolved:
        """The status entry; the time stays while nothing changed, so that nothing is written."""
        before = model.status.resolved
        same = before is not None and (before.sha256, before.location) == (
            found.sha256,
            found.location,
        )
        return Resolved(
            version=found.version,
            location=found.location,
            sha256=found.sha256,
            format=model.spec.artifact.format,
            size=found.size,
            kind=found.kind,
            immutable=found.immutable,
            at=before.at if same and before else stamp(self._clock.now()),
        )

    # -- pods of live revisions ----------------------------------------------------------------

    async def _keep_live(self, model: Model, parent: Parent, live: set[str]) -> None:
        """Revisions with pods have a Deployment, a Service and a budget; the others nothing."""
        refused: Terminal | None = None
        for revision in self._revisions.of(parent):
            if name_of(revision) not in live:
                continue
            try:
                await self._serve(parent, revision)
            except Terminal as error:  # the others, stable above all, are kept all the same
                refused = refused or error
        for res in SERVED_KINDS:
            for child in self._cache.list(res, parent.namespace, labels={MODEL_LABEL: parent.name}):
                of = labels_of(child).get(REVISION_LABEL)
                if of is not None and of not in live and not is_being_deleted(child):
                    await self._children.drop(res, child)
        if refused is not None:
            raise refused

    async def _serve(self, parent: Parent, revision: Object) -> None:
        name, template = name_of(revision), revision["data"]["podTemplate"]
        if self._cache.get(DEPLOYMENTS, parent.namespace, name) is None:
            first = first_deployment(parent, revision=name, pod_template=template)
            await self._children.create(DEPLOYMENTS, first)
        await self._children.ensure(
            DEPLOYMENTS, deployment(parent, revision=name, pod_template=template)
        )
        await self._children.ensure(SERVICES, revision_service(parent, revision=name))
        await self._children.ensure(PODDISRUPTIONBUDGETS, disruption_budget(parent, revision=name))

    async def _prune(self, obj: Object, model: Model, latest: Latest, kept: set[str]) -> None:
        """Drop the oldest revisions that serve nothing, beyond the limit, and twins at once."""
        parent = Parent(name_of(obj), obj["metadata"]["namespace"], {})
        used = live_revisions(model.status.delivery) | {model.status.latest_revision} | kept
        if latest.revision is not None:
            used.add(name_of(latest.revision))
        spare = [r for r in self._revisions.of(parent) if name_of(r) not in used]
        twins = [revision for revision in spare if is_twin(revision)]
        others = [revision for revision in spare if not is_twin(revision)]
        traced = {entry.name for entry in model.status.revisions if entry.lineage}
        old = [r for r in others[model.spec.revision_history_limit :] if name_of(r) in traced]
        for revision in [*twins, *old]:
            await self._children.drop(CONTROLLERREVISIONS, revision)
