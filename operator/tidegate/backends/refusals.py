"""What a backend cannot do for a Rollout, said before anything moves.

A strategy that needs more than weights, and metrics that only Tidegate's own servers export, are
refused: nothing is left out silently, and nothing is judged on what nobody measures.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidegate.domain.conditions import Said
from tidegate.traffic.base import Feature
from tidegate.traffic.features import UNSUPPORTED, needs

if TYPE_CHECKING:
    from tidegate.api.rollout import RolloutSpec
    from tidegate.backends.base import Backend

UNMEASURED = "MetricsUnsupported"
OWN_SERVER = frozenset({"Disagreement", "PredictionDrift"})
"""Metric types that read what Tidegate's own servers export."""


def lacking(backend: Backend, spec: RolloutSpec, *, profile: str) -> Said | None:
    """Why a Rollout cannot be carried out with a backend; None when it can be.

    `profile` says which gateway's series the installation has. The condition's reason is
    `FeatureUnsupported` or `MetricsUnsupported`; its message says the mend.
    """
    missing = [feature for feature in Feature if feature in needs(spec.strategy) - backend.features]
    strategy = spec.strategy
    if strategy.ab_test is not None or strategy.aa is not None:
        return _refused(
            UNSUPPORTED,
            f"backend {backend.name} delivers one candidate at a time: abTest and aa need backend:"
            " Native",
        )
    if missing:
        return _refused(
            UNSUPPORTED,
            f"backend {backend.name} cannot do what the strategy needs: {', '.join(missing)};"
            " choose a strategy that does without, or a Model with backend: Native",
        )
    return _unmeasured(backend, spec, profile=profile)


def _unmeasured(backend: Backend, spec: RolloutSpec, *, profile: str) -> Said | None:
    analysis = spec.analysis
    if analysis.source == "Server":
        return _refused(
            UNMEASURED,
            f"backend {backend.name} serves by servers whose counters Tidegate does not know: use"
            " analysis.source: Gateway",
        )
    own = [metric.name for metric in analysis.metrics if metric.type in OWN_SERVER]
    if own:
        return _refused(
            UNMEASURED,
            f"metric {', '.join(own)} needs Tidegate's own server, and backend {backend.name}"
            " serves by others: remove it, or use a Model with backend: Native",
        )
    if backend.profile is not None and profile != backend.profile:
        return _refused(
            UNMEASURED,
            f"requests of backend {backend.name} are counted by {backend.profile} alone: route it"
            f" by that gateway and give the operator TIDEGATE_METRICS_PROFILE={backend.profile}, or"
            " set the Model's delivery to Direct",
        )
    return None


def _refused(reason: str, message: str) -> Said:
    return Said("Ready", "False", reason, message)
