"""Evidence as it grows: started from a baseline, updated with each batch (statistics 1 to 3).

The state of each metric stands in `status.evidence[].state`, so that a restarted operator goes on
where the last one stopped. What a type of metric does with a batch is its own module's.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from tidegate.domain.evidence import guarding
from tidegate.domain.evidence.asks import Ask, Span
from tidegate.domain.evidence.base import Role, State
from tidegate.domain.evidence.batch import Arm, Batch, Rated, Unseen
from tidegate.domain.evidence.comparing import Seen
from tidegate.domain.evidence.display import display
from tidegate.domain.evidence.judgement import state_of
from tidegate.domain.evidence.memo import Memo, key_of_states
from tidegate.domain.evidence.rates import errors_of
from tidegate.domain.evidence.registry import kind_of, role_of
from tidegate.domain.times import moment, stamp

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tidegate.api.analysis import Analysis
    from tidegate.api.metric import Metric
    from tidegate.api.rollout_status import Evidence
    from tidegate.domain.evidence.batch import Baseline


NEVER = datetime(1970, 1, 1, tzinfo=UTC)
_DUE = "due"
"""In a state: since when answers are missing. The next question starts there."""


def needs_latency(analysis: Analysis) -> bool:
    """Whether any metric needs stable's latency of before the attempt."""
    return any(metric.type == "Latency" for metric in analysis.metrics)


def start(analysis: Analysis, baseline: Baseline | None) -> list[Evidence] | Unseen:
    """Empty evidence for every metric, with what is frozen at the start of an attempt.

    Returns why not, when a metric cannot be started (yet).
    """
    started = []
    for metric in analysis.metrics:
        state = kind_of(metric).start(metric, baseline)
        if isinstance(state, Unseen):
            return state
        started.append(display(metric, state, analysis))
    return started


def bounds_ms(evidence: Sequence[Evidence]) -> tuple[float, ...]:
    """Every latency bound in use, in milliseconds, rising: what `Arm.slow` must be counted for."""
    return tuple(sorted({bound for entry in evidence for bound in state_of(entry).get("t", ())}))


def asks(evidence: Sequence[Evidence], analysis: Analysis, span: Span) -> tuple[Ask, ...]:
    """What to ask besides the gateway's counts for a span, as far as metrics need it.

    Where answers were missing before, the question reaches back to where they ended.
    """
    states = {entry.metric: state_of(entry) for entry in evidence}
    found = []
    for metric in analysis.metrics:
        state = states[metric.name]
        due = state.get(_DUE)
        since = span
        if due:
            reach = min(span.start, moment(due))
            since = replace(span, start=max(reach, span.earliest) if span.earliest else reach)
        ask = kind_of(metric).ask(metric, state, since)
        if ask is not None:
            found.append(ask)
    return tuple(found)


def update(evidence: Sequence[Evidence], analysis: Analysis, batch: Batch) -> list[Evidence]:
    """The evidence after one more batch."""
    batch = replace(batch, bounds_ms=bounds_ms(evidence))
    by_name = {entry.metric: entry for entry in evidence}
    after = [
        display(metric, _added(metric, state_of(by_name[metric.name]), batch), analysis)
        for metric in analysis.metrics
    ]
    _READABLE.put(key_of_states(after, analysis.metrics), value=True)
    return after


_READABLE: Memo[bool] = Memo()


def readable(evidence: Sequence[Evidence], analysis: Analysis) -> bool:
    """Whether evidence from a status can be gone on with: it is of these metrics, and whole."""
    key = key_of_states(evidence, analysis.metrics)
    return _READABLE.get(key, lambda: _whole(evidence, analysis))


def _whole(evidence: Sequence[Evidence], analysis: Analysis) -> bool:
    states = {entry.metric: entry for entry in evidence}
    try:
        bounds = bounds_ms(evidence)
        nothing = Arm(requests=0.0, errors=0.0, slow=(0.0,) * len(bounds))
        batch = Batch(NEVER, NEVER, stable=nothing, candidate=nothing, bounds_ms=bounds)
        for metric in analysis.metrics:
            state = _added(metric, state_of(states[metric.name]), batch)
            kind = kind_of(metric)
            kind.log_e(metric, state)
            kind.shown(metric, state)
            kind.ask(metric, state, Span(NEVER, NEVER))
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
        return False
    return True


def _added(metric: Metric, state: State, batch: Batch) -> State:
    """The state of one metric after a batch, with a note of where missing answers begin."""
    answer = batch.answers.get(metric.name)
    if isinstance(answer, Unseen):
        state = {_DUE: stamp(batch.start), **state}
    elif answer is not None:
        state = {key: value for key, value in state.items() if key != _DUE}
    return kind_of(metric).add(metric, state, batch)


def missing_answer(batch: Batch) -> Unseen | None:
    """The first metric without an answer in a batch, and why; None when all have one."""
    for name, answer in batch.answers.items():
        if isinstance(answer, Unseen):
            return Unseen(answer.reason, f"metric {name}: {answer.message}")
    return None


def common_cause(analysis: Analysis, batch: Batch) -> str | None:
    """The guard that both arms break in a batch, if any: then neither is to blame."""
    for metric, seen in _guarded(analysis, batch):
        if guarding.over(metric, seen.stable) and guarding.over(metric, seen.candidate):
            return metric.name
    return None


def _guarded(analysis: Analysis, batch: Batch) -> Iterator[tuple[Metric, Seen]]:
    """Every limit on a rate that both arms have, with what the batch has for it."""
    for metric in analysis.metrics:
        if role_of(metric) is not Role.GUARD:
            continue
        if metric.type == "ErrorRate":
            yield metric, errors_of(batch)
        answer = batch.answers.get(metric.name)
        if metric.type == "Counters" and isinstance(answer, Rated):
            yield metric, Seen(answer.candidate, answer.stable)
