"""The kind Rollout: how a new revision takes over.

The fields and their bounds are the contract with users (`kubectl explain rollouts.tidegate.dev`);
the decisions that follow from them are in `domain/rollout`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, StringConstraints

from tidegate.api.base import (
    ApiModel,
    Conditions,
    Duration,
    LocalRef,
    Timestamp,
    parse_duration,
    rules,
)

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


class Holds(ApiModel):
    """What becomes of waits that clear themselves, such as missing data."""

    deadline: Duration = Field(
        default=parse_duration("10m"), description="Longest time of one hold."
    )
    then: Literal["Pause", "Rollback"] = Field(
        default="Pause", description="What happens at its end."
    )


class RollbackWindow(ApiModel):
    """How long the way back stays open after a promotion."""

    duration: Duration = Field(
        default=parse_duration("1h"),
        description="How long the previous stable stays warm at full size.",
    )


class RolloutSpec(ApiModel):
    """How a new revision of one Model takes over."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            (
                "self.modelRef.name == oldSelf.modelRef.name",
                (
                    "modelRef cannot be changed: delete this Rollout and create one for the other"
                    " Model"
                ),
            )
        )
    )

    model_ref: LocalRef = Field(
        description="The Model, in the same namespace. One Rollout a Model: of several the"
        " oldest acts."
    )
    strategy: Strategy = Field(description="How traffic moves: exactly one member.")
    analysis: Analysis = Field(description="What is measured, and how sure a decision must be.")
    holds: Holds = Field(
        default=Holds(), description="What becomes of waits that clear themselves."
    )
    on_failure: Literal["Rollback", "Pause"] = Field(
        default="Rollback", description="What happens when the evidence is against the candidate."
    )
    deadline: Duration = Field(
        default=parse_duration("2h"),
        description="Longest evaluating time of an attempt; pauses and holds do not count.",
    )
    on_inconclusive: Literal["Rollback", "Pause", "Promote"] = Field(
        default="Rollback", description="What happens when the deadline comes before a verdict."
    )
    rollback_window: RollbackWindow = Field(
        default=RollbackWindow(), description="How long the way back stays open."
    )
    keep_failed: Duration = Field(
        default=parse_duration("10m"),
        description="How long the pods of a rejected candidate stay, for a look at them.",
    )
    paused: bool = Field(
        default=False,
        description="Freeze the weight where it is. Crashed pods still take the candidate back.",
    )


Phase = Literal[
    "Pending", "Healthy", "Starting", "WarmingUp", "Progressing", "Holding", "Paused", "Promoting",
    "RollingBack", "Degraded",
]  # fmt: skip
Verdict = Literal["Promote", "Rollback", "Continue", "Inconclusive"]


class Ending(ApiModel):
    """Why an attempt is taken back."""

    reason: str = Field(description="Why, one word.")
    message: str = Field(description="Why, for people.")
    reject: bool = Field(description="Whether the digest is remembered as rejected.")


class Attempt(ApiModel):
    """One try to bring a candidate in."""

    number: int = Field(ge=1, description="Counts up, never reused.")
    key: str = Field(
        description="Hash of the candidate, the strategy, the metrics and the error rates: only a"
        " new key starts over."
    )
    started_at: Timestamp = Field(description="When it began.")
    revision: str = Field(description="The candidate.")
    digest: str = Field(description="The candidate's identity.")
    warm_since: Timestamp | None = Field(
        default=None, description="Since when all pods of both arms are Ready."
    )
    evaluating_s: float = Field(
        default=0,
        ge=0,
        description="Evaluating time so far, in seconds: pauses and holds excluded.",
    )
    deadline_s: float | None = Field(
        default=None, ge=0,
        description="Evaluating time, in seconds, at which the deadline comes; a resume after an"
        " inconclusive end moves it.",
    )  # fmt: skip
    failed: bool = Field(default=False, description="Whether a Rollback verdict was given.")
    ending: Ending | None = Field(
        default=None, description="Why it is being taken back; absent while it goes forward."
    )


class ArmStatus(ApiModel):
    """One of the two arms."""

    name: Literal["stable", "candidate"] = Field(description="Which arm.")
    revision: str = Field(description="The revision behind it.")
    weight: int = Field(ge=0, le=100, description="Per cent of the requests that it is to get.")
    ready: int = Field(default=0, ge=0, description="Its ready pods.")


class StepStatus(ApiModel):
    """Where the attempt is in its steps."""

    index: int = Field(ge=0, description="Which step, from 0.")
    started_at: Timestamp | None = Field(
        default=None, description="When its weight was effective; absent until it is."
    )
    skipped: bool = Field(default=False, description="Whether a person ended it.")
    observed_duration: float = Field(
        default=0, ge=0, description="Seconds at this weight that Prometheus covered."
    )
    requests: float = Field(default=0, ge=0, description="The candidate's requests in this step.")
    last_batch_end: Timestamp | None = Field(
        default=None, description="Up to when requests have been counted."
    )
    next_evaluation_at: Timestamp | None = Field(
        default=None, description="When the next batch will be complete."
    )


