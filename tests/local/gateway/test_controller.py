"""The controller between a real API server and a real Envoy: a route says what is true."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from tests.local.gateway.edge import eventually, to

from tidegate.kube.client import Client
from tidegate.kube.resources import ENDPOINTSLICES, GATEWAYS, HTTPROUTES, NAMESPACES, SERVICES
from tidegate.local.apiserver import ApiServer
from tidegate.local.gateway.controller import GatewayController
from tidegate.testing.gateway import backend_ref
from tidegate.testing.transport import InProcessTransport

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.local.gateway.edge import Edge

type Obj = dict[str, Any]


@asynccontextmanager
async def controlled(edge: Edge) -> AsyncIterator[Client]:
    """A client of the API server whose routes Envoy serves."""
    api = ApiServer.in_memory()
    await api.start()
    client = Client(InProcessTransport(api))
    controller = GatewayController(Client(InProcessTransport(api)), edge.writer, root=edge.root)
    running = asyncio.create_task(controller.run())
    try:
        await client.create(NAMESPACES, {"metadata": {"name": "demo"}}, manager="test")
        for name, backend in edge.backends.items():
            await serve(client, name, backend.port)
        listener = {"name": "http", "port": edge.port, "protocol": "HTTP"}
        await client.create(
            GATEWAYS,
            {
                "metadata": {"name": "public", "namespace": "demo"},
                "spec": {"gatewayClassName": "tidegate", "listeners": [listener]},
            },
            manager="test",
        )
        yield client
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await api.stop()


async def serve(client: Client, name: str, port: int) -> None:
    metadata = {"name": name, "namespace": "demo"}
    spec = {"ports": [{"port": 80}], "clusterIP": "None"}
    await client.create(SERVICES, {"metadata": metadata, "spec": spec}, manager="test")
    labels = {"kubernetes.io/service-name": name}
    await client.create(
        ENDPOINTSLICES,
        {
            "metadata": metadata | {"labels": labels},
            "addressType": "IPv4",
            "ports": [{"name": "", "port": port, "protocol": "TCP"}],
            "endpoints": [{"addresses": ["127.0.0.1"], "conditions": {"ready": True}}],
        },
        manager="test",
    )


def route(name: str, *rules: Obj) -> Obj:
    return {
        "apiVersion": HTTPROUTES.api_version,
        "kind": "HTTPRoute",
        "metadata": {"name": name, "namespace": "demo"},
        "spec": {"parentRefs": [{"name": "public"}], "rules": list(rules)},
    }


async def conditions(client: Client, name: str) -> dict[str, tuple[str, str]]:
    """Of the newest generation only: nothing while the controller has not looked at it."""
    found = await client.get(HTTPROUTES, name, namespace="demo")
    parents = (found.get("status") or {}).get("parents") or [{"conditions": []}]
    return {
        c["type"]: (c["status"], c["reason"])
        for c in parents[0]["conditions"]
        if c["observedGeneration"] == found["metadata"]["generation"]
    }


def by_path(pattern: str, name: str) -> Obj:
    path = {"type": "RegularExpression", "value": pattern}
    return to(backend_ref(name), matches=[{"path": path}])


async def test_what_envoy_rejects_is_told_by_its_route_and_replaces_nothing(edge: Edge) -> None:
    async with controlled(edge) as client:

        async def put(name: str, *rules: Obj) -> None:
            await client.apply(HTTPROUTES, route(name, *rules), manager="test", force=True)

        def says(name: str, programmed: str) -> Any:
            async def holds() -> bool:
                return (await conditions(client, name)).get("Programmed", ("",))[0] == programmed

            return holds

        await put("mine", by_path("/x", "a"))
        await put("neighbour", to(backend_ref("a")))
        await eventually(says("mine", "True"))
        await eventually(says("neighbour", "True"))
        # Envoy's limit on the size of a regular expression is nothing that we could foresee.
        await put("mine", by_path("/x{2000}", "b"))
        await eventually(says("mine", "False"))
        assert await conditions(client, "mine") == {
            "Accepted": ("True", "Accepted"),
            "ResolvedRefs": ("True", "ResolvedRefs"),
            "Programmed": ("False", "Invalid"),
        }
        assert await edge.get("/x") == (200, "a")
        # Its neighbour still moves, and it can mend itself.
        await put("neighbour", to(backend_ref("b")))
        await eventually(says("neighbour", "True"))
        assert await edge.get("/y") == (200, "b")
        assert await edge.get("/x") == (200, "a")
        await put("mine", by_path("/x", "b"))
        await eventually(says("mine", "True"))
        assert await edge.get("/x") == (200, "b")
