"""A status that cannot be gone on from: edited by hand, restored, or about another delivery.

Owns finding that out before anything relies on it. What is lost is only time: the attempt starts
over from weight 0, and nothing is blamed for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidegate.api.rollout_status import RolloutStatus, Transition
from tidegate.domain import evidence as evidences
from tidegate.domain.rollout import tally
from tidegate.domain.rollout.ending import take_back
from tidegate.domain.rollout.transitions import remembered
from tidegate.domain.times import stamp

if TYPE_CHECKING:
    from datetime import datetime

    from tidegate.domain.rollout.draft import Draft

_COMPARING = ("Progressing", "Holding", "Paused")


def forget_strange(draft: Draft) -> None:
    """Begin anew where the status speaks of another stable than the Model does, or of an attempt
    that is not there."""
    if not _strange(draft):
        return
    draft.set(step=None, evidence=[], hold=None, pauses=[], settling_since=None)
    draft.set_arms(None)
    if draft.phase != "Pending":
        draft.move("Reset", "the status was about another delivery; what serves now is kept")


def _strange(draft: Draft) -> bool:
    attempt, stable = draft.status.attempt, draft.delivery.stable
    if draft.phase == "RollingBack" and (attempt is None or attempt.ending is None):
        return True
    if (draft.active or draft.phase == "Baking") and attempt is None:
        return True
    if draft.phase == "Baking" and attempt is not None:
        # Between the two statuses of a way back, the Model's is ahead.
        return attempt.revision not in (stable, draft.delivery.candidate)
    if stable is None:
        return draft.phase not in ("Pending", "Degraded") or bool(draft.status.arms)
    # The Model's status is written first, so stable may be ahead of this one in one way only: by
    # the promotion that is about to end here.
    ahead = draft.phase == "Promoting" and draft.weight("candidate") == 100
    if ahead and attempt is not None and attempt.revision == stable:
        return False
    return any(arm.name == "stable" and arm.revision != stable for arm in draft.status.arms)


def set_aside(status: RolloutStatus, now: datetime) -> RolloutStatus:
    """The status of a Rollout whose Model is delivered without it: nothing of it moves or stands.

    Otherwise it would show weights that are not there, and go on from them some day.
    """
    if status.phase in (None, "Pending") and not status.arms:
        return status
    before = status.phase or "Pending"
    message = "the Model has delivery: Direct now"
    entry = Transition(at=stamp(now), from_=before, to="Pending", reason="Reset", message=message)
    return RolloutStatus(
        phase="Pending",
        phase_since=stamp(now),
        attempt=status.attempt,
        attempts=status.attempts,
        last_command=status.last_command,
        history=remembered([entry, *status.history]),
        records=status.records,
        conditions=status.conditions,
    )


def unreadable(draft: Draft) -> str:
    """What is missing of the attempt's status to go on with it; empty when nothing is.

    Evidence that cannot be read is dropped, so that nothing after this trips over it.
    """
    status, analysis = draft.status, draft.spec.analysis
    attempt = status.attempt
    if draft.phase == "WarmingUp" and attempt is not None and attempt.warm_since is None:
        return "since when its pods are ready"
    if draft.phase in ("Progressing", "Holding") and status.step is None:
        return "its step"
    strategy = draft.spec.strategy
    compares = draft.phase in _COMPARING and status.step is not None
    if strategy.ab_test is not None and draft.active and draft.phase != "Promoting":
        begun = status.contest is not None and status.contest.ended is None
        if not begun or (
            compares and not tally.readable(status.contest, status.evidence, analysis)
        ):
            return "its test"
    lost = status.aa is None or status.aa.ended is not None
    if strategy.aa is not None and draft.active and lost:
        return "its trials"
    if (compares or status.evidence) and not evidences.readable(status.evidence, analysis):
        draft.set(evidence=[])
        return "its evidence" if compares else ""
    return ""


def start_over(draft: Draft, missing: str) -> None:
    """End the attempt without blame; the next look begins another for the same candidate."""
    message = f"the status lacks {missing}, or it cannot be read: the attempt starts over"
    take_back(draft, "StatusLost", message, reject=False)
