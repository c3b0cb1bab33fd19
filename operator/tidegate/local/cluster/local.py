"""A whole embedded cluster: its folder, its plan, its parts, ready to be run or entered.

    async with LocalCluster(tmp_path) as cluster:
        client = cluster.client()

In a test it runs in the test's own loop; `tidegate local up` runs the same in a process of its own.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Self

from tidegate.errors import Terminal
from tidegate.kube.client import Client
from tidegate.kube.transport import HttpTransport
from tidegate.local.cluster.images import CHECKOUT, default_images
from tidegate.local.cluster.kubeconfig import kubeconfig, write_kubeconfig
from tidegate.local.cluster.parts import build
from tidegate.local.cluster.pki import ensure_pki
from tidegate.local.cluster.report import Report
from tidegate.local.cluster.state import StateDir, holding, make_plan
from tidegate.local.cluster.supervisor import Supervisor
from tidegate.local.metrics.prometheus import prometheus_binary

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

    from tidegate.local.cluster.images import ImageTable
    from tidegate.local.cluster.state import Plan

_READY_S = 60.0
_STOP_S = 45.0


def context_name(name: str) -> str:
    """The kubeconfig context of a cluster."""
    return f"tidegate-{name}"


class LocalCluster:
    """One cluster. Enter it to have it running and ready, or `run` it until cancelled."""

    def __init__(
        self,
        state_dir: Path,
        *,
        images: ImageTable | None = None,
        name: str = "local",
        api_port: int | None = None,
    ) -> None:
        """`images` is the project's own table unless given; `api_port` a free one."""
        self.state = StateDir(state_dir.resolve())
        self.name = name
        self._images = images
        self._api_port = api_port
        self._plan: Plan | None = None
        self._supervisor: Supervisor | None = None
        self._running: asyncio.Task[None] | None = None
        self._clients: list[Client] = []

    @property
    def plan(self) -> Plan:
        """Ports, network and token; made when first asked for."""
        if self._plan is None:
            self.state.create()
            self._plan = make_plan(self.state, name=self.name, api_port=self._api_port)
        return self._plan

    @property
    def kubeconfig(self) -> Path:
        """The kubeconfig of the cluster's administrator."""
        return self.state.kubeconfig

    @property
    def prometheus_url(self) -> str:
        """Where Prometheus answers."""
        return self.plan.prometheus_url

    @property
    def envoy_admin_url(self) -> str:
        """Where Envoy's admin interface answers."""
        return f"http://127.0.0.1:{self.plan.envoy_port}"

    def client(self) -> Client:
        """A client of the administrator; closed with the cluster."""
        client = Client(HttpTransport.from_kubeconfig(self.kubeconfig))
        self._clients.append(client)
        return client

    async def run(self) -> None:
        """Run until cancelled. Raises Terminal when it cannot start: see `holding`."""
        plan = self.plan
        with holding(self.state, plan):
            prometheus = prometheus_binary(beside=CHECKOUT / ".tidegate" / "bin")
            pki = ensure_pki(self.state.pki)
            document = kubeconfig(
                server=plan.server,
                authority=pki.authority.read_bytes(),
                token=plan.token,
                context=context_name(plan.name),
            )
            write_kubeconfig(self.kubeconfig, document)
            async with build(
                self.state,
                plan=plan,
                pki=pki,
                images=self._images or default_images(),
                prometheus=prometheus,
            ) as parts:
                self._supervisor = Supervisor(parts, Report(self.state.report))
                await self._supervisor.run()

    async def __aenter__(self) -> Self:
        self._running = asyncio.create_task(self.run(), name=f"cluster {self.name}")
        try:
            async with asyncio.timeout(_READY_S):
                await self._started(self._running)
        except BaseException:
            await self._stop(self._running)
            raise
        return self

    async def _started(self, running: asyncio.Task[None]) -> None:
        while self._supervisor is None:
            await asyncio.sleep(0.01)
            if running.done():
                await running
                raise Terminal("Stopped", "the cluster ended before it was ready")
        ready = asyncio.create_task(self._supervisor.all_ready())
        await asyncio.wait({ready, running}, return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            ready.cancel()
            await running

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for client in self._clients:
            await client.close()
        self._clients.clear()
        if self._running is not None:
            await self._stop(self._running)

    async def _stop(self, running: asyncio.Task[None]) -> None:
        running.cancel()
        await asyncio.wait({running}, timeout=_STOP_S)
        self._running = None
        if running.done() and not running.cancelled() and (error := running.exception()):
            raise error
