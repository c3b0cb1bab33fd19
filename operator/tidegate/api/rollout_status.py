"""The status of a Rollout: where the delivery stands, written by the operator alone.

Tools read conditions; `phase` is for people. What leads from one state to the next is decided in
`domain/rollout`.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import ConfigDict, Field

from tidegate.api.ab_test import MAX_ARMS
from tidegate.api.base import WHOLE, ApiModel, Conditions, Timestamp
from tidegate.api.contest_status import Contest, Trials
from tidegate.api.record_status import OpenRecord

Phase = Literal[
    "Pending", "Healthy", "Starting", "WarmingUp", "Progressing", "Holding", "Paused", "Promoting",
    "Baking", "RollingBack", "Degraded",
]  # fmt: skip
Verdict = Literal["Promote", "Rollback", "Continue", "Inconclusive"]


class Ending(ApiModel):
    """Why an attempt is taken back."""

    reason: str = Field(description="Why, one word.")
    message: str = Field(description="Why, for people.")
    reject: bool = Field(description="Whether the digest is remembered as rejected.")


class ExpectedDecision(ApiModel):
    """What a decision was expected to take when the attempt began."""

    requests: float = Field(
        ge=0,
        description="Requests of the candidate until a version like stable is promoted. In an"
        " abTest: requests (or callers) of each arm until one wins that fails less by the goal's"
        " margin.",
    )
    seconds: float | None = Field(
        default=None, ge=0,
        description="Evaluating time that this takes with stable's present traffic; absent when"
        " that is not known, or never.",
    )  # fmt: skip
    message: str = Field(description="The same in words, and what to do when it is too much.")


class Attempt(ApiModel):
    """One try to bring a candidate in."""

    model_config = ConfigDict(json_schema_extra=WHOLE)

    number: int = Field(ge=1, description="Counts up, never reused.")
    key: str = Field(
        description="Hash of the candidate, the strategy, the metrics and the error rates: only a"
        " new key starts over."
    )
    started_at: Timestamp = Field(description="When it began.")
    revision: str = Field(description="The candidate.")
    digest: str = Field(description="The candidate's identity.")
    model_generation: int | None = Field(
        default=None, ge=0, description="The Model's generation when it began."
    )
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
    expected: ExpectedDecision | None = Field(
        default=None, description="What a decision was expected to take when evidence began."
    )
    asked: str | None = Field(
        default=None,
        description="Digest of the Model's latest revision when it began, where the candidate is"
        " another one: an arm of an abTest, or a twin.",
    )
    failed: bool = Field(default=False, description="Whether a Rollback verdict was given.")
    doubted: bool = Field(
        default=False,
        description="Whether it was paused because bursts made the evidence contradict itself.",
    )
    forced: bool = Field(
        default=False, description="Whether a person promoted it by force, whatever the evidence."
    )
    ending: Ending | None = Field(
        default=None, description="Why it is being taken back; absent while it goes forward."
    )


class ArmStatus(ApiModel):
    """One of the arms: stable, the candidate, and in an abTest the contenders besides."""

    name: Literal["stable", "candidate", "contender"] = Field(description="Which arm.")
    revision: str = Field(description="The revision behind it.")
    weight: int = Field(ge=0, le=100, description="Per cent of the requests that it is to get.")
    ready: int = Field(default=0, ge=0, description="Its ready pods.")


class StepStatus(ApiModel):
    """Where the attempt is in its steps."""

    model_config = ConfigDict(json_schema_extra=WHOLE)

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
    soaked: float = Field(
        default=0, ge=0, description="Seconds of it at adaptive.maxWeight that Prometheus covered."
    )
    stalled_since: Timestamp | None = Field(
        default=None,
        description="Since when the error budget of adaptive bears no traffic above minWeight.",
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


class Dispersion(ApiModel):
    """How far bad requests come in bursts: counts are divided by this before they are judged."""

    phi: float = Field(ge=1, description="The factor; 1 for independent requests.")
    verified: bool = Field(
        description="Whether it was measured on stable (240 blocks of a minute and a bad request"
        " are needed); otherwise it is 1 and unverified."
    )


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
    dispersion: Dispersion | None = Field(
        default=None, description="How far bad requests come in bursts; absent without counts."
    )
    state: str = Field(
        default="",
        description="What is needed to go on after a restart: log-e grids, sums, bounds; JSON, or"
        " where that is shorter base64 of its zlib form.",
    )


class Hold(ApiModel):
    """A wait that clears itself."""

    model_config = ConfigDict(json_schema_extra=WHOLE)

    reason: str = Field(description="Why, one word.")
    message: str = Field(default="", description="Why, for people, and what to do.")
    since: Timestamp = Field(description="Since when.")
    deadline: Timestamp = Field(description="When `holds.then` happens.")


class CommandResult(ApiModel):
    """The last command that was carried out or refused."""

    model_config = ConfigDict(json_schema_extra=WHOLE)

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
        default_factory=list, max_length=MAX_ARMS,
        description="The arms and their weights: the intent.",
        json_schema_extra=_ATOMIC,
    )  # fmt: skip
    step: StepStatus | None = Field(default=None, description="Where the attempt is in its steps.")
    evidence: list[Evidence] = Field(
        default_factory=list, max_length=10, description="What was measured in this attempt.",
        json_schema_extra=_ATOMIC,
    )  # fmt: skip
    contest: Contest | None = Field(
        default=None, description="The test between arms that is under way, or the last."
    )
    aa: Trials | None = Field(default=None, description="The A/A trials under way, or the last.")
    hold: Hold | None = Field(default=None, description="A wait that clears itself.")
    candidate_missing_since: Timestamp | None = Field(
        default=None, description="Since when no pod of the candidate is ready while it has weight."
    )
    window_since: Timestamp | None = Field(
        default=None, description="When the last promotion opened the rollback window."
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
        default_factory=list, max_length=20, description="The last changes of phase, newest first:"
        " 20, and fewer where their messages are long.",
        json_schema_extra=_ATOMIC,
    )  # fmt: skip
    records: list[OpenRecord] = Field(
        default_factory=list, max_length=3, description="Decision records that are being written.",
        json_schema_extra=_ATOMIC,
    )  # fmt: skip
    conditions: Conditions
