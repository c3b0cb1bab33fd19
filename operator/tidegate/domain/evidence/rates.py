"""ErrorRate and Counters: bad ones of all, compared with stable (1.3) or under a limit (1.5).

They differ only in who counts: the gateway answers by class, or two counters of the user's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidegate.domain.evidence import comparing, guarding
from tidegate.domain.evidence.asks import Ask, CountersAsk, Span
from tidegate.domain.evidence.base import LogE, Role, Shown, State
from tidegate.domain.evidence.batch import Rated
from tidegate.domain.evidence.comparing import Seen
from tidegate.stats import NO_COUNTS, Counts, Margin
from tidegate.stats.blocks import Blocks

if TYPE_CHECKING:
    from tidegate.api.metric import Metric
    from tidegate.domain.evidence.batch import Baseline, Batch


BLOCK_S = 60.0
"""Seconds of a block: what comes together within one counts once."""


def margin_of(metric: Metric) -> Margin:
    """The margin of a metric that has one."""
    assert metric.margin is not None, "the schema requires a margin or a limit"
    return Margin(ratio=metric.margin.ratio, absolute=metric.margin.absolute or 0.0)


class Rate:
    """Bad ones of all: the gateway's errors, or the user's counters when `apart`."""

    def __init__(self, *, apart: bool) -> None:
        self._apart = apart
        self._what = "bad" if apart else "errors"

    def role(self, metric: Metric) -> Role:
        return Role.GUARD if metric.margin is None else Role.COMPARISON

    def start(self, metric: Metric, baseline: Baseline | None) -> State:
        known = baseline is not None and not self._apart
        history = baseline.errors if baseline is not None and known else NO_COUNTS
        halves = baseline.errors_halves if baseline is not None and known else ()
        if metric.margin is None:
            return guarding.begin(metric, history, halves)
        return comparing.begin([history], [halves])

    def ask(self, metric: Metric, state: State, span: Span) -> Ask | None:
        if not self._apart:
            return None
        queries = metric.prometheus
        assert queries is not None, "the schema requires queries"
        bad, total = queries.bad or "", queries.total or ""
        return CountersAsk(metric.name, bad, total, span.start, span.end, alone=span.baking)

    def add(self, metric: Metric, state: State, batch: Batch) -> State:
        seen = self._seen(metric, batch)
        if seen is None:
            return state
        if metric.margin is None:
            return guarding.added(metric, state, seen, shadow=batch.shadow)
        after = comparing.added(state, [margin_of(metric)], [seen], shadow=batch.shadow)
        return after if "b" in after else {**after, "w": in_blocks(state, seen, batch.seconds)}

    def log_e(self, metric: Metric, state: State) -> LogE:
        return guarding.log_e(metric, state) if metric.margin is None else comparing.log_e(state)

    def shown(self, metric: Metric, state: State) -> Shown:
        if metric.margin is None:
            return Shown(self._what, *guarding.counted(state))
        return Shown(self._what, *comparing.counted(state, 0))

    def _seen(self, metric: Metric, batch: Batch) -> Seen | None:
        if not self._apart:
            return errors_of(batch)
        answer = batch.answers.get(metric.name)
        return Seen(answer.candidate, answer.stable) if isinstance(answer, Rated) else None


def in_blocks(state: State, seen: Seen, seconds: float) -> list[float]:
    """The blocks of a state (see `bursts.py`) with one more batch: one is whole after a minute,
    and says nothing where an arm had no request."""
    before = state.get("w") or [0] * 8
    length = before[3] + seconds
    now = (seen.candidate.bad, seen.candidate.n, seen.stable.bad, seen.stable.n)
    counts = [old + new for old, new in zip(before[4:], now, strict=True)]
    if length < BLOCK_S:
        return [*before[:3], round(length, 3), *(round(count, 3) for count in counts)]
    blocks = Blocks(int(before[0]), before[1], before[2])
    if counts[1] > 0.0 and counts[3] > 0.0:
        blocks = blocks.added(counts[0] / counts[1] - counts[2] / counts[3])
    return [blocks.n, round(blocks.total, 9), round(blocks.squares, 9), 0, 0, 0, 0, 0]


def errors_of(batch: Batch) -> Seen:
    """The gateway's errors of both arms."""
    return Seen(
        candidate=Counts(bad=batch.candidate.errors, n=batch.candidate.requests),
        stable=Counts(bad=batch.stable.errors, n=batch.stable.requests),
    )
