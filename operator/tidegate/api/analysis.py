"""What a Rollout measures, and how sure a decision must be.

The fields and their bounds are the contract with users (`kubectl explain
rollouts.tidegate.dev.spec.analysis`); how they are judged is in `domain/evidence`.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import ConfigDict, Field

from tidegate.api.base import ApiModel, Duration, lasting, parse_duration, rules
from tidegate.api.metric import Metric

_METRICS: dict[str, Any] = {
    "x-kubernetes-list-type": "map",
    "x-kubernetes-list-map-keys": ["name"],
    "x-kubernetes-validations": [
        {
            "rule": "self.exists(m, has(m.margin) && m.type != 'Labels')",
            "message": "at least one metric other than Labels needs a margin: without a comparison"
            " there is no evidence to promote on",
        },
        {
            "rule": "self.map(m, m.type != 'Latency' ? 1 : has(m.quantiles) ? m.quantiles.size()"
            " : 3).sum() <= 12",
            "message": "too much evidence for one status: the quantiles of all Latency metrics"
            " (three where none are given) and the other metrics may be 12 together; leave"
            " quantiles out that decide nothing",
        },
    ],
}


class Analysis(ApiModel):
    """What is measured, and how sure a decision must be."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            (
                "(self.source == 'Server') == has(self.sourceReason)",
                (
                    "source: Server needs sourceReason, and Gateway takes none: the server does"
                    " not see the requests that never reached it"
                ),
            )
        )
    )

    interval: Duration = Field(
        default=parse_duration("15s"),
        description="How often evidence is taken; at least the scrape period. Looking more often"
        " never makes a decision less valid.",
        json_schema_extra=lasting("1s", "1h", like="15s"),
    )
    warmup: Duration = Field(
        default=parse_duration("30s"),
        description="How long all pods of both arms must be Ready before anything is measured.",
        json_schema_extra=lasting("0s", "1d", like="30s"),
    )
    min_requests: int = Field(
        default=500, ge=0, le=1_000_000_000,
        description="Fewest requests of the candidate before it may be promoted. Taking it back"
        " needs no minimum.",
    )  # fmt: skip
    false_rollback_rate: float = Field(
        default=0.01, ge=1e-6, lt=0.5,
        description="Probability that a version which is not worse is taken back, over the whole"
        " attempt and all looks: half for comparisons, half for guards.",
    )  # fmt: skip
    false_promotion_rate: float = Field(
        default=0.05, ge=1e-6, lt=0.5,
        description="Probability that a version which is worse by the margin is promoted.",
    )  # fmt: skip
    source: Literal["Gateway", "Server"] = Field(
        default="Gateway",
        description="Who counts requests for ErrorRate and Latency. Gateway: every answer that a"
        " caller got. Server: the pods themselves, which see neither refused connections nor a"
        " gateway's own 503; only for gateways that do not count by revision.",
    )
    source_reason: str | None = Field(
        default=None, min_length=1, max_length=200,
        description="Why the server's own counts have to do.",
    )  # fmt: skip
    metrics: list[Metric] = Field(
        min_length=1, max_length=10, description="What is measured.", json_schema_extra=_METRICS
    )
