"""Connections on which nonsense arrives, slowly or at once: answered or closed, never left hanging.

`make fuzz` tries many more than a usual run (TIDEGATE_FUZZ_EXAMPLES).
"""

from __future__ import annotations

import asyncio
import logging
import os
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from tidegate.local.apiserver import ADMIN_TOKEN, ApiServer, front, serve
from tidegate.testing.apiserver import CONFIG_MAPS

if TYPE_CHECKING:
    import pytest

    from tidegate.local.apiserver import RunningServer

EXAMPLES = int(os.environ.get("TIDEGATE_FUZZ_EXAMPLES", "40"))
AUTHORIZED = f"Authorization: Bearer {ADMIN_TOKEN}\r\n".encode()
GOOD = b"GET /api/v1/namespaces/default HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" + AUTHORIZED
LINES = st.sampled_from(
    (
        b"GET / HTTP/1.1\r\n",
        b"POST /api/v1/namespaces/default/configmaps HTTP/1.1\r\n",
        b"PATCH /api/v1/namespaces/default HTTP/1.1\r\n",
        b"GET /api/v1/namespaces/%00/x HTTP/1.1\r\n",
        b"GET /%zz/\xff HTTP/1.1\r\n",
        b"GET http://other/api HTTP/1.1\r\n",
        b"CONNECT x:1 HTTP/1.1\r\n",
        b"GET / HTTP/3.0\r\n",
        b"\r\n",
        b"\x16\x03\x01\x02\x00",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    )
)
HEADERS = st.sampled_from(
    (
        b"Host: x\r\n",
        AUTHORIZED,
        b"Content-Length: 5\r\n",
        b"Content-Length: -1\r\n",
        b"Content-Length: 99999999999999999999\r\n",
        b"Transfer-Encoding: chunked\r\n",
        b"Content-Type: application/json\r\n",
        b"Content-Encoding: gzip\r\n",
        b"Expect: 100-continue\r\n",
        b"Upgrade: websocket\r\nConnection: Upgrade\r\n",
        b"X: " + b"y" * 9000 + b"\r\n",
        b"no colon\r\n",
        b": no name\r\n",
        b"Accept: \xff\r\n",
    )
)
BODIES = st.one_of(
    st.sampled_from((b"", b"{}", b"5\r\nhello\r\n0\r\n\r\n", b"zz\r\n", b"{" * 5000)),
    st.binary(max_size=40),
)


class Complaints(logging.Handler):
    """What is logged as an error while it listens."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.records: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record.getMessage())


async def answered(port: int, *pieces: bytes, within: float = 10) -> bytes:
    """What comes back when these pieces are sent one by one, until the connection ends."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        async with asyncio.timeout(within):
            try:
                for piece in pieces:
                    writer.write(piece)
                    await writer.drain()
                if writer.can_write_eof():
                    writer.write_eof()
                return await reader.read()
            except ConnectionError:
                return b""
    finally:
        writer.close()


async def running() -> tuple[ApiServer, RunningServer]:
    api = ApiServer.in_memory()
    await api.start()
    return api, await serve(api, host="127.0.0.1", port=0)


async def nonsense(*pieces: bytes) -> None:
    api, server = await running()
    complaints = Complaints()
    logging.getLogger().addHandler(complaints)
    try:
        said = await answered(server.port, *pieces)
        assert said == b"" or said.startswith(b"HTTP/1.")
        assert b"Traceback" not in said
        assert b" 500 " not in said.partition(b"\r\n")[0]
        good = await answered(server.port, GOOD + b"\r\n")
        assert good.startswith(b"HTTP/1.1 200 OK")
        assert complaints.records == []
    finally:
        logging.getLogger().removeHandler(complaints)
        await server.close()
        await api.stop()


@settings(max_examples=EXAMPLES, deadline=None)
@given(LINES, st.lists(HEADERS, max_size=4), BODIES)
def test_nonsense_is_answered_or_cut_off(line: bytes, headers: list[bytes], body: bytes) -> None:
    asyncio.run(nonsense(line, *headers, b"\r\n", body))


async def test_a_client_that_never_finishes_its_request_is_cut_off(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(front, "_KEEPALIVE_S", 0.3)
    api, server = await running()
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(b"GET /api HTTP/1.1\r\nHost: x\r\n")
    async with asyncio.timeout(5):
        assert await reader.read() == b""
    writer.close()
    await server.close()
    await api.stop()


async def test_a_client_that_never_finishes_its_body_gets_a_status(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(front, "_BODY_TIMEOUT_S", 0.2)
    api, server = await running()
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    head = f"POST {CONFIG_MAPS} HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n".encode()
    writer.write(head + AUTHORIZED + b"\r\n{")
    async with asyncio.timeout(5):
        said = await reader.readuntil(b"}")
    assert said.startswith(b"HTTP/1.1 408 ")
    assert b'"kind":"Status"' in said
    writer.close()
    await server.close()
    await api.stop()
