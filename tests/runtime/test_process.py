"""A whole operator process against an API server on HTTPS: kopf, Lease, cache, controllers."""

from __future__ import annotations

import asyncio
import os
import signal
import urllib.request
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING

import orjson
import pytest

from tidegate.api import crd
from tidegate.errors import Retryable
from tidegate.kube.client import Client
from tidegate.kube.credentials import Credentials
from tidegate.kube.objects import MANAGED_BY, MANAGED_BY_LABEL, Object, owner_reference
from tidegate.kube.resources import CONFIGMAPS, CRDS, LEASES, MODELS, NAMESPACES
from tidegate.kube.transport import HttpTransport
from tidegate.local.apiserver import ADMIN_TOKEN, ApiServer, serve
from tidegate.local.cluster.pki import ensure_pki
from tidegate.runtime.controller import Controller
from tidegate.runtime.lease import LeaseLost
from tidegate.runtime.owners import Watched, itself, owner
from tidegate.runtime.process import Context, run
from tidegate.runtime.request import Request, Result
from tidegate.settings import Settings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

SETTINGS = Settings(
    namespace="tidegate-system",
    http_host="127.0.0.1",
    http_port=0,
    lease_duration=timedelta(seconds=3),
)
REQUEST = Request("Model", "demo", "flights")


@dataclass
class Cluster:
    """An API server on HTTPS, and how to reach it."""

    api: ApiServer
    url: str
    ca_pem: str
    user: Client

    def transport(self) -> HttpTransport:
        return HttpTransport(Credentials(server=self.url, ca_pem=self.ca_pem, token=ADMIN_TOKEN))

    def writes(self) -> dict[tuple[str, str, str, int], int]:
        """What was written at the server so far, by whom and what."""
        reads = ("get", "list", "watch")
        return {key: n for key, n in self.api.requests.items() if key[1] not in reads}


@pytest.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[Cluster]:
    api = ApiServer.in_memory()
    await api.start()
    pki = ensure_pki(tmp_path)
    server = await serve(api, host="127.0.0.1", port=0, cert=pki.certificate, key=pki.key)
    url = f"https://127.0.0.1:{server.port}"
    ca_pem = pki.authority.read_text()
    user = Client(HttpTransport(Credentials(server=url, ca_pem=ca_pem, token=ADMIN_TOKEN)))
    for kind in crd.KINDS:
        await user.apply(CRDS, crd.definition(kind), manager="setup")
    for name in ("demo", "tidegate-system"):
        await user.create(NAMESPACES, {"metadata": {"name": name}}, manager="setup")
    yield Cluster(api, url, ca_pem, user)
    await user.close()
    await api.stop()
    await server.close()


def model(uri: str = "file:///models/a.skops") -> Object:
    return {
        "apiVersion": "tidegate.dev/v1alpha1",
        "kind": "Model",
        "metadata": {"name": "flights", "namespace": "demo"},
        "spec": {"artifact": {"uri": uri, "format": "sklearn-skops"}, "runtime": {"v2": {}}},
    }


@dataclass
class Copying:
    """Writes each Model's artifact URI into a ConfigMap of its name."""

    context: Context
    seen: list[Request] = field(default_factory=list)

    async def reconcile(self, request: Request) -> Result:
        self.seen.append(request)
        found = self.context.cache.get(MODELS, request.namespace, request.name)
        if found is None:
            return Result.done()
        child = {
            "metadata": {
                "name": request.name,
                "namespace": request.namespace,
                "labels": {MANAGED_BY_LABEL: MANAGED_BY},
                "ownerReferences": [owner_reference(found)],
            },
            "data": {"uri": found["spec"]["artifact"]["uri"]},
        }
        await self.context.client.apply(CONFIGMAPS, child, manager="tidegate")
        return Result.done()


