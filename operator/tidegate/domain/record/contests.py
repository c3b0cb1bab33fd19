"""Tests between arms (abTest) in a record: their state, what a batch adds to it, and its figures.

The same when recording and replaying; who wins is the engine's to say.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tidegate.domain.rollout.tally import Counted, Tally, add, phi_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tidegate.api.contest_status import Contest
    from tidegate.api.rollout import RolloutSpec
    from tidegate.api.rollout_status import Evidence, RolloutStatus
    from tidegate.domain.evidence import Batch


def under_way(status: RolloutStatus) -> Contest | None:
    """The test of a status that counts now."""
    contest = status.contest
    return contest if contest is not None and contest.state and contest.ended is None else None


def taking_part(contest: Contest | None) -> list[tuple[str, str, str | None]]:
    """Who takes part: a change of this is no batch's doing."""
    return [(arm.name, arm.revision, arm.left) for arm in contest.arms] if contest else []


def checked_weights(before: RolloutStatus, after: RolloutStatus) -> dict[str, int] | None:
    """The weights with which a batch was added to the check of shares; None when it was not."""
    old, new = before.contest, after.contest
    if old is None or new is None or not new.counts_callers or not (old.state and new.state):
        return None
    if Tally.read(old).shares == Tally.read(new).shares:
        return None
    return {arm.revision: arm.weight for arm in before.arms}


def counted(
    contest: Contest,
    batch: Batch,
    *,
    evidence: Sequence[Evidence],
    spec: RolloutSpec,
    arms: tuple[str, str],
    weights: Mapping[str, int] | None,
) -> Contest:
    """The test after one more batch. `arms` are stable's revision and the candidate's."""
    test = spec.strategy.ab_test
    if test is None:
        return contest
    given = Counted(
        stable=arms[0],
        candidate=arms[1],
        weights=weights,
        phi=phi_of(evidence, test.goal),
        alpha=spec.analysis.false_promotion_rate,
        allocates=False,
        goal=test.goal,
    )
    return add(contest, batch, spec.analysis, given)[0]


def contest_figures(contest: Contest) -> dict[str, Any]:
    """By pair of arms, how far it is shown that one fails less; and the mismatch of shares, both in
    per cent of what is needed."""
    pairs = {f"{pair.arm}<{pair.than}": pair.evidence for pair in contest.pairs}
    return {"pairs": pairs, "mismatch": contest.mismatch}


def contest_difference(recorded: dict[str, Any], contest: Contest | None, *, near: float) -> str:
    """How recomputed figures differ from recorded ones; empty when they do not."""
    if contest is None:
        return "the test between arms cannot be recomputed here"
    found = contest_figures(contest)
    for pair, said in recorded.get("pairs", {}).items():
        now = found["pairs"].get(pair)
        if now is None or abs(now - said) > near:
            return f"{pair}: recorded {said}, recomputed {now}"
    said, now = recorded.get("mismatch"), found["mismatch"]
    if (said is None) != (now is None) or (said is not None and abs(now - said) > near):
        return f"mismatch of shares: recorded {said}, recomputed {now}"
    return ""
