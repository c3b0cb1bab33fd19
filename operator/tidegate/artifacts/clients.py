"""HTTP clients of the operator: one that all Models share, one for each authority of a Secret."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from tidegate.artifacts.credentials import NO_CREDENTIALS, Credentials

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    import httpx

AUTHORITY = "ca.crt"
"""Key of a Secret: the certificate of the authority that the server's was signed by."""


class Clients:
    """Makes clients when they are first used. Close it; the shared one keeps connections open.

    A client for the authority that a Secret names is that Model's alone and ends with its use:
    what one Secret trusts must not be trusted for another.
    """

    def __init__(self, make: Callable[[Credentials], httpx.AsyncClient]) -> None:
        self._make = make
        self._shared: httpx.AsyncClient | None = None

    @asynccontextmanager
    async def of(self, credentials: Credentials) -> AsyncIterator[httpx.AsyncClient]:
        """The client for requests with these credentials, which are given with each request.

        :raises Terminal: CredentialsInvalid: the authority is no certificate.
        """
        if credentials.get(AUTHORITY) is not None:
            async with self._make(credentials) as own:
                yield own
            return
        if self._shared is None:
            self._shared = self._make(NO_CREDENTIALS)
        yield self._shared

    async def close(self) -> None:
        """Close what is open."""
        if self._shared is not None:
            await self._shared.aclose()
            self._shared = None
