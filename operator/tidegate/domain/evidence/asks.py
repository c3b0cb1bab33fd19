"""What is to be asked for one metric besides the gateway's counts: questions, as data.

Queries are texts with placeholders; who asks fills them in. Nothing is asked here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime, timedelta


@dataclass(frozen=True)
class Span:
    """The interval (start, end] that a batch is to cover, and what kind of batch it is. Answers
    that were missing are not asked for from before `earliest`."""

    start: datetime
    end: datetime
    shadow: bool = False
    baking: bool = False
    earliest: datetime | None = None


@dataclass(frozen=True)
class CountersAsk:
    """What both counters rose by in (start, end], for the candidate and, unless `alone`, stable.

    With a `cohort`, also how many requests each arm had in the same interval that much earlier.
    """

    metric: str
    bad: str
    total: str
    start: datetime
    end: datetime
    alone: bool = False
    cohort: timedelta | None = None


@dataclass(frozen=True)
class ValueAsk:
    """The one number of a query at a moment, and whether the condition holds of it."""

    metric: str
    query: str
    condition: str
    at: datetime


@dataclass(frozen=True)
class PairsAsk:
    """Mirrored requests that were compared in (start, end], and those that differed."""

    metric: str
    start: datetime
    end: datetime


@dataclass(frozen=True)
class PredictionsAsk:
    """Both arms' predictions by output and bin in (start, end]."""

    metric: str
    start: datetime
    end: datetime


type Ask = CountersAsk | ValueAsk | PairsAsk | PredictionsAsk
