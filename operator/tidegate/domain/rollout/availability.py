"""Whether stable serves: the condition `Available` of a Model, however it is delivered."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidegate.domain.conditions import Said

if TYPE_CHECKING:
    from tidegate.domain.rollout.draft import DeliveryDraft


def stable_available(draft: DeliveryDraft) -> Said:
    """`Available`: stable has a ready pod."""
    stable = draft.delivery.stable
    if stable is None:
        return Said("Available", "False", "NothingStable", "no revision has served yet")
    pods = draft.facts.arm(stable)
    if pods.ready == 0:
        why = f": {pods.failure.message}" if pods.failure else ""
        return Said("Available", "False", "StableUnavailable", f"{stable} has no ready pod{why}")
    return Said("Available", "True", "Serving", f"{stable} serves with {pods.ready} pods")
