"""One request of the Open Inference Protocol to one pod, with its answer and how long it took.

Owns limits of time and size; it judges no answer. Nothing is tried again: whoever asks counts.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import orjson

from tidegate.errors import Unreachable

if TYPE_CHECKING:
    from collections.abc import Mapping

    import httpx

ANSWER_LIMIT_BYTES = 16 * 1024 * 1024
CONNECT_S = 3.0
NO_ANSWER = "NoAnswer"
"""Reason of Unreachable: there is somebody, who gave no answer in time, or too large a one."""


@dataclass(frozen=True)
class Answer:
    """What a pod answered: HTTP status, JSON body (None when it is none), seconds from the first
    byte sent to the last one received."""

    status: int
    body: Any
    seconds: float


class Inference(Protocol):
    """Asks pods."""

    async def infer(self, url: str, body: Mapping[str, Any], *, timeout_s: float) -> Answer:
        """Send one request. An answer of any status is an answer.

        :raises Unreachable: nobody answered within `timeout_s`, or too much.
        """
        ...


class PodInference:
    """Asks pods over HTTP, past proxies. Close it; it keeps connections for the next request."""

    def __init__(self) -> None:
        self._client: httpx.AsyncClient | None = None

    async def infer(self, url: str, body: Mapping[str, Any], *, timeout_s: float) -> Answer:
        """See `Inference`."""
        import httpx  # late: an operator without golden requests has no use for its 5 MB

        if self._client is None:
            self._client = httpx.AsyncClient(trust_env=False, follow_redirects=False)
        started = time.perf_counter()
        timeout = httpx.Timeout(timeout_s, connect=min(CONNECT_S, timeout_s))
        content = orjson.dumps(body)
        headers = {"content-type": "application/json"}
        try:
            async with self._client.stream(
                "POST", url, content=content, headers=headers, timeout=timeout
            ) as response:
                received = await _limited(response, url)
        except httpx.ReadTimeout as error:
            raise Unreachable(
                f"{url} gave no answer within {timeout_s:g} s", reason=NO_ANSWER
            ) from error
        except httpx.HTTPError as error:
            what = type(error).__name__ + (f": {error}" if str(error) else "")
            raise Unreachable(f"{url} did not answer ({what})") from error
        return Answer(response.status_code, _parsed(received), time.perf_counter() - started)

    async def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            await self._client.aclose()
            self._client = None


async def _limited(response: httpx.Response, url: str) -> bytes:
    received = bytearray()
    async for chunk in response.aiter_bytes():
        received += chunk
        if len(received) > ANSWER_LIMIT_BYTES:
            limit = ANSWER_LIMIT_BYTES // 1024**2
            raise Unreachable(f"{url} answered more than {limit} MiB", reason=NO_ANSWER)
    return bytes(received)


def _parsed(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
