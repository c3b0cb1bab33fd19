"""The whole cluster is killed: everything is there again, and nobody is left behind."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from tidegate.errors import Gone, ServerUnavailable, Terminal
from tidegate.kube.client import Client
from tidegate.kube.resources import CONFIGMAPS, DEPLOYMENTS, PODS
from tidegate.kube.transport import HttpTransport
from tidegate.local.cluster import daemon
from tidegate.local.cluster.state import StateDir, read_report
from tidegate.local.workloads.pods import is_ready, restarts

if TYPE_CHECKING:
    import subprocess
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

type Obj = dict[str, Any]


async def eventually(holds: Callable[[], Awaitable[bool]]) -> None:
    for _ in range(600):
        if await holds():
            return
        await asyncio.sleep(0.05)
    raise AssertionError("it did not become true within 30 s")


@dataclass
class Killable:
    """A cluster whose supervisor is a process of its own."""

    state: StateDir
    process: subprocess.Popen[bytes] | None = None

    async def up(self) -> Client:
        """Start it, and wait until all is ready. Raises Terminal when it cannot start."""
        self.process = await asyncio.to_thread(
            daemon.start, self.state, name="durable", api_port=None
        )

        async def ready() -> bool:
            report = read_report(self.state)
            if "error" in report:
                raise Terminal(report["reason"], report["error"])
            return bool(report.get("ready"))

        await eventually(ready)
        return Client(HttpTransport.from_kubeconfig(self.state.kubeconfig))

    def descendants(self) -> list[psutil.Process]:
        """Every process that the supervisor has started, with theirs."""
        assert self.process is not None
        return psutil.Process(self.process.pid).children(recursive=True)

    def kill(self) -> None:
        """Give it no time for anything."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    async def down(self) -> None:
        """Stop it as a person does."""
        await asyncio.to_thread(daemon.stop, self.state)
        if self.process is not None:
            await asyncio.to_thread(self.process.wait, timeout=30)


@pytest.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[Killable]:
    found = Killable(StateDir(tmp_path / "c"))
    yield found
    await found.down()


def deployment() -> Obj:
    labels = {"app": "web"}
    container = {
        "name": "c",
        "image": "tidegate/operator:1",
        "command": ["sh", "-c", "sleep 1000 & sleep 1000"],
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
        },
    }


async def killed_while_writing(cluster: Killable, client: Client) -> set[str]:
    """Kill the cluster under a writer; return the names that were acknowledged."""
    acknowledged: set[str] = set()
    enough = asyncio.Event()

    async def write() -> None:
        while True:
            name = f"c{len(acknowledged)}"
            obj = {"metadata": {"name": name, "namespace": "default"}, "data": {"k": name}}
            await client.create(CONFIGMAPS, obj, manager="test")
            acknowledged.add(name)
            if len(acknowledged) == 50:
                enough.set()

    writing = asyncio.create_task(write())
    await enough.wait()
    cluster.kill()
    with pytest.raises(ServerUnavailable):
        await writing
    return acknowledged


async def test_a_killed_cluster_comes_back_as_it_was(cluster: Killable) -> None:
    client = await cluster.up()
    await client.create(DEPLOYMENTS, deployment(), manager="test")

    async def stands() -> bool:
        pods = (await client.list(PODS, namespace="default")).items
        return len(pods) == 2 and all(is_ready(pod) for pod in pods)

    await eventually(stands)
    before = await client.list(PODS, namespace="default")
    processes = cluster.descendants()
    assert len(processes) > 4
    acknowledged = await killed_while_writing(cluster, client)
    await client.close()

    async def gone() -> bool:
        return not any(p.is_running() and p.status() != psutil.STATUS_ZOMBIE for p in processes)

    client = await cluster.up()
    # The kernel ended the containers, and the new node what those had started.
    await eventually(gone)
    found = {c["metadata"]["name"] for c in (await client.list(CONFIGMAPS)).items}
    assert acknowledged <= found
    await eventually(stands)
    after = await client.list(PODS, namespace="default")
    # The very pods, with their processes started again.
    uids = [{pod["metadata"]["uid"] for pod in each.items} for each in (before, after)]
    assert uids[0] == uids[1]
    assert {restarts(pod) for pod in after.items} == {1}
    watched = client.watch(PODS, namespace="default", resource_version=before.resource_version)
    with pytest.raises(Gone):
        await anext(watched)
    await client.close()


async def test_a_damaged_state_is_told_at_the_start_and_kept(cluster: Killable) -> None:
    client = await cluster.up()
    await client.close()
    await cluster.down()
    content = b"no database" * 1000
    await asyncio.to_thread(cluster.state.database.write_bytes, content)
    with pytest.raises(Terminal, match="tidegate local down --delete") as refused:
        await cluster.up()
    assert refused.value.reason == "StateDamaged"
    assert await asyncio.to_thread(cluster.state.database.read_bytes) == content
