"""A node with real processes on an API server in memory: for tests of what happens in pods.

    async with RealPods.start(tmp_path) as pods:
        await pods.run("p", "echo hello", restartPolicy="Never")
        await pods.until("p", lambda pod: phase(pod) == "Succeeded")
        assert await pods.log("p") == "hello\\n"

The one image is `py`, this interpreter. Back-off and waits are short.
"""

from __future__ import annotations

import asyncio
import sys
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tidegate.errors import NotFound
from tidegate.kube.client import Client
from tidegate.kube.resources import NAMESPACES, PODS
from tidegate.local.apiserver import ApiServer
from tidegate.local.node import Node, Timing
from tidegate.local.node.backoff import BackOff
from tidegate.local.workloads import run_workloads
from tidegate.testing.transport import InProcessTransport

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from tidegate.kube.objects import Object

WAIT_S = 20.0
TIMING = Timing(
    back_off=BackOff(first_s=0.6), config_retry_s=0.2, rotation_lag_s=0.1, shortest_grace_s=0.5
)


@dataclass(frozen=True)
class Image:
    """One image: this interpreter."""

    path: tuple[str, ...] = (str(Path(sys.executable).parent),)
    env: dict[str, str] = field(default_factory=lambda: {"IMAGE": "yes"})
    api_access: bool = False
    own_network: bool = False


class Images:
    """An image table with one image, `py`."""

    def lookup(self, image: str) -> Image | None:
        """See `tidegate.local.node.Images`."""
        return Image() if image.partition(":")[0] == "py" else None

    def describe(self) -> str:
        """See `tidegate.local.node.Images`."""
        return "the test's table holds py"


@dataclass
class RealPods:
    """A running node, and what a test does with it."""

    api: ApiServer
    client: Client
    folder: Path
    task: asyncio.Task[None] | None = None

    async def start_node(self) -> None:
        """Start a node; pods that stand are taken over."""
        started = asyncio.Event()
        node = Node(Client(InProcessTransport(self.api)), Images(), self.folder, timing=TIMING)
        self.api.log_provider = node.logs
        self.task = asyncio.create_task(node.run(started=started))
        async with asyncio.timeout(WAIT_S):
            await started.wait()

    async def stop_node(self) -> None:
        """Stop the node as a supervisor does."""
        if self.task is not None:
            self.task.cancel()
            await asyncio.gather(self.task, return_exceptions=True)

    async def run(self, name: str, script: str, **spec: Any) -> Object:
        """Create a pod whose container `c` runs a shell script; keys of `c` come in `container`."""
        container = {"name": "c", "image": "py:1", "command": ["sh", "-c", script]}
        container |= spec.pop("container", {})
        annotations = spec.pop("annotations", {})
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "name": name,
                "namespace": "demo",
                "labels": {"app": name},
                "annotations": annotations,
            },
            "spec": {"terminationGracePeriodSeconds": 3, "containers": [container], **spec},
        }
        return await self.client.create(PODS, pod, manager="test")

    async def until(self, name: str, holds: Callable[[Object], bool]) -> Object:
        """Wait until a pod's status satisfies `holds`, and return the pod."""
        async with asyncio.timeout(WAIT_S):
            while True:
                pod = await self.client.get(PODS, name, namespace="demo")
                if pod.get("status") and holds(pod):
                    return pod
                await asyncio.sleep(0.02)

    async def gone(self, name: str) -> None:
        """Wait until the pod is no more."""
        async with asyncio.timeout(WAIT_S):
            while True:
                try:
                    await self.client.get(PODS, name, namespace="demo")
                except NotFound:
                    return
                await asyncio.sleep(0.02)

    async def log(self, name: str, **params: str) -> str:
        """Return a pod's log as the API server answers; `params` are its query."""
        transport = InProcessTransport(self.api)
        answer = await transport.request(
            "GET",
            PODS.path("demo", name, "log"),
            params=params,
            headers={},
            body=None,
            timeout=10,
        )
        return answer.body.decode()

    @classmethod
    @asynccontextmanager
    async def start(cls, folder: Path) -> AsyncIterator[RealPods]:
        """Start everything below `folder`, and end it and all its processes."""
        api = ApiServer.in_memory()
        await api.start()
        client = Client(InProcessTransport(api))
        await client.create(NAMESPACES, {"metadata": {"name": "demo"}}, manager="test")
        workloads = asyncio.create_task(run_workloads(Client(InProcessTransport(api))))
        found = cls(api, client, folder / "node")
        await found.start_node()
        try:
            yield found
        finally:
            await found.stop_node()
            workloads.cancel()
            await asyncio.gather(workloads, return_exceptions=True)
            await api.stop()
