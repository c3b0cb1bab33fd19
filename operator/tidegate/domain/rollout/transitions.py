"""The state machine of a delivery: one table of (phase, reason) → phase.

Every change of phase goes through `following`; a change that is not in the table is a bug and
raises. docs/rollout-states.md is drawn from this table.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tidegate.api.rollout_status import Transition

HISTORY_LIMIT = 20
HISTORY_BYTES = 2000
"""What a history may take of a status, which must stay small whatever the messages are."""

ACTIVE = ("Starting", "WarmingUp", "Progressing", "Holding", "Paused", "Promoting")
"""Phases of an attempt that goes forward, or waits."""

IDLE = ("Pending", "Healthy", "Degraded")
"""Phases without an attempt under way."""

_TAKEN_BACK = (
    "Aborted", "CandidateFailed", "CandidateUnavailable", "EvidenceRollsBack", "GuardBroken",
    "HoldExpired", "Inconclusive", "LostToStable", "SampleRatioMismatch", "StatusLost",
    "Superseded", "TrialsDone", "WinnerNamed",
)  # fmt: skip
_BAKED_BACK = ("Aborted", "CandidateUnavailable", "EvidenceRollsBack", "GuardBroken")
_HOLDS = (
    "NoData", "MetricsUnavailable", "CapacityMissing", "CommonCause", "ClockSkew",
    "BadMetric",
)  # fmt: skip
_PAUSES = (
    "ApprovalNeeded", "PausedBySpec", "PausedByCommand", "PausedByHold", "PausedByFailure",
    "PausedByDeadline", "PausedByDoubt", "PausedByMismatch",
)  # fmt: skip

TRANSITIONS: dict[tuple[str, str], str] = {
    ("Pending", "InitialDeploy"): "Healthy",
    ("Pending", "RevisionFailed"): "Degraded",
    ("Degraded", "Recovered"): "Healthy",
    ("Starting", "PodsReady"): "WarmingUp",
    ("WarmingUp", "PodsLost"): "Starting",
    ("WarmingUp", "WarmedUp"): "Progressing",
    ("Progressing", "StepReached"): "Progressing",
    ("Progressing", "PodsLost"): "Starting",
    ("Holding", "PodsLost"): "Starting",
    ("Holding", "HoldCleared"): "Progressing",
    ("Holding", "StepReached"): "Progressing",
    ("Paused", "Resumed"): "Progressing",
    ("Paused", "ResumedAtStart"): "Starting",
    ("Paused", "StepReached"): "Paused",
    ("Promoting", "Promoted"): "Healthy",
    ("Healthy", "BakingStarted"): "Baking",
    ("Baking", "Baked"): "Healthy",
    ("Baking", "BakingEnded"): "Healthy",
    ("RollingBack", "RolledBack"): "Degraded",
    ("RollingBack", "TakenBack"): "Healthy",
    ("RollingBack", "PromotedByCommand"): "Promoting",
    **{
        (phase, "Reset"): "Pending"
        for phase in (*ACTIVE, "Baking", "RollingBack", "Healthy", "Degraded")
    },
    **{(phase, "RejectedBefore"): "Degraded" for phase in ("Pending", "Healthy")},
    **{(phase, "AttemptStarted"): "Starting" for phase in IDLE},
    **{(phase, "FastRollback"): "Promoting" for phase in IDLE},
    **{(phase, "WinnerAdopted"): "Promoting" for phase in IDLE},
    **{(phase, reason): "RollingBack" for phase in ACTIVE for reason in _TAKEN_BACK},
    **{("Baking", reason): "RollingBack" for reason in _BAKED_BACK},
    **{(phase, hold): "Holding" for phase in ("Progressing", "Holding") for hold in _HOLDS},
    **{
        (phase, pause): "Paused"
        for phase in ("Starting", "WarmingUp", "Progressing", "Holding")
        for pause in _PAUSES
    },
    **{
        (phase, reason): "Promoting"
        for phase in ("Starting", "WarmingUp", "Progressing", "Holding", "Paused")
        for reason in (
            "EvidencePromotes",
            "ChecksPassed",
            "ContestWon",
            "PromotedByCommand",
            "PromotedByDeadline",
        )
    },
}


def following(phase: str, reason: str) -> str:
    """The phase after `phase` for a reason. Raises ValueError for a change that is not in the
    table."""
    try:
        return TRANSITIONS[phase, reason]
    except KeyError:
        raise ValueError(f"no transition from {phase} by {reason}") from None


def remembered(history: Sequence[Transition]) -> list[Transition]:
    """What stays of a history, the newest first: 20 changes, as far as there is room for them."""
    kept: list[Transition] = []
    size = 0
    for entry in history[:HISTORY_LIMIT]:
        size += len(entry.model_dump_json(by_alias=True))
        if size > HISTORY_BYTES:
            break
        kept.append(entry)
    return kept
