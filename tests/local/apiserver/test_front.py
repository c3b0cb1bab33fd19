"""The HTTP front: streams, sizes, and clients that misbehave."""

from __future__ import annotations

import asyncio
import io
from typing import TYPE_CHECKING

import aiohttp
import pytest

from tidegate.local.apiserver import ADMIN_TOKEN, ApiServer, serve
from tidegate.testing.apiserver import CONFIG_MAPS, Asker, config_map

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

HEADERS = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
TIMEOUT = aiohttp.ClientTimeout(total=10)


async def watchers(api: ApiServer, count: int) -> None:
    """Wait until so many watches are open."""
    for _ in range(500):
        if api.cluster.hub.count() == count:
            return
        await asyncio.sleep(0.01)
    raise AssertionError(f"{api.cluster.hub.count()} watches are open, not {count}")


@pytest.fixture
async def url(api: ApiServer) -> AsyncIterator[str]:
    running = await serve(api, host="127.0.0.1", port=0)
    yield f"http://127.0.0.1:{running.port}"
    await running.close()


@pytest.fixture
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(headers=HEADERS, timeout=TIMEOUT) as session:
        yield session


async def test_an_object_goes_in_and_comes_out(url: str, client: aiohttp.ClientSession) -> None:
    async with client.post(url + CONFIG_MAPS, json=config_map("a")) as answer:
        assert answer.status == 201
        assert answer.headers["Date"]
    async with client.get(f"{url}{CONFIG_MAPS}/a") as answer:
        assert (await answer.json())["data"] == {"k": "v"}
    async with client.head(url + CONFIG_MAPS) as answer:
        assert (answer.status, await answer.read()) == (200, b"")


async def test_a_huge_body_is_refused_whether_it_is_announced_or_not(
    url: str, client: aiohttp.ClientSession
) -> None:
    big = b"x" * (4 * 1024 * 1024)

    async def pieces() -> AsyncIterator[bytes]:
        yield big

    for data in (io.BytesIO(big), pieces()):
        async with client.post(url + CONFIG_MAPS, data=data) as answer:
            assert answer.status == 413


async def test_several_warnings_are_several_headers(
    url: str, client: aiohttp.ClientSession
) -> None:
    obj = config_map("a") | {"bogus": 1, "other": 2}
    async with client.post(url + CONFIG_MAPS, json=obj) as answer:
        assert len(answer.headers.getall("warning")) == 2


async def test_a_watch_streams_and_ends_with_its_client(
    url: str, client: aiohttp.ClientSession, api: ApiServer, ask: Asker
) -> None:
    async with client.get(url + CONFIG_MAPS, params={"watch": "1"}) as answer:
        await ask.create(CONFIG_MAPS, config_map("a"))
        assert b'"type":"ADDED"' in await answer.content.readline()
        assert api.cluster.hub.count() == 1
        answer.close()
    await watchers(api, 0)


async def test_stopping_the_server_ends_its_watches(
    url: str, client: aiohttp.ClientSession, api: ApiServer
) -> None:
    async with client.get(url + CONFIG_MAPS, params={"watch": "1"}) as answer:
        await asyncio.sleep(0.05)
        await api.stop()
        assert await answer.content.read() == b""


async def test_fifty_watchers_all_see_every_change(
    url: str, client: aiohttp.ClientSession, ask: Asker
) -> None:
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(headers=HEADERS, timeout=TIMEOUT, connector=connector) as many:

        async def follow() -> int:
            seen = 0
            async with many.get(url + CONFIG_MAPS, params={"watch": "1"}) as answer:
                while seen < 20:
                    await answer.content.readline()
                    seen += 1
            return seen

        followers = [asyncio.create_task(follow()) for _ in range(50)]
        await watchers(ask.api, 50)
        for index in range(20):
            await ask.create(CONFIG_MAPS, config_map(f"c{index}"))
        assert await asyncio.gather(*followers) == [20] * 50
