"""Decides a Deployment's next sizes: which ReplicaSet grows, which shrinks, by how much. Pure.

The rules are those of the Deployment controller of Kubernetes (`rolling.go`, `recreate.go`,
`sync.go`, `util/deployment_util.go`): a rollout never goes above `replicas + maxSurge` pods and
never below `replicas - maxUnavailable` available ones; a change of `replicas` while a rollout runs
is spread over the ReplicaSets in proportion.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class Strategy:
    """How pods are replaced. `max_surge` and `max_unavailable` are pods, resolved by `fences`."""

    recreate: bool
    max_surge: int
    max_unavailable: int


@dataclass(frozen=True, slots=True)
class Desired:
    """What the Deployment asks for."""

    replicas: int
    strategy: Strategy
    paused: bool = False
    status_replicas: int = 0
    """What its status last said, for ReplicaSets that do not say which size they were made for."""

    @property
    def max_replicas(self) -> int:
        """The most pods there may be at once."""
        return self.replicas + self.strategy.max_surge


@dataclass(frozen=True, slots=True)
class Set:
    """One ReplicaSet. `created` orders sets by age; `desired` and `max_replicas` are annotations:
    the size of the Deployment, without and with surge, for which the set was last sized."""

    name: str
    replicas: int
    available: int = 0
    actual: int = 0
    created: str = ""
    desired: int | None = None
    max_replicas: int | None = None
    running_pods: int = 0
    """Pods that still hold a process, those on their way out included."""


@dataclass(frozen=True, slots=True)
class Scale:
    """Give the set `name` that many replicas (`replicas` may equal what it has: annotations)."""

    name: str
    replicas: int


def fences(
    replicas: int, *, max_surge: int | str | None, max_unavailable: int | str | None
) -> tuple[int, int]:
    """Return (surge, unavailable) in pods: percentages of `replicas`, rounded up and down.

    When both come to nothing one pod may be unavailable, or no rollout could ever move.
    Raises ValueError for a text that is no percentage.
    """
    surge = _pods(max_surge, of=replicas, up=True)
    unavailable = _pods(max_unavailable, of=replicas, up=False)
    if surge == 0 and unavailable == 0:
        unavailable = 1
    return surge, unavailable


def _pods(amount: int | str | None, *, of: int, up: bool) -> int:
    if amount is None:
        return 0
    if isinstance(amount, int):
        return amount
    if not amount.endswith("%"):
        raise ValueError(f"{amount!r} is neither a number nor a percentage")
    share = int(amount[:-1]) * of / 100
    return math.ceil(share) if up else math.floor(share)


def needs_scaling(desired: Desired, sets: Sequence[Set]) -> bool:
    """Tell whether `replicas` changed since the running sets were last sized."""
    active = [found for found in sets if found.replicas > 0]
    if desired.strategy.recreate and len(active) > 1:
        # Nothing can be spread: the old set goes to 0 in any case, and then the new one grows.
        return False
    return any(found.desired not in (None, desired.replicas) for found in active)


def initial_size(desired: Desired, *, new: Set | None, others: Sequence[Set]) -> int:
    """Return how large the new set may be now, without ever shrinking it."""
    have = new.replicas if new else 0
    if desired.strategy.recreate:
        return desired.replicas
    total = have + sum(found.replicas for found in others)
    if total >= desired.max_replicas:
        return have
    return have + min(desired.max_replicas - total, desired.replicas - have)


def may_create(desired: Desired, olds: Sequence[Set]) -> bool:
    """Tell whether the new set may be made now; a Recreate waits until the old pods are gone."""
    if not desired.strategy.recreate:
        return True
    return not any(found.replicas > 0 or found.running_pods > 0 for found in olds)


def next_scales(desired: Desired, *, new: Set | None, olds: Sequence[Set]) -> list[Scale]:
    """Return the next sizes of a rollout: the new set's first, the old ones' only when it stands.

    One direction at a time, so that the status that follows a scale is seen before the next one.
    Without a new set only a Recreate has something to do: it ends the old pods.
    """
    if desired.strategy.recreate:
        return _recreate(desired, new=new, olds=olds)
    if new is None:
        return []
    if new.replicas > desired.replicas:
        return [Scale(new.name, desired.replicas)]
    size = initial_size(desired, new=new, others=olds)
    if size != new.replicas:
        return [Scale(new.name, size)]
    return _shrink_olds(desired, new=new, olds=olds)


def _recreate(desired: Desired, *, new: Set | None, olds: Sequence[Set]) -> list[Scale]:
    if not may_create(desired, olds):
        return [Scale(found.name, 0) for found in olds if found.replicas > 0]
    if new is None or new.replicas == desired.replicas:
        return []
    return [Scale(new.name, desired.replicas)]


def _shrink_olds(desired: Desired, *, new: Set, olds: Sequence[Set]) -> list[Scale]:
    sizes = {found.name: found.replicas for found in olds}
    if not any(sizes.values()):
        return []
    floor = desired.replicas - desired.strategy.max_unavailable
    total = new.replicas + sum(sizes.values())
    allowed = total - floor - (new.replicas - new.available)
    if allowed <= 0:
        return []
    by_age = sorted(olds, key=lambda found: (found.created, found.name))
    for found in by_age:
        # Pods that are broken anyway go first: they cost no availability.
        drop = min(allowed, max(0, found.replicas - found.available))
        sizes[found.name] -= drop
        allowed -= drop
    spare = new.available + sum(found.available for found in olds) - floor
    for found in by_age:
        if spare <= 0:
            break
        drop = min(sizes[found.name], spare)
        sizes[found.name] -= drop
        spare -= drop
    return [
        Scale(found.name, sizes[found.name])
        for found in by_age
        if sizes[found.name] != found.replicas
    ]


def rescale(desired: Desired, *, new: Set | None, olds: Sequence[Set]) -> list[Scale]:
    """Return the sizes after a change of `replicas`, in proportion while several sets run."""
    everything = [*olds, *([new] if new else [])]
    active = [found for found in everything if found.replicas > 0]
    if len(active) <= 1:
        only = active[0] if active else (new or _newest(olds))
        return [Scale(only.name, desired.replicas)] if only else []
    if new is not None and _saturated(desired, new):
        return [Scale(found.name, 0) for found in olds if found.replicas > 0]
    if desired.strategy.recreate:
        return []
    return _in_proportion(desired, active)


def _newest(sets: Sequence[Set]) -> Set | None:
    return max(sets, key=lambda found: found.created, default=None)


def _saturated(desired: Desired, new: Set) -> bool:
    return (
        new.replicas == desired.replicas
        and new.desired == desired.replicas
        and new.available == desired.replicas
    )


def _in_proportion(desired: Desired, active: Sequence[Set]) -> list[Scale]:
    total = sum(found.replicas for found in active)
    limit = desired.max_replicas if desired.replicas > 0 else 0
    to_add = limit - total
    growing = to_add > 0
    # Larger sets first. Equal sizes: the newest takes a rest when growing, the oldest when not.
    by_age = sorted(active, key=lambda found: found.created, reverse=growing)
    order = sorted(by_age, key=lambda found: -found.replicas)
    sizes: dict[str, int] = {}
    added = 0
    for found in order:
        share = _share(desired, found, to_add=to_add, added=added)
        sizes[found.name] = found.replicas + share
        added += share
    sizes[order[0].name] = max(0, sizes[order[0].name] + to_add - added)
    return [Scale(found.name, sizes[found.name]) for found in order]


def _share(desired: Desired, found: Set, *, to_add: int, added: int) -> int:
    if found.replicas == 0 or to_add in (0, added):
        return 0
    if desired.replicas == 0:
        fraction = -found.replicas
    else:
        sized_for = found.max_replicas or desired.status_replicas or desired.max_replicas
        fraction = _rounded(found.replicas * desired.max_replicas / sized_for) - found.replicas
    rest = to_add - added
    return min(fraction, rest) if to_add > 0 else max(fraction, rest)


def _rounded(value: float) -> int:
    """Round half away from zero, as Go does; Python's own rounds half to even."""
    return math.floor(value + 0.5) if value >= 0 else math.ceil(value - 0.5)
