"""What is measured: one interval of both arms, what stable did before, or why there is nothing."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from tidegate.stats import (
    Counts,
    Histogram,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime


@dataclass(frozen=True)
class Arm:
    """What one arm did in one batch: requests, errors among them, and how many were slower than
    each latency bound that was asked for. `timed` is how many the latency histogram holds, when
    that is not all of them."""

    requests: float
    errors: float
    slow: tuple[float, ...] = ()
    timed: float | None = None

    def slower(self, bound: int) -> Counts:
        """How many of the timed requests were slower than the bound with that index."""
        timed = self.requests if self.timed is None else self.timed
        return Counts(bad=self.slow[bound], n=timed)


NO_ARM = Arm(requests=0.0, errors=0.0)


@dataclass(frozen=True)
class Unseen:
    """Why there is no batch, baseline or answer: a hold reason, and what to do."""

    reason: str
    message: str


@dataclass(frozen=True)
class Rated:
    """An answer for Counters and Labels: bad ones of all, by arm, of one interval up to `end`.

    For Labels `requests` is how many requests each arm had in the cohort (candidate, stable), so
    that missing labels can be counted. `others` are further arms of a test, by revision.
    """

    end: datetime
    candidate: Counts
    stable: Counts
    requests: tuple[float, float] | None = None
    others: Mapping[str, Counts] = field(default_factory=dict)


@dataclass(frozen=True)
class Paired:
    """An answer for Disagreement: mirrored requests whose predictions differ, of those paired."""

    end: datetime
    pairs: Counts


@dataclass(frozen=True)
class Reading:
    """An answer for Value: the number, and whether the condition holds of it."""

    end: datetime
    value: float
    holds: bool


type Binned = Mapping[str, Mapping[str, float]]
"""Predictions by output and bin."""


@dataclass(frozen=True)
class Predicted:
    """An answer for PredictionDrift: the predictions of each arm in one interval."""

    end: datetime
    candidate: Binned
    stable: Binned


type Answer = Rated | Paired | Reading | Predicted | Unseen


@dataclass(frozen=True)
class Batch:
    """One interval (start, end], the same for both arms.

    `shadow`: the candidate's requests are copies. `answers` has, by metric, what was asked besides
    the gateway's counts. `bounds_ms` are the latency bounds that `Arm.slow` was counted for.
    `others` are further arms by revision; `users` are new callers of every arm by revision, and
    those among them whose first answer was bad, where they are counted.
    """

    start: datetime
    end: datetime
    stable: Arm
    candidate: Arm
    shadow: bool = False
    answers: Mapping[str, Answer] = field(default_factory=dict)
    bounds_ms: tuple[float, ...] = ()
    others: Mapping[str, Arm] = field(default_factory=dict)
    users: Mapping[str, Counts] = field(default_factory=dict)

    def about(self, revision: str) -> Batch:
        """The same, with a further arm in the candidate's place."""
        answers: dict[str, Answer] = {}
        for name, answer in self.answers.items():
            of = answer.others.get(revision) if isinstance(answer, Rated) else None
            answers[name] = answer
            if isinstance(answer, Rated) and of is not None:
                answers[name] = replace(answer, candidate=of)
        return replace(self, candidate=self.others[revision], answers=answers)

    @property
    def seconds(self) -> float:
        """How much time the batch covers."""
        return (self.end - self.start).total_seconds()


type Halves = Sequence[tuple[Counts, Counts]]
"""One arm split in two, block by block of a minute."""


@dataclass(frozen=True)
class Baseline:
    """What stable did before the attempt: errors of requests, and its latency histogram.

    `rate` is its requests a second lately (None: not known). `errors_halves` and `slow_halves` (by
    latency bound in ms) are the same requests split in two by the minute, to measure bursts with.
    """

    errors: Counts
    latency: Histogram
    rate: float | None = None
    errors_halves: Halves = ()
    slow_halves: Mapping[float, Halves] = field(default_factory=dict)
