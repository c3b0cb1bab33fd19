"""The Model controller: resolves the artifact, makes revisions, keeps the pods of the live ones.

Reads which revisions are live from `status.delivery`, which the delivery controller alone writes;
moves no traffic and never changes the size of anything. A revision's pod template is rendered once
and frozen.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tidegate.api.model import Model
from tidegate.api.model_status import Resolved
from tidegate.controllers.approving import Approving
from tidegate.controllers.arms import Arms
from tidegate.controllers.children import Children
from tidegate.controllers.credentials import Secrets
from tidegate.controllers.gating import Gating
from tidegate.controllers.keeping import Keeping
from tidegate.controllers.model_reporting import Latest, ModelReporter
from tidegate.controllers.polling import Polling, jittered
from tidegate.controllers.resolving import Resolving
from tidegate.controllers.revisions import Revisions, is_twin, number_of
from tidegate.controllers.trial import Trials, serving
from tidegate.controllers.vetting import Vetting
from tidegate.domain.conditions import Said
from tidegate.domain.kept import fallen
from tidegate.domain.revisions import live_revisions
from tidegate.domain.times import stamp
from tidegate.domain.verification import verify
from tidegate.errors import Retryable, Terminal
from tidegate.kube.objects import (
    is_being_deleted,
    labels_of,
    name_of,
    owner_reference,
)
from tidegate.kube.resources import (
    CONTROLLERREVISIONS,
    DEPLOYMENTS,
    HORIZONTALPODAUTOSCALERS,
    MODELS,
    NETWORKPOLICIES,
    PODDISRUPTIONBUDGETS,
    SERVICES,
)
from tidegate.runtime.request import Request, Result
from tidegate.specs.autoscaler import disruption_budget
from tidegate.specs.deployment import deployment, first_deployment
from tidegate.specs.metadata import MODEL_LABEL, REVISION_LABEL, Parent
from tidegate.specs.network_policy import Callers, network_policy
from tidegate.specs.service import revision_service

if TYPE_CHECKING:
    from tidegate.artifacts.base import Resolved as Found
    from tidegate.controllers.inspecting import Inspections
    from tidegate.controllers.resolving import Resolver
    from tidegate.inference.pods import Inference
    from tidegate.kube.client import Client
    from tidegate.kube.clock import Clock
    from tidegate.kube.events import Recorder
    from tidegate.kube.objects import Object
    from tidegate.runtime.cache import Cache
    from tidegate.settings import Settings

RETRY_S = 10.0
REFUSED_S = 60.0
"""Until a source that refused is asked again at the latest: what mends it (a file, a Secret) wakes
nobody."""
SERVED_KINDS = (
    HORIZONTALPODAUTOSCALERS, PODDISRUPTIONBUDGETS, SERVICES, DEPLOYMENTS,
)  # fmt: skip
"""What a live revision has; in the order in which it goes."""


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
        inspections: Inspections | None = None,
    ) -> None:
        self._client = client
        self._cache = cache
        self._clock = clock
        self._settings = settings
        secrets = Secrets(client, settings.require_secret_hosts, settings.mlflow_url)
        self._polling = Polling(secrets, clock, resolver, inspections)
        self._vetting = Vetting(secrets, clock)
        self._children = Children(client, cache)
        self._revisions = Revisions(client, cache, self._children, settings)
        self._arms = Arms(cache, clock, self._revisions, Resolving(secrets, resolver, inspections))
        approving = Approving(client, recorder, namespace=settings.namespace)
        gating = Gating(client, cache, inference)
        self._trials = Trials(cache, clock, recorder, gating, approving)
        self._keeping = Keeping(client, cache, clock, settings)
        self._reporter = ModelReporter(client, cache, clock, self._revisions)

    async def reconcile(self, request: Request) -> Result:
        """One look at one Model. Children of a deleted one go by their owner references."""
        obj = self._cache.get(MODELS, request.namespace, request.name)
        if obj is None or is_being_deleted(obj):
            self._polling.forget(request.namespace, request.name)
            self._vetting.forget(request.namespace, request.name)
            return Result.done()
        model = Model.model_validate(obj)
        parent = Parent(request.name, request.namespace, owner_reference(obj))
        latest = await self._latest(obj, model, parent)
        arms, again_s = await self._arms.make(model, parent)
        problem = latest.problem
        trial = await self._trials.look(obj, model, latest.revision, origin=latest.origin)
        latest = replace(latest, trial=trial)
        # Before the first pod: one that starts without the list uses the cache as nobody.
        await self._keeping.tell(request.namespace)
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

    def hint(self, request: Request) -> None:
        """Have the next look at a Model ask its artifact's source, due or not."""
        self._polling.hint(request.namespace, request.name)

    # -- artifact and revision -----------------------------------------------------------------

    async def _latest(self, obj: Object, model: Model, parent: Parent) -> Latest:
        """Resolve the artifact and make its revision, unless both are there already."""
        try:
            found = await self._polling.resolve(obj, model.spec.artifact)
            await self._verify(obj, model, parent, found)
            revision = await self._revisions.make(model.spec, parent, found)
            if name_of(revision) != model.status.latest_revision:
                revision = await self._revisions.renumber(parent, revision)
        except Retryable as error:
            said = Said("Resolved", "Unknown", error.reason, error.message)
            return Latest(problem=said, again_s=RETRY_S, why="the artifact's source")
        except Terminal as error:
            said = Said("Resolved", "False", error.reason, error.message)
            poll = model.spec.artifact.poll_interval.total_seconds()
            again_s = max(RETRY_S, jittered(min(poll, REFUSED_S)))
            return Latest(problem=said, again_s=again_s, why="the artifact may appear")
        resolved = self._resolved(model, found)
        found_out = Latest(resolved, revision, origin=found.origin)
        if model.spec.artifact.sha256 is not None:
            return found_out
        again_s = self._polling.again_s(obj)
        return replace(found_out, again_s=again_s, why="the artifact is polled")

    async def _verify(self, obj: Object, model: Model, parent: Parent, found: Found) -> None:
        """Check a version before a revision is made of it; one that is there was checked then, but
        for its signature: other keys may be asked for since, or it was not to be signed."""
        new = self._revisions.known(model.spec, parent, sha256=found.sha256) is None
        if new:
            delivery = model.status.delivery
            stable = (delivery.stable if delivery else None) or ""
            revision = self._cache.get(CONTROLLERREVISIONS, parent.namespace, stable)
            verify(model.spec, found.origin, serving(revision) if revision is not None else None)
        await self._vetting.check(obj, model.spec.artifact, found, new=new)

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
        """Revisions with pods have a Deployment, a Service and a budget; the others nothing. Where
        a backend runs the pods, the delivery writes its object and nothing is to be done here."""
        if model.spec.backend != "Native":
            return
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
        await self._guard(parent, live)
        if refused is not None:
            raise refused

    async def _guard(self, parent: Parent, live: set[str]) -> None:
        """Say who may connect to the pods, once there are any, unless the installation says that
        others see to that."""
        found = self._cache.get(NETWORKPOLICIES, parent.namespace, parent.name)
        if self._settings.network_policy and live:
            callers = Callers(
                gateways=self._settings.gateway_namespaces,
                prometheus=self._settings.prometheus_namespaces,
                operator=self._settings.namespace,
            )
            await self._children.ensure(NETWORKPOLICIES, network_policy(parent, callers))
        elif found is not None and labels_of(found).get(MODEL_LABEL) == parent.name:
            await self._children.drop(NETWORKPOLICIES, found)

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
        traced |= fallen(model.status, {name_of(one): number_of(one) for one in others})
        old = [r for r in others[model.spec.revision_history_limit :] if name_of(r) in traced]
        for revision in [*twins, *old]:
            await self._children.drop(CONTROLLERREVISIONS, revision)