@dataclass
class Operator:
    """A running operator process of this test."""

    stop: asyncio.Event = field(default_factory=asyncio.Event)
    contexts: list[Context] = field(default_factory=list)
    copying: list[Copying] = field(default_factory=list)

    def build(self, context: Context) -> list[Controller]:
        self.contexts.append(context)
        self.copying.append(Copying(context))
        return [
            Controller(
                "copying",
                self.copying[-1],
                watched=[
                    Watched(MODELS, itself("Model")),
                    Watched(CONFIGMAPS, owner("Model"), managed_only=True),
                ],
                clock=context.clock,
            )
        ]


@asynccontextmanager
async def running(
    cluster: Cluster, settings: Settings = SETTINGS, **more: Callable[[int], None]
) -> AsyncIterator[Operator]:
    one = Operator()
    async with asyncio.TaskGroup() as group:
        group.create_task(
            run(settings, one.build, transport=cluster.transport(), stop=one.stop, **more)
        )
        try:
            yield one
        finally:
            one.stop.set()


async def until(condition: Callable[[], bool]) -> None:
    """Wait until something came true."""
    for _ in range(750):
        if condition():
            return
        await asyncio.sleep(0.02)
    raise AssertionError("it did not come true within 15 s")


async def copied(cluster: Cluster) -> str | None:
    listing = await cluster.user.list(CONFIGMAPS, namespace="demo")
    return next((str(one["data"]["uri"]) for one in listing.items), None)


async def until_copied(cluster: Cluster, uri: str | None) -> None:
    for _ in range(750):
        if await copied(cluster) == uri:
            return
        await asyncio.sleep(0.02)
    raise AssertionError(f"the ConfigMap did not show {uri} within 15 s")


async def test_objects_are_reconciled_on_creation_change_and_loss_of_a_child(
    cluster: Cluster,
) -> None:
    await cluster.user.apply(MODELS, model("file:///before"), manager="user")
    async with running(cluster) as one:
        await until_copied(cluster, "file:///before")
        await cluster.user.apply(MODELS, model("file:///after"), manager="user")
        await until_copied(cluster, "file:///after")
        await cluster.user.delete(CONFIGMAPS, "flights", namespace="demo")
        await until_copied(cluster, "file:///after")
        await cluster.user.delete(MODELS, "flights", namespace="demo")
        await until_copied(cluster, None)
        await until(lambda: not one.contexts[0].cache.list(MODELS))


async def test_children_of_others_are_not_kept_in_memory(cluster: Cluster) -> None:
    stranger = {"metadata": {"name": "stranger", "namespace": "demo"}, "data": {"uri": "x"}}
    await cluster.user.create(CONFIGMAPS, stranger, manager="user")
    await cluster.user.apply(MODELS, model(), manager="user")
    async with running(cluster) as one:
        await until(lambda: bool(one.contexts and one.contexts[0].cache.list(CONFIGMAPS)))

        names = [obj["metadata"]["name"] for obj in one.contexts[0].cache.list(CONFIGMAPS)]
        assert names == ["flights"]


async def test_nothing_is_written_at_rest_but_lease_renewals(cluster: Cluster) -> None:
    await cluster.user.apply(MODELS, model(), manager="user")
    async with running(cluster):
        await until_copied(cluster, "file:///models/a.skops")
        await asyncio.sleep(0.5)
        before = cluster.writes()
        await asyncio.sleep(3)
        after = cluster.writes()

        written = {key[2] for key, n in after.items() if n != before.get(key)}
        assert written == {"coordination.k8s.io/leases"}


async def test_the_object_carries_no_mark_of_the_host(cluster: Cluster) -> None:
    await cluster.user.apply(MODELS, model(), manager="user")
    async with running(cluster):
        await until_copied(cluster, "file:///models/a.skops")
        found = await cluster.user.get(MODELS, "flights", namespace="demo")

    assert "annotations" not in found["metadata"]
    assert "finalizers" not in found["metadata"]
    assert {entry["manager"] for entry in found["metadata"]["managedFields"]} == {"user"}


