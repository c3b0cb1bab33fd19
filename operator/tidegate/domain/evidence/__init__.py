"""Evidence: what the metrics of an attempt have shown so far, and what that says.

`accumulation.py` counts, `judgement.py` judges, `baking.py` turns evidence into limits after a
promotion, `display.py` shows. A type of metric is one module behind the protocol of `base.py`,
listed in `registry.py`. It moves no traffic.
"""

from tidegate.domain.evidence.accumulation import (
    asks,
    bounds_ms,
    common_cause,
    missing_answer,
    needs_latency,
    readable,
    start,
    update,
)
from tidegate.domain.evidence.asks import (
    Ask,
    CountersAsk,
    PairsAsk,
    PredictionsAsk,
    Span,
    ValueAsk,
)
from tidegate.domain.evidence.baking import bake
from tidegate.domain.evidence.batch import (
    NO_ARM,
    Answer,
    Arm,
    Baseline,
    Batch,
    Paired,
    Predicted,
    Rated,
    Reading,
    Unseen,
)
from tidegate.domain.evidence.feasibility import Expected, Leg, expected, requests_needed
from tidegate.domain.evidence.judgement import (
    Judgement,
    checks_hold,
    guard_level,
    is_baked,
    judge,
    promote_level,
    promotion_requests,
    rollback_level,
    state_of,
    summary,
)
from tidegate.domain.evidence.telling_apart import Contestants, expected_winner
from tidegate.domain.evidence.trying import BAD_METRIC, Tried, trials, wrong_condition

__all__ = [
    "BAD_METRIC",
    "NO_ARM",
    "Answer",
    "Arm",
    "Ask",
    "Baseline",
    "Batch",
    "Contestants",
    "CountersAsk",
    "Expected",
    "Judgement",
    "Leg",
    "Paired",
    "PairsAsk",
    "Predicted",
    "PredictionsAsk",
    "Rated",
    "Reading",
    "Span",
    "Tried",
    "Unseen",
    "ValueAsk",
    "asks",
    "bake",
    "bounds_ms",
    "checks_hold",
    "common_cause",
    "expected",
    "expected_winner",
    "guard_level",
    "is_baked",
    "judge",
    "missing_answer",
    "needs_latency",
    "promote_level",
    "promotion_requests",
    "readable",
    "requests_needed",
    "rollback_level",
    "start",
    "state_of",
    "summary",
    "trials",
    "update",
    "wrong_condition",
]
