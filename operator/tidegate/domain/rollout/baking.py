"""After a promotion: the new stable is still judged, and taken back by itself, for a while.

Owns when that begins and ends, and the way back: the previous stable, warm at full size, becomes
stable again and the promoted revision a candidate that is being taken back. What is judged when
there is nothing left to compare with is `evidence.baking`.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from tidegate.api.rollout_status import StepStatus
from tidegate.domain import evidence as evidences
from tidegate.domain.rollout.beginning import key_of
from tidegate.domain.rollout.ending import take_back
from tidegate.domain.rollout.observing import count, interval_of, judge, look_at_next_batch
from tidegate.domain.rollout.plan import stages
from tidegate.domain.times import moment, seconds_between, stamp

if TYPE_CHECKING:
    from tidegate.api.rollout import RolloutSpec
    from tidegate.domain.rollout.draft import Draft

_EDITED = (
    "the strategy or the metrics were changed while it was being promoted: what was measured fits"
    " them no more, so the version is not judged while it bakes; set the Model back to take it back"
)
UNAVAILABLE_AFTER = timedelta(seconds=60)
"""How long the promoted revision may be without any ready pod before it is taken back."""


def baking_time(spec: RolloutSpec) -> timedelta:
    """How long a promoted version is judged. Blue-green is, as long as the way back is open: its
    callers met the version only at the switch."""
    if spec.baking is not None:
        return spec.baking.duration
    if spec.strategy.blue_green is not None:
        return spec.rollback_window.duration
    return timedelta(0)


def begin_baking(draft: Draft) -> None:
    """Go on judging what was just promoted, where that is asked for and can be undone."""
    attempt, duration = draft.status.attempt, baking_time(draft.spec)
    assert attempt is not None
    possible = bool(draft.status.evidence) and draft.delivery.previous is not None
    if duration <= timedelta(0) or not possible or attempt.forced:
        why = _unjudged(draft) if duration > timedelta(0) else ""
        if why:
            draft.tell("BakingSkipped", why, warning=True)
        return
    first = draft.now + interval_of(draft) + draft.timing.lag
    draft.set(
        evidence=evidences.bake(draft.status.evidence, draft.spec.analysis),
        step=StepStatus(
            index=len(stages(draft.spec.strategy)) - 1,
            started_at=stamp(draft.now),
            last_batch_end=stamp(draft.now),
            next_evaluation_at=stamp(first),
        ),
    )
    draft.move("BakingStarted", f"{attempt.revision} is still judged and can still be taken back")


def _unjudged(draft: Draft) -> str:
    """Why a version that was to bake does not. Empty where nothing could be judged or taken back
    whatever people did: without metrics, or on the fast way back."""
    attempt = draft.status.attempt
    assert attempt is not None
    begun = next((entry for entry in draft.status.history if entry.to == "Promoting"), None)
    by_hand = begun is not None and begun.reason == "PromotedByCommand"
    back = f"; {draft.by_hand('abort')} has nothing to take back: set the Model back instead"
    if attempt.forced:
        last = draft.status.last_command
        by = last.by if last is not None and last.verb == "promote" else ""
        return (
            f"{attempt.revision} was promoted by force (by {by or 'a person'}), so it is not judged"
            f" while it bakes: it would be taken back for what was overruled{back}"
        )
    if by_hand and draft.spec.analysis.metrics and not draft.status.evidence:
        assert begun is not None
        return (
            f"{attempt.revision} is not judged while it bakes: no evidence had begun that limits"
            f" could be frozen from ({begun.message}){back}"
        )
    return _EDITED if attempt.key != key_of(attempt.digest, draft.spec) else ""


def bake(draft: Draft) -> None:
    """One look at a promoted revision while it bakes."""
    attempt, since = draft.status.attempt, draft.status.window_since
    assert attempt is not None
    if draft.delivery.stable != attempt.revision:
        # A crash came between the Model's status, which says so, and ours.
        take_back_promoted(draft, "EvidenceRollsBack", "it was being taken back at a restart")
        return
    if since is None or draft.delivery.previous is None:
        _end(draft, "Baked", "there is no previous revision left to go back to")
        return
    ends = moment(since) + baking_time(draft.spec)
    if draft.now >= ends:
        _end(draft, "Baked", f"{attempt.revision} has baked; nothing spoke against it")
        return
    if draft.status.evidence and count(draft):
        judgement = judge(draft)
        if judgement.verdict == "Rollback":
            take_back_promoted(draft, judgement.reason, judgement.message)
            return
    if _gone(draft):
        take_back_promoted(
            draft, "CandidateUnavailable", "no pod of it has been ready for a minute"
        )
        return
    draft.at(ends, "baking ends")
    if draft.status.evidence:
        look_at_next_batch(draft)


def end_for_newer(draft: Draft, what: str) -> None:
    """Something else is asked for: what has baked so far stays stable."""
    _end(draft, "BakingEnded", what)


def take_back_promoted(draft: Draft, reason: str, message: str, *, by: str = "") -> None:
    """Make the previous stable stable again, and take back what was promoted."""
    attempt = draft.status.attempt
    assert attempt is not None
    if draft.delivery.stable == attempt.revision:
        draft.set_delivery(
            stable=draft.delivery.previous, previous=None, candidate=attempt.revision
        )
    draft.set(step=None, window_since=None)
    draft.set_arms(attempt.revision, 100)  # as the route still is, until the weight moves
    take_back(draft, reason, message, by=by)


def _end(draft: Draft, reason: str, message: str) -> None:
    draft.set(step=None, candidate_missing_since=None)
    draft.move(reason, message)


def _gone(draft: Draft) -> bool:
    """Whether the promoted revision has had no ready pod for a minute, and the way back has."""
    ready = draft.facts.arm(draft.delivery.stable).ready
    since = draft.status.candidate_missing_since
    if ready > 0 or draft.facts.arm(draft.delivery.previous).ready == 0:
        if since is not None:
            draft.set(candidate_missing_since=None)
        return False
    if since is None:
        draft.set(candidate_missing_since=stamp(draft.now))
        draft.within(UNAVAILABLE_AFTER, "the promoted revision has no ready pod")
        return False
    draft.at(moment(since) + UNAVAILABLE_AFTER, "the promoted revision has no ready pod")
    return seconds_between(since, draft.now) >= UNAVAILABLE_AFTER.total_seconds()
