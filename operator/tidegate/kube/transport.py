"""Carries requests to an API server over HTTP(S), and nothing else.

A transport does not retry and does not read bodies of answers; what an answer means is decided by
`client.py`. No answer at all is a `ServerUnavailable`. Everything has a time limit.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import aiohttp

from tidegate.errors import ServerUnavailable
from tidegate.kube.credentials import (
    Credentials,
    TokenSource,
    from_environment,
    from_kubeconfig,
    from_service_account,
    ssl_context,
)
from tidegate.kube.failures import error_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

_CONNECT_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class Response:
    """An answer: its status, its headers with lower-case names, its body."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Transport(Protocol):
    """How a client reaches an API server."""

    async def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str],
        headers: Mapping[str, str],
        body: bytes | None,
        timeout: float,
    ) -> Response:
        """Send one request and return its answer, whatever its status.

        `timeout` is in seconds, over all. Raises ServerUnavailable when no answer came in time.
        Not idempotent by itself: whether the server acted on a lost answer is unknown.
        """
        ...

    def stream(
        self,
        path: str,
        *,
        params: Mapping[str, str],
        headers: Mapping[str, str],
        timeout: float,
    ) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """Open a GET whose answer comes line by line (a watch: one JSON document a line).

        `timeout` is the longest silence, in seconds. Raises the KubeError of an answer that is no
        success, and ServerUnavailable when the connection breaks or falls silent.
        """
        ...

    async def close(self) -> None:
        """Close all connections. May be called twice."""
        ...


class HttpTransport:
    """A transport over aiohttp, with TLS and credentials as a kubeconfig or a pod gives them."""

    def __init__(self, credentials: Credentials, *, user_agent: str = "tidegate") -> None:
        self.credentials = credentials
        self.token = TokenSource(credentials)
        self._user_agent = user_agent
        self._session: aiohttp.ClientSession | None = None

    @classmethod
    def from_kubeconfig(
        cls, path: Path | str | None = None, *, context: str | None = None
    ) -> HttpTransport:
        """Read a kubeconfig: `path`, else KUBECONFIG, else ~/.kube/config."""
        return cls(from_kubeconfig(path, context=context))

    @classmethod
    def in_cluster(cls) -> HttpTransport:
        """Use the service account that is mounted into this pod."""
        return cls(from_service_account())

    @classmethod
    def from_environment(cls) -> HttpTransport:
        """KUBECONFIG first, then the pod's service account, then ~/.kube/config."""
        return cls(from_environment())

    async def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str],
        headers: Mapping[str, str],
        body: bytes | None,
        timeout: float,
    ) -> Response:
        """Send one request; see `Transport`."""
        limits = aiohttp.ClientTimeout(total=timeout, sock_connect=_CONNECT_TIMEOUT_S)
        try:
            async with self._opened().request(
                method,
                self.credentials.server + path,
                params=params,
                headers=await self._headers(headers),
                data=body,
                timeout=limits,
            ) as answer:
                return Response(answer.status, _lower(answer.headers), await answer.read())
        except TimeoutError as error:
            raise ServerUnavailable(
                f"{method} {path}: no answer within {timeout:g} s", reason="Timeout"
            ) from error
        except aiohttp.ClientError as error:
            raise ServerUnavailable(
                f"{method} {path}: {error or type(error).__name__}", reason="Unreachable"
            ) from error

    @asynccontextmanager
    async def stream(
        self,
        path: str,
        *,
        params: Mapping[str, str],
        headers: Mapping[str, str],
        timeout: float,
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        """Open a watch; see `Transport`."""
        limits = aiohttp.ClientTimeout(
            total=None, sock_connect=_CONNECT_TIMEOUT_S, sock_read=timeout
        )
        try:
            async with self._opened().get(
                self.credentials.server + path,
                params=params,
                headers=await self._headers(headers),
                timeout=limits,
            ) as answer:
                if answer.status != 200:
                    body = await answer.read()
                    raise error_of(
                        answer.status,
                        headers=_lower(answer.headers),
                        body=body,
                        what=f"watch {path}",
                    )
                yield split_lines(answer.content.iter_any())
        except TimeoutError as error:
            raise ServerUnavailable(
                f"watch {path}: silent for {timeout:g} s", reason="Timeout"
            ) from error
        except aiohttp.ClientError as error:
            raise ServerUnavailable(
                f"watch {path}: {error or type(error).__name__}", reason="Unreachable"
            ) from error

    async def close(self) -> None:
        """Close all connections."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()
            # aiohttp closes TLS transports one turn of the loop later.
            await asyncio.sleep(0)

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            # Every watch holds a connection for minutes, so the pool has no limit of its own.
            connector = aiohttp.TCPConnector(ssl=ssl_context(self.credentials), limit=0)
            self._session = aiohttp.ClientSession(
                connector=connector, headers={"user-agent": self._user_agent}
            )
        return self._session

    async def _headers(self, headers: Mapping[str, str]) -> list[tuple[str, str]]:
        token, acting = await self.token.current(), self.credentials.acting
        return [
            *headers.items(),
            *([("authorization", f"Bearer {token}")] if token else []),
            *(acting.headers() if acting is not None else []),
        ]


async def split_lines(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Yield the lines of a chunked stream, of any length, without empty ones."""
    parts: list[bytes] = []
    async for chunk in chunks:
        *whole, rest = chunk.split(b"\n")
        for line in whole:
            parts.append(line)
            if joined := b"".join(parts):
                yield joined
            parts = []
        if rest:
            parts.append(rest)
    if parts:
        yield b"".join(parts)


def _lower(headers: Mapping[str, str]) -> dict[str, str]:
    return {key.lower(): value for key, value in headers.items()}
