"""What a delivery is decided from, read from the cache.

Reads only. Turns raw objects into the facts of `domain`; what the metrics say is `observing`'s.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pydantic import ValidationError

from tidegate.api.model import Model
from tidegate.api.model_status import DeliveryStatus
from tidegate.api.rollout import Rollout
from tidegate.artifacts.uri import shown
from tidegate.backends.refusals import lacking as lacking_in_backend
from tidegate.controllers.acting import Acting
from tidegate.controllers.backing import look, pods_by_revision
from tidegate.domain.admission import held_back
from tidegate.domain.asking import missing, unanswered
from tidegate.domain.claims import Claimant, conflict, places
from tidegate.domain.conditions import Said
from tidegate.domain.restarting import unrestartable
from tidegate.domain.revisions import live_revisions
from tidegate.domain.rollout import (
    ArmFacts,
    Declared,
    Facts,
    RevisionFacts,
    RouteFacts,
)
from tidegate.domain.rollout.commands import ANNOTATION, read
from tidegate.domain.runtimes import unmeasured
from tidegate.errors import Terminal
from tidegate.kube.objects import is_being_deleted, name_of, namespace_of
from tidegate.kube.resources import (
    CONTROLLERREVISIONS,
    MODELS,
    resource,
)
from tidegate.specs.metadata import MODEL_LABEL
from tidegate.specs.revision import DIGEST_ANNOTATION
from tidegate.traffic.features import lacking
from tidegate.traffic.registry import provider_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tidegate.api.model_status import ArmRevision
    from tidegate.api.rollout import RolloutSpec
    from tidegate.controllers.backing import Backed
    from tidegate.kube.objects import Object
    from tidegate.runtime.cache import Cache
    from tidegate.settings import Settings
    from tidegate.traffic.base import TrafficProvider

CONFLICTED = "Conflicted"
ENVOY_GATEWAY = "envoy-gateway"
"""The value of TIDEGATE_METRICS_PROFILE."""
_CLAIMED = "claimed"
"""Index of the cache: Models by what they claim."""


@dataclass(frozen=True)
class Gathered:
    """One Model's delivery as it is found. `rollout` is the one that acts, `others` those that do
    not; `provider` is None without a traffic section, and where none of it is known; `backed` is
    None where the pods are Tidegate's own."""

    obj: Object
    model: Model
    facts: Facts
    rollout: Object | None = None
    declared: Declared | None = None
    others: tuple[Object, ...] = ()
    conflict: str | None = None
    provider: TrafficProvider | None = None
    backed: Backed | None = None

    @property
    def namespace(self) -> str:
        return str(self.obj["metadata"]["namespace"])

    @property
    def name(self) -> str:
        return name_of(self.obj)


