"""Evidence as people see it in `status.evidence`: counts, intervals, shares of what is needed."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from tidegate.api.rollout_status import ArmEvidence, Dispersion, Evidence, Interval
from tidegate.domain.evidence import comparing
from tidegate.domain.evidence.base import Role
from tidegate.domain.evidence.judgement import level_of, log_e, promote_level
from tidegate.domain.evidence.packing import packed
from tidegate.domain.evidence.registry import kind_of, role_of
from tidegate.domain.evidence.value import failures_of
from tidegate.stats import Counts, difference_interval
from tidegate.stats.intervals import rate_interval

if TYPE_CHECKING:
    from tidegate.api.analysis import Analysis
    from tidegate.api.metric import Metric
    from tidegate.domain.evidence.base import LogE, Shown, State


def display(metric: Metric, state: State, analysis: Analysis) -> Evidence:
    """The entry of `status.evidence` for a metric in a state."""
    found = log_e(metric, state)
    level = level_of(metric, state, analysis)
    shown = kind_of(metric).shown(metric, state)
    rollback, promote = _shares(metric, state, found, level=level, analysis=analysis)
    return Evidence(
        metric=metric.name,
        stable=_arm(shown.stable),
        candidate=_arm(shown.candidate),
        interval=_interval(metric, state, shown, analysis),
        verdict=_verdict(metric, state, found, level=level, analysis=analysis),
        rollback=rollback,
        promote=promote,
        message=_words(metric, state, shown),
        dispersion=_dispersion(state),
        state=packed(state),
    )


def _verdict(metric: Metric, state: State, found: LogE, *, level: float, analysis: Analysis) -> str:
    if found.rollback >= level:
        return "Rollback"
    if found.promote is None or "b" in state:
        return "Continue"
    return "Promote" if found.promote >= promote_level(analysis) else "Continue"


def _shares(
    metric: Metric, state: State, found: LogE, *, level: float, analysis: Analysis
) -> tuple[float, float | None]:
    """Evidence for taking back and for promoting, in per cent of what each needs."""
    if role_of(metric) is Role.CHECK:
        failed = round(100.0 * state["f"] / failures_of(metric), 1)
        return min(999.0, failed), 100.0 if state["ok"] else 0.0
    rollback = _share(found.rollback, level)
    if found.promote is None or "b" in state:
        return rollback, None
    return rollback, _share(found.promote, promote_level(analysis))


def _interval(metric: Metric, state: State, shown: Shown, analysis: Analysis) -> Interval:
    """Of the difference where arms are compared, of the candidate's rate under a limit."""
    compared = role_of(metric) in (Role.COMPARISON, Role.LATE) and "b" not in state
    if shown.candidate.n <= 0 and not compared:
        return Interval()
    bounds = (
        difference_interval(shown.candidate, shown.stable, 0.05)
        if compared
        else rate_interval(shown.candidate, analysis.false_rollback_rate)
    )
    return Interval(lower=_finite(bounds[0]), upper=_finite(bounds[1]))


def _words(metric: Metric, state: State, shown: Shown) -> str:
    if shown.message:
        return f"{metric.name}: {shown.message}"
    text = f"{metric.name}: candidate {_rate(shown.candidate, _copies(state, shown))} {shown.what}"
    if "b" in state:
        limit = state["b"][comparing.worst(state)]
        return f"{text}, limit {limit:.2%} as stable was before the promotion"
    text += f", stable {_rate(shown.stable)}"
    return f"{text}, limit {metric.max:.2%}" if metric.max is not None else text


def _copies(state: State, shown: Shown) -> str:
    """How many of the candidate's requests were copies, in words."""
    copies = max(state.get("m") or [0.0])
    if copies <= 0 or "b" in state:
        return ""
    if copies >= shown.candidate.n - 0.5:
        return ", all in shadow"
    return f", {copies:.0f} of them in shadow"


def _rate(counts: Counts, extra: str = "") -> str:
    share = "-" if counts.estimate is None else f"{counts.estimate:.2%}"
    return f"{share} ({counts.bad:.0f} of {counts.n:.0f}{extra})"


def _arm(counts: Counts) -> ArmEvidence:
    estimate = counts.estimate
    return ArmEvidence(
        n=round(counts.n, 3),
        bad=round(counts.bad, 3),
        estimate=None if estimate is None else round(estimate, 6),
    )


def _dispersion(state: State) -> Dispersion | None:
    """The largest factor in use; verified only where all of them were measured."""
    if not state.get("phi"):
        return None
    return Dispersion(phi=max(state["phi"]), verified=all(state["v"]))


def _share(value: float, level: float) -> float:
    """Evidence in per cent of what is needed, on the log scale, at least 0 and at most 999."""
    return round(min(999.0, max(0.0, 100.0 * value / level)), 1)


def _finite(value: float) -> float | None:
    return round(value, 6) if math.isfinite(value) else None
