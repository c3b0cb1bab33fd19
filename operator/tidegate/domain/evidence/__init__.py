"""Evidence: what the metrics of an attempt have shown so far, and what that says.

`accumulation.py` counts, `judgement.py` judges, `display.py` shows. It moves no traffic.
"""

from tidegate.domain.evidence.accumulation import (
    DEFAULT_QUANTILES,
    bounds_ms,
    common_cause,
    needs_latency,
    quantiles_of,
    readable,
    stable_over,
    start,
    update,
)
from tidegate.domain.evidence.batch import Arm, Baseline, Batch, Unseen
from tidegate.domain.evidence.judgement import (
    Judgement,
    guard_level,
    judge,
    log_e_promote,
    log_e_rollback,
    promote_level,
    rollback_level,
    state_of,
    summary,
)

__all__ = [
    "DEFAULT_QUANTILES",
    "Arm",
    "Baseline",
    "Batch",
    "Judgement",
    "Unseen",
    "bounds_ms",
    "common_cause",
    "guard_level",
    "judge",
    "log_e_promote",
    "log_e_rollback",
    "needs_latency",
    "promote_level",
    "quantiles_of",
    "readable",
    "rollback_level",
    "stable_over",
    "start",
    "state_of",
    "summary",
    "update",
]
