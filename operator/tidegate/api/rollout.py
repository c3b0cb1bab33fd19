"""The kind Rollout: how a new revision takes over.

The fields and their bounds are the contract with users (`kubectl explain rollouts.tidegate.dev`);
the decisions that follow from them are in `domain/rollout`.
"""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict, Field

from tidegate.api.analysis import Analysis
from tidegate.api.base import (
    ApiModel,
    Duration,
    LocalRef,
    lasting,
    milliseconds,
    parse_duration,
    rules,
)
from tidegate.api.rollout_status import RolloutStatus
from tidegate.api.strategy import Strategy

_LABELS_BAKE = (
    "a metric of type Labels is judged while baking: give baking a duration longer than the"
    " metric's delay (blueGreen without baking: rollbackWindow)"
)


class Holds(ApiModel):
    """What becomes of waits that clear themselves, such as missing data."""

    deadline: Duration = Field(
        default=parse_duration("10m"),
        description="Longest time of one hold.",
        json_schema_extra=lasting("1s", "30d", like="10m"),
    )
    then: Literal["Pause", "Rollback"] = Field(
        default="Pause", description="What happens at its end."
    )


class RollbackWindow(ApiModel):
    """How long the way back stays open after a promotion."""

    duration: Duration = Field(
        default=parse_duration("1h"),
        description="How long the previous stable stays warm at full size.",
        json_schema_extra=lasting("0s", "90d", like="1h"),
    )


class Baking(ApiModel):
    """The time after a promotion in which the evidence still counts."""

    duration: Duration = Field(
        default=parse_duration("24h"),
        description="How long. The previous stable stays warm at least as long.",
        json_schema_extra=lasting("1s", "90d", like="24h"),
    )


class RolloutSpec(ApiModel):
    """How a new revision of one Model takes over."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            (
                (
                    "!self.analysis.metrics.exists(m, m.type == 'Disagreement')"
                    " || has(self.strategy.shadow)"
                    " || (has(self.strategy.blueGreen) && has(self.strategy.blueGreen.shadow))"
                    " || (has(self.strategy.canary)"
                    " && self.strategy.canary.steps.exists(s, has(s.shadow)))"
                ),
                (
                    "a metric of type Disagreement needs mirrored requests: give canary a step"
                    " shadow, blueGreen a shadow, or use strategy shadow"
                ),
            ),
            (
                (
                    "!self.analysis.metrics.exists(m, m.type == 'Labels') || has(self.baking)"
                    " || has(self.strategy.blueGreen)"
                ),
                _LABELS_BAKE,
            ),
            (
                (
                    "!has(self.baking) || self.analysis.metrics.all(m, !has(m.delay)"
                    f" || {milliseconds('m.delay')} < {milliseconds('self.baking.duration')})"
                ),
                _LABELS_BAKE,
            ),
            (
                (
                    "has(self.baking) || !has(self.strategy.blueGreen)"
                    " || self.analysis.metrics.all(m, !has(m.delay) ||"
                    f" {milliseconds('m.delay')} <"
                    f" {milliseconds('self.rollbackWindow.duration')})"
                ),
                _LABELS_BAKE,
            ),
            (
                (
                    "!self.analysis.metrics.exists(m, m.type == 'Labels')"
                    " || (!has(self.strategy.aa) && !has(self.strategy.shadow))"
                ),
                (
                    "a metric of type Labels is judged after a promotion, and strategies aa and"
                    " shadow promote nothing: leave it out"
                ),
            ),
            (
                (
                    "!has(self.strategy.abTest) ||"
                    f" {milliseconds('self.strategy.abTest.minDuration')} <"
                    f" {milliseconds('self.deadline')}"
                ),
                (
                    "abTest.minDuration must be shorter than deadline, or no winner could be named"
                    " in time: set spec.deadline to more"
                ),
            ),
            (
                (
                    "!has(self.strategy.adaptive) || self.analysis.metrics.exists(m, has(m.margin)"
                    " && (m.type == 'ErrorRate' || m.type == 'Counters'))"
                ),
                (
                    "adaptive spends an error budget: give it a metric of type ErrorRate or"
                    " Counters with a margin"
                ),
            ),
            (
                "self.modelRef.name == oldSelf.modelRef.name",
                (
                    "modelRef cannot be changed: delete this Rollout and create one for the other"
                    " Model"
                ),
            ),
            (
                (
                    "!has(self.strategy.abTest) || self.analysis.metrics.exists(m,"
                    " m.name == self.strategy.abTest.goal && m.type in ['ErrorRate', 'Counters'])"
                ),
                (
                    "abTest.goal must be the name of a metric in analysis.metrics of type ErrorRate"
                    " or Counters"
                ),
            ),
            (
                (
                    "!has(self.strategy.abTest) || !has(self.strategy.abTest.stickyBy)"
                    " || !has(self.strategy.abTest.stickyBy.cookie)"
                    " || self.analysis.source == 'Gateway'"
                ),
                (
                    "stickyBy.cookie counts new callers, which only the gateway can: use"
                    " analysis.source Gateway, or stickyBy.header"
                ),
            ),
            (
                (
                    "!has(self.strategy.abTest) || self.analysis.metrics.all(m,"
                    " m.type in ['ErrorRate', 'Latency', 'Counters'])"
                ),
                (
                    "abTest judges its arms by what is counted of each: use metrics of type"
                    " ErrorRate, Latency and Counters"
                ),
            ),
            (
                (
                    "!has(self.strategy.abTest) || self.analysis.metrics.size()"
                    " * self.strategy.abTest.arms.size() <= 15"
                ),
                (
                    "too much evidence for one status: metrics times arms may be 15 at most in an"
                    " abTest, so that five arms can have three metrics"
                ),
            ),
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
        default="Rollback",
        description="What happens when the evidence is against the candidate."
        " Once it is being promoted it is always taken back.",
    )
    deadline: Duration = Field(
        default=parse_duration("2h"),
        description="Longest evaluating time of an attempt; pauses and holds do not count.",
        json_schema_extra=lasting("1s", "90d", like="2h"),
    )
    on_inconclusive: Literal["Rollback", "Pause", "Promote"] = Field(
        default="Rollback",
        description="What happens when the deadline comes before a verdict, or when bursts of"
        " failures make the evidence contradict itself (Promote is taken for Pause then).",
    )
    rollback_window: RollbackWindow = Field(
        default=RollbackWindow(), description="How long the way back stays open."
    )
    baking: Baking | None = Field(
        default=None,
        description="How long a promoted version is still judged and taken back by itself. Absent:"
        " not at all, but for blueGreen, which is judged as long as the rollback window is open.",
    )
    supersede: Literal["WhenNewer", "AfterAttempt"] | None = Field(
        default=None,
        description="What a newer revision does to an attempt under way. WhenNewer: it takes its"
        " place at once. AfterAttempt: it waits for its end, and only the newest one waits. When"
        " absent: WhenNewer, but AfterAttempt where the Model's artifact is a reference that is"
        " polled, so that one that moves often cannot keep every attempt from ending.",
    )
    keep_failed: Duration = Field(
        default=parse_duration("10m"),
        description="How long the pods of a rejected candidate stay, for a look at them; of"
        " more than eight, the oldest go sooner.",
        json_schema_extra=lasting("0s", "30d", like="10m"),
    )
    paused: bool = Field(
        default=False,
        description="Freeze the weight where it is. Crashed pods still take the candidate back.",
    )


class Rollout(ApiModel):
    """How a new revision of a Model takes over: steps, evidence, and the way back."""

    spec: RolloutSpec
    status: RolloutStatus = Field(default_factory=RolloutStatus)
