"""Which Rollouts name a Model: the oldest of them acts, the others wait."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidegate.kube.objects import is_being_deleted, name_of, namespace_of
from tidegate.kube.resources import ROLLOUTS

if TYPE_CHECKING:
    from tidegate.kube.objects import Object
    from tidegate.runtime.cache import Cache

_MODEL = "model"
"""Index of the cache: Rollouts by the Model that they name."""


class Acting:
    """Finds the Rollouts of a Model by an index of the cache; many may share one."""

    def __init__(self, cache: Cache) -> None:
        self._cache = cache
        cache.add_index(ROLLOUTS, _MODEL, _model_named)

    def rollouts(self, namespace: str, model: str) -> list[Object]:
        """The Rollouts that name a Model, the oldest first: only that one acts."""
        found = [
            rollout
            for rollout in self._cache.indexed(ROLLOUTS, _MODEL, (namespace, model))
            if not is_being_deleted(rollout)
        ]
        return sorted(found, key=lambda r: (r["metadata"].get("creationTimestamp", ""), name_of(r)))


def _model_named(rollout: Object) -> list[tuple[str, str]]:
    """The Model that a Rollout names."""
    return [(namespace_of(rollout) or "", rollout["spec"]["modelRef"]["name"])]
