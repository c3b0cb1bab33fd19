"""Which revisions are in a backend's object, and how: from a decision and what is seen. Pure.

Owns who leads, who is left out and what stays when a decision says nothing of traffic.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidegate.backends.base import Arm
from tidegate.domain.revisions import live_revisions

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tidegate.backends.base import Backend, Seen
    from tidegate.domain.rollout.facts import Decision, Facts
    from tidegate.specs.metadata import Object


def arms_of(
    decision: Decision,
    facts: Facts,
    seen: Seen,
    *,
    frozen: Mapping[str, Object],
    backend: Backend,
) -> tuple[Arm, ...] | None:
    """The arms of the object, the leader first; none when nothing is to have pods.

    `frozen` has what was frozen with each revision. None: something that has traffic is not there,
    so that the object stays as it is.
    """
    weights = _weights(decision, seen)
    if not weights:
        return ()
    if any(revision not in frozen for revision in weights):
        return None
    lead = _leader(decision, weights)
    others = [
        revision
        for revision in _order(decision, weights)
        if revision != lead
        and revision in frozen
        and not _left_out(revision, decision, facts, weights, backend)
    ]
    return tuple(
        Arm(
            revision=revision,
            predictor=frozen[revision],
            weight=weights.get(revision, 0),
            replicas=decision.floors.get(revision) or seen.sizes.get(revision) or 1,
        )
        for revision in [lead, *others[: backend.most_arms - 1]]
    )


def _weights(decision: Decision, seen: Seen) -> dict[str, int]:
    """The arms with traffic: as decided; as they are where nothing is decided; what is to serve
    first where nothing serves yet."""
    wanted = {name: weight for name, weight in (decision.weights or {}).items() if weight > 0}
    stable = decision.delivery.stable
    if wanted and stable is not None:
        return wanted
    alive = live_revisions(decision.delivery)
    stands = {n: w for n, w in (seen.route.weights or {}).items() if w > 0 and n in alive}
    if stable is not None and sum(stands.values()) == 100:
        return stands
    left = decision.delivery.draining[-1:]  # a first one that failed stays a while, for a look
    first = stable or decision.delivery.candidate or (left[0].revision if left else None)
    return {first: 100} if first else {}


def _leader(decision: Decision, weights: Mapping[str, int]) -> str:
    """Stable, as long as it has traffic; then whoever has most of it."""
    stable = decision.delivery.stable
    if stable is not None and weights.get(stable, 0) > 0:
        return stable
    return max(sorted(weights), key=lambda revision: weights[revision])


def _order(decision: Decision, weights: Mapping[str, int]) -> list[str]:
    """Everybody who has traffic or pods; whom an object that takes only so many needs least comes
    last."""
    delivery = decision.delivery
    if delivery.stable is None:
        return list(weights)  # what was tried before it goes: it would get no less traffic
    named = [delivery.stable, delivery.candidate, *delivery.contenders, delivery.previous]
    draining = [entry.revision for entry in reversed(delivery.draining)]
    found = [*weights, *(name for name in named if name), *draining]
    return list(dict.fromkeys(found))


def _left_out(
    revision: str,
    decision: Decision,
    facts: Facts,
    weights: Mapping[str, int],
    backend: Backend,
) -> bool:
    """Whether an arm without traffic is left out: where one that is not ready keeps the weights of
    all others from moving. One that comes is waited for; a way back is kept while it is one."""
    if weights.get(revision, 0) > 0 or not backend.waits_for_all:
        return False
    delivery, pods = decision.delivery, facts.arm(revision)
    if revision in (delivery.stable, delivery.previous):
        return pods.ready == 0
    going = decision.rollout is not None and decision.rollout.phase == "RollingBack"
    comes = revision in (delivery.candidate, *delivery.contenders) and not going
    return not comes and not pods.complete
