"""Whether bursts made the counts say more than they know (statistics 2.4.3).

Owns the blocks of a comparison of counts: `w` in its state is [blocks, sum, sum of squares, seconds
and counts of the block under way]. What the counts say and what the blocks say is compared here;
what is made of it is `judgement.py`'s.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from tidegate.domain.evidence.rates import margin_of
from tidegate.stats import Comparison
from tidegate.stats.blocks import Blocks

if TYPE_CHECKING:
    from tidegate.api.analysis import Analysis
    from tidegate.api.metric import Metric
    from tidegate.domain.evidence.base import State

COUNTED = ("ErrorRate", "Counters")
"""Types of metric that keep blocks."""
BURST = 4.0
"""Bad requests that come together so many at a time, and more, make the counts doubtful."""


def rollback_doubt(metric: Metric, state: State, level: float) -> str:
    """Why a rollback by these counts is doubtful; empty when it is not.

    Evidence of `level` nats is sqrt(2 level) standard errors. Where the blocks see less than half
    of them, a bad request says a quarter of what it was counted for: they come in fours or more.
    """
    blocks, tolerated = _seen(metric, state, whole=False)
    if not blocks.enough or blocks.errors_above(tolerated) >= math.sqrt(2.0 * level / BURST):
        return ""
    return (
        f"{metric.name}: the counts speak against the candidate, but minute by minute"
        f" ({blocks.n} of them) it is hardly worse: bad requests come in bursts"
    )


def promotion_doubt(metric: Metric, state: State, analysis: Analysis) -> str:
    """Why a promotion on these counts is doubtful; empty when it is not."""
    blocks, tolerated = _seen(metric, state, whole=True)
    if not blocks.enough or blocks.lower(analysis.false_rollback_rate) <= tolerated:
        return ""
    return (
        f"{metric.name}: the counts speak for the candidate, but minute by minute ({blocks.n} of"
        " them) it is worse than the margin allows: bad requests come in bursts"
    )


def _seen(metric: Metric, state: State, *, whole: bool) -> tuple[Blocks, float]:
    """The blocks so far, with the one under way, and what is tolerated: the whole margin, or the
    half of it that a rollback is tested against (1.3)."""
    stored = state.get("w")
    if metric.type not in COUNTED or metric.margin is None or not stored:
        return Blocks(), 0.0
    n, total, squares, _, *under_way = stored
    blocks = Blocks(int(n), total, squares)
    if blocks.enough and under_way[1] > 0.0 and under_way[3] > 0.0:
        blocks = blocks.added(under_way[0] / under_way[1] - under_way[2] / under_way[3])
    margin = margin_of(metric) if whole else margin_of(metric).half
    rate = Comparison.from_dict(state["c"][0]).stable.estimate or 0.0
    return blocks, max((margin.ratio - 1.0) * rate, margin.absolute)
