"""What a delivery is decided from, read from the cache and from the metrics.

Reads only. Turns raw objects into the facts of `domain`, and answers of the metrics into batches.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from tidegate.api.model import DeliveryStatus, Model
from tidegate.api.rollout import Rollout
from tidegate.domain import evidence
from tidegate.domain.claims import Claimant, conflict
from tidegate.domain.conditions import Said, find
from tidegate.domain.evidence import Arm, Unseen
from tidegate.domain.pods import arm_pods
from tidegate.domain.rollout import (
    Declared,
    Facts,
    RevisionFacts,
    RouteFacts,
    Timing,
    WantedBatch,
    wanted,
)
from tidegate.domain.rollout.commands import ANNOTATION, read
from tidegate.domain.rollout.wanted import BASELINE_WINDOW
from tidegate.errors import Terminal
from tidegate.kube.objects import is_being_deleted, name_of, namespace_of
from tidegate.kube.resources import (
    CONTROLLERREVISIONS,
    DEPLOYMENTS,
    MODELS,
    PODS,
    ROLLOUTS,
    resource,
)
from tidegate.metrics.base import Error, NoData, Value
from tidegate.specs.metadata import MODEL_LABEL, REVISION_LABEL
from tidegate.specs.revision import DIGEST_ANNOTATION
from tidegate.traffic.features import lacking
from tidegate.traffic.registry import provider_of

if TYPE_CHECKING:
    from datetime import datetime

    from tidegate.api.rollout import RolloutSpec
    from tidegate.kube.clock import Clock
    from tidegate.kube.objects import Object
    from tidegate.metrics.base import Batch, TrafficMetrics
    from tidegate.runtime.cache import Cache
    from tidegate.settings import Settings
    from tidegate.traffic.base import TrafficProvider

SKEW_LIMIT = timedelta(seconds=5)
CONFLICTED = "Conflicted"


@dataclass(frozen=True)
class Gathered:
    """One Model's delivery as it is found. `rollout` is the one that acts, `others` those that do
    not; `provider` is None without a traffic section, and where none of it is known."""

    obj: Object
    model: Model
    facts: Facts
    rollout: Object | None = None
    declared: Declared | None = None
    others: tuple[Object, ...] = ()
    conflict: str | None = None
    provider: TrafficProvider | None = None

    @property
    def namespace(self) -> str:
        return str(self.obj["metadata"]["namespace"])

    @property
    def name(self) -> str:
        return name_of(self.obj)


class Gatherer:
    """Reads what a delivery is decided from."""

    def __init__(
        self, cache: Cache, clock: Clock, settings: Settings, metrics: TrafficMetrics | None
    ) -> None:
        self._cache = cache
        self._clock = clock
        self._settings = settings
        self._metrics = metrics

    def rollouts(self, namespace: str, model: str) -> list[Object]:
        """The Rollouts that name a Model, the oldest first: only that one acts."""
        found = [
            rollout
            for rollout in self._cache.list(ROLLOUTS, namespace)
            if rollout["spec"]["modelRef"]["name"] == model and not is_being_deleted(rollout)
        ]
        return sorted(found, key=lambda r: (r["metadata"].get("creationTimestamp", ""), name_of(r)))

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
        provider, unknown = _provider(model)
        facts = self._facts(obj, model, provider)
        if acting is not None:
            command = acting["metadata"].get("annotations", {}).get(ANNOTATION)
            facts = replace(facts, command=read(command))
        if against is not None:
            facts = replace(facts, blocked=Said("Ready", "False", CONFLICTED, against))
        elif unknown is not None:
            facts = replace(facts, blocked=unknown)
        elif declared is not None:
            facts = replace(facts, blocked=self._obstacle(declared, provider))
        return Gathered(obj, model, facts, acting, declared, others, against, provider)

    def _obstacle(self, declared: Declared, provider: TrafficProvider | None) -> Said | None:
        """Why a Rollout cannot be carried out here at all."""
        if self._settings.cache_claim is None:
            return _artifact_mutable()
        return lacking(provider, declared.spec.strategy)

    def _facts(self, obj: Object, model: Model, provider: TrafficProvider | None) -> Facts:
        name, namespace = name_of(obj), str(obj["metadata"]["namespace"])
        generation = int(obj["metadata"].get("generation", 0))
        revisions = {
            name_of(revision): _revision(revision)
            for revision in self._cache.list(
                CONTROLLERREVISIONS, namespace, labels={MODEL_LABEL: name}
            )
        }
        latest = revisions.get(model.status.latest_revision or "")
        route = self._route(provider, namespace, name)
        delivery = model.status.delivery or _recovered(route, revisions)
        current = model.status.resolved_generation == generation
        return Facts(
            model=name,
            model_generation=generation,
            scaling=model.spec.scaling,
            delivery=delivery,
            latest=latest,
            model_current=current,
            model_problem=_model_problem(model, generation),
            pods={
                revision: arm_pods(
                    self._cache.get(DEPLOYMENTS, namespace, revision),
                    self._cache.list(PODS, namespace, labels={REVISION_LABEL: revision}),
                )
                for revision in revisions
            },
            digests={revision: facts.digest for revision, facts in revisions.items()},
            route=route,
            route_wanted=model.spec.traffic is not None,
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
        others = [
            _claimant(other, Model.model_validate(other))
            for other in self._cache.list(MODELS)
            if "traffic" in other["spec"] and not is_being_deleted(other)
        ]
        return conflict(_claimant(obj, model), others)

    # -- metrics -------------------------------------------------------------------------------

    async def observe(self, gathered: Gathered, timing: Timing) -> Gathered:
        """The same with what the metrics say, as far as this look needs to know it."""
        if gathered.declared is None or gathered.facts.blocked is not None:
            return gathered
        asks = wanted(gathered.declared, gathered.facts.delivery, timing)
        facts = gathered.facts
        if asks.baseline is not None:
            facts = replace(facts, baseline=await self._baseline(gathered, asks.baseline, timing))
        if asks.batch is not None:
            facts = replace(facts, observation=await self._batch(gathered, asks.batch, timing))
        if asks.quiet is not None:
            facts = replace(facts, quiet=await self._quiet(gathered, *asks.quiet))
        return replace(gathered, facts=facts)

    async def _baseline(
        self, gathered: Gathered, revision: str, timing: Timing
    ) -> evidence.Baseline | Unseen:
        problem = await self._clock_problem()
        if problem is not None or self._metrics is None:
            return problem or _no_metrics()
        answer = await self._metrics.baseline(
            _cluster(gathered, revision), end=timing.now - timing.lag, window=BASELINE_WINDOW
        )
        found = _value(answer, no_data="NoBaseline")
        if isinstance(found, Unseen):
            return found
        return evidence.Baseline(errors=found.error_counts, latency=found.histogram)

    async def _batch(
        self, gathered: Gathered, asked: WantedBatch, timing: Timing
    ) -> evidence.Batch | Unseen:
        problem = await self._clock_problem()
        if problem is not None or self._metrics is None:
            return problem or _no_metrics()
        stable = _cluster(gathered, asked.stable)
        candidate = _cluster(gathered, asked.candidate) + ("/shadow" if asked.shadow else "")
        answer = await self._metrics.batch(
            [stable, candidate], start=asked.start, end=asked.end, thresholds_ms=asked.bounds_ms
        )
        found = _value(answer, no_data="NoData")
        if isinstance(found, Unseen):
            return found
        return evidence.Batch(
            start=found.start,
            end=found.end,
            stable=_arm(found, stable),
            candidate=_arm(found, candidate),
            shadow=asked.shadow,
        )

    async def _quiet(
        self, gathered: Gathered, revision: str, start: datetime, end: datetime
    ) -> bool | None:
        """Whether an arm had no requests in an interval; None when that cannot be told."""
        if self._metrics is None:
            return None
        cluster = _cluster(gathered, revision)
        answer = await self._metrics.batch([cluster], start=start, end=end, thresholds_ms=())
        found = _value(answer, no_data="NoData")
        return None if isinstance(found, Unseen) else found.arms[cluster].requests == 0

    async def _clock_problem(self) -> Unseen | None:
        """Prometheus's clock must be near the API server's, or intervals mean something else."""
        if self._metrics is None:
            return _no_metrics()
        answer = await self._metrics.clock()
        found = _value(answer, no_data="MetricsUnavailable")
        if isinstance(found, Unseen):
            return found
        skew = found - self._clock.now()
        if abs(skew) <= SKEW_LIMIT:
            return None
        return Unseen(
            "ClockSkew",
            f"Prometheus's clock is {skew.total_seconds():+.1f} s off the API server's;"
            " synchronise the clocks",
        )


def _value[T](answer: Value[T] | NoData | Error, *, no_data: str) -> T | Unseen:
    match answer:
        case Value(value=value):
            return value
        case NoData(reason=why):
            return Unseen(no_data, why)
        case Error(reason=why):
            return Unseen("MetricsUnavailable", why)


def _no_metrics() -> Unseen:
    return Unseen(
        "MetricsUnavailable",
        "no Prometheus is configured: set TIDEGATE_PROMETHEUS_URL for the operator",
    )


def _cluster(gathered: Gathered, revision: str) -> str:
    """The gateway's name of the cluster behind a revision."""
    return f"{gathered.namespace}/{gathered.name}/{revision}"


