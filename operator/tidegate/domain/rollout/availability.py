"""What is said of a Model however it is delivered: does stable serve, and what stands before."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidegate.domain.conditions import Said
from tidegate.domain.route import NO_DETOURS, Detours

if TYPE_CHECKING:
    from collections.abc import Mapping

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


def not_deliverable(draft: DeliveryDraft) -> Said | None:
    """Why `Ready` is False before anything can be delivered; None when nothing is in the way."""
    facts = draft.facts
    problem = facts.blocked or facts.model_problem
    if problem is not None:
        return Said("Ready", "False", problem.reason, problem.message)
    if facts.latest is None or not facts.model_current:
        return Said("Ready", "False", "Resolving", "the artifact is being resolved")
    return None


def standing(draft: DeliveryDraft, ready: Said, *, stalled: bool) -> list[Said]:
    """`Reconciling` or `Stalled` of a Model that is `ready` like this. What serves may be what is
    asked for, and a person has to act all the same: its source refuses."""
    silent = draft.facts.unanswered
    if ready.status != "True":
        kind = "Stalled" if stalled else "Reconciling"
        return [Said(kind, "True", ready.reason, ready.message)]
    if silent is None or silent.status != "False":
        return []
    message = f"{draft.delivery.stable} serves on, and nothing newer is found: {silent.message}"
    return [Said("Stalled", "True", silent.reason, message)]


def stable_serving(
    draft: DeliveryDraft, weights: Mapping[str, int], detours: Detours = NO_DETOURS
) -> Said:
    """`Ready` of a Model whose latest revision is stable and is to be routed like this."""
    available = stable_available(draft)
    if available.status != "True":
        return Said("Ready", "False", available.reason, available.message)
    if not draft.routes(weights, detours):
        message = draft.facts.route.message or "the gateway has not confirmed the route yet"
        return Said("Ready", "False", "RouteNotProgrammed", message)
    return Said("Ready", "True", "Serving", f"{draft.delivery.stable} is stable and serves")
