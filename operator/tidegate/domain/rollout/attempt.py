"""An attempt that goes forward: from the first pod of the candidate to its promotion.

Owns what comes before the first weight, and what the candidate's pods end at any time. The rest
stands beside it: `stepping.py`, `observing.py`, `waiting.py`, `promoting.py`, `ending.py`.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from tidegate.domain.evidence import Baseline
from tidegate.domain.rollout import contesting, sizes, trialing
from tidegate.domain.rollout.baseline import freeze
from tidegate.domain.rollout.ending import take_back
from tidegate.domain.rollout.expecting import expect, expect_winner
from tidegate.domain.rollout.leaving import without_pods
from tidegate.domain.rollout.promoting import promote
from tidegate.domain.rollout.stepping import progress, take_step
from tidegate.domain.rollout.waiting import expire_hold, is_paused
from tidegate.domain.times import moment, seconds_between, stamp

if TYPE_CHECKING:
    from tidegate.domain.rollout.draft import Draft


def advance(draft: Draft) -> None:
    """One look at an attempt under way."""
    test = draft.spec.strategy.ab_test is not None and draft.phase != "Promoting"
    if test:
        if without_pods(draft):
            return
    elif _pods_end_it(draft):
        return
    match draft.phase:
        case _ if test and draft.phase not in ("Starting", "WarmingUp"):
            contesting.progress(draft)
        case "Starting":
            _start(draft)
        case "WarmingUp":
            _warm_up(draft)
        case "Promoting":
            promote(draft)
        case _ if draft.spec.strategy.aa is not None:
            trialing.progress(draft)
        case _:
            progress(draft)
    expire_hold(draft)


UNAVAILABLE_AFTER = timedelta(seconds=60)
"""How long a candidate with weight may be without any ready pod before it is taken back."""


def _pods_end_it(draft: Draft) -> bool:
    """Whether the candidate's pods end the attempt: a final failure, or none ready for a minute."""
    attempt = draft.status.attempt
    assert attempt is not None
    pods = draft.facts.arm(attempt.revision)
    if pods.failure is not None and pods.failure.final and pods.ready == 0:
        take_back(draft, "CandidateFailed", pods.failure.message, rejected_for=pods.failure.reason)
        return True
    had_weight = draft.status.step is not None or draft.phase == "Promoting"
    if pods.ready > 0 or not had_weight:
        if draft.status.candidate_missing_since is not None:
            draft.set(candidate_missing_since=None)
        return False
    since = draft.status.candidate_missing_since
    if since is None:
        draft.set(candidate_missing_since=stamp(draft.now))
        draft.within(UNAVAILABLE_AFTER, "the candidate has no ready pod")
        return False
    if seconds_between(since, draft.now) < UNAVAILABLE_AFTER.total_seconds():
        draft.at(moment(since) + UNAVAILABLE_AFTER, "the candidate has no ready pod")
        return False
    why = pods.failure.message if pods.failure else "no pod of it has been ready for a minute"
    take_back(draft, "CandidateUnavailable", why)
    return True


def _start(draft: Draft) -> None:
    """Wait until every pod that the first weight takes is ready, in both arms."""
    if is_paused(draft):
        return
    stable = draft.facts.arm(draft.delivery.stable)
    need = sizes.needed(sizes.first_load(draft), stable.ready)
    for revision in _trying(draft):
        pods = draft.facts.arm(revision)
        if not (pods.complete and pods.ready >= need):
            who = "the candidate" if revision == draft.delivery.candidate else revision
            why = f": {pods.failure.message}" if pods.failure else ""
            text = f"{who} has {pods.ready} ready pods and needs {need}{why}"
            draft.hold("CapacityMissing", text)
            return
    if stable.ready == 0:
        draft.hold("CapacityMissing", "stable has no ready pod to compare with")
        return
    draft.clear_hold()
    draft.set_attempt(warm_since=stamp(draft.now))
    ready = sum(draft.facts.arm(revision).ready for revision in _trying(draft))
    who = "the arms" if draft.delivery.contenders else "the candidate"
    draft.move("PodsReady", f"{ready} pods of {who} are ready")


def _trying(draft: Draft) -> list[str]:
    """The revisions that must be ready before the first request: those that have not left."""
    contest = draft.status.contest
    left = {arm.revision for arm in contest.arms if arm.left is not None} if contest else set()
    return [revision for revision in draft.challengers if revision not in left]


def _warm_up(draft: Draft) -> None:
    """Wait out the warm-up at weight 0, then freeze what evidence starts from and take step 0."""
    attempt = draft.status.attempt
    assert attempt is not None
    if attempt.warm_since is None:
        raise AssertionError("warm-up begins when the pods are ready")
    if is_paused(draft):
        return
    if not all(draft.facts.arm(revision).complete for revision in _trying(draft)):
        draft.move("PodsLost", "pods of the candidate are not ready any more")
        return
    warm = moment(attempt.warm_since) + draft.spec.analysis.warmup
    if draft.now < warm:
        draft.at(warm, "warming up")
        return
    if not freeze(draft):
        return
    draft.move("WarmedUp", "warm-up is over")
    baseline = draft.facts.baseline
    if draft.spec.strategy.ab_test is not None:
        contesting.open_contest(draft)
        expect_winner(draft, baseline if isinstance(baseline, Baseline) else None)
        return
    expect(draft, baseline if isinstance(baseline, Baseline) else None)
    take_step(draft, 0)
