"""Fetches contents of a DVC remote, in a model pod: neither git nor DVC is needed there.

What the location was resolved to was checked against its MD5s by the Job that resolved it; here the
SHA-256 decides, as everywhere.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from tidegate.artifacts.dvc.access import remote_credentials
from tidegate.artifacts.dvc.place import LIST_BYTES, Content, content_of, listed_files
from tidegate.artifacts.fetching import Entry, fetcher_for
from tidegate.artifacts.uri import URI_INVALID, shown
from tidegate.errors import Terminal

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tidegate.artifacts.credentials import Credentials
    from tidegate.artifacts.fetching import Stream


class DvcFetcher:
    """Fetches from the stores that remotes are made of, each by its own fetcher."""

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials

    @contextlib.contextmanager
    def open(self, location: str, *, offset: int) -> Iterator[Stream]:
        """See `Fetcher`."""
        address = content_of(location).address
        fetcher = fetcher_for(address, remote_credentials(address, self._credentials))
        with fetcher.open(address, offset=offset) as stream:
            yield stream

    def files(self, location: str) -> Iterable[Entry]:
        """See `Fetcher`: as the list of the folder says."""
        folder = content_of(location)
        found = listed_files(self.list_of(folder), folder)
        return [Entry(path=path, location=file.location) for path, file in found.items()]

    def list_of(self, folder: Content) -> bytes:
        """The list of a folder's files, as it lies there. Raises as `open`."""
        received = bytearray()
        with self.open(folder.location, offset=0) as stream:
            for chunk in stream.chunks:
                received += chunk
                if len(received) > LIST_BYTES:
                    raise Terminal(
                        URI_INVALID, f"{shown(folder.location)} is too large for a list of files"
                    )
        return bytes(received)
