"""The end of an aiohttp server."""

import asyncio
import gc
import socket
import warnings

import pytest
from aiohttp import web

from tidegate.listening import end


async def _ends_while_clients_connect(turns: int) -> None:
    async def answer(_: web.BaseRequest) -> web.Response:
        return web.Response()

    runner = web.ServerRunner(web.Server(answer), shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    address = runner.addresses[0]
    for _ in range(3):
        socket.create_connection(address).close()
    for _ in range(turns):
        await asyncio.sleep(0)
    await end(runner)


@pytest.mark.parametrize("turns", range(6))
def test_no_connection_outlives_the_server_whenever_it_was_accepted(turns: int) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error", ResourceWarning)
        asyncio.run(_ends_while_clients_connect(turns))
        gc.collect()


async def _never_started() -> None:
    async def answer(_: web.BaseRequest) -> web.Response:
        return web.Response()

    await end(web.ServerRunner(web.Server(answer)))


def test_a_server_that_never_started_can_be_ended() -> None:
    asyncio.run(_never_started())
