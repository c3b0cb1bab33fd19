"""Lists heal what watches lost, and wait for kinds that are not served yet."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

import pytest

from tidegate.kube.objects import MANAGED_BY, MANAGED_BY_LABEL, Object, name_of
from tidegate.kube.resources import CONFIGMAPS, GATEWAYS, Resource
from tidegate.runtime.cache import Cache
from tidegate.runtime.owners import Watched, itself
from tidegate.runtime.resync import Resync
from tidegate.testing.kube import FakeKube

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

EVERY_S = 300.0
UNSERVED = Resource("example.dev", "v1", "things", "Thing")


class Healing:
    """A resync of ConfigMaps with its cache."""

    def __init__(self, kube: FakeKube) -> None:
        self.kube = kube
        self.cache = Cache(kube.clock)
        self.wakes = 0

    def resync(self, *watched: Watched, namespaces: tuple[str, ...] = ()) -> Resync:
        return Resync(
            self.kube.client,
            self.cache,
            watched or (Watched(CONFIGMAPS, itself("ConfigMap")),),
            namespaces=namespaces,
            every_s=EVERY_S,
            wake_all=self.woken,
        )

    def woken(self) -> None:
        self.wakes += 1

    def names(self) -> list[str]:
        return [name_of(obj) for obj in self.cache.list(CONFIGMAPS)]

    async def put(self, name: str, **metadata: object) -> Object:
        await self.kube.ensure_namespace(str(metadata.get("namespace", "demo")))
        obj = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": name, "namespace": "demo", **metadata},
        }
        return await self.kube.put(obj)


@pytest.fixture
async def healing() -> AsyncIterator[Healing]:
    async with FakeKube.start() as kube:
        yield Healing(kube)


async def test_the_first_lists_fill_the_cache_and_open_the_gate(healing: Healing) -> None:
    await healing.put("a")
    synced = asyncio.Event()
    await healing.resync().first(synced)

    assert healing.names() == ["a"]
    assert synced.is_set()


async def test_only_our_own_children_are_listed_where_wanted(healing: Healing) -> None:
    await healing.put("mine", labels={MANAGED_BY_LABEL: MANAGED_BY})
    await healing.put("theirs")
    managed = Watched(CONFIGMAPS, itself("ConfigMap"), managed_only=True)
    await healing.resync(managed).first(asyncio.Event())

    assert healing.names() == ["mine"]


async def test_only_the_named_namespaces_are_listed(healing: Healing) -> None:
    for namespace in ("demo", "other", "third"):
        await healing.put(f"in-{namespace}", namespace=namespace)
    await healing.resync(namespaces=("demo", "other")).first(asyncio.Event())

    assert healing.names() == ["in-demo", "in-other"]


async def test_a_kind_that_is_not_served_holds_the_gate_and_is_named(
    healing: Healing, caplog: pytest.LogCaptureFixture
) -> None:
    synced = asyncio.Event()
    missing = Watched(UNSERVED, itself("Thing"))
    waiting = asyncio.create_task(healing.resync(missing).first(synced))
    with caplog.at_level(logging.WARNING):
        await healing.kube.clock.advance(60)

    assert not synced.is_set()
    assert "CustomResourceDefinition" in caplog.text
    waiting.cancel()


async def test_a_server_that_is_down_at_first_is_waited_for(healing: Healing) -> None:
    await healing.put("a")
    healing.kube.transport.fail(status=503, times=4)
    synced = asyncio.Event()
    waiting = asyncio.create_task(healing.resync().first(synced))
    await healing.kube.clock.advance(60)

    assert synced.is_set()
    assert healing.names() == ["a"]
    await waiting


async def test_what_vanished_unnoticed_is_dropped_within_twice_the_interval(
    healing: Healing,
) -> None:
    await healing.put("a")
    resync = healing.resync()
    await resync.first(asyncio.Event())
    running = asyncio.create_task(resync.run())
    await healing.kube.clock.rest()
    await healing.kube.user.delete(CONFIGMAPS, "a", namespace="demo")
    await healing.put("b")
    await healing.kube.clock.advance(EVERY_S - 1)
    assert healing.names() == ["a"]
    await healing.kube.clock.advance(EVERY_S + 1)

    assert healing.names() == ["b"]
    assert healing.wakes >= 1
    running.cancel()


async def test_one_kind_that_fails_does_not_keep_the_others_from_healing(
    healing: Healing,
) -> None:
    await healing.put("a")
    healing.kube.transport.fail(status=500, path="gateways", times=100)
    await healing.resync(
        Watched(GATEWAYS, itself("Gateway")), Watched(CONFIGMAPS, itself("ConfigMap"))
    ).once()

    assert healing.names() == ["a"]
    assert healing.wakes == 1
