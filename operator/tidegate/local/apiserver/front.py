"""The HTTPS front: aiohttp requests in, `ApiServer.handle`, aiohttp responses out. No decisions.

It owns the connections: how long they may stall, that a client which goes away is no error, and
that open streams end before the server does.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import TYPE_CHECKING, cast

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from multidict import CIMultiDict

from tidegate import listening
from tidegate.local.apiserver import answering
from tidegate.local.apiserver.decoding import MAX_BODY, too_large
from tidegate.local.apiserver.errors import ApiError
from tidegate.local.apiserver.messages import HttpRequest, HttpResponse

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
    from pathlib import Path

    from tidegate.local.apiserver.core import ApiServer

log = logging.getLogger(__name__)

_SHUTDOWN_S = 2.0
_BODY_TIMEOUT_S = 60.0
_KEEPALIVE_S = 75.0
# How long a reader of a stream may leave a full connection alone.
_WRITE_TIMEOUT_S = 30.0
# How long the end of a stream may take; well below the time that a stop waits.
_END_S = 1.0


@dataclass
class RunningServer:
    """A server that listens; `port` is the one it got."""

    host: str
    port: int
    _runner: web.ServerRunner
    _streams: _Streams

    async def close(self) -> None:
        """Stop to listen, end every watch and followed log, and cut every connection."""
        # Before the clean-up, which would wait for them until its deadline.
        self._streams.end()
        await listening.end(self._runner)


@dataclass
class _Streams:
    """The answers that go on until somebody ends them."""

    _open: set[asyncio.Timeout] = field(default_factory=set)
    _ended: bool = False

    def end(self) -> None:
        """End them all, and at once whatever is opened later on a connection that is left."""
        self._ended = True
        now = asyncio.get_running_loop().time()
        while self._open:
            self._open.pop().reschedule(now)

    @asynccontextmanager
    async def scope(self) -> AsyncIterator[None]:
        """Where a stream is written.

        :raises TimeoutError: at the place where the stream is when it is ended.
        """
        async with asyncio.timeout(0 if self._ended else None) as scope:
            self._open.add(scope)
            try:
                yield
            finally:
                self._open.discard(scope)


async def serve(
    api: ApiServer,
    *,
    host: str,
    port: int,
    cert: Path | None = None,
    key: Path | None = None,
) -> RunningServer:
    """Listen for the API server. `port` 0 takes a free one; without `cert` it is plain HTTP.

    :raises OSError: when the port is taken.
    """
    streams = _Streams()
    server = web.Server(
        _handler(api, streams),
        # A watch whose client is gone ends at once, not at its next event.
        handler_cancellation=True,
        keepalive_timeout=_KEEPALIVE_S,
        access_log=None,
        logger=_protocol_log(),
    )
    runner = web.ServerRunner(server, shutdown_timeout=_SHUTDOWN_S)
    await runner.setup()
    context = None
    if cert is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(cert, key)
    site = web.TCPSite(runner, host, port, ssl_context=context)
    await site.start()
    taken = runner.addresses[0][1]
    return RunningServer(host, taken, runner, streams)


class _NotOurs(logging.Filter):
    """Keeps out what a client got wrong: it was told, and nobody here can mend it."""

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        return not isinstance(error, HttpProcessingError)


def _protocol_log() -> logging.Logger:
    found = logging.getLogger(f"{__name__}.protocol")
    if not found.filters:
        found.addFilter(_NotOurs())
    return found


def _handler(
    api: ApiServer, streams: _Streams
) -> Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]:
    async def handler(incoming: web.BaseRequest) -> web.StreamResponse:
        headers = _incoming_headers(incoming)
        request = HttpRequest(incoming.method, incoming.path, dict(incoming.query), headers)
        try:
            request.body = await _body(incoming)
        except web.HTTPRequestEntityTooLarge:
            return _whole(answering.refusal(too_large(), request))
        except TimeoutError:
            late = ApiError(408, "Timeout", "the body did not arrive in time")
            return _whole(answering.refusal(late, request))
        answer = await _answer(api, request)
        if isinstance(answer.body, bytes):
            return _whole(answer)
        return await _streamed(incoming, answer, streams)

    return handler


async def _answer(api: ApiServer, request: HttpRequest) -> HttpResponse:
    try:
        return await api.handle(request)
    except Exception:
        # The boundary: clients understand nothing but a Status, and must not see the inside.
        log.exception("request failed: %s %s", request.method, request.path)
        message = "Internal error occurred: the log of the API server says more"
        return answering.refusal(ApiError(500, "InternalError", message), request)


async def _body(incoming: web.BaseRequest) -> bytes:
    """The whole body, if it is not too large and arrives in time."""
    if not incoming.can_read_body:
        return b""
    if (incoming.content_length or 0) > MAX_BODY:
        raise web.HTTPRequestEntityTooLarge(MAX_BODY, incoming.content_length or 0)
    pieces = bytearray()
    async with asyncio.timeout(_BODY_TIMEOUT_S):
        async for piece in incoming.content.iter_any():
            pieces += piece
            if len(pieces) > MAX_BODY:
                raise web.HTTPRequestEntityTooLarge(MAX_BODY, len(pieces))
    return bytes(pieces)


def _incoming_headers(incoming: web.BaseRequest) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in incoming.headers.items():
        key = name.lower()
        if key in found:
            # A user or group may have a comma in its name.
            between = "\n" if key.startswith("impersonate-") else ", "
            value = found[key] + between + value
        found[key] = value
    return found


def _headers(answer: HttpResponse) -> list[tuple[str, str]]:
    found = [("Date", formatdate(usegmt=True))]
    for name, value in answer.headers.items():
        found += [(name, part) for part in value.split("\n")]
    return found


def _whole(answer: HttpResponse) -> web.Response:

    assert isinstance(answer.body, bytes)
    return web.Response(
        status=answer.status, body=answer.body, headers=CIMultiDict(_headers(answer))
    )


async def _streamed(
    incoming: web.BaseRequest, answer: HttpResponse, streams: _Streams
) -> web.StreamResponse:

    response = web.StreamResponse(status=answer.status, headers=CIMultiDict(_headers(answer)))
    pieces = cast("AsyncGenerator[bytes]", answer.body)
    # A client that goes away, or stops to read, ends its stream: nothing to report.
    with suppress(ConnectionError, TimeoutError):
        async with aclosing(pieces):
            with suppress(TimeoutError):
                async with streams.scope():
                    await response.prepare(incoming)
                    async for piece in pieces:
                        await _write(incoming, response, piece)
        async with asyncio.timeout(_END_S):
            await response.write_eof()
        return response
    _cut(incoming)
    return response


async def _write(incoming: web.BaseRequest, response: web.StreamResponse, piece: bytes) -> None:
    try:
        async with asyncio.timeout(_WRITE_TIMEOUT_S):
            await response.write(piece)
    except TimeoutError:
        _cut(incoming)


def _cut(incoming: web.BaseRequest) -> None:
    """Drop the connection with what its client has not read, or the end would wait for that."""
    if incoming.transport is not None:
        incoming.transport.abort()
