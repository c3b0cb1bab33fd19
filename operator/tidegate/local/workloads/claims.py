"""Binds persistent volume claims: on one machine a claim is a folder, so each can be had at once.

The node makes the folder when a pod mounts the claim; here it is only said that it is bound.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidegate.kube.objects import is_being_deleted
from tidegate.kube.resources import PVCS

if TYPE_CHECKING:
    from tidegate.local.workloads.loop import Key
    from tidegate.local.workloads.view import View


class ClaimController:
    """Reconciles one claim at a time."""

    def __init__(self, view: View) -> None:
        self._view = view

    async def reconcile(self, key: Key) -> float | None:
        """Say that the claim is bound, with what it asked for."""
        claim = self._view.mirror.get(PVCS, *key)
        if claim is None or is_being_deleted(claim):
            return None
        status = claim.get("status") or {}
        if status.get("phase") != "Bound":
            spec = claim["spec"]
            bound = {
                "phase": "Bound",
                "accessModes": spec.get("accessModes") or [],
                "capacity": (spec.get("resources") or {}).get("requests") or {},
            }
            await self._view.report(PVCS, claim, {**status, **bound})
        return None
