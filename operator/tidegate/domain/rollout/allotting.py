"""What each arm of an abTest gets: even shares, or more to those that may be best.

Owns the weights of several arms: whole per cents that sum to 100, and never more than ready pods
carry. What is meant stands in the test's state, what is intended now in `status.arms`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tidegate.domain.evidence import Batch
from tidegate.domain.rollout import sizes
from tidegate.domain.rollout.tally import Tally, in_test
from tidegate.domain.times import moment
from tidegate.stats.allocation import FLOOR, top_two_shares

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tidegate.api.contest_status import Contest, ContestArm
    from tidegate.domain.rollout.draft import Draft

LEAST_CHANGE = 3
"""Points by which some weight must change before TopTwo writes the route anew."""


def contest_of(draft: Draft) -> Contest:
    """The test that is under way."""
    contest = draft.status.contest
    assert contest is not None, "an attempt of an abTest has a contest"
    return contest


def wrong_rate(draft: Draft) -> float:
    """The probability of a wrong winner that is allowed."""
    return draft.spec.analysis.false_promotion_rate


def mark(draft: Draft, arm: ContestArm, **changes: object) -> None:
    """Change fields of an arm of the test."""
    contest = contest_of(draft)
    arms = [one.model_copy(update=changes) if one.name == arm.name else one for one in contest.arms]
    if arms != contest.arms:
        draft.set(contest=contest.model_copy(update={"arms": arms}))


def even(contest: Contest) -> tuple[int, ...]:
    """An even weight for every arm that takes part, 0 for those that left; the first ones, stable
    foremost, have what is left over."""
    part = in_test(contest)
    return _spread(contest, [1 / len(part)] * len(part))


def top_two(contest: Contest) -> tuple[int, ...]:
    """Weights by top-two Thompson sampling, from what was seen so far; even before that."""
    part = [contest.arms[i] for i in in_test(contest)]
    chances = [arm.best_chance for arm in part]
    if len(part) < 2 or any(chance is None for chance in chances):
        return even(contest)
    known = [min(0.9999, max(0.0001, chance or 0.0)) for chance in chances]
    total = sum(known)
    shares = top_two_shares([chance / total for chance in known], floor=FLOOR)
    return _spread(contest, shares)


def carried(draft: Draft, wanted: Mapping[str, int]) -> dict[str, int]:
    """The weights of the challengers, by revision, as far as their ready pods carry them: raised
    only with pods, lowered where pods were lost. Stable has the rest."""
    full = draft.facts.arm(draft.delivery.stable).ready
    found = {}
    for revision in draft.challengers:
        ready, now = draft.facts.arm(revision).ready, draft.weight_of(revision)
        reach, target = sizes.carried(ready, full), wanted.get(revision, 0)
        lost = ready < max(1, draft.seen_ready_of(revision))
        if lost and now > reach:
            now = reach
        found[revision] = min(target, max(now, reach)) if ready > 0 else 0
    return found


def _spread(contest: Contest, shares: Sequence[float]) -> tuple[int, ...]:
    """Whole per cents for the arms that take part, by largest remainder; they sum to 100."""
    part = in_test(contest)
    exact = [100 * share for share in shares]
    whole = [int(value + 1e-9) for value in exact]
    order = sorted(range(len(part)), key=lambda k: (whole[k] - exact[k], k))
    for k in order[: 100 - sum(whole)]:
        whole[k] += 1
    weights = [0] * len(contest.arms)
    for place, weight in zip(part, whole, strict=True):
        weights[place] = weight
    return tuple(weights)


def allot(draft: Draft, weights: Sequence[int]) -> None:
    """Mean these weights from now on, and intend them as far as pods carry them."""
    contest = contest_of(draft)
    tally = Tally.read(contest)
    if tuple(weights) != tally.weights:
        changed = replace(tally, weights=tuple(weights))
        draft.set(contest=contest.model_copy(update={"state": changed.text()}))
    follow_pods(draft)


def follow_pods(draft: Draft) -> None:
    """Bring the weights to what is meant, as pods allow; a change starts the step's clock anew."""
    contest, attempt = contest_of(draft), draft.status.attempt
    assert attempt is not None
    meant = dict(
        zip((arm.revision for arm in contest.arms), Tally.read(contest).weights, strict=True)
    )
    draft.targets = meant
    now = {revision: draft.weight_of(revision) for revision in draft.challengers}
    possible = carried(draft, meant)
    if draft.spec.paused or draft.status.pauses:
        possible = {name: min(weight, now[name]) for name, weight in possible.items()}
    if possible != now or len(draft.status.arms) != 1 + len(possible):
        contenders = {name: w for name, w in possible.items() if name != attempt.revision}
        draft.set_arms(attempt.revision, possible[attempt.revision], contenders=contenders)
        if draft.status.step is not None:
            draft.set_step(started_at=None)
    for arm in contest_of(draft).arms:
        mark(draft, arm, weight=draft.weight_of(arm.revision))


def reallot(draft: Draft, *, counted: bool) -> None:
    """TopTwo: new weights after a batch at the present ones, from what was seen up to its end."""
    test, step, seen = draft.spec.strategy.ab_test, draft.status.step, draft.facts.observation
    assert test is not None
    assert step is not None
    if test.allocation == "TopTwo" and counted and isinstance(seen, Batch):
        contest = contest_of(draft)
        weights, old = top_two(contest), Tally.read(contest).weights
        settled = step.started_at is not None and seen.start >= moment(step.started_at)
        moved = max(abs(a - b) for a, b in zip(weights, old, strict=True))
        if settled and draft.confirmed and moved >= LEAST_CHANGE:
            allot(draft, weights)
            return
    follow_pods(draft)
