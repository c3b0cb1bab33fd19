"""A node that pretends: for tests of controllers that do not need real processes."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tidegate.errors import NotFound
from tidegate.kube.follow import follow
from tidegate.kube.objects import is_being_deleted, name_of, namespace_of, uid_of
from tidegate.kube.resources import PODS
from tidegate.local.workloads.times import stamp

if TYPE_CHECKING:
    from collections.abc import Callable

    from tidegate.kube.client import Client, WatchEvent
    from tidegate.kube.objects import Object


@dataclass
class PretendedNode:
    """Does at once what a node takes its time for: pods run and are ready, unless told else.

    `outcome` decides by pod: "Ready", "Pending", "Succeeded" or "Failed".
    """

    client: Client
    outcome: Callable[[Object], str] = field(default=lambda _: "Ready")
    ips: int = 0

    async def run(self) -> None:
        """Play node until cancelled."""
        await follow(self.client, PODS, on_event=self._changed)

    async def _changed(self, event: WatchEvent) -> None:
        pod = event.object
        if event.type == "DELETED" or not pod["spec"].get("nodeName"):
            return
        if is_being_deleted(pod):
            # That it may go is told before it goes: it may be gone by now.
            with suppress(NotFound):
                await self.client.delete(
                    PODS,
                    name_of(pod),
                    namespace=namespace_of(pod),
                    uid=uid_of(pod),
                    grace_period_seconds=0,
                )
        elif (pod.get("status") or {}).get("phase", "Pending") == "Pending":
            await self._bring_up(pod)

    async def _bring_up(self, pod: Object) -> None:
        outcome = self.outcome(pod)
        if outcome == "Pending":
            return
        self.ips += 1
        now = stamp(self.client.clock.now())
        ready = "True" if outcome == "Ready" else "False"
        ended = {"terminated": {"exitCode": 0, "finishedAt": now}}
        container = {
            "name": "c",
            "image": "i",
            "imageID": "",
            "ready": outcome == "Ready",
            "restartCount": 0,
            "state": {"running": {"startedAt": now}} if outcome == "Ready" else ended,
        }
        status = {
            "phase": "Running" if outcome == "Ready" else outcome,
            "podIP": f"127.64.0.{self.ips}",
            "conditions": [{"type": "Ready", "status": ready, "lastTransitionTime": now}],
            "containerStatuses": [container],
        }
        await self.client.patch(
            PODS,
            name_of(pod),
            {"status": status},
            namespace=namespace_of(pod),
            manager="kubelet",
            subresource="status",
        )