class ArmEvidence(ApiModel):
    """What one arm showed."""

    n: float = Field(ge=0, description="Requests.")
    bad: float = Field(ge=0, description="Bad ones: 5xx, or slower than the bound.")
    estimate: float | None = Field(default=None, description="bad / n; absent without requests.")


class Interval(ApiModel):
    """A confidence interval that stays valid however often one looks. For display."""

    lower: float | None = Field(default=None, description="Lower bound; absent when unbounded.")
    upper: float | None = Field(default=None, description="Upper bound; absent when unbounded.")


class Evidence(ApiModel):
    """The accumulated statistics of one metric."""

    metric: str = Field(description="Name of the metric.")
    stable: ArmEvidence = Field(description="What stable showed.")
    candidate: ArmEvidence = Field(description="What the candidate showed.")
    interval: Interval = Field(
        description="Of the difference candidate - stable (a guard: of the candidate's rate)."
    )
    verdict: Verdict = Field(description="What this metric alone says.")
    rollback: float = Field(
        description="Evidence for taking back, in per cent of what is needed (log scale)."
    )
    promote: float | None = Field(
        default=None,
        description="Evidence for promoting, in per cent of what is needed (log scale).",
    )
    message: str = Field(description="The same in words.")
    state: str = Field(
        default="",
        description="What is needed to go on after a restart, as JSON: log-e grids, sums, bounds.",
    )


class Hold(ApiModel):
    """A wait that clears itself."""

    reason: str = Field(description="Why, one word.")
    message: str = Field(default="", description="Why, for people, and what to do.")
    since: Timestamp = Field(description="Since when.")
    deadline: Timestamp = Field(description="When `holds.then` happens.")


class CommandResult(ApiModel):
    """The last command that was carried out or refused."""

    id: str = Field(description="Its id.")
    verb: str = Field(description="What was asked.")
    by: str = Field(default="", description="Who asked.")
    at: Timestamp = Field(description="When it was answered.")
    result: str = Field(description="Done, or Ignored and why.")


class Transition(ApiModel):
    """One change of phase."""

    at: Timestamp = Field(description="When.")
    from_: str = Field(alias="from", description="The phase before.")
    to: str = Field(description="The phase after.")
    reason: str = Field(description="Why, one word.")
    message: str = Field(description="Why, for people.")


_ATOMIC: dict[str, Any] = {"x-kubernetes-list-type": "atomic"}


class RolloutStatus(ApiModel):
    """Where the delivery stands. Tools read conditions; `phase` is for people."""

    observed_generation: int | None = Field(
        default=None, ge=0, description="The generation that this was said about."
    )
    phase: Phase | None = Field(default=None, description="One word for people.")
    phase_since: Timestamp | None = Field(default=None, description="Since when.")
    attempt: Attempt | None = Field(default=None, description="The attempt under way, or the last.")
    attempts: int = Field(default=0, ge=0, description="How many attempts there have been.")
    observed_model_generation: int | None = Field(
        default=None, ge=0, description="The Model's generation that was last acted on."
    )
    observed_revision: str | None = Field(
        default=None, description="The Model's latest revision that was last acted on."
    )
    arms: list[ArmStatus] = Field(
        default_factory=list, max_length=2, description="The arms and their weights: the intent.",
        json_schema_extra=_ATOMIC,
    )  # fmt: skip
    step: StepStatus | None = Field(default=None, description="Where the attempt is in its steps.")
    evidence: list[Evidence] = Field(
        default_factory=list, max_length=10, description="What was measured in this attempt.",
        json_schema_extra=_ATOMIC,
    )  # fmt: skip
    hold: Hold | None = Field(default=None, description="A wait that clears itself.")
    candidate_missing_since: Timestamp | None = Field(
        default=None, description="Since when no pod of the candidate is ready while it has weight."
    )
    window_ends_at: Timestamp | None = Field(
        default=None, description="Until when the previous stable stays warm."
    )
    pauses: list[str] = Field(
        default_factory=list, max_length=5,
        description="Why it is paused, besides spec.paused; the verb resume clears them.",
        json_schema_extra=_ATOMIC,
    )  # fmt: skip
    settling_since: Timestamp | None = Field(
        default=None, description="Since when the route of a promotion or a rollback is programmed."
    )
    last_command: CommandResult | None = Field(
        default=None, description="The last command that was answered."
    )
    history: list[Transition] = Field(
        default_factory=list, max_length=20, description="The last 20 changes of phase, newest"
        " first.",
        json_schema_extra=_ATOMIC,
    )  # fmt: skip
    conditions: Conditions


class Rollout(ApiModel):
    """How a new revision of a Model takes over: steps, evidence, and the way back."""

    spec: RolloutSpec
    status: RolloutStatus = Field(default_factory=RolloutStatus)
