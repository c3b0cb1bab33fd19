"""Runs the workload controllers: which kinds are followed, and which change concerns whom.

Owns their mirror and their loops. A change only adds a key; the controller looks for itself.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

from tidegate.kube.events import Recorder
from tidegate.kube.objects import controller_of, labels_of, name_of, namespace_of, uid_of
from tidegate.kube.resources import (
    CRONJOBS,
    DEPLOYMENTS,
    ENDPOINTSLICES,
    HORIZONTALPODAUTOSCALERS,
    JOBS,
    PODDISRUPTIONBUDGETS,
    PODS,
    PVCS,
    REPLICASETS,
    SERVICES,
)
from tidegate.local.workloads import endpointslice
from tidegate.local.workloads.autoscaler_controller import PERIOD_S, AutoscalerController
from tidegate.local.workloads.budget_controller import BudgetController, guards
from tidegate.local.workloads.claims import ClaimController
from tidegate.local.workloads.cronjob_controller import CronJobController
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
from tidegate.local.workloads.usage import NoMeter
from tidegate.local.workloads.view import View, is_orphan

if TYPE_CHECKING:
    from tidegate.kube.client import Client
    from tidegate.kube.objects import Object
    from tidegate.local.workloads.usage import UsageMeter

NODE_NAME = "local"
_KINDS = (
    *(DEPLOYMENTS, REPLICASETS, PODS, SERVICES, ENDPOINTSLICES, JOBS, PVCS),
    *(CRONJOBS, HORIZONTALPODAUTOSCALERS, PODDISRUPTIONBUDGETS),
)


async def run_workloads(
    client: Client,
    *,
    node: str = NODE_NAME,
    meter: UsageMeter | None = None,
    autoscale_every_s: float = PERIOD_S,
    started: asyncio.Event | None = None,
) -> None:
    """Run all controllers and the scheduler until cancelled.

    `meter` measures pods for autoscalers. `started` is set once every kind has been listed. Losing
    the API server is waited out.
    """
    workloads = _Workloads(
        client, node=node, meter=meter or NoMeter(), autoscale_every_s=autoscale_every_s
    )
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(workloads.mirror.run(), name="workloads: mirror")
        await workloads.mirror.synced()
        if started is not None:
            started.set()
        for loop in workloads.loops:
            tasks.create_task(loop.run())


class _Workloads:
    def __init__(
        self, client: Client, *, node: str, meter: UsageMeter, autoscale_every_s: float
    ) -> None:
        self.mirror = mirror = Mirror(client, _KINDS)

        def view(controller: str) -> View:
            return View(client, mirror, Recorder(client, controller, reporting=controller))

        told = Recorder(client, "default-scheduler", reporting="default-scheduler")
        scheduler = Scheduler(client, mirror, told, node=node)
        autoscaler = AutoscalerController(
            view("horizontal-pod-autoscaler"), meter, period_s=autoscale_every_s
        )
        self._deployments = _loop(DeploymentController(view("deployment-controller")))
        self._replicasets = _loop(ReplicaSetController(view("replicaset-controller")))
        self._services = _loop(EndpointSliceController(view("endpointslice-controller")))
        self._jobs = _loop(JobController(view("job-controller")))
        self._claims = _loop(ClaimController(view("claim-controller")))
        self._cronjobs = _loop(CronJobController(view("cronjob-controller")))
        self._budgets = _loop(BudgetController(view("controllermanager")))
        self._autoscalers = _loop(autoscaler)
        self._scheduling = _loop(scheduler)
        self.loops = (
            *(self._deployments, self._replicasets, self._services, self._jobs, self._claims),
            *(self._cronjobs, self._budgets, self._autoscalers, self._scheduling),
        )
        self._pod_labels: dict[str, dict[str, str]] = {}
        self._follow()

    def _follow(self) -> None:
        mirror = self.mirror
        mirror.on_change(DEPLOYMENTS, self._deployment_changed)
        mirror.on_change(REPLICASETS, self._replicaset_changed)
        mirror.on_change(PODS, self._pod_changed)
        mirror.on_change(SERVICES, lambda obj: self._services.add(_key(obj)))
        mirror.on_change(ENDPOINTSLICES, self._slice_changed)
        mirror.on_change(JOBS, self._job_changed)
        mirror.on_change(CRONJOBS, lambda obj: self._cronjobs.add(_key(obj)))
        mirror.on_change(PODDISRUPTIONBUDGETS, lambda obj: self._budgets.add(_key(obj)))
        mirror.on_change(HORIZONTALPODAUTOSCALERS, lambda obj: self._autoscalers.add(_key(obj)))
        mirror.on_change(PVCS, lambda obj: self._claims.add(_key(obj)))

    def _deployment_changed(self, deployment: Object) -> None:
        self._deployments.add(_key(deployment))
        # How many pods a budget expects follows from the size of their Deployment.
        for budget in self.mirror.every(PODDISRUPTIONBUDGETS, namespace_of(deployment)):
            self._budgets.add(_key(budget))

    def _job_changed(self, job: Object) -> None:
        self._jobs.add(_key(job))
        if owner := _owner(job, "CronJob"):
            self._cronjobs.add(owner)

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
        for budget in self.mirror.every(PODDISRUPTIONBUDGETS, namespace):
            if guards(budget, pod) or guards(budget, {"metadata": {"labels": before}}):
                self._budgets.add(_key(budget))
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


class _Reconciler(Protocol):
    async def reconcile(self, key: Key) -> float | None: ...


def _loop(controller: _Reconciler) -> KeyedLoop:
    name = type(controller).__name__.removesuffix("Controller").lower()
    return KeyedLoop(name, controller.reconcile)


def _key(obj: Object) -> Key:
    return (namespace_of(obj) or "", name_of(obj))


def _owner(obj: Object, kind: str) -> Key | None:
    controller = controller_of(obj)
    if controller is None or controller.get("kind") != kind:
        return None
    return (namespace_of(obj) or "", str(controller["name"]))
