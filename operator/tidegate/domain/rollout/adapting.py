"""The strategy adaptive: a weight that follows the evidence within an error budget.

Owns when the weight changes and what ends the attempt; the arithmetic is `stats.weight` (statistics
4.2). Harm is bounded because the weight is chosen with the upper bound of what the candidate may be
worse, for as long as it takes until the next decision is effective.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from tidegate.domain.evidence import Batch
from tidegate.domain.rollout import sizes
from tidegate.domain.rollout.observing import interval_of
from tidegate.domain.rollout.waiting import inconclusive
from tidegate.domain.times import moment, seconds_between, stamp
from tidegate.stats import Counts
from tidegate.stats.weight import excess_upper, next_weight, requests_left

if TYPE_CHECKING:
    from tidegate.api.rollout_status import ArmEvidence, Evidence
    from tidegate.api.strategy import Adaptive
    from tidegate.domain.evidence import Judgement
    from tidegate.domain.rollout.draft import Draft

HORIZON = timedelta(seconds=60)
"""H: how long a weight stands at least before the next one is effective."""
STALL_LIMIT = timedelta(minutes=30)
"""How long the budget may bear no traffic above the floor before the attempt is inconclusive."""


def adapt(draft: Draft, judgement: Judgement, *, counted: bool) -> None:
    """After a batch at the present weight: promote, end without a verdict, or change the weight."""
    adaptive, step, seen = draft.spec.strategy.adaptive, draft.status.step, draft.facts.observation
    assert adaptive is not None
    assert step is not None
    draft.clear_hold()
    if step.started_at is None or not counted or not isinstance(seen, Batch):
        return
    began = max(seen.start, moment(step.started_at))
    if draft.weight("candidate") >= adaptive.max_weight:
        soaked = step.soaked + max(0.0, (seen.end - began).total_seconds())
        draft.set_step(soaked=round(soaked, 3))
    if judgement.verdict == "Promote" and _lasted(draft, adaptive):
        draft.move("EvidencePromotes", judgement.message)
        return
    if seen.start < moment(step.started_at) or not draft.confirmed:
        return  # a weight is changed only on what was seen at the present one
    _follow_budget(draft, adaptive, seen, proven=judgement.verdict == "Promote")


def lasting(draft: Draft, adaptive: Adaptive) -> str:
    """How far the least times are, for people."""
    step = draft.status.step
    assert step is not None
    least, soak = adaptive.min_duration.total_seconds(), adaptive.soak.total_seconds()
    return (
        f"{min(step.observed_duration, least):.0f} of {least:g} s, at weight"
        f" {adaptive.max_weight}: {min(step.soaked, soak):.0f} of {soak:g} s"
    )


def _lasted(draft: Draft, adaptive: Adaptive) -> bool:
    step = draft.status.step
    assert step is not None
    return (
        step.observed_duration >= adaptive.min_duration.total_seconds()
        and step.soaked >= adaptive.soak.total_seconds()
    )


def _follow_budget(draft: Draft, adaptive: Adaptive, seen: Batch, *, proven: bool) -> None:
    """Take the weight that the error budget bears now, as far as ready pods carry it."""
    requests = max((entry.candidate.n for entry in draft.status.evidence), default=0.0)
    excess = excess_of(draft)
    if requests_left(budget=adaptive.error_budget, excess=excess, requests=requests) > 0 or proven:
        draft.set_step(stalled_since=None)
    elif _stalled(draft):
        return
    share = next_weight(
        budget=adaptive.error_budget,
        excess=excess,
        requests=requests,
        rate=(seen.candidate.requests + seen.stable.requests) / max(seen.seconds, 1e-3),
        horizon_s=_horizon(draft).total_seconds(),
        floor=adaptive.min_weight / 100,
        ceiling=adaptive.max_weight / 100,
    )
    target = adaptive.max_weight if proven else int(100 * share + 1e-9)
    draft.target_weight = target
    candidate, stable = (
        draft.facts.arm(draft.delivery.candidate),
        draft.facts.arm(draft.delivery.stable),
    )
    weight = draft.weight("candidate")
    carried = max(weight, sizes.carried(candidate.ready, stable.ready))
    new = max(adaptive.min_weight, min(target, carried))
    if new != weight:
        draft.set_candidate_weight(new)
        draft.set_step(started_at=None)
        draft.tell(
            "WeightAdapted",
            f"weight {weight} -> {new}: at most {excess:.2%} worse after {requests:.0f} requests,"
            f" budget {adaptive.error_budget}",
        )


def excess_of(draft: Draft) -> float:
    """The most by which any count metric of the candidate may be worse than stable's (0..1)."""
    compared = {
        metric.name
        for metric in draft.spec.analysis.metrics
        if metric.margin is not None and metric.type in ("ErrorRate", "Counters")
    }
    return max(
        (
            excess_upper(_thinned(entry, entry.candidate), _thinned(entry, entry.stable))
            for entry in draft.status.evidence
            if entry.metric in compared
        ),
        default=1.0,
    )


def _thinned(entry: Evidence, arm: ArmEvidence) -> Counts:
    """An arm's counts as they are judged: bad ones that come in bursts tell less (2.4)."""
    phi = entry.dispersion.phi if entry.dispersion is not None else 1.0
    return Counts(bad=arm.bad / phi, n=arm.n / phi)


def _stalled(draft: Draft) -> bool:
    """Whether the budget has borne nothing for so long that no verdict will come."""
    step = draft.status.step
    assert step is not None
    if step.stalled_since is None:
        draft.set_step(stalled_since=stamp(draft.now))
        return False
    if seconds_between(step.stalled_since, draft.now) < STALL_LIMIT.total_seconds():
        return False
    minutes = STALL_LIMIT.total_seconds() / 60
    inconclusive(draft, f"the error budget has borne no more traffic for {minutes:.0f} minutes")
    return True


def _horizon(draft: Draft) -> timedelta:
    """How long a weight stands before what it brought can change it: a batch, twice its lag."""
    return max(HORIZON, 2 * (interval_of(draft) + draft.timing.lag))
