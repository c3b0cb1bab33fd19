"""A delivery without a cluster: `decide` again and again, with a world that follows its decisions.

Time stands still until a test lets it pass, a second a look. A gateway, pods and traffic follow
what was decided, unless the test says that they do not. After every look the invariants hold.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from tests.domain.rollout.invariants import check, positive

from tidegate.api.model import Scaling
from tidegate.api.model_status import DeliveryStatus
from tidegate.api.rollout import RolloutSpec
from tidegate.api.rollout_status import RolloutStatus
from tidegate.domain import evidence
from tidegate.domain.evidence import Arm, Batch, Reading, Unseen, ValueAsk
from tidegate.domain.pods import ArmPods, PodFailure
from tidegate.domain.rollout import (
    ArmFacts,
    Command,
    Decision,
    Declared,
    Facts,
    RevisionFacts,
    RouteFacts,
    Timing,
    WantedBatch,
    decide,
    wanted,
)
from tidegate.domain.route import NO_DETOURS, Detours
from tidegate.stats import Counts, Histogram
from tidegate.testing.metrics import DEFAULT_BOUNDS_MS, Traffic

if TYPE_CHECKING:
    from tidegate.domain.conditions import Said
    from tidegate.domain.rollout.facts import Note

START = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
SCRAPE = timedelta(seconds=1)
ERRORS = {"name": "errors", "type": "ErrorRate", "margin": {"ratio": 1.5, "absolute": 0.005}}
LATENCY = {"name": "latency", "type": "Latency", "quantiles": [0.5, 0.95], "margin": {"ratio": 1.5}}
SLO = {"name": "slo", "type": "ErrorRate", "max": 0.05}


def spec(*steps: tuple[int, int], metrics: list[Any] | None = None, **more: Any) -> RolloutSpec:
    """A Rollout's spec; steps as (weight, seconds)."""
    analysis = {
        "interval": "5s",
        "warmup": "10s",
        "minRequests": 500,
        "metrics": metrics or [ERRORS, LATENCY, SLO],
        **more.pop("analysis", {}),
    }
    listed = [
        {"weight": weight, "duration": f"{seconds}s"}
        for weight, seconds in steps or ((5, 20), (25, 20), (50, 20))
    ]
    body = {
        "modelRef": {"name": "m"},
        "strategy": more.pop("strategy", {"canary": {"steps": more.pop("steps", listed)}}),
        "analysis": analysis,
        **more,
    }
    return RolloutSpec.model_validate(body)


def revision(name: str, number: int = 1) -> RevisionFacts:
    """A revision whose digest is told by its name."""
    return RevisionFacts(name=name, digest=f"digest-of-{name}", number=number)


