"""How an attempt ends: promoted, or taken back.

Owns what becomes of stable, previous, candidate and rejected at the end. Weight first, sizes after:
taking back waits for nothing but a stable that can serve.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from tidegate.api.model_status import Draining, Rejection
from tidegate.api.rollout_status import Ending
from tidegate.domain.room import REJECTED_BYTES, fitted
from tidegate.domain.short_words import short
from tidegate.domain.times import moment, stamp

if TYPE_CHECKING:
    from datetime import datetime

    from tidegate.api.rollout import RolloutSpec
    from tidegate.domain.rollout.draft import DeliveryDraft, Draft

DRAIN = timedelta(seconds=30)
"""How long pods stay after their last traffic, to finish what they were asked."""
DRAINING_LIMIT = 8
"""So many revisions without traffic keep their pods. All that have pods stay in the route, of which
a rule takes 16: these, and at most seven others (stable, previous, candidate, four contenders)."""
REJECTED_LIMIT = 20
IN_FULL = 3
"""Of so many rejections, the newest, all words stay in status, whatever room they take."""


def take_back(
    draft: Draft,
    reason: str,
    message: str,
    *,
    reject: bool = True,
    rejected_for: str = "",
    by: str = "",
) -> None:
    """Decide that the candidate goes: weight 0 now, its pods later."""
    draft.set_attempt(
        ending=Ending(reason=rejected_for or reason, message=message[:500], reject=reject)
    )
    draft.set(hold=None, pauses=[], settling_since=None)
    draft.move(reason, message, by=by)
    _weight_to_stable(draft)


def _weight_to_stable(draft: Draft) -> bool:
    """Intend 100 for stable, if it can serve. Returns whether it could."""
    if draft.facts.arm(draft.delivery.stable).ready == 0:
        return False
    assert draft.status.attempt is not None
    if draft.weight("stable") < 100:
        draft.set_arms(draft.status.attempt.revision, 0)
    return True


def taking_back(draft: Draft) -> None:
    """One look at an attempt that is being taken back."""
    attempt = draft.status.attempt
    assert attempt is not None
    assert attempt.ending is not None
    others_have_traffic = bool(draft.status.arms) and draft.weight("stable") < 100
    if others_have_traffic and not _weight_to_stable(draft):
        draft.hold(
            "StableUnavailable",
            "stable has no ready pod to go back to; the candidate keeps the traffic until it has,"
            f" or until somebody promotes it: {draft.by_hand('promote --force')}",
        )
        draft.within(timedelta(seconds=5), "stable has no ready pod")
        return
    draft.clear_hold()
    if not draft.confirmed:
        draft.within(timedelta(seconds=5), "the gateway has not confirmed the rollback yet")
        return
    stays = staying(draft, attempt.revision, failed=attempt.ending.reject)
    release(draft, attempt.revision, stays)
    if draft.delivery.candidate == attempt.revision:
        draft.set_delivery(candidate=None)
    draft.set(candidate_missing_since=None)
    if not attempt.ending.reject:
        draft.set_arms(None)
        draft.move("TakenBack", attempt.ending.message)
        return
    reject(draft, attempt.digest, attempt.revision, attempt.ending)
    draft.move(
        "RolledBack",
        f"{attempt.revision} was taken back: {attempt.ending.message}. Change the Model, or try the"
        f" same revision again: {draft.by_hand('retry')}",
    )


def staying(draft: Draft, revision: str, *, failed: bool) -> timedelta:
    """How long the pods of a revision stay that is taken back: the winner of a test as long as the
    way back is open, since the Model may be asked for it now."""
    contest = draft.status.contest
    if contest is not None and contest.winner is not None:
        won = any(a.name == contest.winner and a.revision == revision for a in contest.arms)
        if won:
            return draft.spec.rollback_window.duration
    return draft.spec.keep_failed if failed else DRAIN


def finish_promotion(draft: Draft, *, keep_old: bool) -> None:
    """The candidate carries all traffic: it is stable now, and the old stable is the way back."""
    attempt, old = draft.status.attempt, draft.delivery.stable
    assert attempt is not None
    if old != attempt.revision:
        _swap(draft, attempt.revision, keep_old=keep_old)
    draft.set(
        window_since=stamp(draft.now),
        settling_since=None,
        candidate_missing_since=None,
        step=None,
    )
    draft.set_arms(None)
    draft.move("Promoted", f"{attempt.revision} is stable now")


def _swap(draft: Draft, revision: str, *, keep_old: bool) -> None:
    """Make a revision stable, and the old stable the way back or nothing."""
    old, before = draft.delivery.stable, draft.delivery.previous
    if before is not None and before != revision:
        release(draft, before, DRAIN)
    draft.set_delivery(stable=revision, previous=old if keep_old else None, candidate=None)
    if old is not None and not keep_old:
        release(draft, old, DRAIN)


def window_end(draft: Draft) -> datetime | None:
    """When the rollback window ends: an edit of its duration moves it. None when none is open."""
    since = draft.status.window_since
    if since is None or draft.delivery.previous is None:
        return None
    return moment(since) + window_of(draft.spec)


def window_of(spec: RolloutSpec) -> timedelta:
    """How long the way back stays open: at least as long as a promoted version is judged."""
    baking = spec.baking.duration if spec.baking is not None else timedelta(0)
    return max(spec.rollback_window.duration, baking)


def close_window(draft: Draft) -> None:
    """Let the previous stable go when its window is over, and the pods whose time has come."""
    ends, previous = window_end(draft), draft.delivery.previous
    if previous is not None and not draft.active and (ends is None or draft.now >= ends):
        release(draft, previous, DRAIN)
        draft.set_delivery(previous=None)
        ends = None
    if ends is None:
        draft.set(window_since=None, window_ends_at=None)
    else:
        draft.set(window_ends_at=stamp(ends))
        if draft.now < ends:  # one that is over waits for the end of the attempt under way
            draft.at(ends, "the rollback window ends")
    drop_drained(draft)


def drop_drained(draft: DeliveryDraft) -> None:
    """Forget the revisions whose pods have stayed long enough.

    Not one that is let go in this look, however long ago that was decided first: the operator died
    before it wrote down that the attempt is over. Forgotten now, it would be let go anew by the
    next one that dies there, with pods that are made again only to go.
    """
    kept = [
        entry
        for entry in draft.delivery.draining
        if draft.now < moment(entry.until) or entry.revision in draft.let_go
    ]
    kept = kept[-DRAINING_LIMIT:]
    if len(kept) != len(draft.delivery.draining):
        draft.set_delivery(draining=kept)
    for entry in kept:
        draft.at(entry.until, f"pods of {entry.revision} go")


def release(draft: DeliveryDraft, revision: str, stays: timedelta) -> None:
    """Let a revision without traffic go after a while, and the oldest of them now where there are
    too many.

    One that was let go before keeps its time: the operator may have died before it could write down
    that the attempt is over, and comes here again.
    """
    draft.let_go.add(revision)
    known = [entry for entry in draft.delivery.draining if entry.revision == revision]
    entry = known[-1] if known else Draining(revision=revision, until=stamp(draft.now + stays))
    if not known:
        draft.set_delivery(draining=[*draft.delivery.draining, entry][-DRAINING_LIMIT:])
    draft.at(entry.until, f"pods of {revision} go")


def reject(draft: DeliveryDraft, digest: str, revision: str, ending: Ending) -> None:
    """Remember a digest that is not to be tried again by itself: the last 20, and never forget the
    one that the Model asks for now. What was rejected before keeps its time and its figures, as in
    `release`: it is the same rejection that is decided again."""
    known = rejection_of(draft, digest)
    if known is not None and known.reason == ending.reason:
        return
    rejection = Rejection(
        digest=digest,
        revision=revision,
        reason=ending.reason,
        message=ending.message,
        at=stamp(draft.now),
    )
    others = [entry for entry in draft.delivery.rejected if entry.digest != digest]
    asked = draft.facts.latest.digest if draft.facts.latest else ""
    while len(others) >= REJECTED_LIMIT:
        drop = next((i for i, entry in enumerate(others) if entry.digest != asked), 0)
        others.pop(drop)
    draft.set_delivery(rejected=_in_room([*others, rejection], asked))


def _in_room(entries: list[Rejection], asked: str) -> list[Rejection]:
    """The rejections, of which the older ones lose their words where they take too much room."""
    whole = {asked, *(entry.digest for entry in entries[-IN_FULL:])}

    def in_short(entry: Rejection) -> Rejection:
        if entry.digest in whole:
            return entry
        return entry.model_copy(update={"message": short(entry.message)})

    def without_words(entry: Rejection) -> Rejection:
        return entry if entry.digest in whole else entry.model_copy(update={"message": ""})

    return fitted(entries, room=REJECTED_BYTES, steps=(in_short, without_words))


def rejection_of(draft: DeliveryDraft, digest: str) -> Rejection | None:
    """The rejection of a digest, if it was rejected."""
    return next((entry for entry in draft.delivery.rejected if entry.digest == digest), None)
