"""Users' own queries and conditions before anything is judged by them: what is wrong with them?

Owns which questions a trial asks, and what can be said of a condition without asking anybody. How
often is tried is the controller's.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from tidegate.domain.evidence.asks import Ask, CountersAsk, ValueAsk
from tidegate.domain.evidence.batch import Unseen
from tidegate.domain.evidence.condition import condition_problem

if TYPE_CHECKING:
    from datetime import datetime

    from tidegate.api.analysis import Analysis

BAD_METRIC = "BadMetric"
"""The reason of a hold, and of conditions, for what a person must mend in a metric."""
_TRIAL = timedelta(minutes=1)


@dataclass(frozen=True)
class Tried:
    """What came of trying the queries of a metric. `wrong` is None where nothing is wrong;
    `again` says when to try again, where Prometheus could not tell."""

    wrong: Unseen | None = None
    again: timedelta | None = None


def trials(analysis: Analysis, *, end: datetime) -> tuple[Ask, ...]:
    """Users' own queries, to be tried before the candidate gets its first request."""
    found: list[Ask] = []
    for metric in analysis.metrics:
        queries = metric.prometheus
        if queries is None:
            continue
        if queries.query is not None:
            found.append(ValueAsk(metric.name, queries.query, metric.condition or "", end))
        else:
            bad, total = queries.bad or "", queries.total or ""
            found.append(CountersAsk(metric.name, bad, total, end - _TRIAL, end, alone=True))
    return tuple(found)


def wrong_condition(analysis: Analysis) -> Unseen | None:
    """The first condition that cannot be judged, and how to mend it; None when all can."""
    for metric in analysis.metrics:
        problem = condition_problem(metric.condition) if metric.condition is not None else None
        if problem is not None:
            return Unseen(BAD_METRIC, f"metric {metric.name}: {problem}")
    return None
