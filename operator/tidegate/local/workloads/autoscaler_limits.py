"""Decides how far a HorizontalPodAutoscaler may move at once: `spec.behavior`. Pure.

As in Kubernetes: the size follows the most careful recommendation of a window, and changes by no
more than the policies allow; without a behaviour it may double every 15 s, and waits 5 min before
it shrinks.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_UP: list[dict[str, Any]] = [
    {"type": "Pods", "value": 4, "periodSeconds": 15},
    {"type": "Percent", "value": 100, "periodSeconds": 15},
]
_DOWN: list[dict[str, Any]] = [{"type": "Percent", "value": 100, "periodSeconds": 15}]
_DOWN_WINDOW_S = 300
_STABILIZED = (
    "recent recommendations were {} than current one, applying the {} recent recommendation"
)
_KEPT_S = 3600
"""The longest window and period that Kubernetes allows, of both."""


@dataclass(frozen=True, slots=True)
class History:
    """What was recommended (time, replicas), and by how much the size changed (time, change)."""

    recommended: tuple[tuple[datetime, int], ...] = ()
    changed: tuple[tuple[datetime, int], ...] = field(default=())

    def recommend(self, replicas: int, *, now: datetime) -> History:
        """Return the history with one more recommendation; what is too old is dropped."""
        kept = [each for each in self.recommended if _age_s(each[0], now) <= _KEPT_S]
        return replace(self, recommended=(*kept, (now, replicas)))

    def change(self, by: int, *, now: datetime) -> History:
        """Return the history with one more change of the size."""
        kept = [each for each in self.changed if _age_s(each[0], now) <= _KEPT_S]
        return replace(self, changed=(*kept, (now, by)))


@dataclass(frozen=True, slots=True)
class Limited:
    """The size that is allowed now. Reasons and messages as the two conditions carry them."""

    replicas: int
    able: tuple[str, str]
    limited: tuple[str, str] | None


def limit(
    spec: Mapping[str, Any], wanted: int, *, current: int, history: History, now: datetime
) -> Limited:
    """Return the size nearest to `wanted` that the behaviour and the bounds allow."""
    behavior = spec.get("behavior") or {}
    stable = _stabilized(behavior, wanted, current=current, history=history, now=now)
    able = ("ReadyForNewScale", "recommended size matches current size")
    if stable < wanted:
        able = ("ScaleUpStabilized", _STABILIZED.format("lower", "lowest"))
    elif stable > wanted:
        able = ("ScaleDownStabilized", _STABILIZED.format("higher", "highest"))
    least, most = int(spec.get("minReplicas") or 1), int(spec["maxReplicas"])
    changed = history.changed
    if stable > current:
        fence = _fence(behavior.get("scaleUp") or {}, current, changed, now=now, up=True)
        return _up(stable, able, fence=max(fence, current), most=most)
    if stable < current:
        fence = _fence(behavior.get("scaleDown") or {}, current, changed, now=now, up=False)
        return _down(stable, able, fence=min(fence, current), least=least)
    return Limited(stable, able, None)


def _up(stable: int, able: tuple[str, str], *, fence: int, most: int) -> Limited:
    if stable <= min(fence, most):
        return Limited(stable, able, None)
    if most <= fence:
        text = "the desired replica count is more than the maximum replica count"
        return Limited(most, able, ("TooManyReplicas", text))
    text = "the desired replica count is increasing faster than the maximum scale rate"
    return Limited(fence, able, ("ScaleUpLimit", text))


def _down(stable: int, able: tuple[str, str], *, fence: int, least: int) -> Limited:
    if stable >= max(fence, least):
        return Limited(stable, able, None)
    if least >= fence:
        text = "the desired replica count is less than the minimum replica count"
        return Limited(least, able, ("TooFewReplicas", text))
    text = "the desired replica count is decreasing faster than the maximum scale rate"
    return Limited(fence, able, ("ScaleDownLimit", text))


def _stabilized(
    behavior: Mapping[str, Any], wanted: int, *, current: int, history: History, now: datetime
) -> int:
    def window(direction: str, default: int) -> list[int]:
        given = (behavior.get(direction) or {}).get("stabilizationWindowSeconds")
        seconds = default if given is None else int(given)
        return [n for at, n in history.recommended if _age_s(at, now) < seconds]

    lowest = min([wanted, *window("scaleUp", 0)])
    highest = max([wanted, *window("scaleDown", _DOWN_WINDOW_S)])
    return min(max(current, lowest), highest)


def _fence(
    rules: Mapping[str, Any],
    current: int,
    changed: Sequence[tuple[datetime, int]],
    *,
    now: datetime,
    up: bool,
) -> int:
    """The furthest size that the policies of one direction allow."""
    select = rules.get("selectPolicy") or "Max"
    if select == "Disabled":
        return current
    sizes = []
    for policy in rules.get("policies") or (_UP if up else _DOWN):
        period = int(policy["periodSeconds"])
        moved = sum(abs(by) for at, by in changed if (by > 0) == up and _age_s(at, now) < period)
        value = int(policy["value"])
        begun = current - moved if up else current + moved
        if policy["type"] == "Pods":
            sizes.append(begun + value if up else begun - value)
        elif up:
            sizes.append(math.ceil(begun * (1 + value / 100)))
        else:
            sizes.append(int(begun * (1 - value / 100)))
    furthest, nearest = (max, min) if up else (min, max)
    return furthest(sizes) if select == "Max" else nearest(sizes)


def _age_s(at: datetime, now: datetime) -> float:
    return (now - at) / timedelta(seconds=1)