class Gatherer:
    """Reads what a delivery is decided from."""

    def __init__(self, cache: Cache, settings: Settings) -> None:
        self._cache = cache
        self._settings = settings
        self._acting = Acting(cache)
        cache.add_index(MODELS, _CLAIMED, _claimed)

    def rollouts(self, namespace: str, model: str) -> list[Object]:
        """The Rollouts that name a Model, the oldest first: only that one acts."""
        return self._acting.rollouts(namespace, model)

    def gather(self, obj: Object) -> Gathered:
        """Everything but the metrics."""
        model = Model.model_validate(obj)
        name, namespace = name_of(obj), str(obj["metadata"]["namespace"])
        rollouts = self.rollouts(namespace, name)
        acting, others = None, tuple(rollouts)
        if model.spec.delivery == "Rollout" and rollouts:
            acting, others = rollouts[0], tuple(rollouts[1:])
        declared = _declared(acting) if acting is not None else None
        against = self._conflict(obj, model)
        apart = self._settings.metrics_profile == ENVOY_GATEWAY
        provider, unknown = _provider(model, apart=apart)
        backed = look(self._cache, model.spec.backend, namespace=namespace, model=name)
        facts = self._facts(obj, model, provider, backed)
        if acting is not None:
            command = acting["metadata"].get("annotations", {}).get(ANNOTATION)
            facts = replace(facts, command=read(command))
        if against is not None:
            facts = replace(facts, blocked=Said("Ready", "False", CONFLICTED, against))
        elif unknown is not None:
            facts = replace(facts, blocked=unknown)
        elif declared is not None:
            facts = replace(facts, blocked=self._obstacle(obj, declared, model, provider, backed))
        return Gathered(obj, model, facts, acting, declared, others, against, provider, backed)

    def _obstacle(
        self,
        obj: Object,
        declared: Declared,
        model: Model,
        provider: TrafficProvider | None,
        backed: Backed | None,
    ) -> Said | None:
        """Why a Rollout cannot be carried out here at all. A backend fetches without our cache."""
        if backed is not None:
            profile = self._settings.metrics_profile
            return lacking_in_backend(backed.backend, declared.spec, profile=profile)
        return (
            unrestartable(self._places(obj, model), cached=self._settings.cache_claim is not None)
            or lacking(provider, declared.spec.strategy)
            or unmeasured(model.spec.runtime, declared.spec.analysis)
        )

    def _places(self, obj: Object, model: Model) -> Iterator[tuple[str, str, bool]]:
        """The revisions that take part, and where what they are made of lies."""
        names = live_revisions(model.status.delivery) | {model.status.latest_revision}
        names |= {arm.revision for arm in model.status.arms}
        for revision in self._cache.list(
            CONTROLLERREVISIONS, namespace_of(obj), labels={MODEL_LABEL: name_of(obj)}
        ):
            if name_of(revision) in names:
                artifact = revision["data"]["artifact"]
                immutable = bool(artifact.get("immutable"))
                yield name_of(revision), shown(str(artifact["location"])), immutable

    def _facts(
        self,
        obj: Object,
        model: Model,
        provider: TrafficProvider | None,
        backed: Backed | None,
    ) -> Facts:
        name, namespace = name_of(obj), str(obj["metadata"]["namespace"])
        generation = int(obj["metadata"].get("generation", 0))
        revisions = {
            name_of(revision): _revision(revision)
            for revision in self._cache.list(
                CONTROLLERREVISIONS, namespace, labels={MODEL_LABEL: name}
            )
        }
        latest = revisions.get(model.status.latest_revision or "")
        route = backed.seen.route if backed else self._route(provider, namespace, name)
        delivery = model.status.delivery or _recovered(route, revisions)
        current = model.status.resolved_generation == generation
        held = held_back(model.spec, model.status, delivery, current=current)
        rejected = latest is not None and any(r.digest == latest.digest for r in delivery.rejected)
        problem = missing(model.status, generation=generation)
        return Facts(
            model=name,
            model_generation=generation,
            scaling=model.spec.scaling,
            delivery=delivery,
            latest=latest,
            arms=tuple(_arm_facts(entry, revisions) for entry in model.status.arms),
            model_current=current,
            model_problem=problem or (None if rejected else held),
            unanswered=unanswered(model.status, generation=generation),
            held_back=held,
            pods=pods_by_revision(self._cache, backed, namespace, revisions),
            digests={revision: facts.digest for revision, facts in revisions.items()},
            route=route,
            route_wanted=model.spec.traffic is not None or backed is not None,
        )

    def _route(self, provider: TrafficProvider | None, namespace: str, name: str) -> RouteFacts:
        """What the provider's live route says. One that is being deleted is none."""
        if provider is None:
            return RouteFacts()
        route = self._cache.get(resource(*provider.kinds[0]), namespace, name)
        gone = route is None or is_being_deleted(route)
        return provider.observe(None if gone else route)

    def _conflict(self, obj: Object, model: Model) -> str | None:
        if model.spec.traffic is None:
            return None
        mine = _claimant(obj, model)
        near = {
            (namespace_of(other), name_of(other)): other
            for place in places(mine)
            for other in self._cache.indexed(MODELS, _CLAIMED, place)
            if not is_being_deleted(other)
        }
        others = [_claimant(other, Model.model_validate(other)) for other in near.values()]
        return conflict(mine, others)


def _claimed(model: Object) -> Iterable[tuple[str, str]]:
    """Where a Model wants traffic: only Models of one place can be in each other's way."""
    if "traffic" not in model.get("spec", {}):
        return ()
    try:
        return places(_claimant(model, Model.model_validate(model)))
    except ValidationError:
        return ()  # what cannot be read gets no route, so it is in nobody's way


def _declared(rollout: Object) -> Declared:
    parsed = Rollout.model_validate(rollout)
    spec: RolloutSpec = parsed.spec
    generation = int(rollout["metadata"].get("generation", 0))
    return Declared(name_of(rollout), generation, spec, parsed.status)


def _revision(obj: Object) -> RevisionFacts:
    return RevisionFacts(
        name=name_of(obj),
        digest=obj["metadata"].get("annotations", {}).get(DIGEST_ANNOTATION, ""),
        number=int(obj.get("revision", 1)),
    )


def _arm_facts(entry: ArmRevision, revisions: dict[str, RevisionFacts]) -> ArmFacts:
    """What the Model controller says of a revision that the strategy asks for."""
    return ArmFacts(
        name=entry.name,
        source=entry.source,
        revision=revisions.get(entry.revision or ""),
        reason=entry.reason or "",
        message=entry.message or "",
    )


def _provider(model: Model, *, apart: bool) -> tuple[TrafficProvider | None, Said | None]:
    """The Model's traffic provider, or why it is none that is known."""
    try:
        return provider_of(model.spec.traffic, apart=apart), None
    except Terminal as error:
        return None, Said("Ready", "False", error.reason, error.message)


def _recovered(route: RouteFacts, revisions: dict[str, RevisionFacts]) -> DeliveryStatus:
    """Status was lost (restored from a backup): stable is what carries most traffic now."""
    said = route.weights or {}
    weights = {name: w for name, w in said.items() if name in revisions and w > 0}
    if not weights:
        return DeliveryStatus()
    return DeliveryStatus(stable=max(sorted(weights), key=lambda name: weights[name]))


def _claimant(obj: Object, model: Model) -> Claimant:
    created = obj["metadata"].get("creationTimestamp", "")
    return Claimant(namespace_of(obj) or "", name_of(obj), created, model.spec)
