"""Plays the parts of a cluster that a controller test does not start: Deployments, the gateway.

`step` brings every Deployment and HTTPRoute to where real controllers would bring them, at once,
unless a test said that one of them fails. Services of new callers get an EndpointSlice; others need
none here. It never touches Tidegate's own kinds.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from tidegate.kube.objects import name_of, namespace_of, owner_reference
from tidegate.kube.resources import (
    DEPLOYMENTS,
    ENDPOINTSLICES,
    HTTPROUTES,
    PODS,
    REPLICASETS,
    SERVICES,
)
from tidegate.traffic.assignment import ASSIGNMENT_LABEL

if TYPE_CHECKING:
    from tidegate.kube.objects import Object
    from tidegate.testing.kube import FakeKube


class Beside(Protocol):
    """Another controller of the cluster."""

    async def step(self) -> bool:
        """Take one look at everything; tell whether anything changed."""
        ...


SERVICE_LABEL = "kubernetes.io/service-name"
_GATEWAY = "tidegate.dev/fake-gateway"
_HASH = "5d4f8b7c9"
"""Of the pod template of every Deployment."""


@dataclass
class World:
    """Everything that runs beside the operator."""

    kube: FakeKube
    ready: dict[str, int] = field(default_factory=dict)
    """Deployments (by name) of which at most so many replicas get ready."""
    pod_status: dict[str, Object] = field(default_factory=dict)
    """Deployments (by name) with one Pod in that status: a crash, a failed init container."""
    unprogrammed: set[str] = field(default_factory=set)
    """HTTPRoutes (by name) that the gateway does not take up."""
    drifting: set[str] = field(default_factory=set)
    """Deployments (by name) whose template somebody changed, with new pods that do not get ready:
    all old ones serve on."""
    beside: list[Beside] = field(default_factory=list)
    """Other controllers, which take their step first."""
    _at_rest: tuple[int, str] | None = None
    """The cluster's revision and the orders above with which nothing was left to do."""

    def fail(
        self, deployment: str, *, message: str, container: str = "fetch", init: bool = True
    ) -> None:
        """Let a Deployment's Pod crash in `container` with a termination message."""
        state = {"terminated": {"exitCode": 1, "reason": "Error", "message": message}}
        waiting = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off"}}
        status = {
            "name": container,
            "image": "image",
            "imageID": "",
            "ready": False,
            "restartCount": 3,
            "state": waiting,
            "lastState": state,
        }
        which = "initContainerStatuses" if init else "containerStatuses"
        self.pod_status[deployment] = {"phase": "Pending" if init else "Running", which: [status]}
        self.ready[deployment] = 0

    def address(self, deployment: str, ip: str) -> None:
        """Let a Deployment have a ready Pod at an address."""
        ready = {"type": "Ready", "status": "True"}
        self.pod_status[deployment] = {"phase": "Running", "podIP": ip, "conditions": [ready]}

    def recover(self, deployment: str) -> None:
        """Let a Deployment get ready again."""
        self.ready.pop(deployment, None)
        self.pod_status.pop(deployment, None)

    async def step(self) -> bool:
        """Bring everything up to date; tell whether anything changed."""
        told = (self.ready, self.pod_status, self.unprogrammed, self.drifting, self.beside)
        orders = (self.kube.revision, str(told))
        if orders == self._at_rest:
            return False
        changed = await self._step()
        self._at_rest = None if changed else orders
        return changed

    async def _step(self) -> bool:
        changed = False
        for other in self.beside:
            changed |= await other.step()
        for deployment in (await self.kube.user.list(DEPLOYMENTS)).items:
            changed |= await self._deploy(deployment)
            changed |= await self._pod(deployment)
        for service in (await self.kube.user.list(SERVICES, label_selector=ASSIGNMENT_LABEL)).items:
            changed |= await self._reach(service)
        for route in (await self.kube.user.list(HTTPROUTES)).items:
            changed |= await self._program(route)
        return changed

    async def _deploy(self, deployment: Object) -> bool:
        wanted = int(deployment["spec"].get("replicas", 1))
        ready = min(wanted, self.ready.get(name_of(deployment), wanted))
        status = {
            "observedGeneration": deployment["metadata"].get("generation", 1),
            "replicas": wanted,
            "updatedReplicas": wanted,
            "readyReplicas": ready,
            "availableReplicas": ready,
            "unavailableReplicas": wanted - ready,
        }
        if name_of(deployment) in self.drifting:
            status |= {"replicas": wanted + 1, "updatedReplicas": 1, "unavailableReplicas": 1}
        before = deployment.get("status", {})
        if {key: before.get(key, 0) for key in status} == status:
            return False
        stamp = self.kube.clock.now().strftime("%Y-%m-%dT%H:%M:%SZ")
        available = "True" if ready == wanted else "False"
        reason = "MinimumReplicasAvailable" if ready == wanted else "MinimumReplicasUnavailable"
        condition = {
            "type": "Available",
            "status": available,
            "reason": reason,
            "message": "",
            "lastUpdateTime": stamp,
            "lastTransitionTime": stamp,
        }
        await self.kube.set_status(deployment, {**status, "conditions": [condition]})
        return True

    async def _pod(self, deployment: Object) -> bool:
        """Keep one Pod beside a Deployment that fails, and none beside one that does not."""
        wanted = self.pod_status.get(name_of(deployment))
        namespace, name = namespace_of(deployment), f"{name_of(deployment)}-pod"
        listed = await self.kube.user.list(
            PODS, namespace=namespace, field_selector=f"metadata.name={name}"
        )
        if wanted is None or listed.items:
            if wanted is None and listed.items:
                await self.kube.user.delete(PODS, name, namespace=namespace, grace_period_seconds=0)
            return wanted is None and bool(listed.items)
        template = deployment["spec"]["template"]
        metadata = template.get("metadata", {})
        replicaset = await self._replicaset(deployment)
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                **metadata,
                "labels": {**metadata.get("labels", {}), "pod-template-hash": _HASH},
                "name": name,
                "namespace": namespace,
                "ownerReferences": [owner_reference(replicaset)],
            },
            "spec": template["spec"],
        }
        created = await self.kube.user.create(PODS, pod, manager="world")
        await self.kube.set_status(created, wanted)
        return True

    async def _replicaset(self, deployment: Object) -> Object:
        """What stands between a Deployment and its Pod."""
        namespace, name = namespace_of(deployment), f"{name_of(deployment)}-{_HASH}"
        listed = await self.kube.user.list(
            REPLICASETS, namespace=namespace, field_selector=f"metadata.name={name}"
        )
        if listed.items:
            return listed.items[0]
        spec = deployment["spec"]
        replicaset = {
            "apiVersion": REPLICASETS.api_version,
            "kind": REPLICASETS.kind,
            "metadata": {
                "name": name,
                "namespace": namespace,
                "ownerReferences": [owner_reference(deployment)],
            },
            "spec": {"selector": spec["selector"], "template": spec["template"]},
        }
        return await self.kube.user.create(REPLICASETS, replicaset, manager="world")

    async def _reach(self, service: Object) -> bool:
        """Keep one ready endpoint behind a Service of new callers."""
        namespace, name = namespace_of(service), name_of(service)
        selector = f"{SERVICE_LABEL}={name}"
        listed = await self.kube.user.list(
            ENDPOINTSLICES, namespace=namespace, label_selector=selector
        )
        if listed.items:
            return False
        endpoints = {
            "apiVersion": ENDPOINTSLICES.api_version,
            "kind": ENDPOINTSLICES.kind,
            "metadata": {
                "name": f"{name}-1",
                "namespace": namespace,
                "labels": {SERVICE_LABEL: name},
                "ownerReferences": [owner_reference(service)],
            },
            "addressType": "IPv4",
            "endpoints": [{"addresses": ["10.0.0.1"], "conditions": {"ready": True}}],
            "ports": [],
        }
        await self.kube.user.create(ENDPOINTSLICES, endpoints, manager="world")
        return True

    async def _program(self, route: Object) -> bool:
        generation = route["metadata"].get("generation", 1)
        if name_of(route) in self.unprogrammed:
            return False
        parents = [
            self._parent(reference, generation)
            for reference in route["spec"].get("parentRefs") or []
        ]
        seen = [
            (parent["parentRef"], parent["conditions"][0].get("observedGeneration"))
            for parent in route.get("status", {}).get("parents") or []
        ]
        if seen == [(parent["parentRef"], generation) for parent in parents]:
            return False
        await self.kube.set_status(route, {"parents": parents})
        return True

    def _parent(self, reference: Object, generation: int) -> Object:
        stamp = self.kube.clock.now().strftime("%Y-%m-%dT%H:%M:%SZ")
        conditions = [
            {
                "type": type_,
                "status": "True",
                "reason": type_,
                "message": "",
                "observedGeneration": generation,
                "lastTransitionTime": stamp,
            }
            for type_ in ("Accepted", "ResolvedRefs", "Programmed")
        ]
        return {"parentRef": reference, "controllerName": _GATEWAY, "conditions": conditions}
