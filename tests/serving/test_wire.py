"""Bounds on what one connection can make the server keep, over real sockets."""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
import uvicorn
from uvicorn.server import ServerState

from tidegate.serving import wire

if TYPE_CHECKING:
    from uvicorn._types import ASGIReceiveCallable, ASGISendCallable, Scope

LIVE = b"GET /v2/health/live HTTP/1.1\r\nhost: x\r\n\r\n"
BEGUN = b"GET /v2 HTTP/1.1\r\nhost: x\r\n"
CHUNKED = b"POST /v2 HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"


def told(server: Any, first: bytes, more: bytes = b"", *, times: int = 0) -> bytes:
    """What is answered until the server ends the connection; it may while we still send."""
    with socket.create_connection((server.address, server.port), timeout=10) as connection:
        answer = b""
        with suppress(ConnectionError):
            connection.sendall(first)
            for _ in range(times):
                connection.sendall(more)
        with suppress(ConnectionError):
            while part := connection.recv(65536):
                answer += part
        return answer


@pytest.mark.parametrize(
    ("first", "more"),
    [
        (BEGUN, b"a: " + b"b" * 1000 + b"\r\n"),
        (BEGUN + b"a: ", b"b" * 1000),
        (b"GET /", b"b" * 1000),
        (CHUNKED + b"0\r\n", b"a: " + b"b" * 1000 + b"\r\n"),
        (CHUNKED + b"1;", b"e" * 1000),
    ],
    ids=["many headers", "one header", "an address", "trailers", "a chunk's extension"],
)
def test_a_head_without_an_end_ends_the_connection(server: Any, first: bytes, more: bytes) -> None:
    told(server, first, more, times=10_000)  # returns: the server has ended it
    assert server.get("/v2/health/live").status_code == 200


def test_a_head_that_is_too_large_is_told_so_by_this_revision(server: Any) -> None:
    answer = told(server, BEGUN + b"a: " + b"b" * wire.MOST_HEAD_BYTES)
    assert answer == b"" or answer.startswith(b"HTTP/1.1 431 ")
    if answer:
        assert b"x-tidegate-revision: flights-" in answer


def test_requests_sent_ahead_are_answered_as_long_as_they_are_few(server: Any) -> None:
    few = wire.MOST_AHEAD // 2
    last = LIVE.replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n")
    assert told(server, LIVE * few + last).count(b"HTTP/1.1 200 OK") == few + 1


def test_a_connection_that_sends_thousands_ahead_is_ended(server: Any) -> None:
    answer = told(server, LIVE * 20_000, LIVE * 20_000, times=10)
    assert answer.count(b"HTTP/1.1 200 OK") < 20_000
    assert server.get("/v2/health/live").status_code == 200


async def _nothing(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
    """An application that is never asked."""


async def test_a_head_that_does_not_end_in_time_is_refused_and_an_idle_connection_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(wire, "HEAD_TIMEOUT_S", 0.05)
    config = uvicorn.Config(_nothing, log_config=None)
    config.load()
    state = ServerState()
    server = await asyncio.get_running_loop().create_server(
        lambda: wire.Connection(config=config, server_state=state, app_state={}), "127.0.0.1", 0
    )
    async with server:
        address = server.sockets[0].getsockname()
        reader, writer = await asyncio.open_connection(*address)
        idle_reader, idle_writer = await asyncio.open_connection(*address)
        writer.write(BEGUN)
        answer = await asyncio.wait_for(reader.read(), timeout=10)
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert not idle_reader.at_eof()
        for each in (writer, idle_writer):
            each.close()
