"""pvc:// artifacts: files and folders on a PersistentVolumeClaim of the Model's namespace.

`pvc://claim/path`, or `pvc://claim/path/` for a folder. The operator mounts nobody's volumes, so it
cannot hash what is there: the Model must pin the SHA-256. The init container mounts the claim read
only, verifies, and copies into the cache.
"""

from __future__ import annotations

import contextlib
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote, urlsplit

from tidegate.artifacts.base import Resolved, utc_now
from tidegate.artifacts.credentials import NO_CREDENTIALS, Credentials
from tidegate.artifacts.fetching import Entry, Stream
from tidegate.artifacts.file import folder_files, open_file
from tidegate.artifacts.tree import check_path
from tidegate.artifacts.uri import FILE_OUTSIDE_ROOT, URI_INVALID, is_folder
from tidegate.errors import Terminal

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tidegate.artifacts.base import Clock

PIN_REQUIRED = "PinRequired"
MOUNTED_AT = "TIDEGATE_CLAIM"
"""The variable that says where the init container finds the claim."""

_CLAIM = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")


@dataclass(frozen=True, slots=True)
class OnClaim:
    """A file or folder (`path` ends with `/` or is empty) on a claim."""

    claim: str
    path: str


def on_claim(uri: str) -> OnClaim:
    """What a pvc:// URI names.

    :raises Terminal: UriInvalid, UnsafePath.
    """
    parts = urlsplit(uri)
    if not _CLAIM.fullmatch(parts.netloc) or parts.query or parts.fragment:
        raise Terminal(
            URI_INVALID,
            f"{uri!r} names no file on a claim: write pvc://claim/path, or pvc://claim/path/ for "
            "a folder",
        )
    path = unquote(parts.path).removeprefix("/")
    if path.rstrip("/"):
        check_path(path.removesuffix("/"))
    return OnClaim(parts.netloc, path)


@dataclass(frozen=True, slots=True, kw_only=True)
class PvcSource:
    """Takes the Model's word for what is on a claim; the init container checks it."""

    clock: Clock = utc_now

    async def resolve(
        self,
        uri: str,
        *,
        sha256: str | None,
        previous: Resolved | None,
        credentials: Credentials = NO_CREDENTIALS,
    ) -> Resolved:
        """As `ArtifactSource.resolve`; also raises Terminal(PinRequired)."""
        on_claim(uri)
        if sha256 is None:
            raise Terminal(
                PIN_REQUIRED,
                f"{uri} is on a volume that the operator does not mount: give the artifact's "
                "SHA-256 in spec.artifact.sha256 (docs/artifacts.md says how a folder's is made)",
            )
        pinned = sha256.lower()
        if previous is not None and (previous.location, previous.sha256) == (uri, pinned):
            return previous
        return Resolved(
            version=f"sha256:{pinned}",
            location=uri,
            sha256=pinned,
            size=0,
            at=self.clock(),
            kind="tree" if is_folder(uri) else "file",
        )

    async def close(self) -> None:
        """Nothing is held open."""


class PvcFetcher:
    """Reads from the claim that is mounted in the init container."""

    def __init__(self, credentials: Credentials) -> None:
        del credentials  # a mounted volume needs none
        self._root = Path(os.environ.get(MOUNTED_AT, "/nowhere"))

    @contextlib.contextmanager
    def open(self, location: str, *, offset: int) -> Iterator[Stream]:
        with open_file(self._below(location), offset=offset) as stream:
            yield stream

    def files(self, location: str) -> Iterable[Entry]:
        folder = location.rstrip("/")
        return [
            Entry(path=entry.path, location=f"{folder}/{quote(entry.path)}", size=entry.size)
            for entry in folder_files(self._below(location))
        ]

    def _below(self, location: str) -> Path:
        path = (self._root / on_claim(location).path).resolve()
        if not path.is_relative_to(self._root.resolve()):
            raise Terminal(
                FILE_OUTSIDE_ROOT,
                f"{location} is a link that leads out of the claim: put the file itself there",
            )
        return path
