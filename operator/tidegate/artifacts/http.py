"""http:// and https:// artifacts: streamed through a hash, never held in memory or on disk.

An unchanged artifact is known by its ETag, or by Last-Modified and size: the server is asked for
the artifact unless it has that version still. One that sends neither is read anew at each poll;
pin its sha256 to avoid that.
"""

from __future__ import annotations

import asyncio
import hashlib
from typing import TYPE_CHECKING, Any

import aiohttp
from aiohttp import ClientResponse, ClientSession, ClientTimeout
from yarl import URL

from tidegate.artifacts.base import (
    ARTIFACT_FORBIDDEN,
    ARTIFACT_NOT_FOUND,
    CHUNK,
    Limits,
    Resolved,
    check_pin,
    is_settled,
    too_large,
    utc_now,
)
from tidegate.artifacts.uri import URI_INVALID, scheme_of, shown
from tidegate.errors import Terminal, Unreachable

if TYPE_CHECKING:
    from tidegate.artifacts.base import Clock

MAX_REDIRECTS = 5
CONNECT_S = 10.0

_DEFAULT_LIMITS = Limits()
_ETAG = "etag:"
_MODIFIED = "modified:"


class HttpSource:
    """Artifacts at http(s) addresses. Close it; it keeps connections open between polls."""

    def __init__(self, *, limits: Limits = _DEFAULT_LIMITS, clock: Clock = utc_now) -> None:
        self._limits = limits
        self._clock = clock
        self._session: ClientSession | None = None

    async def resolve(self, uri: str, *, sha256: str | None, previous: Resolved | None) -> Resolved:
        if previous is not None and is_settled(previous, location=uri, sha256=sha256):
            return previous
        if previous is not None and previous.location != uri:
            previous = None
        try:
            async with asyncio.timeout(self._limits.total_s):
                return await self._resolve(uri, pinned=sha256, previous=previous)
        except (aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError):
            raise Terminal(
                URI_INVALID, f"{shown(uri)} is no address: correct spec.artifact.uri"
            ) from None
        except aiohttp.TooManyRedirects:
            raise _endless(uri) from None
        except TimeoutError:
            raise Unreachable(
                f"{shown(uri)} did not answer in time: check the address, and that the operator "
                "may reach it"
            ) from None
        except (aiohttp.ClientError, OSError) as error:
            raise Unreachable(
                f"{shown(uri)} cannot be reached ({type(error).__name__}): check the address, and "
                "that the operator may reach it (NetworkPolicy, proxy, certificate)"
            ) from None

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _resolve(
        self, uri: str, *, pinned: str | None, previous: Resolved | None
    ) -> Resolved:
        response = await self._get(uri, _conditions(previous))
        async with response:
            if response.status == 304 and previous is not None:
                check_pin(uri, found=previous.sha256, pinned=pinned)
                return previous
            _check_status(uri, response.status)
            version = _version(response)
            if previous is not None and version is not None and version == previous.version:
                # The server does not know conditions. Its headers are enough, the body is not read.
                check_pin(uri, found=previous.sha256, pinned=pinned)
                response.close()
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

    async def _get(self, uri: str, conditions: dict[str, str]) -> ClientResponse:
        """GET, redirects followed, but a few, and never from https to http."""
        address = uri
        for _ in range(MAX_REDIRECTS + 1):
            response = await self._open().get(
                address, headers=conditions, allow_redirects=False, auto_decompress=False
            )
            target = response.headers.get("location")
            if response.status not in (301, 302, 303, 307, 308) or target is None:
                return response
            response.close()
            following = str(response.url.join(URL(target)))
            if scheme_of(following) not in ("http", "https") or (
                scheme_of(address) == "https" and scheme_of(following) != "https"
            ):
                raise Terminal(
                    ARTIFACT_FORBIDDEN,
                    f"{shown(uri)} redirects from {scheme_of(address)} to {scheme_of(following)}: "
                    "give an address that stays on https",
                )
            address = following
        raise _endless(uri)

    async def _hash(self, uri: str, response: ClientResponse) -> tuple[str, int]:
        limit = self._limits.max_bytes
        if (response.content_length or 0) > limit:
            response.close()
            raise too_large(uri, limit=limit)
        digest = hashlib.sha256()
        size = 0
        async for chunk in response.content.iter_chunked(CHUNK):
            size += len(chunk)
            if size > limit:
                response.close()
                raise too_large(uri, limit=limit)
            await _update(digest, chunk)
        return digest.hexdigest(), size

    def _open(self) -> ClientSession:
        if self._session is None:
            self._session = ClientSession(
                timeout=ClientTimeout(
                    total=None, sock_connect=CONNECT_S, sock_read=self._limits.idle_s
                ),
                headers={"accept-encoding": "identity", "user-agent": "tidegate"},
                trust_env=True,
            )
        return self._session


async def _update(digest: Any, chunk: bytes) -> None:
    # A megabyte takes about a millisecond, in which hashlib lets other threads run; small pieces
    # are not worth a thread.
    if len(chunk) < CHUNK // 4:
        digest.update(chunk)
    else:
        await asyncio.to_thread(digest.update, chunk)


def _conditions(previous: Resolved | None) -> dict[str, str]:
    if previous is None:
        return {}
    if previous.version.startswith(_ETAG):
        return {"if-none-match": previous.version.removeprefix(_ETAG)}
    if previous.version.startswith(_MODIFIED):
        stamp = previous.version.removeprefix(_MODIFIED).rpartition(";size=")[0]
        return {"if-modified-since": stamp}
    return {}


def _version(response: ClientResponse) -> str | None:
    """The server's name for this state, or None if it gives none that can be relied on."""
    if etag := response.headers.get("etag"):
        return f"{_ETAG}{etag[:200]}"
    modified = response.headers.get("last-modified")
    if modified and response.content_length is not None:
        return f"{_MODIFIED}{modified[:60]};size={response.content_length}"
    return None


def _check_status(uri: str, status: int) -> None:
    if status == 200:
        return
    if status in (401, 403):
        raise Terminal(
            ARTIFACT_FORBIDDEN,
            f"{shown(uri)} answers {status}: it needs credentials; give an address that does not, "
            "or one that carries them for a limited time",
        )
    if status in (408, 425, 429) or status >= 500:
        raise Unreachable(f"{shown(uri)} answers {status}: the server is in trouble or busy")
    raise Terminal(
        ARTIFACT_NOT_FOUND,
        f"{shown(uri)} answers {status}: correct spec.artifact.uri, or put the file there",
    )


def _endless(uri: str) -> Terminal:
    return Terminal(
        ARTIFACT_NOT_FOUND,
        f"{shown(uri)} redirects more than {MAX_REDIRECTS} times: give the final address",
    )
