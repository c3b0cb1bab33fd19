"""Decides what a PodDisruptionBudget's status says: how many pods may be taken away now. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tidegate.local.workloads import pods as facts
from tidegate.local.workloads.times import stamp

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from tidegate.kube.objects import Object

DISRUPTION_ALLOWED = "DisruptionAllowed"
_WORDS = {True: "SufficientPods", False: "InsufficientPods"}


@dataclass(frozen=True, slots=True)
class Guarded:
    """The pods that a budget selects, and how many their controllers want (`expected`)."""

    pods: Sequence[Object]
    expected: int


def status(budget: Mapping[str, Any], guarded: Guarded, *, now: datetime) -> Object:
    """Return the status."""
    spec, before = budget["spec"], budget.get("status") or {}
    standing = [pod for pod in guarded.pods if facts.is_active(pod)]
    healthy = sum(facts.is_ready(pod) for pod in standing)
    expected, desired = _numbers(spec, standing=len(standing), wanted=guarded.expected)
    allowed = max(0, healthy - desired) if expected > 0 else 0
    return {
        "observedGeneration": int(budget["metadata"].get("generation") or 1),
        "disruptionsAllowed": allowed,
        "currentHealthy": healthy,
        "desiredHealthy": desired,
        "expectedPods": expected,
        "conditions": [_condition(budget, before, allowed=allowed > 0, now=now)],
    }


def _numbers(spec: Mapping[str, Any], *, standing: int, wanted: int) -> tuple[int, int]:
    """(expected, healthy ones needed). A percentage is of what the controllers want, rounded up."""
    if (most := spec.get("maxUnavailable")) is not None:
        return wanted, max(0, wanted - _pods(most, of=wanted))
    least = spec.get("minAvailable")
    if isinstance(least, str):
        return wanted, _pods(least, of=wanted)
    return standing, 1 if least is None else int(least)


def _pods(amount: int | str, *, of: int) -> int:
    if isinstance(amount, int):
        return amount
    return math.ceil(int(amount.rstrip("%")) * of / 100)


def _condition(
    budget: Mapping[str, Any], before: Mapping[str, Any], *, allowed: bool, now: datetime
) -> Object:
    state = "True" if allowed else "False"
    known = facts.condition({"status": before}, DISRUPTION_ALLOWED) or {}
    since = known.get("lastTransitionTime") if known.get("status") == state else None
    return {
        "type": DISRUPTION_ALLOWED,
        "status": state,
        "observedGeneration": int(budget["metadata"].get("generation") or 1),
        "lastTransitionTime": since or stamp(now),
        "reason": _WORDS[allowed],
        "message": "",
    }
