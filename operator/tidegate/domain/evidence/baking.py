"""Evidence after the switch: the candidate has all traffic, so there is nothing to compare with.

Turns every comparison into a limit for the candidate alone. Guards, checks and labels go on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidegate.domain.evidence import comparing, latency
from tidegate.domain.evidence.base import Role
from tidegate.domain.evidence.display import display
from tidegate.domain.evidence.judgement import is_baked, state_of
from tidegate.domain.evidence.rates import margin_of
from tidegate.domain.evidence.registry import role_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tidegate.api.analysis import Analysis
    from tidegate.api.rollout_status import Evidence


def bound_alpha(analysis: Analysis) -> float:
    """What one metric spends on the upper bound of stable's rate: half of its share of a half of
    alpha_R."""
    compared = sum(1 for metric in analysis.metrics if role_of(metric) is Role.COMPARISON)
    return analysis.false_rollback_rate / (4.0 * max(1, compared))


def bake(evidence: Sequence[Evidence], analysis: Analysis) -> list[Evidence]:
    """The evidence at the moment of the switch, as what is judged from then on.

    Guards on a rate count from zero again: what a version did in its canary would dilute what it
    does now. A false alarm while baking is at most as likely as alpha_R: a half for the frozen
    limits, given that stable's rate would have stayed what it was, and a half for the guards.
    Baked evidence stays as it is.
    """
    if is_baked(evidence):
        return list(evidence)
    by_name = {entry.metric: entry for entry in evidence}
    alpha = bound_alpha(analysis)
    baked = []
    for metric in analysis.metrics:
        state = state_of(by_name[metric.name])
        if role_of(metric) is Role.COMPARISON:
            margins = latency.margins_of(state) if metric.type == "Latency" else [margin_of(metric)]
            state = comparing.freeze(state, margins, alpha=alpha)
        elif metric.type in ("ErrorRate", "Counters"):
            state = {**state, "c": [0.0, 0.0], "s": [0.0, 0.0]}
        baked.append(display(metric, state, analysis))
    return baked
