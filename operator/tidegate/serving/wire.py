"""uvicorn's HTTP/1.1 connection, with bounds that it has not: on heads, and on requests sent ahead.

Without them one caller fills the memory of a pod: a head is kept until it ends, and each request
that is sent before the last one was answered waits as an object a hundred times its size. It
knows nothing of paths or models; bodies are bounded where they are read (`requests.py`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

if TYPE_CHECKING:
    import asyncio

MOST_HEAD_BYTES = 64 * 1024
"""Of a request line with its headers, or of trailers. What one read brings comes on top."""

HEAD_TIMEOUT_S = 30.0
"""For a head to end, once it has begun."""

MOST_AHEAD = 64
"""Requests that one connection may send before the first of them is answered."""

_TOO_LARGE = (b"431 Request Header Fields Too Large", b"the headers are too large; send fewer")
_TOO_SLOW = (b"408 Request Timeout", b"the headers did not arrive in time; send them at once")


class TooFarAhead(Exception):
    """Raised inside the parser, which ends the connection."""


class Connection(HttpToolsProtocol):
    """One connection. `advanced`: the last read ended a head or a request, or was of a body."""

    _advanced = False
    _held_bytes = 0
    _deadline: asyncio.TimerHandle | None = None

    def data_received(self, data: bytes) -> None:
        self._advanced = False
        super().data_received(data)
        if self._advanced or self.transport.is_closing():
            self._held_bytes = 0
            self._end_deadline()
            return
        self._held_bytes += len(data)
        if self._held_bytes > MOST_HEAD_BYTES:
            self._refuse(*_TOO_LARGE)
        elif self._deadline is None:
            self._deadline = self.loop.call_later(HEAD_TIMEOUT_S, self._refuse, *_TOO_SLOW)

    def connection_lost(self, exc: Exception | None) -> None:
        self._end_deadline()
        super().connection_lost(exc)

    def on_headers_complete(self) -> None:
        self._advanced = True
        if len(self.pipeline) >= MOST_AHEAD:
            raise TooFarAhead
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._advanced = True
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._advanced = True
        super().on_message_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        # uvicorn reads on after each answer, even while others wait for theirs.
        if self.pipeline and not self.transport.is_closing():
            self.flow.pause_reading()

    def _end_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _refuse(self, status: bytes, message: bytes) -> None:
        """Answer where no other answer is under way, and end the connection."""
        self._end_deadline()
        if self.transport.is_closing():
            return
        if self.cycle is None or self.cycle.response_complete:
            body = b'{"error":"' + message + b'"}'
            lines = [b"HTTP/1.1 " + status, b"content-type: application/json"]
            lines += [name + b": " + value for name, value in self.server_state.default_headers]
            lines += [b"content-length: %d" % len(body), b"connection: close", b"", body]
            self.transport.write(b"\r\n".join(lines))
        self.transport.close()
