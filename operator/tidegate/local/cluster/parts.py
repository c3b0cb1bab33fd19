"""The parts of a cluster and how each is run. Only wiring: what they do is decided in them."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from ipaddress import IPv4Network
from typing import TYPE_CHECKING

from tidegate.errors import KubeError
from tidegate.kube.resources import NAMESPACES
from tidegate.local.apiserver import ApiServer, LogProvider, Store, serve
from tidegate.local.cluster.children import Child
from tidegate.local.cluster.identities import Identities
from tidegate.local.cluster.supervisor import PartSpec
from tidegate.local.cluster.users import UserFile
from tidegate.local.gateway.admin import EnvoyAdmin
from tidegate.local.gateway.controller import GatewayController
from tidegate.local.gateway.envoy import envoy_binary, envoy_command
from tidegate.local.gateway.xds import XdsWriter
from tidegate.local.metrics.prometheus import is_ready, prometheus_command
from tidegate.local.metrics.targets import TargetFile
from tidegate.local.node import Node
from tidegate.local.workloads.run import run_workloads
from tidegate.local.workloads.usage import NoMeter

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
    from pathlib import Path

    from tidegate.kube.client import Client
    from tidegate.local.cluster.images import ImageTable
    from tidegate.local.cluster.pki import Pki
    from tidegate.local.cluster.state import Plan, StateDir
    from tidegate.local.workloads.usage import UsageMeter, Used


@asynccontextmanager
async def build(
    state: StateDir, *, plan: Plan, pki: Pki, images: ImageTable, prometheus: Path
) -> AsyncIterator[list[PartSpec]]:
    """The parts in the order in which they start. Their clients close with the context."""
    identities = Identities(
        plan, authority=pki.authority.read_bytes(), folder=state.path / "service-accounts"
    )
    api = _ApiPart(state, plan=plan, pki=pki, identities=identities)
    meter = NodeMeter()
    users = ("system:kube-controller-manager", "system:node:local", "tidegate-gateway")
    clients = [identities.client(user) for user in users]
    manager, kubelet, gateway = clients
    admin = EnvoyAdmin(plan.envoy_port)
    try:
        yield [
            api.part(manager),
            _workloads(manager, meter),
            _gateway(gateway, state=state, plan=plan, admin=admin),
            _metrics(gateway, state=state, plan=plan, binary=prometheus),
            _node(
                kubelet,
                state=state,
                images=images,
                api=api,
                identities=identities,
                meter=meter,
            ),
        ]
    finally:
        await admin.close()
        for client in clients:
            await client.close()


class _ApiPart:
    """The API server with its front; made anew at every start from what is on the disk."""

    def __init__(self, state: StateDir, *, plan: Plan, pki: Pki, identities: Identities) -> None:
        self._state = state
        self._plan = plan
        self._pki = pki
        self._identities = identities
        self._logs: LogProvider | None = None
        self._api: ApiServer | None = None

    def answer_logs_with(self, provider: LogProvider) -> None:
        """Let the node answer for the logs of its pods, also after a restart of the server."""
        self._logs = provider
        if self._api is not None:
            self._api.log_provider = provider

    def part(self, client: Client) -> PartSpec:
        """The part; `client` asks whether it answers."""

        async def ready() -> bool:
            try:
                await client.get(NAMESPACES, "default")
            except KubeError:
                return False
            return True

        return PartSpec("apiserver", self._run, ready, detail=self._plan.server, needed=True)

    async def _run(self) -> None:
        api = ApiServer(
            Store.open(self._state.database), users={}, token_key=self._identities.token_key
        )
        # The very dictionary: parts are added while it runs.
        api.users = self._identities.users
        api.find_user = UserFile(self._state.users, secret=self._plan.token).find
        api.log_provider = self._logs
        self._api = api
        api.cluster.service_network = IPv4Network(self._plan.service_network)
        api.cluster.authority = self._pki.authority.read_text()
        await api.start()
        try:
            running = await serve(
                api,
                host="127.0.0.1",
                port=self._plan.api_port,
                cert=self._pki.certificate,
                key=self._pki.key,
            )
            try:
                await asyncio.Event().wait()
            finally:
                await running.close()
        finally:
            await api.stop()


class NodeMeter:
    """The meter of the node that runs now; a node that starts anew takes its place."""

    def __init__(self) -> None:
        self.node: UsageMeter = NoMeter()

    def used(self, namespace: str, pod: str) -> Mapping[str, Used]:
        """See `UsageMeter`."""
        return self.node.used(namespace, pod)


def _workloads(client: Client, meter: UsageMeter) -> PartSpec:
    started = asyncio.Event()

    async def run() -> None:
        await run_workloads(client, meter=meter, started=started)

    return PartSpec("workloads", run, _is_set(started))


def _gateway(client: Client, *, state: StateDir, plan: Plan, admin: EnvoyAdmin) -> PartSpec:
    writer = XdsWriter(state.envoy, admin)
    binary = envoy_binary()
    command = envoy_command(
        binary=binary, folder=state.envoy, admin_port=plan.envoy_port, node=plan.name
    )
    envoy = Child("envoy", lambda: command, log=state.logs / "envoy.log")

    async def run() -> None:
        writer.prepare()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(envoy.run())
            tasks.create_task(GatewayController(client, writer, root=state.envoy).run())

    return PartSpec("gateway", run, admin.ready, detail=admin.url)


def _metrics(client: Client, *, state: StateDir, plan: Plan, binary: Path) -> PartSpec:
    targets = state.prometheus / "targets.json"
    command = prometheus_command(
        binary=binary,
        folder=state.prometheus,
        port=plan.prometheus_port,
        envoy_admin=f"127.0.0.1:{plan.envoy_port}",
        targets=targets,
    )
    prometheus = Child("prometheus", lambda: command, log=state.logs / "prometheus.log")
    file = TargetFile(client, targets)

    async def run() -> None:
        file.write()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(prometheus.run())
            tasks.create_task(file.run())

    async def ready() -> bool:
        return await is_ready(plan.prometheus_url)

    return PartSpec("metrics", run, ready, detail=plan.prometheus_url)


def _node(
    client: Client,
    *,
    state: StateDir,
    images: ImageTable,
    api: _ApiPart,
    identities: Identities,
    meter: NodeMeter,
) -> PartSpec:
    started = asyncio.Event()

    async def run() -> None:
        node = Node(
            client,
            images,
            state.node,
            kubeconfig_for=identities.service_account_kubeconfig,
            token_for=identities.service_account_token,
        )
        api.answer_logs_with(node.logs)
        meter.node = node.meter
        await node.run(started=started)

    return PartSpec("node", run, _is_set(started))


def _is_set(event: asyncio.Event) -> Callable[[], Awaitable[bool]]:
    async def ready() -> bool:
        return event.is_set()

    return ready