@dataclass
class Sim:
    """One delivery. Change its fields between looks; `weights_seen` is what the route said."""

    spec: RolloutSpec = field(default_factory=spec)
    now: datetime = START
    latest: RevisionFacts | None = field(default_factory=lambda: revision("r1"))
    arms: tuple[ArmFacts, ...] = ()
    users: float = 0.0
    """New callers a second."""
    strays: dict[str, float] = field(default_factory=dict)
    """By what factor more or fewer of them reach a revision than its weight says."""
    scaling: Scaling = field(default_factory=lambda: Scaling(min_replicas=4, max_replicas=4))
    delivery: DeliveryStatus = field(default_factory=DeliveryStatus)
    status: RolloutStatus = field(default_factory=RolloutStatus)
    sizes: dict[str, int] = field(default_factory=dict)
    ready: dict[str, int] = field(default_factory=dict)
    failures: dict[str, PodFailure] = field(default_factory=dict)
    rate: float = 200.0
    traffic: dict[str, Traffic] = field(default_factory=dict)
    outage: Unseen | None = None
    command: Command | None = None
    follows: bool = True
    route: RouteFacts = field(default_factory=RouteFacts)
    generation: int = 1
    model_generation: int = 1
    current: bool = True
    held_back: Said | None = None
    blocked: Said | None = None
    value: bool | None = None
    """Whether the condition of every metric of type Value holds; None: it has no answer."""
    quiet: bool | None = True
    notes: list[Note] = field(default_factory=list)
    weights_seen: list[dict[str, int]] = field(default_factory=list)
    detours_seen: list[Detours] = field(default_factory=lambda: [NO_DETOURS])
    batches: list[Batch] = field(default_factory=list)
    looks: int = 0
    since: datetime | None = None
    """When the operator that looks now began to."""

    # -- looking ---------------------------------------------------------------------------

    @property
    def timing(self) -> Timing:
        return Timing(now=self.now, scrape=SCRAPE, since=self.since)

    @property
    def declared(self) -> Declared:
        return Declared("flights", self.generation, self.spec, self.status)

    def pods(self) -> dict[str, ArmPods]:
        """Pods as they are: as many ready as wanted, unless a test said fewer."""
        return {
            name: ArmPods(
                exists=True,
                desired=size,
                ready=min(size, self.ready.get(name, size)),
                failure=self.failures.get(name),
            )
            for name, size in self.sizes.items()
        }

    def facts(self) -> Facts:
        """What the next look sees, metrics included."""
        facts = Facts(
            model="m",
            model_generation=self.model_generation,
            scaling=self.scaling,
            delivery=self.delivery,
            latest=self.latest,
            arms=self.arms,
            model_current=self.current,
            held_back=self.held_back,
            pods=self.pods(),
            digests={name: revision(name).digest for name in self.sizes},
            route=self.route,
            command=self.command,
            blocked=self.blocked,
        )
        if self.blocked is not None:
            return facts
        asks = wanted(self.declared, self.delivery, self.timing)
        if asks.baseline is not None:
            facts = replace(facts, baseline=self.outage or self._baseline(asks.baseline))
        if asks.batch is not None:
            seen = self.outage or self._batch(asks.batch)
            facts = replace(facts, observation=seen)
        if asks.quiet is not None:
            facts = replace(facts, quiet=self.quiet)
        return facts

    def look(self, *, written: int = 3) -> Decision:
        """Decide once and follow.

        `written` is how far the operator came before it died: 0 nothing, 1 the Model's status, 2
        the Rollout's too, 3 all of it.
        """
        before, facts = self.declared, self.facts()
        decision = decide(before, facts, self.timing)
        assert decision == decide(before, facts, self.timing), "the same facts, another decision"
        check(before, facts, decision)
        self.looks += 1
        if written >= 1:
            self.delivery = decision.delivery
        if written >= 2:
            assert decision.rollout is not None
            self.status = decision.rollout
        if written >= 3:
            self._follow(facts, decision)
        return decision

    def settle(self) -> Decision:
        """Look until nothing is to be done at once."""
        for _ in range(30):
            decision = self.look()
            if decision.after is None or decision.after > timedelta(0):
                self.look()
                return decision
        raise AssertionError(f"no rest: {decision.why}; {self.status.history[:5]}")

    def run(self, seconds: float) -> None:
        """Let time pass, a second at a time."""
        for _ in range(int(seconds)):
            self.now += timedelta(seconds=1)
            self.settle()

    def until(self, phase: str, *, minutes: float = 20) -> RolloutStatus:
        """Let time pass until the Rollout is in a phase."""
        for _ in range(int(minutes * 60)):
            if self.status.phase == phase:
                return self.status
            self.run(1)
        raise AssertionError(f"never {phase}: {self.status.phase}, {self.status.history[:4]}")

    def until_weight(self, weight: int, *, minutes: float = 20) -> None:
        """Let time pass until the candidate has a weight."""
        for _ in range(int(minutes * 60)):
            if self.weight == weight:
                return
            self.run(1)
        raise AssertionError(f"never {weight}: {self.weight}, {self.status.history[:4]}")

    # -- what a test says and reads ----------------------------------------------------------

    def stable(self) -> Sim:
        """r1 serves."""
        self.settle()
        assert self.delivery.stable == "r1"
        return self

    def ask(self, name: str, *, polled: bool = False) -> None:
        """The Model asks for another revision: it was edited, or its reference was polled and has
        moved."""
        self.latest = revision(name)
        self.model_generation += 0 if polled else 1
        self.settle()

    def say(self, verb: str, **more: Any) -> str:
        """Send a verb; returns what became of it."""
        self.command = Command(id=f"{verb}-{self.looks}", verb=verb, by="alice", **more)
        self.settle()
        assert self.status.last_command is not None
        return self.status.last_command.result

    def behave(self, name: str, **changes: float) -> None:
        """From now on a revision fails or dawdles like this."""
        self.traffic[name] = replace(self.traffic.get(name, Traffic()), **changes)

    @property
    def phase(self) -> str:
        """The Rollout's phase."""
        return self.status.phase or ""

    @property
    def weight(self) -> int:
        """The candidate's weight."""
        return next((arm.weight for arm in self.status.arms if arm.name == "candidate"), 0)

    @property
    def reasons(self) -> list[str]:
        """Reasons of the history, oldest first, as far as people are told them."""
        return [entry.reason for entry in reversed(self.status.history)]

    def told(self, reason: str) -> list[str]:
        """What was told under a reason."""
        return [note.message for note in self.notes if note.reason == reason]

    # -- the world -----------------------------------------------------------------------------

    def _follow(self, facts: Facts, decision: Decision) -> None:
        self.notes.extend(decision.notes)
        if isinstance(facts.observation, Batch):
            self.batches.append(facts.observation)
        weights = dict(decision.weights or {})
        detours = decision.routing.detours if decision.routing else NO_DETOURS
        if weights and decision.delivery.stable is not None:
            if self.follows:
                self.route = RouteFacts(weights=weights, programmed=True, detours=detours)
            elif self.route.weights != weights or self.route.detours != detours:
                self.route = replace(self.route, programmed=False, message="not yet")
            if detours not in self.detours_seen:
                self.detours_seen.append(detours)
            seen = positive(self.route.weights)
            if seen and (not self.weights_seen or self.weights_seen[-1] != seen):
                self.weights_seen.append(seen)
        named = {self.delivery.stable, self.delivery.previous, self.delivery.candidate}
        live = (
            {n for n in named if n}
            | set(self.delivery.contenders)
            | {entry.revision for entry in self.delivery.draining}
        )
        self.sizes = {name: self.sizes.get(name, 1) for name in sorted(live)}
        self.sizes |= {name: n for name, n in decision.floors.items() if name in live}

    def _baseline(self, name: str) -> evidence.Baseline:
        traffic = self.traffic.get(name, Traffic())
        n = 20000
        cumulative = tuple(round(n * traffic.share_below(bound)) for bound in DEFAULT_BOUNDS_MS)
        return evidence.Baseline(
            errors=Counts(bad=round(n * traffic.error_rate), n=n),
            latency=Histogram(DEFAULT_BOUNDS_MS, cumulative),
        )

    def _batch(self, asked: WantedBatch) -> Batch:
        share = {name: weight / 100 for name, weight in (self.route.weights or {}).items()}
        mirror = self.route.detours.mirror
        stable = self._arm(asked, asked.stable, share.get(asked.stable, 0))
        if asked.shadow:
            assert mirror is None or mirror.revision == asked.candidate
            copies = mirror.percent / 100 if mirror else 0
            candidate = self._arm(asked, asked.candidate, copies)
        else:
            candidate = self._arm(asked, asked.candidate, share.get(asked.candidate, 0))
        return Batch(
            asked.start,
            asked.end,
            stable,
            candidate,
            shadow=asked.shadow,
            others={name: self._arm(asked, name, share.get(name, 0)) for name in asked.others},
            users=self._users(asked, share),
            answers={
                ask.metric: Reading(asked.end, 0.0, self.value)
                if self.value is not None
                else Unseen("NoData", "no value")
                for ask in asked.asks
                if isinstance(ask, ValueAsk)
            },
        )

    def _users(self, asked: WantedBatch, share: dict[str, float]) -> dict[str, Counts]:
        """New callers of every arm; each fails with its first request or does not."""
        names = asked.users
        rng = random.Random(f"users {asked.start.isoformat()}")
        left = round(self.users * (asked.end - asked.start).total_seconds())
        chances = {name: share.get(name, 0) * self.strays.get(name, 1.0) for name in names}
        found, rest = {}, sum(chances.values())
        for name, chance in chances.items():
            n = rng.binomialvariate(left, min(1.0, chance / rest)) if rest > 0 else 0
            left, rest = left - n, rest - chance
            rate = self.traffic.get(name, Traffic()).error_rate
            found[name] = Counts(bad=float(rng.binomialvariate(n, rate)), n=float(n))
        return found

    def _arm(self, asked: WantedBatch, name: str, share: float) -> Arm:
        start, end, bounds = asked.start, asked.end, asked.bounds_ms
        n = round(self.rate * share * (end - start).total_seconds())
        rng = random.Random(f"{name} {start.isoformat()}")
        traffic = self.traffic.get(name, Traffic())
        errors = rng.binomialvariate(n, traffic.error_rate)
        slow = [float(rng.binomialvariate(n, 1 - traffic.share_below(bound))) for bound in bounds]
        return Arm(requests=float(n), errors=float(errors), slow=tuple(slow))
