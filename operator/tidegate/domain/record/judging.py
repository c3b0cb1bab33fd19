"""Evidence as a record holds it, and what it says: the same functions when recording and replaying.

Owns the form in which a verdict, its figures and the frozen states stand in rows.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from tidegate.domain import evidence as evidences
from tidegate.domain.evidence.display import display
from tidegate.domain.evidence.judgement import baking_level
from tidegate.domain.record.rows import whole
from tidegate.errors import Terminal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tidegate.api.analysis import Analysis
    from tidegate.api.rollout_status import Evidence


def judged(evidence: Sequence[Evidence], analysis: Analysis) -> dict[str, str] | None:
    """What all evidence together says: verdict, reason, metric. None while there is none that
    these metrics can read."""
    if not evidence or not evidences.readable(evidence, analysis):
        return None
    requests = evidences.promotion_requests(evidence)
    found = evidences.judge(evidence, analysis, candidate_requests=requests)
    return {"verdict": found.verdict, "reason": found.reason, "metric": found.metric}


def figures(evidence: Sequence[Evidence]) -> dict[str, list[float | None]]:
    """By metric: evidence to take back and to promote, in per cent of what is needed; then bad
    ones and requests of the candidate, and of stable."""
    return {
        entry.metric: [
            whole(entry.rollback),
            None if entry.promote is None else whole(entry.promote),
            whole(entry.candidate.bad),
            whole(entry.candidate.n),
            whole(entry.stable.bad),
            whole(entry.stable.n),
        ]
        for entry in evidence
    }


def frozen_states(evidence: Sequence[Evidence], analysis: Analysis) -> dict[str, Any]:
    """Everything that evidence is gone on with: states by metric, and the levels (nats) that it
    has to reach."""
    levels = {
        "rollback": evidences.rollback_level(analysis),
        "guard": evidences.guard_level(analysis),
        "promote": evidences.promote_level(analysis),
    }
    if evidences.is_baked(evidence):
        levels["baking"] = baking_level(analysis)
    return {
        "levels": {name: round(value, 6) for name, value in levels.items() if math.isfinite(value)},
        "states": {entry.metric: evidences.state_of(entry) for entry in evidence},
    }


def evidence_of(states: dict[str, Any], analysis: Analysis) -> list[Evidence]:
    """The evidence that states are about. Raises Terminal(RecordUnreadable) when they are not of
    these metrics."""
    try:
        return [display(metric, states[metric.name], analysis) for metric in analysis.metrics]
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise Terminal(
            "RecordUnreadable",
            f"the evidence of a row cannot be read with the metrics of the spec then: {error!r}",
        ) from error
