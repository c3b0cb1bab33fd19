"""Gateway API objects in one line each, and a small HTTP server that says who it is.

For tests of whatever routes traffic. The objects are as an API server gives them back.
"""

from __future__ import annotations

import socket
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aiohttp import web

from tidegate import listening

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

type Obj = dict[str, Any]


def free_port(host: str = "127.0.0.1") -> int:
    """A TCP port that nobody uses at this moment."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def _metadata(name: str, namespace: str | None, created: str) -> Obj:
    metadata: Obj = {"name": name, "uid": f"uid-{name}", "generation": 1}
    metadata["creationTimestamp"] = created
    return metadata if namespace is None else {**metadata, "namespace": namespace}


def gateway_class(name: str = "tidegate", controller: str = "tidegate.dev/local-gateway") -> Obj:
    """A GatewayClass, of the local gateway unless said otherwise."""
    return {"metadata": _metadata(name, None, ""), "spec": {"controllerName": controller}}


def gateway(
    *,
    port: int = 8080,
    name: str = "public",
    namespace: str = "default",
    hostname: str | None = None,
    allowed: Mapping[str, Any] | None = None,
    created: str = "2026-01-01T00:00:00Z",
) -> Obj:
    """A Gateway with one HTTP listener named `http`."""
    listener: Obj = {"name": "http", "port": port, "protocol": "HTTP"}
    if hostname is not None:
        listener["hostname"] = hostname
    if allowed is not None:
        listener["allowedRoutes"] = {"namespaces": dict(allowed)}
    return {
        "metadata": _metadata(name, namespace, created),
        "spec": {"gatewayClassName": "tidegate", "listeners": [listener]},
    }


def backend_ref(name: str, weight: int = 1, port: int = 80) -> Obj:
    """A reference to a Service."""
    return {"name": name, "port": port, "weight": weight}


def http_route(
    *rules: Obj,
    name: str = "flights",
    namespace: str = "default",
    hostnames: Sequence[str] = (),
    parent: Mapping[str, Any] | None = None,
    created: str = "2026-01-01T00:00:00Z",
) -> Obj:
    """An HTTPRoute that hangs on the Gateway `public` unless said otherwise."""
    spec: Obj = {"parentRefs": [dict(parent or {"name": "public"})], "rules": list(rules)}
    if hostnames:
        spec["hostnames"] = list(hostnames)
    return {"metadata": _metadata(name, namespace, created), "spec": spec}


def service(name: str, *, namespace: str = "default", cluster_ip: str = "None") -> Obj:
    """A Service with the one port 80, unnamed."""
    spec = {"clusterIP": cluster_ip, "ports": [{"port": 80, "protocol": "TCP"}]}
    return {"metadata": _metadata(name, namespace, ""), "spec": spec}


def endpoint_slice(
    service_name: str,
    port: int,
    *addresses: str,
    namespace: str = "default",
    conditions: Mapping[str, bool] | None = None,
) -> Obj:
    """The endpoints of a Service, on the loopback and ready unless said otherwise."""
    metadata = _metadata(f"{service_name}-1", namespace, "")
    metadata["labels"] = {"kubernetes.io/service-name": service_name}
    state = dict(conditions or {"ready": True})
    return {
        "metadata": metadata,
        "addressType": "IPv4",
        "ports": [{"name": "", "port": port, "protocol": "TCP"}],
        "endpoints": [{"addresses": [a], "conditions": state} for a in addresses or ("127.0.0.1",)],
    }


@dataclass
class NamedBackend:
    """A running HTTP server: answers `status` with its name, and keeps what it was asked."""

    name: str
    port: int
    status: int = 200
    requests: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)


@asynccontextmanager
async def named_backend(name: str, *, host: str = "127.0.0.1") -> AsyncIterator[NamedBackend]:
    """Serve on a free port until the context ends."""
    found = NamedBackend(name, free_port(host))

    async def answer(request: web.Request) -> web.Response:
        headers = {key.lower(): value for key, value in request.headers.items()}
        found.requests.append((request.method, request.path_qs, headers))
        return web.Response(status=found.status, text=name, headers={"x-backend": name})

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, found.port).start()
        yield found
    finally:
        await listening.end(runner)
