"""Drives ReplicaSets: makes and removes pods until as many stand as asked for, and reports.

What to do and what to say is decided in `replicaset.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidegate.errors import Conflict, KubeError
from tidegate.kube.objects import (
    is_being_deleted,
    labels_of,
    name_of,
    namespace_of,
    owner_reference,
)
from tidegate.kube.resources import PODS, REPLICASETS
from tidegate.local.workloads import pods as facts
from tidegate.local.workloads import replicaset as rules
from tidegate.local.workloads.selectors import is_empty, matches
from tidegate.local.workloads.times import stamp
from tidegate.local.workloads.view import is_orphan

if TYPE_CHECKING:
    from tidegate.kube.objects import Object
    from tidegate.local.workloads.loop import Key
    from tidegate.local.workloads.view import View


class ReplicaSetController:
    """Reconciles one ReplicaSet at a time."""

    def __init__(self, view: View) -> None:
        self._view = view

    async def reconcile(self, key: Key) -> float | None:
        """Bring the number of pods to `spec.replicas`. Returns when a pod becomes available."""
        replicaset = self._view.mirror.get(REPLICASETS, *key)
        if replicaset is None:
            return None
        failure: tuple[str, str] | None = None
        failed: KubeError | None = None
        if not is_being_deleted(replicaset):
            try:
                await self._adopt(replicaset)
                await self._change(replicaset)
            except Conflict:
                raise
            except KubeError as error:
                failure, failed = ("FailedCreate", error.message), error
        pods, now = self._pods(replicaset), self._view.clock.now()
        status = rules.status(replicaset, pods, failure=failure, now_stamp=stamp(now), now=now)
        await self._view.report(REPLICASETS, replicaset, status)
        if failed is not None:
            raise failed
        return rules.next_available_in(replicaset, pods, now=now)

    def _pods(self, replicaset: Object) -> list[Object]:
        return self._view.mirror.owned(PODS, replicaset)

    async def _adopt(self, replicaset: Object) -> None:
        selector = replicaset["spec"]["selector"]
        if is_empty(selector):
            return
        for pod in self._view.mirror.every(PODS, namespace_of(replicaset)):
            if is_orphan(pod) and facts.is_active(pod) and matches(selector, labels_of(pod)):
                await self._view.adopt(PODS, pod, owner_reference(replicaset))

    async def _change(self, replicaset: Object) -> None:
        wanted = int(replicaset["spec"].get("replicas", 1))
        pods = self._pods(replicaset)
        todo = rules.change(wanted, pods, now=self._view.clock.now())
        for _ in range(todo.create):
            await self._create(replicaset)
        by_name = {name_of(pod): pod for pod in pods}
        for name in todo.delete:
            await self._view.delete(PODS, by_name[name])
            note = f"Deleted pod: {name}"
            await self._view.tell(replicaset, reason="SuccessfulDelete", note=note)

    async def _create(self, replicaset: Object) -> None:
        pod = rules.pod_for(replicaset, replicaset["spec"]["template"])
        try:
            made = await self._view.create(PODS, pod)
        except KubeError as error:
            note = f"Error creating: {error.message}"
            await self._view.tell(replicaset, reason="FailedCreate", note=note, warning=True)
            raise
        note = f"Created pod: {name_of(made)}"
        await self._view.tell(replicaset, reason="SuccessfulCreate", note=note)
