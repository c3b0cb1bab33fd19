"""What a delivery decision is made from, and what it consists of.

Frozen data only: the controller gathers facts, `decide` turns them into a decision, the controller
carries it out. Nothing here looks anything up.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tidegate.domain.pods import NO_PODS, ArmPods
from tidegate.domain.route import NO_DETOURS, Detours, Routing

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime, timedelta

    from tidegate.api.model import Scaling
    from tidegate.api.model_status import DeliveryStatus
    from tidegate.api.rollout import RolloutSpec
    from tidegate.api.rollout_status import RolloutStatus
    from tidegate.domain.conditions import Said
    from tidegate.domain.evidence import Baseline, Batch, Tried, Unseen


@dataclass(frozen=True)
class RevisionFacts:
    """One revision as the Model controller made it."""

    name: str
    digest: str
    number: int = 1


@dataclass(frozen=True)
class ArmFacts:
    """What became of a revision that the strategy asks for: `source` is what it is made of (an
    artifact's SHA-256, or the revision it is a twin of). Without a revision: why (reason,
    message)."""

    name: str
    source: str
    revision: RevisionFacts | None = None
    reason: str = ""
    message: str = ""


@dataclass(frozen=True)
class RouteFacts:
    """The live route. `weights` is what it says per revision, None where there is no route, and
    `detours` what it does besides; `programmed` whether the gateway reports exactly this generation
    as effective; `message` why not."""

    weights: Mapping[str, int] | None = None
    programmed: bool = False
    message: str = ""
    detours: Detours = NO_DETOURS


@dataclass(frozen=True)
class Command:
    """One verb that a person asked for by annotation."""

    id: str
    verb: str
    by: str = ""
    attempt: int | None = None
    revision: str | None = None
    force: bool = False
    problem: str = ""
    """Why it cannot be understood; empty when it can."""


@dataclass(frozen=True)
class Facts:
    """Everything that one decision looks at.

    `latest` is the Model's newest revision, None while nothing is resolved; `arms` are those that
    the strategy asks for besides; `model_current` says whether they were made from the Model's
    present generation, `model_problem` why not. `unanswered` is why the artifact's source does not
    say whether something newer is asked for. `held_back` is why the latest may not be started yet,
    though it is there; what is under way goes on. `blocked` is why this delivery may not
    move at all (reason, message). `observation` is None when nothing was due; `baseline` likewise;
    `quiet` says whether the old arm's counters stand still (None: not known); `tried` is what came
    of trying the metrics' queries, None where that was not done. `scrape_lag` is how
    long a sample may take to be seen.
    """

    model: str
    model_generation: int
    scaling: Scaling
    delivery: DeliveryStatus
    latest: RevisionFacts | None = None
    arms: tuple[ArmFacts, ...] = ()
    model_current: bool = True
    model_problem: Said | None = None
    unanswered: Said | None = None
    held_back: Said | None = None
    pods: Mapping[str, ArmPods] = field(default_factory=dict)
    digests: Mapping[str, str] = field(default_factory=dict)
    route: RouteFacts = RouteFacts()
    route_wanted: bool = True
    observation: Batch | Unseen | None = None
    baseline: Baseline | Unseen | None = None
    quiet: bool | None = None
    tried: Tried | None = None
    command: Command | None = None
    blocked: Said | None = None

    def arm(self, revision: str | None) -> ArmPods:
        """The pods of a revision; none when it has none."""
        return self.pods.get(revision or "", NO_PODS)


@dataclass(frozen=True)
class Note:
    """One thing to tell people, as an Event on the Rollout (or Model)."""

    type: str
    reason: str
    message: str


@dataclass(frozen=True)
class Comparing:
    """Predictions of two revisions for the same mirrored requests are to be compared.

    `tolerance` is absolute, in the outputs' own unit."""

    stable: str
    candidate: str
    tolerance: float


@dataclass(frozen=True)
class Decision:
    """What is to be written and done.

    The statuses are written first, Model's then Rollout's; then `routing` (None: no route, or leave
    it) becomes the route, then `floors` the sizes, then `comparing` what compares predictions
    (None: nothing does). `after` is when to look again without being woken.
    """

    delivery: DeliveryStatus
    rollout: RolloutStatus | None
    routing: Routing | None
    floors: Mapping[str, int]
    model_said: tuple[Said, ...]
    notes: tuple[Note, ...] = ()
    after: timedelta | None = None
    why: str = ""
    comparing: Comparing | None = None

    @property
    def weights(self) -> Mapping[str, int] | None:
        """The weight of every revision in the route, in per cent; None to leave the route."""
        return self.routing.weights if self.routing else None

    @property
    def selected(self) -> str | None:
        """What the Model's Service selects: stable, but what has all the traffic as long as stable
        has no ready pod to take it back."""
        stable, phase = self.delivery.stable, self.rollout.phase if self.rollout else None
        if phase not in (None, "RollingBack"):
            return stable
        return next((name for name, w in (self.weights or {}).items() if w == 100), stable)


@dataclass(frozen=True)
class Timing:
    """How fast evidence can come: the scrape period, and the moment of the decision.

    `since` is the first look of this operator, None where that is long ago.
    """

    now: datetime
    scrape: timedelta
    since: datetime | None = None

    @property
    def lag(self) -> timedelta:
        """How far behind now a batch ends, so that every pod has been scraped (statistics 0)."""
        return 2 * self.scrape


@dataclass(frozen=True)
class Declared:
    """A Rollout as declared: its spec, its status as last written, its generation."""

    name: str
    generation: int
    spec: RolloutSpec
    status: RolloutStatus
