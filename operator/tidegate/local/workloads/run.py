"""Runs the workload controllers: which kinds are followed, and which change concerns whom.

Owns their mirror and their loops. A change only adds a key; the controller looks for itself.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from tidegate.kube.events import Recorder
from tidegate.kube.objects import controller_of, labels_of, name_of, namespace_of, uid_of
from tidegate.kube.resources import (
    DEPLOYMENTS,
    ENDPOINTSLICES,
    JOBS,
    PODS,
    PVCS,
    REPLICASETS,
    SERVICES,
)
from tidegate.local.workloads import endpointslice
from tidegate.local.workloads.claims import ClaimController
from tidegate.local.workloads.deployment_controller import DeploymentController
from tidegate.local.workloads.endpointslice_controller import (
    EndpointSliceController,
    selects,
)
from tidegate.local.workloads.job_controller import JobController
from tidegate.local.workloads.loop import Key, KeyedLoop
from tidegate.local.workloads.mirror import Mirror
from tidegate.local.workloads.replicaset_controller import ReplicaSetController
from tidegate.local.workloads.scheduler import Scheduler, waits_for_a_node
from tidegate.local.workloads.view import View, is_orphan

if TYPE_CHECKING:
    from tidegate.kube.client import Client
    from tidegate.kube.objects import Object

NODE_NAME = "local"
_KINDS = (DEPLOYMENTS, REPLICASETS, PODS, SERVICES, ENDPOINTSLICES, JOBS, PVCS)


async def run_workloads(
    client: Client, *, node: str = NODE_NAME, started: asyncio.Event | None = None
) -> None:
    """Run all controllers and the scheduler until cancelled.

    `started` is set once every kind has been listed. Losing the API server is waited out.
    """
    workloads = _Workloads(client, node=node)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(workloads.mirror.run(), name="workloads: mirror")
        await workloads.mirror.synced()
        if started is not None:
            started.set()
        for loop in workloads.loops:
            tasks.create_task(loop.run())


class _Workloads:
    def __init__(self, client: Client, *, node: str) -> None:
        self.mirror = mirror = Mirror(client, _KINDS)

        def view(controller: str) -> View:
            return View(client, mirror, Recorder(client, controller))

        scheduler = Scheduler(client, mirror, Recorder(client, "default-scheduler"), node=node)
        self._deployments = KeyedLoop(
            "deployment", DeploymentController(view("deployment-controller")).reconcile
        )
        self._replicasets = KeyedLoop(
            "replicaset", ReplicaSetController(view("replicaset-controller")).reconcile
        )
        self._services = KeyedLoop(
            "endpointslice", EndpointSliceController(view("endpointslice-controller")).reconcile
        )
        self._jobs = KeyedLoop("job", JobController(view("job-controller")).reconcile)
        self._claims = KeyedLoop("claim", ClaimController(view("claim-controller")).reconcile)
        self._scheduling = KeyedLoop("scheduler", scheduler.reconcile)
        self.loops = (
            self._deployments,
            self._replicasets,
            self._services,
            self._jobs,
            self._claims,
            self._scheduling,
        )
        self._pod_labels: dict[str, dict[str, str]] = {}
        mirror.on_change(DEPLOYMENTS, lambda obj: self._deployments.add(_key(obj)))
        mirror.on_change(REPLICASETS, self._replicaset_changed)
        mirror.on_change(PODS, self._pod_changed)
        mirror.on_change(SERVICES, lambda obj: self._services.add(_key(obj)))
        mirror.on_change(ENDPOINTSLICES, self._slice_changed)
        mirror.on_change(JOBS, lambda obj: self._jobs.add(_key(obj)))
        mirror.on_change(PVCS, lambda obj: self._claims.add(_key(obj)))

    def _replicaset_changed(self, replicaset: Object) -> None:
        self._replicasets.add(_key(replicaset))
        if owner := _owner(replicaset, "Deployment"):
            self._deployments.add(owner)
        elif is_orphan(replicaset):
            for deployment in self.mirror.every(DEPLOYMENTS, namespace_of(replicaset)):
                self._deployments.add(_key(deployment))

    def _pod_changed(self, pod: Object) -> None:
        namespace = namespace_of(pod)
        if owner := _owner(pod, "ReplicaSet"):
            self._replicasets.add(owner)
        elif owner := _owner(pod, "Job"):
            self._jobs.add(owner)
        elif is_orphan(pod):
            for replicaset in self.mirror.every(REPLICASETS, namespace):
                self._replicasets.add(_key(replicaset))
        before = self._pod_labels.get(uid_of(pod), {})
        for service in self.mirror.every(SERVICES, namespace):
            # Also the Service that took the pod until its labels were changed.
            if selects(service, pod) or selects(service, {"metadata": {"labels": before}}):
                self._services.add(_key(service))
        self._remember_labels(pod)
        if waits_for_a_node(pod):
            self._scheduling.add(_key(pod))

    def _remember_labels(self, pod: Object) -> None:
        if self.mirror.get(PODS, namespace_of(pod), name_of(pod)) is None:
            self._pod_labels.pop(uid_of(pod), None)
        else:
            self._pod_labels[uid_of(pod)] = labels_of(pod)

    def _slice_changed(self, found: Object) -> None:
        if service := labels_of(found).get(endpointslice.SERVICE_LABEL):
            self._services.add((namespace_of(found) or "", service))


def _key(obj: Object) -> Key:
    return (namespace_of(obj) or "", name_of(obj))


def _owner(obj: Object, kind: str) -> Key | None:
    controller = controller_of(obj)
    if controller is None or controller.get("kind") != kind:
        return None
    return (namespace_of(obj) or "", str(controller["name"]))
