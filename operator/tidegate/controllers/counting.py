"""From the gateway's clusters to the arms of a batch.

Owns which clusters belong to which revision: its own, that of its assignment Service where callers
of a test are counted, and that of copies. It asks nobody.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tidegate.domain import evidence
from tidegate.domain.evidence import NO_ARM, Arm
from tidegate.traffic.assignment import service_name

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tidegate.domain.rollout import WantedBatch
    from tidegate.metrics.base import Batch


@dataclass(frozen=True)
class Clusters:
    """The clusters of each revision: where all its requests go, and where new callers go first."""

    own: Mapping[str, str]
    assigned: Mapping[str, str]

    @property
    def names(self) -> list[str]:
        """All of them."""
        return [*self.own.values(), *self.assigned.values()]


def clusters_of(asked: WantedBatch, name: Callable[[str], str]) -> Clusters:
    """What to count. `name` is the gateway's name of the cluster of a Service."""
    own = {} if asked.baking else {asked.stable: name(asked.stable)}
    own[asked.candidate] = name(asked.candidate) + ("/shadow" if asked.shadow else "")
    own |= {revision: name(revision) for revision in asked.others}
    return Clusters(own, {revision: name(service_name(revision)) for revision in asked.users})


def batch_of(asked: WantedBatch, clusters: Clusters, found: Batch) -> evidence.Batch:
    """What was counted, arm by arm. The requests of an arm are those of both its Services."""

    def arm(revision: str) -> Arm:
        if revision not in clusters.own:  # it has no traffic any more, and is not asked about
            return replace(NO_ARM, slow=(0.0,) * len(asked.bounds_ms))
        return _arm(found, clusters.own[revision], clusters.assigned.get(revision))

    return evidence.Batch(
        start=found.start,
        end=found.end,
        stable=arm(asked.stable),
        candidate=arm(asked.candidate),
        shadow=asked.shadow,
        others={revision: arm(revision) for revision in asked.others},
        users={
            revision: found.arms[cluster].error_counts
            for revision, cluster in clusters.assigned.items()
        },
    )


def _arm(batch: Batch, cluster: str, assigned: str | None) -> Arm:
    counts = [batch.arms[name] for name in (cluster, assigned) if name is not None]
    return Arm(
        requests=sum(one.requests for one in counts),
        errors=sum(one.errors for one in counts),
        slow=tuple(sum(each) for each in zip(*(one.slow for one in counts), strict=True)),
        timed=sum(one.timed for one in counts),
    )
