"""Reading one HTTP request: its headers as far as they matter, its body within limits."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tidegate.serving.protocol import CallerMistake

if TYPE_CHECKING:
    from collections.abc import Iterable

    from uvicorn._types import ASGIReceiveCallable

BODY_TIMEOUT_S = 30.0
"""For a whole body to arrive: a caller that stops sending must not hold a connection for ever."""


class CallerLeft(Exception):
    """The connection ended before the request did; nobody waits for an answer."""


@dataclass(frozen=True, slots=True)
class Headers:
    """What an inference request's headers say. `length` is None for chunked bodies.

    `request_id` is empty where there is none; a gateway gives one to each request, and the same to
    its mirrored copy.
    """

    length: int | None
    waits_for_continue: bool
    request_id: bytes = b""


def read_headers(pairs: Iterable[tuple[bytes, bytes]]) -> Headers:
    """Check the headers of an inference request.

    :raises CallerMistake: 415 for a body that is not JSON, 400 for a binary tensor extension.
    """
    length: int | None = None
    waits = False
    request_id = b""
    for name, value in pairs:
        if name == b"content-type":
            kind = value.split(b";", 1)[0].strip().lower()
            if kind != b"application/json":
                raise CallerMistake(
                    f"content type {kind.decode('latin-1')[:80]!r} is not served; send JSON with "
                    "the header `Content-Type: application/json`",
                    status=415,
                )
        elif name == b"content-length":
            length = int(value)  # the HTTP parser has refused anything but digits
        elif name == b"content-encoding" and value.strip().lower() != b"identity":
            raise CallerMistake("compressed bodies are not served; send plain JSON", status=415)
        elif name == b"inference-header-content-length":
            raise CallerMistake("the binary tensor extension is not served; send the data as JSON")
        elif name == b"x-request-id":
            request_id = value
        elif name == b"expect":
            waits = value.strip().lower() == b"100-continue"
    return Headers(length=length, waits_for_continue=waits, request_id=request_id)


async def read_body(receive: ASGIReceiveCallable, headers: Headers, *, limit: int) -> bytes:
    """The body, at most `limit` bytes.

    Of a body that is too large, up to four times the limit is read and thrown away first: a caller
    that is still sending does not look for an answer.

    :raises CallerMistake: 413 too large, 408 too slow.
    :raises CallerLeft: the caller went away.
    """
    declared = headers.length
    too_large = declared is not None and declared > limit
    if too_large and (headers.waits_for_continue or (declared or 0) > 4 * limit):
        raise _too_large(limit)
    parts: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(BODY_TIMEOUT_S):
            while True:
                message = await receive()
                if message["type"] != "http.request":
                    raise CallerLeft
                chunk = message.get("body", b"")
                size += len(chunk)
                too_large = too_large or size > limit
                if too_large:
                    parts.clear()
                    if size > 4 * limit:
                        raise _too_large(limit)
                else:
                    parts.append(chunk)
                if not message.get("more_body", False):
                    break
    except TimeoutError:
        raise CallerMistake(
            f"the body did not arrive within {BODY_TIMEOUT_S:.0f} seconds", status=408
        ) from None
    if too_large:
        raise _too_large(limit)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _too_large(limit: int) -> CallerMistake:
    return CallerMistake(
        f"the body is larger than {limit} bytes; send fewer rows at a time", status=413
    )
