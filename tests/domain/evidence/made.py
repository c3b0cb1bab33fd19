"""Analyses, batches and baselines that the tests of evidence share."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from tidegate.api.analysis import Analysis
from tidegate.domain import evidence
from tidegate.domain.evidence import Arm, Baseline, Batch, Unseen
from tidegate.stats import Counts, Histogram

if TYPE_CHECKING:
    from tidegate.api.rollout_status import Evidence
    from tidegate.domain.evidence import Answer

T0 = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
STEP = timedelta(seconds=15)
MARGIN = {"ratio": 1.5, "absolute": 0.005}
COUNTED = {"bad": 'cancelled{r="{{revision}}"}', "total": "booked"}
ERRORS = {"name": "errors", "type": "ErrorRate", "margin": MARGIN}
LATENCY = {"name": "latency", "type": "Latency", "quantiles": [0.5], "margin": {"ratio": 1.5}}
SLO = {"name": "slo", "type": "ErrorRate", "max": 0.05}
CANCELLED = {"name": "cancelled", "type": "Counters", "prometheus": COUNTED, "margin": MARGIN}
BUDGET = {
    "name": "budget",
    "type": "Value",
    "prometheus": {"query": "spent"},
    "condition": "value < 0.2",
}
AGREE = {"name": "agree", "type": "Disagreement", "tolerance": 1e-6, "max": 0.02}
DRIFT = {"name": "drift", "type": "PredictionDrift", "max": 0.1}
QUALITY = {
    "name": "quality",
    "type": "Labels",
    "delay": "1h",
    "margin": {"absolute": 0.02},
    "prometheus": COUNTED,
}
BOUNDS = (10.0, 20.0, 30.0, 50.0, math.inf)
CALM = Baseline(
    Counts(bad=200, n=20000), Histogram(BOUNDS, (2000, 10000, 18000, 19900, 20000)), rate=100.0
)


def analysis(*metrics: dict[str, Any], **more: Any) -> Analysis:
    return Analysis.model_validate({"metrics": list(metrics), **more})


def begun(of: Analysis, baseline: Baseline | None = CALM) -> list[Evidence]:
    found = evidence.start(of, baseline)
    assert not isinstance(found, Unseen), found
    return found


def batch(
    stable: tuple[float, float] = (0, 0),
    candidate: tuple[float, float] = (0, 0),
    *,
    slow: float = 0,
    at: int = 0,
    shadow: bool = False,
    **answers: Answer,
) -> Batch:
    """Arms as (requests, errors); `slow` is the share of both that is slower than the bound."""
    start = T0 + at * STEP
    one, other = (Arm(requests=n, errors=bad, slow=(slow * n,)) for n, bad in (stable, candidate))
    return Batch(start, start + STEP, one, other, shadow=shadow, answers=answers)


def grown(of: Analysis, *batches: Batch, baseline: Baseline | None = CALM) -> list[Evidence]:
    entries = begun(of, baseline)
    for one in batches:
        entries = evidence.update(entries, of, one)
    return entries


def said(of: Analysis, entries: list[Evidence]) -> evidence.Judgement:
    requests = evidence.promotion_requests(entries)
    return evidence.judge(entries, of, candidate_requests=requests)


def the(entries: list[Evidence], metric: str) -> Evidence:
    return next(entry for entry in entries if entry.metric == metric)
