"""Waits and their ends: pauses until a person lifts them, holds and the deadline by policy."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import TYPE_CHECKING

from tidegate.domain.rollout.ending import take_back
from tidegate.domain.rollout.observing import judge, look_at_next_batch
from tidegate.domain.rollout.plan import stages
from tidegate.domain.times import moment, stamp

if TYPE_CHECKING:
    from tidegate.domain.evidence import Judgement
    from tidegate.domain.rollout.draft import Draft


LOOKED_AT = timedelta(minutes=2)
"""So long an operator looks at a hold that it finds before it ends it."""
APPROVAL = "ApprovalNeeded"
"""The cause of a pause that only the verb approve lifts."""


def pause(draft: Draft, cause: str, message: str) -> None:
    if cause not in draft.status.pauses:
        draft.set(pauses=[*draft.status.pauses, cause])
    if draft.phase != "Paused":
        draft.move(cause, message)
    else:
        draft.tell(cause, message)


def pause_by_command(draft: Draft, by: str) -> None:
    """Freeze the weight because a person asked for it."""
    message = f"paused by {by or 'a person'}; {draft.by_hand('resume')} goes on"
    pause(draft, "PausedByCommand", message)


def wait_for_approval(draft: Draft) -> None:
    """Pause until a person sends the verb approve: without a limit, and at no cost of the
    deadline."""
    step = draft.status.step
    assert step is not None
    if not step.skipped and APPROVAL not in draft.status.pauses:
        ask = f"{draft.by_hand('approve')} lets it go on, {draft.by_hand('abort')} takes it back"
        pause(draft, APPROVAL, f"step {step.index + 1} waits for a person: {ask}")


def stopped(draft: Draft) -> bool:
    """Whether any cause of a pause stands, so that the weight may not rise."""
    return draft.spec.paused or bool(draft.status.pauses)


def is_paused(draft: Draft) -> bool:
    """Enter or keep the pause while any cause stands; holds do not run out in it."""
    if not stopped(draft):
        return False
    if draft.phase != "Paused":
        draft.move("PausedBySpec", "spec.paused is true; the weight stays")
    look_at_next_batch(draft)
    draft.clear_hold()
    return True


def expire_hold(draft: Draft) -> None:
    """A hold at its deadline ends as `holds.then` says. An edited `holds.deadline` counts at
    once, from when the hold began.

    An operator that was away meanwhile waits a little longer: what it should have done about the
    hold, as starting pods, nobody did.
    """
    hold = draft.status.hold
    if hold is None or not draft.active or draft.phase == "Paused":
        return
    deadline = stamp(moment(hold.since) + draft.spec.holds.deadline)
    if deadline != hold.deadline:
        draft.set(hold=hold.model_copy(update={"deadline": deadline}))
    ends, since = moment(deadline), draft.timing.since
    if since is not None:
        ends = max(ends, since + min(draft.spec.holds.deadline, LOOKED_AT))
    if draft.now < ends:
        draft.at(ends, f"hold {hold.reason} ends")
        look_at_next_batch(draft)
        return
    text = f"held for {hold.reason} until its deadline: {hold.message}"
    if draft.spec.holds.then == "Rollback" or draft.phase == "Promoting":
        take_back(draft, "HoldExpired", text)
    else:
        draft.clear_hold()
        choices = f"{draft.by_hand('resume')} or {draft.by_hand('abort')}"
        pause(draft, "PausedByHold", f"{text}; choose {choices}")


def deadline_passed(draft: Draft) -> bool:
    """Whether the deadline came before a verdict, and what the policy makes of it."""
    attempt = draft.status.attempt
    assert attempt is not None
    limit = max(attempt.deadline_s or 0.0, draft.spec.deadline.total_seconds())
    if attempt.evaluating_s < limit:
        return False
    proven = judge(draft).verdict == "Promote"
    if proven and attempt.evaluating_s < limit + _least_s(draft):
        return False
    what = "no end of the steps" if proven else "no verdict"
    inconclusive(draft, f"{what} after {attempt.evaluating_s:.0f} s of evaluating")
    return True


def _least_s(draft: Draft) -> float:
    """How long a proven candidate may go on after the deadline: as its steps last together, or
    adaptive's least times. Neither would ever end where traffic does not bring a step's
    minRequests, or where too few pods are ready for adaptive's largest weight."""
    adaptive = draft.spec.strategy.adaptive
    if adaptive is not None:
        return (adaptive.min_duration + adaptive.soak).total_seconds()
    plan = stages(draft.spec.strategy)
    return math.fsum(stage.duration.total_seconds() for stage in plan)


def contradicted(draft: Draft, judgement: Judgement) -> bool:
    """The evidence contradicts itself, so that no verdict of it can be trusted: do what the policy
    says, but never promote. Returns whether the attempt ended. Whoever resumes is not asked again.
    """
    if doubted(draft):
        return False
    if draft.spec.on_inconclusive == "Rollback":
        take_back(draft, "Inconclusive", judgement.message)
        return True
    draft.set_attempt(doubted=True)
    choices = ", ".join(draft.by_hand(verb) for verb in ("abort", "promote", "resume"))
    pause(draft, "PausedByDoubt", f"{judgement.message}; choose one of {choices}")
    return False


def doubted(draft: Draft) -> bool:
    """Whether a person was told of contradictory evidence in this attempt."""
    attempt = draft.status.attempt
    return attempt is not None and attempt.doubted


def inconclusive(draft: Draft, why: str) -> None:
    """No verdict will come in time: do what the policy says."""
    draft.clear_hold()
    message = f"{why}: {judge(draft).message}"
    match draft.spec.on_inconclusive:
        case "Rollback":
            take_back(draft, "Inconclusive", message)
        case "Pause":
            again = f"{draft.by_hand('resume')} grants the same time again"
            pause(draft, "PausedByDeadline", f"{message}; {again}")
        case "Promote":
            draft.move("PromotedByDeadline", f"{message}; onInconclusive is Promote")
