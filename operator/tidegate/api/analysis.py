"""What a Rollout measures, and how sure a decision must be.

The fields and their bounds are the contract with users (`kubectl explain
rollouts.tidegate.dev.spec.analysis`); how they are judged is in `domain/evidence`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, StringConstraints

from tidegate.api.base import ApiModel, Duration, parse_duration, rules


class Margin(ApiModel):
    """How much worse the candidate may be than stable before it counts as worse."""

    ratio: float = Field(
        gt=0, le=100,
        description="Factor: of the error rate for ErrorRate, of the quantile for Latency.",
    )  # fmt: skip
    absolute: float | None = Field(
        default=None, gt=0, lt=1,
        description="Difference of the error rates (0.005 is half a per cent). The larger of both"
        " margins counts. ErrorRate needs it: beside an error-free stable no ratio can be judged.",
    )  # fmt: skip


class Metric(ApiModel):
    """One thing that is compared between the arms, or held under a limit."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            (
                "has(self.margin) != has(self.max)",
                "give either margin (compared with stable) or max (a limit for the candidate)",
            ),
            (
                "self.type != 'ErrorRate' || !has(self.margin) || has(self.margin.absolute)",
                (
                    "margin.absolute is required for ErrorRate: without it a version could never be"
                    " promoted beside an error-free stable; 0.005 allows half a per cent more"
                    " errors"
                ),
            ),
            (
                "self.type != 'ErrorRate' || !has(self.margin) || self.margin.ratio >= 1.0",
                (
                    "margin.ratio must be at least 1: it is the factor by which the candidate may"
                    " be worse"
                ),
            ),
            (
                (
                    "self.type != 'Latency' || (has(self.margin) && self.margin.ratio > 1.0"
                    " && !has(self.margin.absolute))"
                ),
                (
                    "Latency needs margin.ratio above 1 (a factor on the quantile) and takes no"
                    " other margin"
                ),
            ),
            (
                "self.type == 'Latency' || !has(self.quantiles)",
                "quantiles belong to type Latency only",
            ),
        )
    )

    name: Annotated[
        str, StringConstraints(pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", max_length=40)
    ] = Field(description="Its name, unique in the list.")
    type: Literal["ErrorRate", "Latency"] = Field(
        description="ErrorRate: 5xx answers among all, counted at the gateway. Latency: requests"
        " slower than a bound taken from stable's own quantiles, counted at the gateway."
    )
    margin: Margin | None = Field(
        default=None, description="Compare with stable, and allow this much."
    )
    max: float | None = Field(
        default=None, gt=0, lt=1,
        description="A guard: the candidate's error rate must not be above this, whatever"
        " stable does.",
    )  # fmt: skip
    quantiles: (
        Annotated[
            list[Annotated[float, Field(ge=0.5, le=0.999)]],
            Field(min_length=1, max_length=5),
        ]
        | None
    ) = Field(
        default=None,
        description="Quantiles of stable's latency that the bounds are taken from; 0.5, 0.95 and"
        " 0.99 when absent.",
        json_schema_extra={"x-kubernetes-list-type": "set"},
    )


_METRICS: dict[str, Any] = {
    "x-kubernetes-list-type": "map",
    "x-kubernetes-list-map-keys": ["name"],
    "x-kubernetes-validations": [
        {
            "rule": "self.exists(m, has(m.margin))",
            "message": "at least one metric needs a margin: without a comparison there is no"
            " evidence"
            " to promote on",
        }
    ],
}


class Analysis(ApiModel):
    """What is measured, and how sure a decision must be."""

    interval: Duration = Field(
        default=parse_duration("15s"),
        description="How often evidence is taken; at least the scrape period. Looking more often"
        " never makes a decision less valid.",
    )
    warmup: Duration = Field(
        default=parse_duration("30s"),
        description="How long all pods of both arms must be Ready before anything is measured.",
    )
    min_requests: int = Field(
        default=500, ge=0, le=1_000_000_000,
        description="Fewest requests of the candidate before it may be promoted. Taking it back"
        " needs no minimum.",
    )  # fmt: skip
    false_rollback_rate: float = Field(
        default=0.01, gt=0, lt=0.5,
        description="Probability that a version which is not worse is taken back, over the whole"
        " attempt and all looks: half for comparisons, half for guards.",
    )  # fmt: skip
    false_promotion_rate: float = Field(
        default=0.05, gt=0, lt=0.5,
        description="Probability that a version which is worse by the margin is promoted.",
    )  # fmt: skip
    metrics: list[Metric] = Field(
        min_length=1, max_length=10, description="What is measured.", json_schema_extra=_METRICS
    )
