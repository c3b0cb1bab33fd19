"""How traffic moves to a new revision: the strategies of a Rollout, one member each.

The fields and their bounds are the contract with users (`kubectl explain
rollouts.tidegate.dev.spec.strategy`); what follows from them is in `domain/rollout`.
"""

from __future__ import annotations

from pydantic import ConfigDict, Field

from tidegate.api.base import ApiModel, Duration, parse_duration, rules

MAX_STEPS = 30


class Step(ApiModel):
    """One step of a canary: exactly one verb, and how long it lasts at least."""

    weight: int = Field(
        ge=1, le=100, description="Per cent of the requests that the candidate gets in this step."
    )
    duration: Duration = Field(
        default=parse_duration("0s"),
        description="Shortest time at this weight. Only time that Prometheus covered counts.",
    )
    min_requests: int = Field(
        default=0, ge=0, le=1_000_000_000,
        description="Fewest requests that the candidate must have answered in this step.",
    )  # fmt: skip


class Canary(ApiModel):
    """Rising weights, step by step."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            (
                (
                    "self.steps.map(s, s.weight).isSorted() && self.steps.all(s,"
                    " self.steps.exists_one(t, t.weight == s.weight))"
                ),
                "weights must rise from step to step, like 5, 25, 50",
            ),
        )
    )

    steps: list[Step] = Field(
        min_length=1, max_length=MAX_STEPS,
        description="The steps, in order. After the last one the rollout waits for the evidence to"
        " promote.",
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
    )  # fmt: skip


class Strategy(ApiModel):
    """How traffic moves: exactly one member."""

    model_config = ConfigDict(
        json_schema_extra=rules(("has(self.canary)", "name the strategy: canary"))
    )

    canary: Canary | None = Field(default=None, description="By rising weights, step by step.")
