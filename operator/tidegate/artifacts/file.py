"""file:// artifacts: plain files below one configured folder. Hashed in a thread, in pieces.

An unchanged file is known by its time, size and inode, so that a poll costs one `stat`.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import stat
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tidegate.artifacts.base import (
    ARTIFACT_CHANGING,
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
from tidegate.artifacts.uri import file_path, path_below
from tidegate.errors import Retryable, Terminal, Unreachable

if TYPE_CHECKING:
    from pathlib import Path

    from tidegate.artifacts.base import Clock

DEFAULT_LIMITS = Limits()
_TICK_S = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class FileSource:
    """Files below `root`; with `root` None every file is refused."""

    root: Path | None
    limits: Limits = DEFAULT_LIMITS
    clock: Clock = utc_now

    async def resolve(self, uri: str, *, sha256: str | None, previous: Resolved | None) -> Resolved:
        stop = threading.Event()
        try:
            async with asyncio.timeout(self.limits.total_s):
                return await asyncio.to_thread(self._resolve, uri, sha256, previous, stop)
        except TimeoutError:
            raise Unreachable(
                f"{uri} could not be read within {self.limits.total_s:.0f} seconds: check the "
                "disk or network share that it is on"
            ) from None
        finally:
            stop.set()  # a thread is not cancelled with its caller; it looks at this

    async def close(self) -> None:
        """Nothing is held open."""

    def _resolve(
        self, uri: str, pinned: str | None, previous: Resolved | None, stop: threading.Event
    ) -> Resolved:
        path = path_below(self.root, file_path(uri))
        location = path.as_uri()
        if previous is not None and is_settled(previous, location=location, sha256=pinned):
            return previous
        try:
            with open(_open_plain(path), "rb", buffering=0) as file:
                before = os.fstat(file.fileno())
                version = _version(before)
                known = previous is not None and previous.version == version
                if previous is not None and known and previous.location == location:
                    check_pin(uri, found=previous.sha256, pinned=pinned)
                    return previous
                if before.st_size > self.limits.max_bytes:
                    raise too_large(uri, limit=self.limits.max_bytes)
                _wait_for_tick(before)
                digest = hashlib.sha256()
                while (chunk := file.read(CHUNK)) and not stop.is_set():
                    digest.update(chunk)
                after = os.fstat(file.fileno())
        except OSError as error:
            raise _unreadable(path, error) from None
        if _version(after) != version:
            raise Retryable(
                f"{path} is being written to: write to another name and rename it when done",
                reason=ARTIFACT_CHANGING,
            )
        check_pin(uri, found=digest.hexdigest(), pinned=pinned)
        return Resolved(
            version=version,
            location=location,
            sha256=digest.hexdigest(),
            size=after.st_size,
            at=self.clock(),
        )


def _open_plain(path: Path) -> int:
    """Open without following a link put there since it was resolved, and without waiting on a
    pipe. Anything but a plain file is refused.
    """
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise Terminal(
            ARTIFACT_NOT_FOUND, f"{path} is a folder or no plain file: name the model's file"
        )
    return handle


def _version(found: os.stat_result) -> str:
    return f"mtime:{found.st_mtime_ns},size:{found.st_size},inode:{found.st_ino}"


def _wait_for_tick(found: os.stat_result) -> None:
    """Wait until a later write must leave another time stamp: file systems count in ticks."""
    if 0 <= time.time() - found.st_mtime < _TICK_S:
        time.sleep(_TICK_S)


def _unreadable(path: Path, error: OSError) -> Terminal:
    if isinstance(error, PermissionError):
        return Terminal(
            ARTIFACT_FORBIDDEN, f"{path} may not be read by the operator: change its permissions"
        )
    return Terminal(
        ARTIFACT_NOT_FOUND,
        f"{path} cannot be read ({error.strerror}): correct spec.artifact.uri, or put it there",
    )
