"""Disagreement: predictions that differ from stable's for the same mirrored request (3.4).

A guard with `max` as the tolerated share. Judged while requests are mirrored only; agreement is not
quality, so it never promotes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidegate.domain.evidence import guarding
from tidegate.domain.evidence.asks import Ask, PairsAsk, Span
from tidegate.domain.evidence.base import LogE, Role, Shown, State
from tidegate.domain.evidence.batch import Paired
from tidegate.stats import NO_COUNTS, Counts

if TYPE_CHECKING:
    from tidegate.api.metric import Metric
    from tidegate.domain.evidence.batch import Baseline, Batch


class Disagreement:
    """State: `c`, disagreements of pairs; `m`, how many of these were copies: all of them."""

    def role(self, metric: Metric) -> Role:
        return Role.GUARD

    def start(self, metric: Metric, baseline: Baseline | None) -> State:
        return guarding.begin(metric, NO_COUNTS, ())

    def ask(self, metric: Metric, state: State, span: Span) -> Ask | None:
        return PairsAsk(metric.name, span.start, span.end) if span.shadow else None

    def add(self, metric: Metric, state: State, batch: Batch) -> State:
        answer = batch.answers.get(metric.name)
        if not isinstance(answer, Paired):
            return state
        pairs = Counts(*state["c"]) + answer.pairs
        n = round(pairs.n, 3)
        return {**state, "c": [round(pairs.bad, 3), n], "m": [n]}

    def log_e(self, metric: Metric, state: State) -> LogE:
        return guarding.log_e(metric, state)

    def shown(self, metric: Metric, state: State) -> Shown:
        pairs = Counts(*state["c"])
        share = "-" if pairs.estimate is None else f"{pairs.estimate:.2%}"
        limit = guarding.limit_of(metric)
        text = (
            f"{share} of the predictions differ from stable's in shadow"
            f" ({pairs.bad:.0f} of {pairs.n:.0f} pairs), limit {limit:.2%}"
        )
        return Shown("predictions that differ", pairs, message=text)
