"""The simulated node of the recordings: pods that are bound run at once, or end as they are told.

Pods that are not restarted end after a moment, with the exit code of the annotation
`fakekubelet/exit-code`. A deleted pod ends and is removed.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from tidegate.errors import KubeError
from tidegate.kube.follow import follow
from tidegate.kube.objects import is_being_deleted, name_of, namespace_of, uid_of
from tidegate.kube.resources import PODS
from tidegate.local.workloads.times import stamp

if TYPE_CHECKING:
    from tidegate.kube.client import Client, WatchEvent
    from tidegate.kube.objects import Object

NODE = "fake-node-0"
_MANAGER = "fakekubelet"
_EXIT_CODE = "fakekubelet/exit-code"
_RUNS_S = 0.3
_HOST = "127.0.0.1"


class RecordedNode:
    """Plays node until it is cancelled."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._addresses: dict[str, str] = {}
        self._ending: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Follow every pod."""
        try:
            await follow(self._client, PODS, on_event=self._changed)
        finally:
            for task in self._ending:
                task.cancel()

    async def _changed(self, event: WatchEvent) -> None:
        pod = event.object
        phase = (pod.get("status") or {}).get("phase", "Pending")
        if event.type == "DELETED" or not pod["spec"].get("nodeName"):
            return
        if is_being_deleted(pod):
            await self._remove(pod, running=phase == "Running")
        elif phase == "Pending":
            await self._report(pod, "Running")
            if pod["spec"].get("restartPolicy") != "Always":
                task = asyncio.create_task(self._end(pod))
                self._ending.add(task)
                task.add_done_callback(self._ending.discard)

    async def _end(self, pod: Object) -> None:
        await asyncio.sleep(_RUNS_S)
        code = int((pod["metadata"].get("annotations") or {}).get(_EXIT_CODE, "0"))
        await self._report(pod, "Failed" if code else "Succeeded", code=code)

    async def _remove(self, pod: Object, *, running: bool) -> None:
        if running:
            await self._report(pod, "Succeeded")
        if pod["metadata"].get("deletionGracePeriodSeconds") == 0 and not running:
            return
        try:
            await self._client.delete(
                PODS,
                name_of(pod),
                namespace=namespace_of(pod),
                uid=uid_of(pod),
                grace_period_seconds=0,
            )
        except KubeError:
            # Somebody else was quicker.
            return

    async def _report(self, pod: Object, phase: str, *, code: int = 0) -> None:
        address = self._addresses.setdefault(
            uid_of(pod), f"127.10.0.{len(self._addresses) % 250 + 1}"
        )
        now = stamp(self._client.clock.now())
        started = (pod.get("status") or {}).get("startTime") or now
        status = {
            "observedGeneration": 1,
            "phase": phase,
            "conditions": _conditions(phase, now),
            "hostIP": _HOST,
            "hostIPs": [{"ip": _HOST}],
            "podIP": address,
            "podIPs": [{"ip": address}],
            "startTime": started,
            "containerStatuses": [
                _container(c, phase, code, started=started, now=now)
                for c in pod["spec"]["containers"]
            ],
        }
        try:
            await self._client.patch(
                PODS,
                name_of(pod),
                {"status": status},
                namespace=namespace_of(pod),
                manager=_MANAGER,
                subresource="status",
            )
        except KubeError:
            # The pod is gone.
            return


def _conditions(phase: str, now: str) -> list[dict[str, Any]]:
    found = []
    for kind in ("PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady"):
        over = phase != "Running" and kind.endswith("Ready")
        condition = {"type": kind, "status": "False" if over else "True", "lastProbeTime": None}
        reason = {"reason": "PodCompleted" if phase == "Succeeded" else "PodFailed"} if over else {}
        found.append({**condition, "lastTransitionTime": now, **reason})
    scheduled = {"type": "PodScheduled", "status": "True", "lastProbeTime": None}
    return [*found, {**scheduled, "lastTransitionTime": now}]


def _container(
    container: dict[str, Any], phase: str, code: int, *, started: str, now: str
) -> dict[str, Any]:
    name, image = container["name"], container["image"]
    running = phase == "Running"
    ended = {
        "exitCode": code,
        "reason": "Error" if code else "Completed",
        "startedAt": started,
        "finishedAt": now,
        "containerID": f"fake://{name}",
    }
    return {
        "name": name,
        "state": {"running": {"startedAt": started}} if running else {"terminated": ended},
        "lastState": {},
        "ready": running,
        "restartCount": 0,
        "image": image,
        "imageID": f"fake://{image}",
        "containerID": f"fake://{name}",
        "started": running,
    }
