"""file:// artifacts: plain files, and folders (`file:///…/`), below one configured folder.

Hashed in a thread, in pieces. What is unchanged is known by times, sizes and inodes, so that a poll
costs one `stat` a file.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import stat
import threading
import time
from dataclasses import dataclass
from pathlib import Path
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
from tidegate.artifacts.credentials import NO_CREDENTIALS, Credentials
from tidegate.artifacts.fetching import Entry, Stream
from tidegate.artifacts.tree import TreeFile, plain_files, tree_digest
from tidegate.artifacts.uri import file_path, is_folder, path_below
from tidegate.errors import Retryable, Terminal, Unreachable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tidegate.artifacts.base import Clock

DEFAULT_LIMITS = Limits()
_TICK_S = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class FileSource:
    """Files below `root`; with `root` None every file is refused."""

    root: Path | None
    limits: Limits = DEFAULT_LIMITS
    clock: Clock = utc_now

    async def resolve(
        self,
        uri: str,
        *,
        sha256: str | None,
        previous: Resolved | None,
        credentials: Credentials = NO_CREDENTIALS,
    ) -> Resolved:
        """As `ArtifactSource.resolve`; files need no credentials."""
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
        tree = is_folder(uri)
        location = f"{path.as_uri()}/" if tree else path.as_uri()
        if previous is not None and is_settled(previous, location=location, sha256=pinned):
            return previous
        try:
            version = self._version(path, tree=tree)
            if previous is not None and (previous.version, previous.location) == (
                version, location,
            ):  # fmt: skip
                check_pin(uri, found=previous.sha256, pinned=pinned)
                return previous
            names = plain_files(path, max_files=self.limits.max_files) if tree else [""]
            files = self._hashed(uri, path, names=names, stop=stop)
            after = self._version(path, tree=tree)
        except OSError as error:
            raise _unreadable(path, error) from None
        if after != version:
            raise Retryable(
                f"{path} is being written to: write to another name and rename it when done",
                reason=ARTIFACT_CHANGING,
            )
        digest = tree_digest(files) if tree else files[0].sha256
        check_pin(uri, found=digest, pinned=pinned)
        return Resolved(
            version=version,
            location=location,
            sha256=digest,
            size=sum(file.size for file in files),
            at=self.clock(),
            kind="tree" if tree else "file",
        )

    def _hashed(
        self, uri: str, path: Path, *, names: list[str], stop: threading.Event
    ) -> list[TreeFile]:
        """Every file read; the limit counts what was read, for a file may grow meanwhile."""
        found = []
        left = self.limits.max_bytes
        for name in names:
            digest = hashlib.sha256()
            size = 0
            with open(_open_plain(path / name), "rb", buffering=0) as file:
                if os.fstat(file.fileno()).st_size > left:
                    raise too_large(uri, limit=self.limits.max_bytes)
                while (chunk := file.read(CHUNK)) and not stop.is_set():
                    size += len(chunk)
                    if size > left:
                        raise too_large(uri, limit=self.limits.max_bytes)
                    digest.update(chunk)
            left -= size
            found.append(TreeFile(path=name, size=size, sha256=digest.hexdigest()))
        return found

    def _version(self, path: Path, *, tree: bool) -> str:
        """What the file system says of a state: another one after any change."""
        if not tree:
            handle = _open_plain(path)
            try:
                found = os.fstat(handle)
            finally:
                os.close(handle)
            _wait_for_tick(found)
            return _state(found)
        digest = hashlib.sha256()
        for name in plain_files(path, max_files=self.limits.max_files):
            found = (path / name).lstat()
            _wait_for_tick(found)
            digest.update(f"{_state(found)} {name}\n".encode())
        return f"tree:{digest.hexdigest()}"


class FileFetcher:
    """Reads files that are mounted in the pod, below TIDEGATE_FILE_ROOT where that is set."""

    def __init__(self, credentials: Credentials) -> None:
        del credentials  # files need none

    @contextlib.contextmanager
    def open(self, location: str, *, offset: int) -> Iterator[Stream]:
        with open_file(_mounted(location), offset=offset) as stream:
            yield stream

    def files(self, location: str) -> Iterable[Entry]:
        return folder_files(_mounted(location))


@contextlib.contextmanager
def open_file(path: Path, *, offset: int) -> Iterator[Stream]:
    """The bytes of a plain file. Raises as `Fetcher`."""
    try:
        if not path.is_file():
            raise FileNotFoundError(2, "no such file, or not a plain one")
        file = path.open("rb")
    except OSError as error:
        raise _unmounted(path, error) from None
    with file:
        file.seek(offset)
        yield Stream(offset, iter(lambda: file.read(CHUNK), b""))


def folder_files(folder: Path) -> list[Entry]:
    """The files below a folder. Raises as `Fetcher`."""
    try:
        return [
            Entry(path=name, location=(folder / name).as_uri(), size=(folder / name).stat().st_size)
            for name in plain_files(folder)
        ]
    except OSError as error:
        raise _unmounted(folder, error) from None


def _mounted(location: str) -> Path:
    path = file_path(location)
    root = os.environ.get("TIDEGATE_FILE_ROOT")
    return path_below(Path(root), path) if root else path


def _unmounted(path: Path, error: OSError) -> Terminal:
    reason = ARTIFACT_FORBIDDEN if isinstance(error, PermissionError) else ARTIFACT_NOT_FOUND
    return Terminal(
        reason,
        f"{path} cannot be read ({error.strerror}): check spec.artifact.uri, and that the folder "
        "is mounted in the pod",
    )


def _open_plain(path: Path) -> int:
    """Open without following a link put there since it was resolved, and without waiting on a
    pipe. Anything but a plain file is refused.
    """
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    mode = os.fstat(handle).st_mode
    if not stat.S_ISREG(mode):
        os.close(handle)
        todo = "end the URI with / for the whole folder, or name" if stat.S_ISDIR(mode) else "name"
        raise Terminal(
            ARTIFACT_NOT_FOUND, f"{path} is a folder or no plain file: {todo} the model's file"
        )
    return handle


def _state(found: os.stat_result) -> str:
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
