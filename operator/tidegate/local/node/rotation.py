"""Waits until nobody sends requests to a pod any more, so that ending it fails none.

A pod that is being deleted leaves its EndpointSlices' ready endpoints first; whoever balances over
them needs a moment to hear of it. Only then its processes are told to end.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from tidegate.kube.objects import namespace_of, uid_of
from tidegate.kube.resources import ENDPOINTSLICES

if TYPE_CHECKING:
    from tidegate.kube.objects import Object
    from tidegate.local.node.surroundings import Timing
    from tidegate.local.workloads.mirror import Mirror


class Rotation:
    """Knows, by the mirror, which pods are ready endpoints."""

    def __init__(self, mirror: Mirror, timing: Timing) -> None:
        self._mirror = mirror
        self._timing = timing
        self._changed = asyncio.Event()
        mirror.on_change(ENDPOINTSLICES, lambda _: self._changed.set())

    async def left(self, pod: Object, grace_s: float) -> None:
        """Return when `pod` is out of rotation, at the latest after half its grace period."""
        if not self._is_endpoint(pod, ready_only=False):
            return
        limit_s = min(self._timing.rotation_limit_s, grace_s / 2)
        lag_s = min(self._timing.rotation_lag_s, grace_s / 2)
        try:
            async with asyncio.timeout(limit_s):
                while self._is_endpoint(pod, ready_only=True):
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            return
        await asyncio.sleep(lag_s)

    def _is_endpoint(self, pod: Object, *, ready_only: bool) -> bool:
        for found in self._mirror.every(ENDPOINTSLICES, namespace_of(pod)):
            for endpoint in found.get("endpoints") or []:
                if (endpoint.get("targetRef") or {}).get("uid") != uid_of(pod):
                    continue
                if not ready_only or (endpoint.get("conditions") or {}).get("ready"):
                    return True
        return False
