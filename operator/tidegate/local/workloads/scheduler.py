"""Gives each pod a node. There is one, and it takes them all: nothing is ever Unschedulable."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidegate.kube.objects import is_being_deleted, name_of, namespace_of, uid_of
from tidegate.kube.resources import PODS
from tidegate.local.workloads import pods as facts

if TYPE_CHECKING:
    from tidegate.kube.client import Client
    from tidegate.kube.events import Recorder
    from tidegate.kube.objects import Object
    from tidegate.local.workloads.loop import Key
    from tidegate.local.workloads.mirror import Mirror

MANAGER = "kube-scheduler"
_OURS = "default-scheduler"


def waits_for_a_node(pod: Object) -> bool:
    """Tell whether the pod is ours to bind."""
    spec = pod["spec"]
    return (
        not spec.get("nodeName")
        and not spec.get("schedulingGates")
        and spec.get("schedulerName", _OURS) == _OURS
        and not is_being_deleted(pod)
        and not facts.is_finished(pod)
    )


class Scheduler:
    """Binds pods to the node `node`."""

    def __init__(self, client: Client, mirror: Mirror, events: Recorder, *, node: str) -> None:
        self._client = client
        self._mirror = mirror
        self._events = events
        self._node = node

    async def reconcile(self, key: Key) -> float | None:
        """Bind one pod."""
        pod = self._mirror.get(PODS, *key)
        if pod is None or not waits_for_a_node(pod):
            return None
        bound = await self._client.patch(
            PODS,
            name_of(pod),
            {"metadata": {"uid": uid_of(pod)}, "spec": {"nodeName": self._node}},
            namespace=namespace_of(pod),
            manager=MANAGER,
        )
        self._mirror.seen(PODS, bound)
        note = f"Successfully assigned {key[0]}/{key[1]} to {self._node}"
        await self._events.emit(
            bound, type="Normal", reason="Scheduled", note=note, action="Binding"
        )
        return None
