"""What the delivery controller would do now: the same gathering and decision, nothing written.

Reads lists of what the controller watches. Manifests that are not applied yet are laid over what
the cluster has, with the generation that applying them would give.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tidegate.api.model import Model
from tidegate.api.rollout import Rollout
from tidegate.backends.registry import backend_kinds
from tidegate.controllers.delivery import decision_for
from tidegate.controllers.gathering import Gatherer
from tidegate.controllers.observing import Observer
from tidegate.controllers.revisions import server_image
from tidegate.domain.admission import to_pass
from tidegate.domain.plan import Effect, Plan, model_effects, plan_of, rollout_effects
from tidegate.domain.revision import digest, identity, revision_name
from tidegate.domain.rollout import RevisionFacts, Timing, wanted
from tidegate.errors import Forbidden, NotFound
from tidegate.kube.objects import MANAGED_BY, MANAGED_BY_LABEL, is_being_deleted, name_of
from tidegate.kube.resources import (
    CONTROLLERREVISIONS,
    DEPLOYMENTS,
    MODELS,
    PODS,
    ROLLOUTS,
    Resource,
    resource,
)
from tidegate.runtime.cache import Cache
from tidegate.specs.metadata import MODEL_LABEL
from tidegate.traffic.registry import own_kinds

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tidegate.controllers.gathering import Gathered
    from tidegate.domain.rollout.facts import Decision
    from tidegate.kube.client import Client, Listing
    from tidegate.kube.objects import Object
    from tidegate.metrics.base import Metrics
    from tidegate.settings import Settings

_OURS = f"{MANAGED_BY_LABEL}={MANAGED_BY}"
_READ = (
    (CONTROLLERREVISIONS, _OURS),
    (DEPLOYMENTS, MODEL_LABEL),
    (PODS, MODEL_LABEL),
    (ROLLOUTS, None),
)


@dataclass(frozen=True)
class Planned:
    """One delivery, as it is and as the next look would make it.

    `effects` are those of manifests; `revision` is the revision that an edited Model would make,
    empty where it makes none or where that is not known yet. `unasked` says what was not asked of
    the metrics.
    """

    gathered: Gathered
    decision: Decision
    plan: Plan
    effects: tuple[Effect, ...] = ()
    revision: str = ""
    unasked: str = ""

    @property
    def changes(self) -> bool:
        """Whether anything would be done, now or by applying the manifests."""
        return self.plan.changes or bool(self.effects)


class Planner:
    """Plans the deliveries of one namespace. Its client only lists."""

    def __init__(
        self,
        client: Client,
        settings: Settings,
        metrics: Metrics | None,
        *,
        namespace: str,
    ) -> None:
        self._client = client
        self._settings = settings
        self._metrics = metrics
        self._namespace = namespace
        self._cache = Cache(client.clock)
        self._live: dict[tuple[Resource, str], Object] = {}

    async def read(self) -> None:
        """Read what the controller would have in its cache."""
        try:
            models = await self._client.list(MODELS)
        except Forbidden:  # then a claim of another namespace is not seen
            models = await self._client.list(MODELS, namespace=self._namespace)
        self._cache.replace(MODELS, models)
        for res, labels in _READ:
            self._cache.replace(res, await self._list(res, labels))
        for kind in (*own_kinds(), *backend_kinds()):
            res = resource(*kind)
            try:
                self._cache.replace(res, await self._list(res, _OURS))
            except NotFound:
                continue  # the cluster does not have that provider or backend

    async def _list(self, res: Resource, labels: str | None) -> Listing:
        return await self._client.list(res, namespace=self._namespace, label_selector=labels)

    def live(self, res: Resource, name: str) -> Object | None:
        """What the cluster has under a name, before manifests are laid over."""
        return self._live.get((res, name)) or self._cache.get(res, self._namespace, name)

    def lay_over(self, manifests: Iterable[tuple[Resource, Object]]) -> None:
        """Pretend that manifests of this namespace were applied."""
        for res, manifest in manifests:
            name = name_of(manifest)
            live = self._cache.get(res, self._namespace, name)
            if live is not None:
                self._live[res, name] = live
            self._cache.note(res, _applied(res, live, manifest, self._namespace))

    def models(self) -> list[str]:
        """The names of all Models that are there, or would be."""
        listed = self._cache.list(MODELS, self._namespace)
        return [name_of(each) for each in listed if not is_being_deleted(each)]

    def model_of(self, rollout: str) -> str | None:
        """The Model that a Rollout names."""
        found = self._cache.get(ROLLOUTS, self._namespace, rollout)
        return None if found is None else str(found["spec"]["modelRef"]["name"])

    async def plan(self, model: str, *, edited: Sequence[tuple[Resource, str]] = ()) -> Planned:
        """What would be done about a Model. `edited` names the manifests that were laid over.

        Raises NotFound when there is no such Model.
        """
        obj = self._cache.get(MODELS, self._namespace, model)
        if obj is None:
            raise NotFound(f"Model {model} does not exist in namespace {self._namespace}")
        gatherer = Gatherer(self._cache, self._settings)
        gathered = gatherer.gather(obj)
        timing = Timing(now=self._client.clock.now(), scrape=self._settings.scrape_interval)
        effects: list[Effect] = []
        revision = ""
        if (MODELS, model) in edited:
            gathered, revision, words = self._revised(gathered)
            effects += self._model_effects(gathered, model, words)
        acting = name_of(gathered.rollout) if gathered.rollout is not None else ""
        if (ROLLOUTS, acting) in edited:
            effects += self._rollout_effects(gathered, acting)
        unasked = self._unasked(gathered, timing)
        if not unasked:
            observer = Observer(self._client.clock, self._metrics)
            gathered = await observer.observe(gathered, timing)
        decision = decision_for(gathered, timing)
        plan = plan_of(gathered.declared, gathered.facts, decision)
        return Planned(gathered, decision, plan, tuple(effects), revision, unasked)

    def _unasked(self, gathered: Gathered, timing: Timing) -> str:
        """What the controller would ask of the metrics now, where nobody can be asked here."""
        if self._metrics is not None or gathered.declared is None:
            return ""
        asks = wanted(gathered.declared, gathered.facts.delivery, timing)
        if asks.baseline is not None:
            return "what stable did before"
        if asks.batch is not None:
            return "the batch that is due"
        return ""

    # -- edited manifests ----------------------------------------------------------------------

    def _model_effects(self, gathered: Gathered, model: str, words: str) -> tuple[Effect, ...]:
        live = self._live.get((MODELS, model))
        before = Model.model_validate({"spec": live["spec"]}).spec.wire() if live else {}
        wire = gathered.model.spec.wire()
        return model_effects(before, wire, stands=live is not None, revision=words)

    def _rollout_effects(self, gathered: Gathered, rollout: str) -> tuple[Effect, ...]:
        live = self._live.get((ROLLOUTS, rollout))
        before = Rollout.model_validate({"spec": live["spec"]}).spec.wire() if live else {}
        assert gathered.declared is not None, "a Rollout that acts is declared"
        return rollout_effects(before, gathered.declared, stands=live is not None)

    def _revised(self, gathered: Gathered) -> tuple[Gathered, str, str]:
        """The same as once the edited Model is resolved, as far as that is known; the revision's
        name, and in words what becomes of it."""
        facts, model = gathered.facts, gathered.model
        sha256 = self._sha256(gathered)
        if facts.model_current:
            return gathered, "", "nothing of the revision changes"
        if sha256 is None:
            return gathered, "", "the artifact is resolved first: new content is a new revision"
        of = digest(identity(model.spec, sha256=sha256, image=self._image(gathered)))
        latest = facts.latest
        if latest is not None and latest.digest == of:
            found = replace(facts, model_current=True, model_problem=None)
            return replace(gathered, facts=found), "", f"still revision {latest.name}"
        name = revision_name(gathered.name, of)
        known = name in facts.digests
        number = (latest.number if latest else 0) + 1
        revision = RevisionFacts(name=name, digest=of, number=number)
        delivery = facts.delivery
        asked = name not in (delivery.stable, delivery.candidate, *delivery.contenders)
        held = to_pass(model.spec, name) if asked else None
        found = replace(
            facts, latest=revision, model_current=True, model_problem=None, held_back=held
        )
        words = f"back to revision {name}" if known else f"a new revision: {name}"
        if held is not None:
            words += f"; before it comes in, {held.message.removeprefix(f'{name}: ')}"
        return replace(gathered, facts=found), name, words

    def _sha256(self, gathered: Gathered) -> str | None:
        """What the artifact will hash to: as pinned, or as resolved before when it is the same."""
        artifact, status = gathered.model.spec.artifact, gathered.model.status
        if artifact.sha256 is not None:
            return artifact.sha256
        live = self._live.get((MODELS, gathered.name))
        same = live is not None and live["spec"].get("artifact", {}).get("uri") == artifact.uri
        return status.resolved.sha256 if same and status.resolved is not None else None

    def _image(self, gathered: Gathered) -> str:
        """The runtime image that the operator uses, as its latest revision says where that is of
        the same runtime."""
        latest = gathered.facts.latest
        found = (
            self._cache.get(CONTROLLERREVISIONS, self._namespace, latest.name) if latest else None
        )
        runtime = gathered.model.spec.runtime
        frozen = (found or {}).get("data", {}).get("identity", {}).get("runtime", {})
        if frozen.get("image") and frozen.get("name") == runtime.name:
            return str(frozen["image"])
        return server_image(runtime, self._settings)


def _applied(res: Resource, live: Object | None, manifest: Object, namespace: str) -> Object:
    """An object as it would stand after a manifest was applied; unchanged where it says the
    same."""
    if live is None:
        metadata = {"creationTimestamp": "9999-01-01T00:00:00Z", **manifest["metadata"]}
        return {
            **manifest,
            "apiVersion": res.api_version,
            "kind": res.kind,
            "metadata": {**metadata, "namespace": namespace, "generation": 1, "uid": ""},
            "status": {"conditions": []},
        }
    kind = Model if res is MODELS else Rollout
    before, after = (kind.model_validate({"spec": each["spec"]}) for each in (live, manifest))
    generation = int(live["metadata"].get("generation", 0)) + (before.spec != after.spec)
    # A version of its own: the cache keeps what it knows of the same one.
    version = f"{live['metadata'].get('resourceVersion', '')}-edited"
    metadata = {**live["metadata"], "generation": generation, "resourceVersion": version}
    return {**live, "spec": manifest["spec"], "metadata": metadata}
