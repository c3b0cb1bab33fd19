"""How conditions change: status, reason and message, and since when.

The reasons here are the words that users, tools and docs/conditions.md share.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from tidegate.api.base import Condition
from tidegate.domain.times import stamp

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

type Status = Literal["True", "False", "Unknown"]

MESSAGE_LIMIT = 1024


@dataclass(frozen=True)
class Said:
    """One condition as it is to be: a type, a status, a reason, and what to do next."""

    type: str
    status: Status
    reason: str
    message: str


def merged(
    before: Sequence[Condition],
    said: Iterable[Said],
    *,
    types: Iterable[str],
    generation: int,
    now: datetime,
) -> list[Condition]:
    """The conditions of the given types after `said`.

    A type that is not said is absent afterwards: `Reconciling` and `Stalled` stand only while true.
    `lastTransitionTime` moves only when `status` changes, as Kubernetes defines it.
    """
    old = {condition.type: condition for condition in before}
    wanted = {entry.type: entry for entry in said}
    result = []
    for type_ in types:
        entry = wanted.get(type_)
        if entry is None:
            continue
        last = old.get(type_)
        if last is not None and last.status == entry.status:
            since = last.last_transition_time
        else:
            since = stamp(now.replace(microsecond=0))  # metav1.Time: whole seconds
        result.append(
            Condition(
                type=type_,
                status=entry.status,
                observed_generation=generation,
                last_transition_time=since,
                reason=entry.reason,
                message=entry.message[:MESSAGE_LIMIT],
            )
        )
    return result


def find(conditions: Iterable[Condition], type_: str) -> Condition | None:
    """The condition of a type, or None."""
    return next((condition for condition in conditions if condition.type == type_), None)
