"""A fresh embedded server for one scenario, set up as the recorded cluster was."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from tests.conformance.node import NODE, RecordedNode

from tidegate.kube.client import Client
from tidegate.local.apiserver import ADMIN_TOKEN, ApiServer, User, serve
from tidegate.local.apiserver.messages import ADMIN
from tidegate.local.apiserver.store import Store
from tidegate.local.workloads import run_workloads
from tidegate.testing.transport import InProcessTransport

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

RECORDER = User("admin", ("system:masters",), "admin-uid")
"""Who made the recordings."""
# Whom some of them speak of, by token.
OTHERS = {"usertoken": User("plainuser", ("testers",), "plain-uid")}
# Scenarios whose pods run, with a simulated node as in the recording. In the others the recorded
# controllers came too late to be seen in the answers, or raced with them.
WITH_NODE = ("14_",)
# Scenarios that were recorded with the feature gate ListFromCacheSnapshot off.
_WITHOUT_SNAPSHOTS = "_nosnapshot"


class FreshServer:
    """A server that listens on `port`."""

    def __init__(self, api: ApiServer, scenario: str, port: int) -> None:
        self.port = port
        self._api = api
        self._scenario = scenario

    def set_pace(self, pace: float) -> None:
        """How long a second of the watches lasts that are opened from now on."""
        self._api.cluster.hub.pace = pace

    async def compact(self, revision: int) -> None:
        """Forget what was before a revision, as compacting etcd does.

        A server with the gate ListFromCacheSnapshot goes on to list from its cache: nothing shows.
        """
        if self._scenario.endswith(_WITHOUT_SNAPSHOTS):
            self._api.store.list_floor = revision


@asynccontextmanager
async def fresh_server(
    scenario: str, *, cert: Path, key: Path, token: str, pace: float
) -> AsyncIterator[FreshServer]:
    """Start a server in memory, and stop it at the end."""
    api = ApiServer(Store.memory(), users={**OTHERS, token: RECORDER, ADMIN_TOKEN: ADMIN})
    api.cluster.authority = await asyncio.to_thread(cert.read_text)
    await api.start()
    running = await serve(api, host="127.0.0.1", port=0, cert=cert, key=key)
    server = FreshServer(api, scenario, running.port)
    tasks = await _controllers(api) if scenario.startswith(WITH_NODE) else []
    server.set_pace(pace)
    try:
        yield server
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await running.close()
        await api.stop()


async def _controllers(api: ApiServer) -> list[asyncio.Task[None]]:
    client = Client(InProcessTransport(api))
    started = asyncio.Event()
    tasks = [
        asyncio.create_task(run_workloads(client, node=NODE, started=started)),
        asyncio.create_task(RecordedNode(client).run()),
    ]
    async with asyncio.timeout(10):
        await started.wait()
    return tasks
