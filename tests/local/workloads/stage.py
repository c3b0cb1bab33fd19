"""Controllers on a real API server, with a node that pretends, and short ways to ask."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tidegate.kube.client import Client
from tidegate.kube.resources import DEPLOYMENTS, NAMESPACES
from tidegate.local.apiserver import ApiServer
from tidegate.local.workloads import run_workloads
from tidegate.local.workloads.deployment_status import condition_of
from tidegate.local.workloads.usage import Used
from tidegate.testing.apiserver import Asker
from tidegate.testing.node import PretendedNode
from tidegate.testing.transport import FaultyTransport, InProcessTransport

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from tidegate.kube.objects import Object
    from tidegate.kube.resources import Resource

WAIT_S = 15.0


@dataclass
class PretendedMeter:
    """Says that every container of every pod uses `cpu` cores; None: nothing was measured."""

    cpu: float | None = None

    def used(self, namespace: str, pod: str) -> dict[str, Used]:
        """See `UsageMeter`."""
        return {} if self.cpu is None else {"c": Used(cpu=self.cpu, memory=1e6)}


@dataclass
class Stage:
    """What a test works with. Writes of the controllers are counted in `transport`."""

    client: Client
    node: PretendedNode
    transport: FaultyTransport
    meter: PretendedMeter
    ask: Asker

    async def until(
        self,
        res: Resource,
        name: str,
        holds: Callable[[Object], bool],
    ) -> Object:
        """Wait until the object satisfies `holds`, and return it."""

        async def look() -> Object | None:
            found = await self.client.get(res, name, namespace="demo")
            return found if holds(found) else None

        return await self._wait(look)

    async def until_listed(
        self, res: Resource, holds: Callable[[list[Object]], bool], **selectors: Any
    ) -> list[Object]:
        """Wait until what is listed satisfies `holds`, and return it."""

        async def look() -> list[Object] | None:
            found = (await self.client.list(res, namespace="demo", **selectors)).items
            return found if holds(found) else None

        return await self._wait(look)

    async def _wait[T](self, look: Callable[[], Awaitable[T | None]]) -> T:
        async with asyncio.timeout(WAIT_S):
            while True:
                if (found := await look()) is not None:
                    return found
                await asyncio.sleep(0.02)


@asynccontextmanager
async def running_stage() -> AsyncIterator[Stage]:
    api = ApiServer.in_memory()
    await api.start()
    transport = FaultyTransport(InProcessTransport(api))
    user = Client(InProcessTransport(api))
    node = PretendedNode(Client(InProcessTransport(api)))
    started = asyncio.Event()
    meter = PretendedMeter()
    controllers = run_workloads(
        Client(transport), meter=meter, autoscale_every_s=0.2, started=started
    )
    tasks = [
        asyncio.create_task(controllers),
        asyncio.create_task(node.run()),
    ]
    try:
        await user.create(NAMESPACES, {"metadata": {"name": "demo"}}, manager="test")
        async with asyncio.timeout(WAIT_S):
            await started.wait()
        yield Stage(user, node, transport, meter, Asker(api))
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await api.stop()


APP = {"matchLabels": {"app": "web"}}


def deployment(*, image: str = "i:1", replicas: int = 2, **spec: Any) -> Object:
    template = {
        "metadata": {"labels": {"app": "web"}},
        "spec": {"containers": [{"name": "c", "image": image}]},
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "demo"},
        "spec": {"replicas": replicas, "selector": APP, "template": template, **spec},
    }


def complete(found: Object) -> bool:
    """What `kubectl rollout status` waits for."""
    status, wanted = found.get("status") or {}, found["spec"]["replicas"]
    return bool(
        status.get("observedGeneration", 0) >= found["metadata"]["generation"]
        and status.get("updatedReplicas", 0) == wanted
        and status.get("replicas", 0) == wanted
        and status.get("availableReplicas", 0) == wanted
    )


def has(kind: str) -> Callable[[Object], bool]:
    return lambda found: condition_of(found["status"], kind) is not None


async def apply(stage: Stage, obj: Object) -> None:
    await stage.client.apply(DEPLOYMENTS, obj, manager="test")


async def edit(stage: Stage, **spec: Any) -> None:
    await stage.client.patch(DEPLOYMENTS, "web", {"spec": spec}, namespace="demo", manager="test")
