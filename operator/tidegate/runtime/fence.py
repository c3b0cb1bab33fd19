"""A transport that writes only while the lease is held: a stale leader never writes.

Reads pass. A write gets no more time than the lease still runs, so that it cannot be under way
when somebody else may have taken over. What happens on a refusal is the caller's business.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidegate.errors import Retryable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from contextlib import AbstractAsyncContextManager

    from tidegate.kube.transport import Response, Transport
    from tidegate.runtime.lease import Lease

NOT_LEADING = "NotLeading"


class FencedTransport:
    """Another transport, behind a lease."""

    def __init__(self, inner: Transport, lease: Lease) -> None:
        self._inner = inner
        self._lease = lease

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
        """Send one request; see `Transport`. Raises Retryable(NotLeading) for a fenced write."""
        if method != "GET":
            timeout = min(timeout, self._lease.remaining)
            if timeout <= 0:
                raise Retryable(
                    f"{method} {path} was held back: the lease ran out", reason=NOT_LEADING
                )
        return await self._inner.request(
            method, path, params=params, headers=headers, body=body, timeout=timeout
        )

    def stream(
        self,
        path: str,
        *,
        params: Mapping[str, str],
        headers: Mapping[str, str],
        timeout: float,
    ) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """Open a watch; see `Transport`."""
        return self._inner.stream(path, params=params, headers=headers, timeout=timeout)

    async def close(self) -> None:
        """Close the other transport."""
        await self._inner.close()