async def test_a_second_process_stands_by_until_the_first_has_gone(cluster: Cluster) -> None:
    await cluster.user.apply(MODELS, model(), manager="user")
    async with running(cluster) as second_holder:
        await until(lambda: bool(second_holder.contexts))
        async with running(cluster) as standby:
            await asyncio.sleep(1)
            assert standby.contexts == []
            lease = await cluster.user.get(LEASES, SETTINGS.lease_name, namespace="tidegate-system")
            second_holder.stop.set()
            await until(lambda: bool(standby.contexts))
            await until(lambda: bool(standby.copying[0].seen))

            after = await cluster.user.get(LEASES, SETTINGS.lease_name, namespace="tidegate-system")
            assert after["spec"]["holderIdentity"] != lease["spec"]["holderIdentity"]


async def test_a_process_that_stands_by_ends_when_told(cluster: Cluster) -> None:
    async with running(cluster) as leader:
        await until(lambda: bool(leader.contexts))
        async with running(cluster) as standby:
            await asyncio.sleep(0.2)
            standby.stop.set()

        assert standby.contexts == []
        lease = await cluster.user.get(LEASES, SETTINGS.lease_name, namespace="tidegate-system")
        assert lease["spec"]["holderIdentity"] != ""


async def test_the_lease_is_free_after_an_orderly_end(cluster: Cluster) -> None:
    async with running(cluster) as one:
        await until(lambda: bool(one.contexts))

    lease = await cluster.user.get(LEASES, SETTINGS.lease_name, namespace="tidegate-system")
    assert lease["spec"]["holderIdentity"] == ""


async def test_sigterm_ends_the_process_in_order(cluster: Cluster) -> None:
    one = Operator()
    task = asyncio.create_task(run(SETTINGS, one.build, transport=cluster.transport()))
    await cluster.user.apply(MODELS, model(), manager="user")
    await until_copied(cluster, "file:///models/a.skops")
    os.kill(os.getpid(), signal.SIGTERM)
    async with asyncio.timeout(15):
        await task

    lease = await cluster.user.get(LEASES, SETTINGS.lease_name, namespace="tidegate-system")
    assert lease["spec"]["holderIdentity"] == ""


async def test_a_process_that_lost_the_lease_writes_nothing_and_ends(cluster: Cluster) -> None:
    one = Operator()
    task = asyncio.create_task(run(SETTINGS, one.build, transport=cluster.transport()))
    await until(lambda: bool(one.contexts))
    lease = await cluster.user.get(LEASES, SETTINGS.lease_name, namespace="tidegate-system")
    lease["spec"]["holderIdentity"] = "somebody-else"
    await cluster.user.replace(LEASES, lease, manager="somebody-else")

    with pytest.raises(LeaseLost):
        async with asyncio.timeout(15):
            await task
    child = {"metadata": {"name": "late", "namespace": "demo"}}
    with pytest.raises(Retryable, match="held back"):
        await one.contexts[0].client.create(CONFIGMAPS, child, manager="tidegate")
    await one.contexts[0].client.close()


async def test_probes_and_metrics_are_served(cluster: Cluster, unused_tcp_port: int) -> None:
    await cluster.user.apply(MODELS, model(), manager="user")
    ports: list[int] = []
    settings = replace(SETTINGS, http_port=unused_tcp_port)

    def fetch(path: str) -> bytes:
        with urllib.request.urlopen(f"http://127.0.0.1:{ports[0]}{path}", timeout=5) as answer:
            return bytes(answer.read())

    async with running(cluster, settings, on_http=ports.append):
        await until_copied(cluster, "file:///models/a.skops")
        ready = orjson.loads(await asyncio.to_thread(fetch, "/readyz"))
        alive = orjson.loads(await asyncio.to_thread(fetch, "/healthz"))
        metrics = (await asyncio.to_thread(fetch, "/metrics")).decode()

    assert ready == {"ok": True, "why": "leading"}
    assert alive["ok"]
    assert "tidegate_leading 1.0" in metrics
    assert 'tidegate_cache_objects{kind="Model"} 1.0' in metrics
