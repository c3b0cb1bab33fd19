"""Evidence as people see it in `status.evidence`: counts, intervals, shares of what is needed."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

from tidegate.api.rollout_status import ArmEvidence, Evidence, Interval
from tidegate.domain.evidence.judgement import (
    guard_level,
    log_e_promote,
    log_e_rollback,
    promote_level,
    rollback_level,
)
from tidegate.stats import (
    Comparison,
    Counts,
    difference_interval,
)
from tidegate.stats.intervals import rate_interval

if TYPE_CHECKING:
    from tidegate.api.analysis import Analysis, Metric


def display(metric: Metric, state: dict[str, Any], analysis: Analysis) -> Evidence:
    """The entry of `status.evidence` for a metric in a state."""
    rollback = log_e_rollback(metric, state)
    promote = log_e_promote(metric, state)
    level = rollback_level(analysis) if metric.margin is not None else guard_level(analysis)
    shown, candidate, stable = _shown(metric, state)
    if metric.margin is None:
        bounds = rate_interval(candidate, analysis.false_rollback_rate)
    else:
        bounds = difference_interval(candidate, stable, 0.05)
    verdict = "Continue"
    if rollback >= level:
        verdict = "Rollback"
    elif promote is not None and promote >= promote_level(analysis):
        verdict = "Promote"
    return Evidence(
        metric=metric.name,
        stable=_arm(stable),
        candidate=_arm(candidate),
        interval=Interval(lower=_finite(bounds[0]), upper=_finite(bounds[1])),
        verdict=verdict,
        rollback=_share(rollback, level),
        promote=None if promote is None else _share(promote, promote_level(analysis)),
        message=_words(metric, shown, candidate, stable),
        state=json.dumps(state, separators=(",", ":")),
    )


def _shown(metric: Metric, state: dict[str, Any]) -> tuple[str, Counts, Counts]:
    """What is counted, in words, with the counts of candidate and stable that are shown.

    Of several latency bounds the one with the largest evidence against the candidate is shown.
    """
    if metric.margin is None:
        return "errors", Counts(*state["c"]), Counts(*state["s"])
    comparisons = [Comparison.from_dict(stored) for stored in state["c"]]
    worst = max(range(len(comparisons)), key=lambda i: comparisons[i].log_e_rollback)
    comparison = comparisons[worst]
    what = "errors"
    if metric.type == "Latency":
        what = f"slower than {state['t'][worst]:g} ms (p{100 * state['q'][worst]:g})"
    return what, comparison.candidate, comparison.stable


def _words(metric: Metric, what: str, candidate: Counts, stable: Counts) -> str:
    text = f"{metric.name}: candidate {_rate(candidate)} {what}, stable {_rate(stable)}"
    if metric.max is not None:
        return f"{text}, limit {metric.max:.2%}"
    return text


def _rate(counts: Counts) -> str:
    share = "-" if counts.estimate is None else f"{counts.estimate:.2%}"
    return f"{share} ({counts.bad:.0f} of {counts.n:.0f})"


def _arm(counts: Counts) -> ArmEvidence:
    estimate = counts.estimate
    return ArmEvidence(
        n=round(counts.n, 3),
        bad=round(counts.bad, 3),
        estimate=None if estimate is None else round(estimate, 6),
    )


def _share(log_e: float, level: float) -> float:
    """Evidence in per cent of what is needed, on the log scale, at least 0 and at most 999."""
    return round(min(999.0, max(0.0, 100.0 * log_e / level)), 1)


def _finite(value: float) -> float | None:
    return round(value, 6) if math.isfinite(value) else None
