"""How traffic moves to a new revision: the strategies of a Rollout, one member each.

The fields and their bounds are the contract with users (`kubectl explain
rollouts.tidegate.dev.spec.strategy`); what follows from them is in `domain/rollout`.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import ConfigDict, Field, StringConstraints

from tidegate.api.ab_test import AaTest, AbTest
from tidegate.api.base import ApiModel, Duration, lasting, parse_duration, rules

MAX_STEPS = 30

HeaderName = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$", min_length=1, max_length=64)
]
HeaderValue = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z0-9._~-]+$", min_length=1, max_length=64)
]


class Mirroring(ApiModel):
    """Copies of requests for the candidate; callers never see its answers to them."""

    percent: int = Field(
        default=100, ge=1, le=100, description="Per cent of the requests that are copied."
    )


class StepApproval(ApiModel):
    """A wait for a person, without a limit; it takes nothing from the deadline."""


class Step(ApiModel):
    """One step of a canary: exactly one verb, and how long it lasts at least."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            (
                "[has(self.weight), has(self.shadow), has(self.approval)].filter(x, x).size() == 1",
                "a step has exactly one of weight, shadow and approval: write one step for each",
            ),
            (
                "!has(self.approval) || (!has(self.duration) && !has(self.minRequests))",
                (
                    "an approval waits for a person: give duration and minRequests to a step of"
                    " weight before it"
                ),
            ),
            (
                (
                    "!has(self.weight) || self.weight > 0 || !has(self.minRequests)"
                    " || self.minRequests == 0"
                ),
                (
                    "at weight 0 no request reaches the candidate: give the step a duration instead"
                    " of minRequests"
                ),
            ),
        )
    )

    weight: int | None = Field(
        default=None, ge=0, le=100,
        description="Per cent of the requests that the candidate gets in this step. At 0 it only"
        " runs, warm and ready.",
    )  # fmt: skip
    shadow: Mirroring | None = Field(
        default=None,
        description="The candidate gets copies of requests and no caller sees its answers. A bad"
        " version is taken back before anybody met it; a good one still needs a weight to be"
        " promoted.",
    )
    approval: StepApproval | None = Field(
        default=None,
        description="Wait at the weight of the step before until somebody sends the verb approve.",
    )
    duration: Duration | None = Field(
        default=None,
        description="Shortest time at this weight; none when absent. Only time that Prometheus"
        " covered counts.",
        json_schema_extra=lasting("0s", "30d", like="10m"),
    )
    min_requests: int | None = Field(
        default=None, ge=0, le=1_000_000_000,
        description="Fewest requests that the candidate must have answered in this step (in a"
        " shadow step: copies).",
    )  # fmt: skip


class Canary(ApiModel):
    """Rising weights, step by step."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            (
                (
                    "self.steps.filter(s, has(s.weight)).map(s, s.weight).isSorted()"
                    " && self.steps.all(s, !has(s.weight) ||"
                    " self.steps.exists_one(t, has(t.weight) && t.weight == s.weight))"
                ),
                "weights must rise from step to step, like 5, 25, 50",
            ),
            (
                "self.steps.exists(s, has(s.weight) && s.weight > 0)",
                (
                    "one step must have a weight above 0: a version is promoted on real requests"
                    " only; to watch copies for as long as you like use strategy shadow"
                ),
            ),
            (
                (
                    "!self.steps.exists(s, has(s.shadow)) || self.steps.filter(s, has(s.shadow) ||"
                    " (has(s.weight) && s.weight > 0)).map(s, has(s.shadow) ? 0 : 1).isSorted()"
                ),
                "steps of shadow come before the first weight above 0",
            ),
        )
    )

    steps: list[Step] = Field(
        min_length=1, max_length=MAX_STEPS,
        description="The steps, in order. After the last one the rollout waits for the evidence to"
        " promote.",
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
    )  # fmt: skip


class Adaptive(ApiModel):
    """A weight that follows the evidence: as much traffic as the error budget can bear."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            (
                "self.minWeight <= self.maxWeight",
                "minWeight must not be above maxWeight",
            )
        )
    )

    error_budget: int = Field(
        ge=1, le=1_000_000_000,
        description="Extra bad answers, beyond those that stable would have given, that the whole"
        " attempt may cost. The weight is chosen so that even at the upper bound of what the"
        " candidate may be worse this is not exceeded; traffic at minWeight is not covered.",
    )  # fmt: skip
    min_weight: int = Field(
        default=1, ge=1, le=99, description="Per cent that the candidate always gets."
    )
    max_weight: int = Field(
        default=50, ge=1, le=99, description="Per cent that it gets at most before it is promoted."
    )
    min_duration: Duration = Field(
        default=parse_duration("5m"),
        description="Shortest observed time of the whole attempt before a promotion.",
        json_schema_extra=lasting("0s", "30d", like="5m"),
    )
    soak: Duration = Field(
        default=parse_duration("2m"),
        description="Shortest observed time at maxWeight before a promotion.",
        json_schema_extra=lasting("0s", "30d", like="2m"),
    )


