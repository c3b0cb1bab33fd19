"""The HTTP front: streams, sizes, and clients that misbehave."""

from __future__ import annotations

import asyncio
import io
from typing import TYPE_CHECKING

import aiohttp
import pytest

from tidegate.local.apiserver import ADMIN_TOKEN, ApiServer, front, serve
from tidegate.testing.apiserver import CONFIG_MAPS, Asker, config_map, pod

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tidegate.local.apiserver.messages import HttpResponse, Obj

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


async def raw(url: str, path: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection of its own on which a GET was sent."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
    head = f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {ADMIN_TOKEN}\r\n\r\n"
    writer.write(head.encode())
    return reader, writer


class Endless:
    """A log that goes on until nobody wants it."""

    def __init__(self) -> None:
        self.ended = asyncio.Event()

    async def read(self, *_: object, **__: object) -> AsyncIterator[bytes]:
        try:
            while True:
                yield b"x\n" * 50_000
                await asyncio.sleep(0)
        finally:
            self.ended.set()


PODS = "/api/v1/namespaces/default/pods"
LOG = f"{PODS}/p/log?follow=true"


def running_pod() -> Obj:
    """One whose log the node keeps."""
    obj = pod("p")
    obj["spec"]["nodeName"] = "n"
    return obj


@pytest.mark.parametrize("path", [f"{CONFIG_MAPS}?watch=1", LOG])
@pytest.mark.parametrize("reads", [True, False])
async def test_clients_that_go_away_are_no_error(
    url: str, ask: Asker, caplog: pytest.LogCaptureFixture, path: str, reads: bool
) -> None:
    await ask.create(PODS, running_pod())
    for abort in (True, False):
        ask.api.log_provider = log = Endless()
        reader, writer = await raw(url, path)
        if reads:
            await reader.read(100)
        await asyncio.sleep(0.05)
        writer.transport.abort() if abort else writer.close()
        await ask.create(CONFIG_MAPS, config_map(f"c{abort}".lower()))
        await watchers(ask.api, 0)
        if path == LOG:
            async with asyncio.timeout(5):
                await log.ended.wait()
    assert [r.getMessage() for r in caplog.records if r.levelname != "DEBUG"] == []


async def test_a_reader_that_stalls_is_cut_off(
    url: str, ask: Asker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(front, "_WRITE_TIMEOUT_S", 0.1)
    ask.api.log_provider = log = Endless()
    await ask.create(PODS, running_pod())
    _, writer = await raw(url, LOG)
    async with asyncio.timeout(5):
        await log.ended.wait()
    writer.close()


async def test_closing_ends_streams_at_once_and_in_order(
    api: ApiServer, client: aiohttp.ClientSession, ask: Asker
) -> None:
    running = await serve(api, host="127.0.0.1", port=0)
    url = f"http://127.0.0.1:{running.port}"
    api.log_provider = Endless()
    await ask.create(PODS, running_pod())
    _, stalled = await raw(url, LOG)
    async with client.get(url + CONFIG_MAPS, params={"watch": "1"}) as answer:
        loop = asyncio.get_running_loop()
        before = loop.time()
        await running.close()
        assert loop.time() - before < 1.8
        # The end of a stream, not the loss of a connection.
        assert await answer.content.read() == b""
    stalled.close()


async def test_what_nobody_foresaw_is_an_internal_error(
    url: str,
    client: aiohttp.ClientSession,
    api: ApiServer,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def broken(_: object) -> HttpResponse:
        raise ZeroDivisionError("of the inside")

    monkeypatch.setattr(api, "handle", broken)
    async with client.get(url + CONFIG_MAPS) as answer:
        status = await answer.json()
    assert (answer.status, status["kind"], status["code"]) == (500, "Status", 500)
    assert status["reason"] == "InternalError"
    assert "inside" not in status["message"]
    assert "of the inside" in caplog.text


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
