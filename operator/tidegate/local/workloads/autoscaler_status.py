"""Decides what a HorizontalPodAutoscaler's status says. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tidegate.local.workloads.times import stamp

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from tidegate.kube.objects import Object

ABLE, ACTIVE, LIMITED = "AbleToScale", "ScalingActive", "ScalingLimited"
WITHIN_RANGE = ("DesiredWithinRange", "the desired count is within the acceptable range")


@dataclass(frozen=True, slots=True)
class Said:
    """One condition: whether it holds, and why."""

    kind: str
    holds: bool
    reason: str
    message: str


def status(
    autoscaler: Mapping[str, Any],
    conditions: Sequence[Said],
    *,
    current: int,
    desired: int,
    metrics: Sequence[Object],
    scaled: bool,
    now: datetime,
) -> Object:
    """Return the status. `scaled`: the size was changed just now."""
    before = autoscaler.get("status") or {}
    known = {c["type"]: c for c in before.get("conditions") or ()}
    for said in conditions:
        known[said.kind] = _condition(said, known.get(said.kind), now=now)
    found: Object = {}
    last = stamp(now) if scaled else before.get("lastScaleTime")
    if last:
        found["lastScaleTime"] = last
    found["currentReplicas"] = current
    found["desiredReplicas"] = desired
    found["currentMetrics"] = list(metrics) or None
    found["conditions"] = [known[kind] for kind in (ABLE, ACTIVE, LIMITED) if kind in known]
    return found


def _condition(said: Said, before: Mapping[str, Any] | None, *, now: datetime) -> Object:
    state = "True" if said.holds else "False"
    since = (before or {}).get("lastTransitionTime")
    if before is None or before.get("status") != state or not since:
        since = stamp(now)
    return {
        "type": said.kind,
        "status": state,
        "lastTransitionTime": since,
        "reason": said.reason,
        "message": said.message,
    }
