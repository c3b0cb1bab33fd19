"""Results of pure functions of a state, remembered: one look asks for the same ones several times.

Owns nothing but memory: forgetting all of it changes no result. Bounded, the oldest goes first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence

    from tidegate.api.metric import Metric
    from tidegate.api.rollout_status import Evidence

LIMIT = 8192
"""Entries of one memory where they are small: those of a thousand rollouts, and some."""
LARGE_LIMIT = 512
"""The same where entries are kilobytes: as many as one look asks for, and those beside it."""


class Memo[V]:
    """The last results of one function, by everything that they are a function of."""

    def __init__(self, limit: int = LIMIT) -> None:
        self._limit = limit
        self._known: dict[Hashable, V] = {}

    def get(self, key: Hashable, make: Callable[[], V]) -> V:
        """The result for a key, made where it is not known."""
        if key not in self._known:
            self.put(key, make())
        return self._known[key]

    def put(self, key: Hashable, value: V) -> None:
        """Remember a result that is known anyway."""
        self._known[key] = value
        if len(self._known) > self._limit:
            del self._known[next(iter(self._known))]


def key_of_states(evidence: Sequence[Evidence], metrics: Sequence[Metric]) -> Hashable:
    """What says everything about evidence that its metrics' functions depend on; by a hash of its
    texts, which are long."""
    return (
        tuple((entry.metric, hash(entry.state), len(entry.state)) for entry in evidence),
        tuple(key_of_metric(metric) for metric in metrics),
    )


def key_of_metric(metric: Metric) -> str:
    """What says everything about a metric."""
    return metric.model_dump_json(exclude_none=True)
