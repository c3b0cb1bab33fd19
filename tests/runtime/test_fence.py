"""Writes end with the lease; reads go on."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from tidegate.errors import Retryable
from tidegate.kube.client import Client
from tidegate.kube.resources import CONFIGMAPS
from tidegate.runtime.fence import FencedTransport
from tidegate.runtime.lease import Lease
from tidegate.testing.kube import FakeKube

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from tidegate.kube.transport import Response, Transport


@dataclass
class Timing:
    """A transport that keeps the time limits it was given."""

    inner: Transport
    timeouts: list[float] = field(default_factory=list)

    async def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str],
        headers: Mapping[str, str],
        body: bytes | None,
        timeout: float,
    ) -> Response:
        self.timeouts.append(timeout)
        return await self.inner.request(
            method, path, params=params, headers=headers, body=body, timeout=timeout
        )

    @asynccontextmanager
    async def stream(
        self,
        path: str,
        *,
        params: Mapping[str, str],
        headers: Mapping[str, str],
        timeout: float,
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        async with self.inner.stream(
            path, params=params, headers=headers, timeout=timeout
        ) as lines:
            yield lines

    async def close(self) -> None:
        await self.inner.close()


@dataclass
class Leading:
    """A client behind a lease of 15 s that was just acquired."""

    kube: FakeKube
    timing: Timing
    client: Client

    async def write(self) -> None:
        obj = {"metadata": {"name": "a", "namespace": "demo"}}
        await self.client.apply(CONFIGMAPS, obj, manager="tidegate")


@pytest.fixture
async def leading() -> AsyncIterator[Leading]:
    async with FakeKube.start() as kube:
        lease = Lease(
            kube.user,
            namespace="demo",
            name="operator",
            identity="me",
            duration=timedelta(seconds=15),
        )
        await lease.acquire()
        timing = Timing(kube.transport)
        yield Leading(kube, timing, Client(FencedTransport(timing, lease), clock=kube.clock))


async def test_a_write_gets_no_more_time_than_the_lease_has(leading: Leading) -> None:
    await leading.write()
    leading.kube.clock.jump(9)
    await leading.write()

    assert leading.timing.timeouts == [pytest.approx(12), pytest.approx(3)]


@pytest.mark.scenario("RS-05")
async def test_a_write_after_the_lease_is_held_back(leading: Leading) -> None:
    leading.kube.clock.jump(12)

    with pytest.raises(Retryable, match="held back") as caught:
        await leading.write()
    assert caught.value.reason == "NotLeading"
    assert leading.kube.transport.writes == []


async def test_reading_and_watching_go_on_without_the_lease(leading: Leading) -> None:
    leading.kube.clock.jump(60)
    listing = await leading.client.list(CONFIGMAPS, namespace="demo")
    stream = leading.client.watch(CONFIGMAPS, resource_version=listing.resource_version)
    first = asyncio.ensure_future(anext(stream))
    await leading.kube.clock.rest()
    obj = {"metadata": {"name": "b", "namespace": "demo"}}
    await leading.kube.user.create(CONFIGMAPS, obj, manager="user")

    assert (await first).object["metadata"]["name"] == "b"
    await stream.aclose()
