"""Arms that leave an abTest before its end: without pods, or with the analysis against them.

Owns what becomes of such an arm: no weight from now on, and rejected. The others go on as long as
two are left.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from tidegate.api.rollout_status import Ending
from tidegate.domain.rollout.allotting import allot, contest_of, even, mark, wrong_rate
from tidegate.domain.rollout.ending import reject, take_back
from tidegate.domain.rollout.entering import taking_part
from tidegate.domain.rollout.tally import Tally, display
from tidegate.domain.times import moment, seconds_between, stamp

if TYPE_CHECKING:
    from tidegate.api.contest_status import ContestArm
    from tidegate.domain.rollout.draft import Draft

UNAVAILABLE_AFTER = timedelta(seconds=60)
"""How long an arm may be without any ready pod before it leaves."""


def without_pods(draft: Draft) -> bool:
    """Let arms go whose pods failed for good, or of which none has been ready for a minute.
    Returns whether that ends the test."""
    for arm in taking_part(contest_of(draft).arms):
        if arm.revision == draft.delivery.stable:
            continue
        pods = draft.facts.arm(arm.revision)
        if pods.ready > 0:
            mark(draft, arm, missing_since=None)
        elif pods.failure is not None and pods.failure.final:
            if leave(draft, arm, "CandidateFailed", pods.failure.message, pods.failure.reason):
                return True
        elif draft.status.step is not None and _missing_too_long(draft, arm):
            why = pods.failure.message if pods.failure else "no pod of it is ready for a minute"
            if leave(draft, arm, "CandidateUnavailable", why):
                return True
    return False


def _missing_too_long(draft: Draft, arm: ContestArm) -> bool:
    since = arm.missing_since
    if since is None:
        mark(draft, arm, missing_since=stamp(draft.now))
        draft.within(UNAVAILABLE_AFTER, f"arm {arm.name} has no ready pod")
        return False
    draft.at(moment(since) + UNAVAILABLE_AFTER, f"arm {arm.name} has no ready pod")
    return seconds_between(since, draft.now) >= UNAVAILABLE_AFTER.total_seconds()


def leave(draft: Draft, arm: ContestArm, reason: str, message: str, rejected_for: str = "") -> bool:
    """An arm leaves: no weight from now on, rejected. Returns whether too few are left to go on."""
    attempt = draft.status.attempt
    assert attempt is not None
    mark(draft, arm, left=reason, weight=0, missing_since=None)
    left = taking_part(contest_of(draft).arms)
    if len(left) < 2:
        last = arm.revision == attempt.revision
        if not last:
            reject_arm(draft, arm, rejected_for or reason, message)
        take_back(
            draft,
            reason,
            f"arm {arm.name}: {message}; no other arm is left",
            reject=last,
            rejected_for=rejected_for,
        )
        return True
    reject_arm(draft, arm, rejected_for or reason, message)
    draft.tell("ArmLeft", f"arm {arm.name} ({arm.revision}): {reason}: {message}", warning=True)
    if draft.status.step is not None:
        contest = contest_of(draft)
        draft.set(contest=display(contest, Tally.read(contest), wrong_rate(draft)))
        allot(draft, even(contest))
    return False


def reject_arm(draft: Draft, arm: ContestArm, reason: str, message: str) -> None:
    ending = Ending(reason=reason, message=message[:500], reject=True)
    reject(draft, arm.digest, arm.revision, ending)
