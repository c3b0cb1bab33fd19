"""How many pods each arm needs: what a weight takes, and what an arm can carry.

Owns the arithmetic of capacity. It limits only raising the candidate; taking back never waits for
it.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from tidegate.domain.rollout.plan import stages

if TYPE_CHECKING:
    from tidegate.domain.rollout.draft import Draft


def needed(weight: int, stable_ready: int) -> int:
    """Ready pods that a weight (per cent) takes: its share of stable's, at least one."""
    return max(1, math.ceil(weight * max(1, stable_ready) / 100))


def carried(ready: int, full: int) -> int:
    """The largest weight (per cent) that so many ready pods carry, when `full` pods carry 100."""
    return min(100, (100 * ready) // max(1, full))


def full_size(draft: Draft) -> int:
    """Pods of an arm that is to carry all traffic: as many as stable has, at least minReplicas."""
    return max(draft.facts.scaling.min_replicas, draft.facts.arm(draft.delivery.stable).desired)


def floors(draft: Draft) -> dict[str, int]:
    """The fewest pods of every revision that is kept; revisions that are not named are left alone.

    The arm that traffic could fall back to (stable in an attempt, previous in its window) never
    shrinks.
    """
    facts, delivery = draft.facts, draft.delivery
    least = facts.scaling.min_replicas
    result: dict[str, int] = {}
    under_way = draft.active or draft.phase == "RollingBack"
    if delivery.stable is not None:
        now = facts.arm(delivery.stable).desired if under_way else 0
        result[delivery.stable] = max(least, now)
    if delivery.previous is not None:
        result[delivery.previous] = max(least, facts.arm(delivery.previous).desired)
    if delivery.candidate is not None:
        result.setdefault(delivery.candidate, _candidate_floor(draft))
    for revision in delivery.contenders:
        result.setdefault(revision, _contender_floor(draft, revision))
    return result


def _contender_floor(draft: Draft, revision: str) -> int:
    """Pods of an arm of a test besides the candidate: what its weight takes; it never shrinks."""
    now = draft.facts.arm(revision).desired
    if not draft.active or draft.phase == "Promoting":
        return max(1, now)
    load = max(draft.weight_of(revision), draft.targets.get(revision, 0), first_load(draft))
    return max(now, needed(load, draft.facts.arm(draft.delivery.stable).ready))


def _candidate_floor(draft: Draft) -> int:
    facts = draft.facts
    if draft.delivery.stable is None:
        return facts.scaling.min_replicas
    now = facts.arm(draft.delivery.candidate).desired
    if draft.phase == "RollingBack":
        return now
    if draft.phase == "Promoting":
        return max(now, full_size(draft))
    stage = draft.stage
    load = max(
        draft.weight("candidate"),
        draft.target_weight or 0,
        draft.targets.get(draft.delivery.candidate or "", 0),
        first_load(draft) if stage is None else stage.load,
    )
    return max(now, needed(load, facts.arm(draft.delivery.stable).ready))


def first_load(draft: Draft) -> int:
    """What the candidate has to bear in the first stage, in per cent of all requests."""
    return stages(draft.spec.strategy)[0].load
