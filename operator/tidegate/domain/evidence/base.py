"""What every type of metric is: the protocol behind which each stands in a module of its own.

A new type is one module with one class, and one line in `registry.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, Protocol

from tidegate.stats import NO_COUNTS

if TYPE_CHECKING:
    from tidegate.api.metric import Metric
    from tidegate.domain.evidence.asks import Ask, Span
    from tidegate.domain.evidence.batch import Baseline, Batch, Unseen
    from tidegate.stats import Counts

type State = dict[str, Any]
"""What a metric carries from batch to batch; JSON without NaN or infinity, below a kilobyte or
two."""


class Role(Enum):
    """What a metric's evidence may do."""

    COMPARISON = "compares the arms: takes back and promotes"
    GUARD = "holds the candidate under a limit: takes back, never promotes"
    CHECK = "has no error control: takes back and holds back promotion by a plain rule"
    LATE = "compares the arms after the promotion, while baking: takes back only"


@dataclass(frozen=True)
class LogE:
    """Evidence in nats. `promote` is None for what never promotes."""

    rollback: float
    promote: float | None = None


@dataclass(frozen=True)
class Shown:
    """What people see of a metric: what was counted, of which arm how much."""

    what: str
    candidate: Counts = NO_COUNTS
    stable: Counts = NO_COUNTS
    message: str = ""
    """In words; made from the counts when empty."""


class MetricKind(Protocol):
    """One type of metric. Pure: states go in and come out, and nothing else is kept.

    `add` is called with every batch of an attempt; a type that is asked apart looks for its answer
    in `batch.answers` and leaves its evidence as it is where there is none.
    """

    def role(self, metric: Metric) -> Role:
        """What the metric's evidence may do."""
        ...

    def start(self, metric: Metric, baseline: Baseline | None) -> State | Unseen:
        """No evidence yet, with what is frozen for the attempt; `Unseen` when that is missing."""
        ...

    def ask(self, metric: Metric, state: State, span: Span) -> Ask | None:
        """What to ask besides the gateway's counts for this span."""
        ...

    def add(self, metric: Metric, state: State, batch: Batch) -> State:
        """The state after one more batch."""
        ...

    def log_e(self, metric: Metric, state: State) -> LogE:
        """The evidence so far."""
        ...

    def shown(self, metric: Metric, state: State) -> Shown:
        """What people see."""
        ...
