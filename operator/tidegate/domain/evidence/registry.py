"""Which module judges which type of metric."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidegate.domain.evidence.disagreement import Disagreement
from tidegate.domain.evidence.labels import Labels
from tidegate.domain.evidence.latency import Latency
from tidegate.domain.evidence.prediction_drift import PredictionDrift
from tidegate.domain.evidence.rates import Rate
from tidegate.domain.evidence.value import Value

if TYPE_CHECKING:
    from tidegate.api.metric import Metric
    from tidegate.domain.evidence.base import MetricKind, Role

KINDS: dict[str, MetricKind] = {
    "ErrorRate": Rate(apart=False),
    "Counters": Rate(apart=True),
    "Latency": Latency(),
    "Value": Value(),
    "Disagreement": Disagreement(),
    "PredictionDrift": PredictionDrift(),
    "Labels": Labels(),
}


def kind_of(metric: Metric) -> MetricKind:
    """The judge of a metric's type; the schema knows no others."""
    return KINDS[metric.type]


def role_of(metric: Metric) -> Role:
    """What a metric's evidence may do."""
    return kind_of(metric).role(metric)
