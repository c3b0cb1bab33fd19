"""A running Envoy, fed by the writer, and two back ends that say who they are."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import aiohttp

from tidegate.local.gateway.admin import EnvoyAdmin
from tidegate.local.gateway.envoy import envoy_binary, envoy_command
from tidegate.local.gateway.snapshot import Snapshot
from tidegate.local.gateway.translate import translate
from tidegate.local.gateway.xds import Outcome, XdsWriter
from tidegate.testing.gateway import (
    NamedBackend,
    endpoint_slice,
    free_port,
    gateway,
    gateway_class,
    named_backend,
    service,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

type Obj = dict[str, Any]


@dataclass
class Edge:
    """A running Envoy with two back ends, `a` and `b`."""

    root: Path
    admin: EnvoyAdmin
    writer: XdsWriter
    session: aiohttp.ClientSession
    port: int
    backends: dict[str, NamedBackend]

    def snapshot(
        self, *routes: Obj, gateways: tuple[Obj, ...] = (), services: tuple[Obj, ...] = ()
    ) -> Snapshot:
        slices = tuple(endpoint_slice(n, b.port) for n, b in self.backends.items())
        return Snapshot(
            gateway_classes=(gateway_class(),),
            gateways=gateways or (gateway(port=self.port),),
            routes=routes,
            services=services or tuple(service(n) for n in self.backends),
            slices=slices,
        )

    async def serve(self, *routes: Obj, **more: tuple[Obj, ...]) -> Outcome:
        snapshot = self.snapshot(*routes, **more)
        return await self.writer.push(translate(snapshot, root=self.root).documents)

    async def get(self, path: str = "/", **headers: str) -> tuple[int, str]:
        url = f"http://127.0.0.1:{self.port}{path}"
        sent = {key.replace("_", "-"): value for key, value in headers.items()}
        async with self.session.get(url, headers=sent, allow_redirects=False) as answer:
            return answer.status, await answer.text()

    async def series(self) -> str:
        params = {"filter": r"^cluster\."}
        async with self.session.get(f"{self.admin.url}/stats/prometheus", params=params) as answer:
            return await answer.text()


@asynccontextmanager
async def running_edge(folder: Path) -> AsyncIterator[Edge]:
    """Start Envoy below `folder`, and end it."""
    async with AsyncExitStack() as stack:
        backends = {n: await stack.enter_async_context(named_backend(n)) for n in ("a", "b")}
        session = await stack.enter_async_context(aiohttp.ClientSession())
        writer, admin, process = await _envoy(folder)
        try:
            yield Edge(folder, admin, writer, session, free_port(), backends)
        finally:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
            await admin.close()


async def _envoy(folder: Path) -> tuple[XdsWriter, EnvoyAdmin, asyncio.subprocess.Process]:
    """Start Envoy; once more with another port if somebody takes the first one meanwhile."""
    for _ in range(5):
        admin_port = free_port()
        admin = EnvoyAdmin(admin_port)
        writer = XdsWriter(folder, admin)
        writer.prepare()
        command = envoy_command(
            binary=envoy_binary(), folder=folder, admin_port=admin_port, node="test"
        )
        with (folder / "envoy.log").open("ab") as log:
            process = await asyncio.create_subprocess_exec(*command, stdout=log, stderr=log)
        while process.returncode is None:
            if await admin.ready():
                return writer, admin, process
            await asyncio.sleep(0.02)
        await admin.close()
    raise AssertionError((folder / "envoy.log").read_text())


async def eventually(holds: Callable[[], Awaitable[bool]]) -> None:
    for _ in range(500):
        if await holds():
            return
        await asyncio.sleep(0.02)
    raise AssertionError("it did not become true within 10 s")


def to(*refs: Obj, **rule: Any) -> Obj:
    """A rule that sends to these back ends."""
    return {"backendRefs": list(refs), **rule}