class PreviewHeader(ApiModel):
    """Which requests see the candidate before everybody does."""

    header: HeaderName = Field(
        default="x-tidegate-preview", description="Name of the request header."
    )
    value: HeaderValue = Field(default="candidate", description="Its value.")


class BlueGreen(ApiModel):
    """Two whole versions side by side and one switch between them."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            (
                "self.minRequests == 0 || has(self.shadow) || has(self.preview)",
                (
                    "without shadow and preview no request reaches the candidate before the switch:"
                    " add one of them, or leave minRequests out"
                ),
            )
        )
    )

    preview: PreviewHeader | None = Field(
        default=None,
        description="Requests with this header reach the candidate before the switch, for tests.",
    )
    shadow: Mirroring | None = Field(
        default=None,
        description="Copies of requests are sent to the candidate before the switch, and a verdict"
        " against it ends the attempt before anybody met it.",
    )
    duration: Duration = Field(
        default=parse_duration("0s"),
        description="Shortest observed time of the checks before the switch.",
        json_schema_extra=lasting("0s", "30d", like="10m"),
    )
    min_requests: int = Field(
        default=0, ge=0, le=1_000_000_000,
        description="Fewest requests that the candidate must have answered before the switch:"
        " copies where shadow is given, requests with the preview header otherwise.",
    )  # fmt: skip
    approval: StepApproval | None = Field(
        default=None,
        description="Wait before the switch until somebody sends the verb approve.",
    )


class ShadowOnly(ApiModel):
    """Copies of requests for the candidate, for as long as it is declared. It never promotes."""

    percent: int = Field(
        default=100, ge=1, le=100, description="Per cent of the requests that are copied."
    )


class Strategy(ApiModel):
    """How traffic moves: exactly one member."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            (
                (
                    "[has(self.canary), has(self.adaptive), has(self.blueGreen), has(self.shadow),"
                    " has(self.abTest), has(self.aa)].filter(x, x).size() == 1"
                ),
                ("name exactly one strategy: canary, adaptive, blueGreen, shadow, abTest or aa"),
            )
        )
    )

    canary: Canary | None = Field(default=None, description="By rising weights, step by step.")
    adaptive: Adaptive | None = Field(
        default=None, description="By a weight that follows the evidence within an error budget."
    )
    blue_green: BlueGreen | None = Field(
        default=None, description="By one switch, after checks beside the traffic."
    )
    shadow: ShadowOnly | None = Field(
        default=None,
        description="Not at all: the candidate only gets copies, and what it does is reported.",
    )
    ab_test: AbTest | None = Field(
        default=None,
        description="Two to five arms side by side until one is shown to fail least.",
    )
    aa: AaTest | None = Field(
        default=None,
        description="Nothing moves: a twin of stable is judged again and again, to see how often"
        " these settings raise a false alarm.",
    )
