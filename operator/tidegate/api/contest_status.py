"""What the status of a Rollout says of a test between arms (abTest) and of A/A trials (aa).

Written by the operator alone, as all of the status.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import ConfigDict, Field

from tidegate.api.ab_test import MAX_ARMS, MAX_TRIALS
from tidegate.api.base import WHOLE, ApiModel, Timestamp

_ATOMIC: dict[str, Any] = {"x-kubernetes-list-type": "atomic"}


class ContestArm(ApiModel):
    """One arm of a test, as far as it has been seen."""

    name: str = Field(description="Its name in the strategy.")
    revision: str = Field(description="The revision behind it.")
    digest: str = Field(description="That revision's identity.")
    weight: int = Field(default=0, ge=0, le=100, description="Per cent that it is to get.")
    users: float | None = Field(
        default=None, description="New callers that fell to it; absent where they are not counted."
    )
    n: float = Field(default=0, ge=0, description="What is compared: new callers, or requests.")
    bad: float = Field(default=0, ge=0, description="Failures among them.")
    estimate: float | None = Field(default=None, description="bad / n; absent without any.")
    best_chance: float | None = Field(
        default=None,
        description="How likely it fails least of all, given what was seen (no test: for display"
        " and allocation).",
    )
    missing_since: Timestamp | None = Field(
        default=None, description="Since when no pod of it is ready."
    )
    left: str | None = Field(default=None, description="Why it left the test before its end.")


class ContestPair(ApiModel):
    """How far it is shown that one arm fails less than another."""

    arm: str = Field(description="The one that may fail less.")
    than: str = Field(description="The other.")
    evidence: float = Field(description="In per cent of what is needed (log scale).")


class Contest(ApiModel):
    """A test between arms: the one under way, or the last."""

    model_config = ConfigDict(json_schema_extra=WHOLE)

    key: str = Field(description="Hash of arms, metrics and error rates: decided once each.")
    unit: Literal["Users", "Requests", "Events"] = Field(
        description="What is compared: new callers by the answer to their first request, requests,"
        " or the events that the goal's own counters count."
    )
    callers: bool | None = Field(
        default=None,
        description="Whether new callers are counted, so that their shares can be checked; when"
        " absent they are where they are compared.",
    )
    arms: list[ContestArm] = Field(
        max_length=MAX_ARMS, description="The arms.", json_schema_extra=_ATOMIC
    )
    pairs: list[ContestPair] = Field(
        default_factory=list, max_length=20,
        description="The evidence of every ordered pair. An arm wins when it is at 100 against"
        " each of the others.",
        json_schema_extra=_ATOMIC,
    )  # fmt: skip
    mismatch: float | None = Field(
        default=None,
        description="Evidence that callers are not shared out as the weights say, in per cent of"
        " what ends the test; absent where callers are not counted.",
    )
    winner: str | None = Field(default=None, description="The arm that has won.")
    ended: str | None = Field(default=None, description="Why the test is over, one word.")
    message: str = Field(default="", description="How it stands, in words.")
    seed: int = Field(description="What the draws of TopTwo begin from.")
    state: str = Field(default="", description="What is needed to go on after a restart, as JSON.")

    @property
    def counts_callers(self) -> bool:
        """Whether new callers of each arm are counted."""
        return self.unit == "Users" if self.callers is None else self.callers


class Trial(ApiModel):
    """One trial of a twin against stable."""

    at: Timestamp = Field(description="When it ended.")
    verdict: Literal["Rollback", "Promote", "Continue"] = Field(
        description="Rollback is a false alarm; Promote: it was shown not to be worse."
    )
    metric: str = Field(default="", description="The metric that raised the false alarm.")
    n: float = Field(ge=0, description="Requests of the twin.")
    seconds: float = Field(ge=0, description="Observed time.")


class MetricAlarms(ApiModel):
    """False alarms of one metric."""

    metric: str = Field(description="Its name.")
    false_alarms: int = Field(ge=0, description="Trials that it ended.")


class Trials(ApiModel):
    """A/A trials: those under way, or the last."""

    model_config = ConfigDict(json_schema_extra=WHOLE)

    key: str = Field(description="Hash of the twin, the metrics and the error rates.")
    stable: str = Field(description="The revision that is compared with its twin.")
    twin: str = Field(description="The twin.")
    done: int = Field(default=0, ge=0, description="Trials that have ended.")
    false_alarms: int = Field(default=0, ge=0, description="Trials that ended with Rollback.")
    promotions: int = Field(default=0, ge=0, description="Trials in which Promote was reached.")
    by_metric: list[MetricAlarms] = Field(
        default_factory=list, max_length=10, description="False alarms by metric.",
        json_schema_extra=_ATOMIC,
    )  # fmt: skip
    expected_at_most: float = Field(
        description="The rate of false alarms that the settings promise: falseRollbackRate."
    )
    upper_bound: float | None = Field(
        default=None,
        description="The true rate is below this with 95 % confidence, at every look.",
    )
    promoted: bool = Field(
        default=False, description="Whether the trial under way has reached Promote."
    )
    between: bool = Field(
        default=False, description="Whether the next trial waits for stable's history."
    )
    results: list[Trial] = Field(
        default_factory=list, max_length=MAX_TRIALS,
        description="The last 5 trials, newest first; the sums above are of all.",
        json_schema_extra=_ATOMIC,
    )  # fmt: skip
    ended: str | None = Field(default=None, description="Why no more trials are made, one word.")
    message: str = Field(default="", description="What it means, in words.")
