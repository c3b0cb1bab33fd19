"""What a runtime cannot tell about its requests, and which analyses therefore are refused with it.

Only the runtime v2 keeps outputs for the comparer and counts predictions by bins; whose own series
count requests at all is the Model's to say for an image of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidegate.domain.conditions import Said

if TYPE_CHECKING:
    from tidegate.api.analysis import Analysis
    from tidegate.api.runtime import Runtime

UNSUPPORTED = "FeatureUnsupported"
V2_ONLY = ("Disagreement", "PredictionDrift")


def unmeasured(runtime: Runtime, analysis: Analysis) -> Said | None:
    """Why an analysis cannot be made with a runtime; None when it can be."""
    asked = sorted({metric.type for metric in analysis.metrics} & set(V2_ONLY))
    if asked and runtime.v2 is None:
        return _refused(
            f"runtime.{runtime.name} does not show its predictions, which a metric of type "
            f"{' or '.join(asked)} compares: use runtime.v2, or leave the metric out"
        )
    custom = runtime.custom
    if custom is None or analysis.source != "Server":
        return None
    if custom.metrics is None:
        return _refused(
            "analysis.source: Server needs the server's own counters: say in "
            "runtime.custom.metrics of the Model which they are, or use source: Gateway"
        )
    if custom.metrics.latency is None and any(m.type == "Latency" for m in analysis.metrics):
        return _refused(
            "a metric of type Latency with source: Server needs the server's own histogram: say "
            "in runtime.custom.metrics.latency of the Model which it is, or use source: Gateway"
        )
    return None


def _refused(message: str) -> Said:
    return Said("Ready", "False", UNSUPPORTED, message)
