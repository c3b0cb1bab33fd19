"""A promotion: raise to 100 as pods carry it, wait for the gateway and for the old arm's silence.

Owns nothing of what becomes of stable and previous: that is `ending.py`.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from tidegate.domain.rollout import sizes
from tidegate.domain.rollout.baking import begin_baking
from tidegate.domain.rollout.ending import finish_promotion, take_back, window_of
from tidegate.domain.rollout.observing import count, judge
from tidegate.domain.rollout.waiting import doubted
from tidegate.domain.times import seconds_between, stamp

if TYPE_CHECKING:
    from tidegate.domain.rollout.draft import Draft


SETTLE_LIMIT = timedelta(seconds=30)
"""Longest wait for the old arm's counters to stand still after a promotion is programmed."""


def catch_up(draft: Draft) -> None:
    """Finish a promotion that the Model's status, which is written first, says is done: a crash
    came before the Rollout's. It comes before commands and pods: whatever took the candidate back
    now would take stable's traffic away."""
    attempt = draft.status.attempt
    done = attempt is not None and draft.delivery.stable == attempt.revision
    if draft.phase == "Promoting" and done:
        _finish(draft)


def promote(draft: Draft) -> None:
    """Raise to 100 as ready pods carry it, wait for the gateway and for the old arm to fall
    silent."""
    _confirm_evidence(draft)
    if draft.phase != "Promoting" or not _raised(draft):
        return
    draft.clear_hold()
    if not draft.confirmed:
        draft.set(settling_since=None)
        return
    since = draft.status.settling_since
    if since is None:
        draft.set(settling_since=stamp(draft.now))
        draft.within(draft.timing.lag + draft.timing.scrape, "the old arm falls silent")
        return
    waited = seconds_between(since, draft.now)
    if draft.facts.quiet is True or waited >= SETTLE_LIMIT.total_seconds():
        _finish(draft)
        return
    draft.within(max(draft.timing.scrape, timedelta(seconds=1)), "the old arm falls silent")


def _finish(draft: Draft) -> None:
    finish_promotion(draft, keep_old=window_of(draft.spec) > timedelta(0))
    begin_baking(draft)


def _raised(draft: Draft) -> bool:
    """Whether the candidate is to have all traffic: as its ready pods carry it, up and down."""
    candidate = draft.facts.arm(draft.delivery.candidate)
    full = sizes.full_size(draft)
    weight, reach = draft.weight("candidate"), sizes.carried(candidate.ready, full)
    if draft.spec.strategy.blue_green is not None and reach < 100:
        reach = 0  # one switch: never anything between the two
    # Only lost pods lower it, and only where others can take what they carried.
    lost = candidate.ready < draft.seen_ready("candidate")
    back = lost and draft.facts.arm(draft.delivery.stable).ready > 0
    if (reach < weight and back) or (reach > weight and not frozen(draft)):
        draft.set_candidate_weight(reach)
        weight = reach
    if weight == 100:
        return True
    draft.set(settling_since=None)
    if frozen(draft):
        draft.clear_hold()
    else:
        text = f"the candidate has {candidate.ready} of {full} ready pods"
        draft.hold("CapacityMissing", text)
    return False


def frozen(draft: Draft) -> bool:
    """Whether `spec.paused` keeps a promotion from going on; one by force goes on all the same."""
    return draft.spec.paused and draft.weight("candidate") < 100 and not _forced(draft)


def _confirm_evidence(draft: Draft) -> None:
    """While both arms still carry traffic, a Rollback verdict counts during a promotion too."""
    if draft.status.step is None or draft.weight("stable") == 0 or not draft.status.evidence:
        return
    if count(draft):
        judgement = judge(draft)
        if judgement.verdict == "Rollback" and not _forced(draft):
            take_back(draft, judgement.reason, judgement.message)
        elif judgement.verdict == "Inconclusive" and not (_forced(draft) or doubted(draft)):
            take_back(draft, "Inconclusive", judgement.message)


def _forced(draft: Draft) -> bool:
    """Whether a person promoted against the evidence."""
    attempt = draft.status.attempt
    return attempt is not None and attempt.forced
