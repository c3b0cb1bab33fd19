"""One file, from a source into a partial file: continued where it broke off, hashed as it passes.

Memory is bounded by a chunk. What the digest must be is the caller's to know: a continuation of
something else than what was begun is noticed there, and started over.
"""

from __future__ import annotations

import hashlib
import os
import time
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

from tidegate.artifacts.uri import shown
from tidegate.errors import Terminal, Unreachable
from tidegate.serving import failure

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tidegate.artifacts.fetching import Fetcher

_CHUNK = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Downloaded:
    """A file that has reached the disk: `size` in bytes, `sha256` in hex. `continued` is how many
    bytes of it were there before."""

    size: int
    sha256: str
    continued: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What a download must keep to: bytes that may come, files that may come out of it, and a time
    of time.monotonic(). `limit` is the size limit of the whole artifact, for the message."""

    left: int
    limit: int
    deadline: float
    max_files: int = 1


def download(
    fetcher: Fetcher,
    location: str,
    partial: Path,
    *,
    bounds: Bounds,
    sha256: str | None = None,
    size: int | None = None,
) -> Downloaded:
    """Bring a file to `partial`. With `sha256` or `size`, what is there already and fits is enough.

    :raises Terminal: TooLarge, or what the source says. :raises Retryable: try again.
    """
    with partial.open("a+b") as file:
        digest = _digest_of(file)
        offset = file.tell()
        if digest.hexdigest() != sha256 and not (sha256 is None and size and offset == size):
            with fetcher.open(location, offset=offset) as stream:
                if stream.offset < offset:
                    file.truncate(0)
                    digest, offset = hashlib.sha256(), 0
                _receive(stream.chunks, file, digest, location=location, bounds=bounds)
        found = Downloaded(size=file.tell(), sha256=digest.hexdigest(), continued=offset)
        file.flush()
        os.fsync(file.fileno())
    return found


def _digest_of(file: IO[bytes]) -> Any:
    """The hash of what is in the file already; leaves its position at the end."""
    digest = hashlib.sha256()
    file.seek(0)
    while chunk := file.read(_CHUNK):
        digest.update(chunk)
    return digest


def _receive(
    chunks: Iterator[bytes], file: IO[bytes], digest: Any, *, location: str, bounds: Bounds
) -> None:
    """Write and hash what comes, within the limits of size and time."""
    size = file.seek(0, os.SEEK_END)
    for chunk in chunks:
        size += len(chunk)
        if size > bounds.left:
            file.truncate(0)
            raise too_large(location, limit=bounds.limit)
        if time.monotonic() > bounds.deadline:
            raise Unreachable(
                f"{shown(location)} did not arrive in time ({size} bytes did): raise the time "
                "limit, or move the artifact nearer"
            )
        file.write(chunk)
        digest.update(chunk)


def too_large(location: str, *, limit: int) -> Terminal:
    return Terminal(
        failure.TOO_LARGE,
        f"{shown(location)} is larger than {limit} bytes, the limit for artifacts: make the model "
        "smaller, or raise the limit",
    )