def _arm(batch: Batch, cluster: str) -> Arm:
    counts = batch.arms[cluster]
    return Arm(requests=counts.requests, errors=counts.errors, slow=counts.slow, timed=counts.timed)


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


def _provider(model: Model) -> tuple[TrafficProvider | None, Said | None]:
    """The Model's traffic provider, or why it is none that is known."""
    try:
        return provider_of(model.spec.traffic), None
    except Terminal as error:
        return None, Said("Ready", "False", error.reason, error.message)


def _recovered(route: RouteFacts, revisions: dict[str, RevisionFacts]) -> DeliveryStatus:
    """Status was lost (restored from a backup): stable is what carries most traffic now."""
    said = route.weights or {}
    weights = {name: w for name, w in said.items() if name in revisions and w > 0}
    if not weights:
        return DeliveryStatus()
    return DeliveryStatus(stable=max(sorted(weights), key=lambda name: weights[name]))


def _model_problem(model: Model, generation: int) -> Said | None:
    """Why there is no revision of the present generation, as the Model controller said it."""
    resolved = find(model.status.conditions, "Resolved")
    if resolved is None or resolved.status == "True":
        return None
    if (resolved.observed_generation or 0) < generation:
        return None
    return Said("Resolved", resolved.status, resolved.reason, resolved.message)


def _claimant(obj: Object, model: Model) -> Claimant:
    created = obj["metadata"].get("creationTimestamp", "")
    return Claimant(namespace_of(obj) or "", name_of(obj), created, model.spec)


def _artifact_mutable() -> Said:
    return Said(
        "Ready",
        "False",
        "ArtifactMutable",
        (
            "file:// and http(s):// artifacts can change, and no cache keeps them, so stable could"
            " not be restarted; set TIDEGATE_CACHE_CLAIM to a PersistentVolumeClaim, or use"
            " delivery: Direct"
        ),
    )
