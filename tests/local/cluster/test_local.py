"""The whole embedded cluster: real API, real processes, Envoy, Prometheus and kubectl."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
import orjson
import psutil
import pytest

from tidegate.errors import Terminal
from tidegate.kube.resources import DEPLOYMENTS, GATEWAYS, HTTPROUTES, SERVICES
from tidegate.local.cluster.images import ImageTable, LocalEnvironment
from tidegate.local.cluster.kubectl import kubectl_binary, run_kubectl
from tidegate.local.cluster.local import LocalCluster
from tidegate.local.metrics.prometheus import is_ready
from tidegate.testing.gateway import free_port

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

type Obj = dict[str, Any]

SERVER = """
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        body = os.environ["WHO"].encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

print("serving as", os.environ["WHO"], flush=True)
ThreadingHTTPServer((os.environ["POD_IP"], 8000), Handler).serve_forever()
"""


def images() -> ImageTable:
    """One image: the interpreter that runs the tests."""
    python = LocalEnvironment(path=[str(Path(sys.executable).parent)])
    return ImageTable({"tests/python": python}, source="a test")


@pytest.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[LocalCluster]:
    async with LocalCluster(tmp_path / "c", images=images(), name="test") as running:
        yield running


async def kubectl(cluster: LocalCluster, *arguments: str, stdin: bytes = b"") -> str:
    binary = kubectl_binary(beside=Path(__file__).parents[3] / ".tidegate" / "bin")
    kubeconfig = ("--kubeconfig", str(cluster.kubeconfig))
    return (await run_kubectl(binary, *arguments, *kubeconfig, stdin=stdin)).decode()


async def apply(cluster: LocalCluster, *objects: Obj) -> None:
    documents = b"".join(b"---\n" + orjson.dumps(each) + b"\n" for each in objects)
    await kubectl(cluster, "apply", "-f", "-", stdin=documents)


def deployment(name: str, *, replicas: int = 1, image: str = "tests/python:1") -> Obj:
    labels = {"app": name}
    probe = {"httpGet": {"path": "/", "port": 8000}, "periodSeconds": 1}
    container = {
        "name": "web",
        "image": image,
        "command": ["python", "-c", SERVER],
        "env": [{"name": "WHO", "value": name}],
        "ports": [{"containerPort": 8000}],
        "readinessProbe": probe,
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
        },
    }


def service(name: str) -> Obj:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"selector": {"app": name}, "ports": [{"port": 80, "targetPort": 8000}]},
    }


def gateway(port: int) -> Obj:
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "Gateway",
        "metadata": {"name": "public", "namespace": "default"},
        "spec": {
            "gatewayClassName": "tidegate",
            "listeners": [{"name": "http", "protocol": "HTTP", "port": port}],
        },
    }


def route(**weights: int) -> Obj:
    refs = [{"name": name, "port": 80, "weight": weight} for name, weight in weights.items()]
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {
            "parentRefs": [{"name": "public"}],
            "hostnames": ["web.example"],
            "rules": [{"backendRefs": refs}],
        },
    }


async def get(port: int) -> tuple[int, str]:
    timeout = aiohttp.ClientTimeout(total=5)
    async with (
        aiohttp.ClientSession(timeout=timeout, headers={"host": "web.example"}) as session,
        session.get(f"http://127.0.0.1:{port}/") as answer,
    ):
        return answer.status, await answer.text()


async def eventually(holds: Callable[[], Awaitable[bool]], *, within: float = 30) -> None:
    for _ in range(int(within / 0.1)):
        if await holds():
            return
        await asyncio.sleep(0.1)
    raise AssertionError(f"it did not become true within {within:g} s")


def conditions(obj: Obj) -> dict[str, str]:
    return {c["type"]: c["status"] for c in obj["conditions"]}


async def test_a_deployment_is_reached_through_the_gateway(cluster: LocalCluster) -> None:
    port = free_port()
    await apply(
        cluster,
        *(gateway(port), deployment("a", replicas=2), deployment("b")),
        *(service("a"), service("b"), route(a=100, b=0)),
    )
    await kubectl(cluster, "rollout", "status", "deployment/a", "--timeout=30s")
    await kubectl(cluster, "wait", "deployment/b", "--for=condition=Available", "--timeout=30s")
    client = cluster.client()

    async def programmed() -> bool:
        found = await client.get(HTTPROUTES, "web", namespace="default")
        parents: list[Obj] = (found.get("status") or {}).get("parents") or []
        return bool(parents) and set(conditions(parents[0]).values()) == {"True"}

    await eventually(programmed)
    assert [await get(port) for _ in range(20)] == [(200, "a")] * 20

    await apply(cluster, route(a=0, b=100))

    async def observed() -> bool:
        found = await client.get(HTTPROUTES, "web", namespace="default")
        (parent,) = found["status"]["parents"]
        return {c["observedGeneration"] for c in parent["conditions"]} == {2}

    await eventually(observed)
    assert [await get(port) for _ in range(20)] == [(200, "b")] * 20

    found = await client.get(GATEWAYS, "public", namespace="default")
    assert conditions(found["status"]) == {"Accepted": "True", "Programmed": "True"}
    assert found["status"]["addresses"] == [{"type": "IPAddress", "value": "127.0.0.1"}]
    assert "serving as b" in await kubectl(cluster, "logs", "deployment/b")

    served = await client.get(SERVICES, "a", namespace="default")
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as session:
        async with session.get(f"http://{served['spec']['clusterIP']}/") as answer:
            assert await answer.text() == "a"
        query = 'envoy_cluster_upstream_rq_xx{envoy_cluster_name="default/web/b"}'

        async def counted() -> bool:
            url = f"{cluster.prometheus_url}/api/v1/query"
            async with session.get(url, params={"query": query}) as answer:
                result = (await answer.json())["data"]["result"]
            return [each["value"][1] for each in result] == ["20"]

        await eventually(counted, within=10)


async def test_rolling_to_a_new_template_loses_no_request(cluster: LocalCluster) -> None:
    port = free_port()
    await apply(cluster, gateway(port), deployment("a", replicas=2), service("a"), route(a=1))
    await kubectl(cluster, "rollout", "status", "deployment/a", "--timeout=30s")

    async def served() -> bool:
        return (await get(port))[0] == 200 if await listening(port) else False

    await eventually(served)
    stop = asyncio.Event()
    answers: list[int] = []

    async def load() -> None:
        while not stop.is_set():
            answers.append((await get(port))[0])
            await asyncio.sleep(0.01)

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(load())
        await kubectl(cluster, "set", "env", "deployment/a", "NEW=1")
        await kubectl(cluster, "rollout", "status", "deployment/a", "--timeout=60s")
        await asyncio.sleep(1)
        stop.set()
    assert len(answers) > 50
    assert set(answers) == {200}


async def listening(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except ConnectionRefusedError:
        return False
    writer.close()
    return True


async def test_envoy_and_prometheus_come_back_when_they_die(cluster: LocalCluster) -> None:
    port = free_port()
    await apply(cluster, gateway(port), deployment("a"), service("a"), route(a=1))

    async def served() -> bool:
        return await listening(port) and await get(port) == (200, "a")

    await eventually(served)
    mine = str(cluster.state.path)
    killed = [
        each
        for each in psutil.process_iter(["cmdline", "name"])
        # Of a process that ends meanwhile nothing is known.
        if mine in " ".join(each.info["cmdline"] or ())
        and each.info["name"] in ("envoy", "prometheus")
    ]
    assert len(killed) == 2
    for process in killed:
        process.kill()

    async def gone() -> bool:
        return not any(process.is_running() for process in killed)

    await eventually(gone)
    await eventually(served)
    # What changes afterwards arrives as before.
    await apply(cluster, deployment("b"), service("b"), route(b=1))

    async def changed() -> bool:
        return await get(port) == (200, "b")

    await eventually(changed)

    async def measured() -> bool:
        return await is_ready(cluster.prometheus_url)

    await eventually(measured)


async def test_an_unknown_image_is_told_with_the_table(cluster: LocalCluster) -> None:
    await apply(cluster, deployment("a", image="nobody/knows:1"))

    async def told() -> bool:
        pods = await kubectl(cluster, "get", "pods", "-o", "json")
        return "ErrImagePull" in pods and "tests/python" in pods

    await eventually(told)


async def test_what_was_applied_survives_a_restart(tmp_path: Path) -> None:
    folder, port = tmp_path / "c", free_port()
    async with LocalCluster(folder, images=images(), name="test") as cluster:
        await apply(cluster, gateway(port), deployment("a"), service("a"), route(a=1))
        await kubectl(cluster, "rollout", "status", "deployment/a", "--timeout=30s")
        plan, context = cluster.plan, await kubectl(cluster, "config", "current-context")
        second = LocalCluster(folder, images=images(), name="test")
        with pytest.raises(Terminal, match="another supervisor"):
            await second.run()
    assert not await listening(port)
    async with LocalCluster(folder, images=images(), name="test") as cluster:
        assert cluster.plan == plan
        assert context == "tidegate-test\n"
        assert await cluster.client().get(DEPLOYMENTS, "a", namespace="default")

        async def served() -> bool:
            return await listening(port) and await get(port) == (200, "a")

        await eventually(served)
