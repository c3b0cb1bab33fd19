"""http:// and https:// artifacts: streamed through a hash, never held in memory or on disk.

An unchanged artifact is known by its ETag, or by Last-Modified and size: the server is asked for
the artifact unless it has that version still. One that sends neither is read anew at each poll;
pin its sha256 to avoid that. Credentials: `token`, or `username` and `password`; `ca.crt`.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from typing import TYPE_CHECKING

from tidegate.artifacts.base import (
    CHUNK,
    Limits,
    Resolved,
    check_pin,
    is_settled,
    too_large,
    update,
    utc_now,
)
from tidegate.artifacts.clients import Clients
from tidegate.artifacts.credentials import NO_CREDENTIALS, Credentials
from tidegate.artifacts.fetching import no_tree
from tidegate.artifacts.uri import shown
from tidegate.artifacts.web import (
    authorization,
    check_status,
    explained,
    new_async_client,
    new_client,
    open_url,
)
from tidegate.errors import Unreachable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import httpx

    from tidegate.artifacts.base import Clock
    from tidegate.artifacts.fetching import Entry, Stream

_DEFAULT_LIMITS = Limits()
_ETAG = "etag:"
_MODIFIED = "modified:"


class HttpSource:
    """Artifacts at http(s) addresses. Close it; it keeps connections open between polls."""

    def __init__(self, *, limits: Limits = _DEFAULT_LIMITS, clock: Clock = utc_now) -> None:
        self._limits = limits
        self._clock = clock
        self._clients = Clients(lambda of: new_async_client(credentials=of, idle_s=limits.idle_s))

    async def resolve(
        self,
        uri: str,
        *,
        sha256: str | None,
        previous: Resolved | None,
        credentials: Credentials = NO_CREDENTIALS,
    ) -> Resolved:
        if previous is not None and is_settled(previous, location=uri, sha256=sha256):
            return previous
        if previous is not None and previous.location != uri:
            previous = None
        try:
            async with asyncio.timeout(self._limits.total_s):
                with explained(uri):
                    return await self._resolve(
                        uri, pinned=sha256, previous=previous, credentials=credentials
                    )
        except TimeoutError:
            raise Unreachable(
                f"{shown(uri)} did not answer in time: check the address, and that the operator "
                "may reach it"
            ) from None

    async def close(self) -> None:
        await self._clients.close()

    async def _resolve(
        self, uri: str, *, pinned: str | None, previous: Resolved | None, credentials: Credentials
    ) -> Resolved:
        async with (
            self._clients.of(credentials) as client,
            client.stream(
                "GET", uri, headers=_conditions(previous), auth=authorization(credentials)
            ) as response,
        ):
            if response.status_code == 304 and previous is not None:
                check_pin(uri, found=previous.sha256, pinned=pinned)
                return previous
            check_status(uri, response.status_code, credentials)
            version = _version(response)
            if previous is not None and version is not None and version == previous.version:
                # The server does not know conditions. Its headers are enough, the body is not read.
                check_pin(uri, found=previous.sha256, pinned=pinned)
                return previous
            digest, size = await self._hash(uri, response)
        check_pin(uri, found=digest, pinned=pinned)
        if previous is not None and version is None and digest == previous.sha256:
            return previous
        return Resolved(
            version=version or f"sha256:{digest}",
            location=uri,
            sha256=digest,
            size=size,
            at=self._clock(),
        )

    async def _hash(self, uri: str, response: httpx.Response) -> tuple[str, int]:
        limit = self._limits.max_bytes
        if int(response.headers.get("content-length") or 0) > limit:
            raise too_large(uri, limit=limit)
        digest = hashlib.sha256()
        size = 0
        async for chunk in response.aiter_raw(CHUNK):
            size += len(chunk)
            if size > limit:
                raise too_large(uri, limit=limit)
            await update(digest, chunk)
        return digest.hexdigest(), size


class HttpFetcher:
    """Fetches from http(s) addresses."""

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials

    @contextlib.contextmanager
    def open(self, location: str, *, offset: int) -> Iterator[Stream]:
        with (
            new_client(
                auth=authorization(self._credentials), credentials=self._credentials
            ) as client,
            open_url(
                location, offset=offset, client=client, credentials=self._credentials
            ) as stream,
        ):
            yield stream

    def files(self, location: str) -> Iterable[Entry]:
        """:raises Terminal: always: an address is one file."""
        raise no_tree(location)


def _conditions(previous: Resolved | None) -> dict[str, str]:
    """The headers that ask for the artifact unless it is what it was."""
    if previous is None:
        return {}
    if previous.version.startswith(_ETAG):
        return {"if-none-match": previous.version.removeprefix(_ETAG)}
    if previous.version.startswith(_MODIFIED):
        stamp = previous.version.removeprefix(_MODIFIED).rpartition(";size=")[0]
        return {"if-modified-since": stamp}
    return {}


def _version(response: httpx.Response) -> str | None:
    """The server's name for this state, or None if it gives none that can be relied on."""
    if etag := response.headers.get("etag"):
        return f"{_ETAG}{etag[:200]}"
    modified, length = response.headers.get("last-modified"), response.headers.get("content-length")
    if modified and length:
        return f"{_MODIFIED}{modified[:60]};size={length}"
    return None
