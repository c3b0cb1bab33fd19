"""Answers of servers that are small if they are what they should be: lists, in JSON.

Read whole, but never more than a limit: whoever may name a server may name one that never ends.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx

from tidegate.artifacts.base import TOO_LARGE
from tidegate.artifacts.in_time import in_time
from tidegate.artifacts.uri import shown
from tidegate.errors import Terminal, Unreachable

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_BYTES = 16 * 1024 * 1024
_FRAMING = ("content-encoding", "content-length", "transfer-encoding")
"""Headers of how the bytes came; what is held here is as it came, never unpacked."""


def answer(
    client: httpx.Client,
    url: str,
    *,
    headers: Mapping[str, str],
    params: Mapping[str, str] | None = None,
) -> httpx.Response:
    """The answer to a GET.

    :raises Terminal: TooLarge. :raises Unreachable: it takes longer than there is time.
    :raises httpx.HTTPError: no answer.
    """
    received = bytearray()
    with client.stream("GET", url, headers=headers, params=params) as response:
        for chunk in in_time(response.iter_raw()):
            _keep(received, chunk, url)
        return _whole(response, received)


async def async_answer(
    client: httpx.AsyncClient, url: str, *, headers: Mapping[str, str]
) -> httpx.Response:
    """The same; its time is limited by whoever awaits it."""
    received = bytearray()
    async with client.stream("GET", url, headers=headers) as response:
        async for chunk in response.aiter_raw():
            _keep(received, chunk, url)
        return _whole(response, received)


def json_of(response: httpx.Response) -> Any:
    """What an answer says.

    :raises Unreachable: it is no JSON.
    """
    try:
        return response.json()
    except (ValueError, RecursionError):
        raise Unreachable(
            f"what answers at {shown(str(response.request.url))} speaks no JSON: check the address,"
            " and that no page to log in stands before it"
        ) from None


def _keep(received: bytearray, chunk: bytes, url: str) -> None:
    received += chunk
    if len(received) > MAX_BYTES:
        raise Terminal(
            TOO_LARGE,
            f"{shown(url)} answers more than {MAX_BYTES} bytes where a list was asked for: correct"
            " the address",
        )


def _whole(response: httpx.Response, received: bytearray) -> httpx.Response:
    headers = [pair for pair in response.headers.items() if pair[0] not in _FRAMING]
    return httpx.Response(
        response.status_code, headers=headers, content=bytes(received), request=response.request
    )
