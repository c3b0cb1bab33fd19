"""The artifact cache of a pod, or of several: `<cache>/sha256/<hex>`, addressed by content.

Something appears there only whole: a file, or a folder for a tree, is made under a hidden name
beside it and renamed. Several pods may share the cache: one holds the digest's lock, the others
wait. Knows nothing of where artifacts come from.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import shutil
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tidegate.artifacts.credentials import NO_CREDENTIALS, Credentials
from tidegate.artifacts.tree import MAX_FILES, plain_files
from tidegate.errors import Terminal
from tidegate.serving import failure

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tidegate.artifacts.base import Kind

DEFAULT_MAX_BYTES = 10 * 1024**3
FULL = (errno.ENOSPC, errno.EDQUOT)
_LOCK_POLL_S = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What to fetch. `deadline` is of time.monotonic(); `max_bytes` and `max_files` are limits.

    With `kind` tree, `sha256` is that of the tree's manifest.
    """

    source: str
    sha256: str
    cache: Path
    deadline: float
    kind: Kind = "file"
    max_bytes: int = DEFAULT_MAX_BYTES
    max_files: int = MAX_FILES
    credentials: Credentials = NO_CREDENTIALS

    @property
    def target(self) -> Path:
        return self.cache / "sha256" / self.sha256

    def beside(self, suffix: str) -> Path:
        return self.cache / "sha256" / f".{self.sha256}.{suffix}"


@contextlib.contextmanager
def locked(wanted: Wanted) -> Iterator[None]:
    """Hold the digest's lock; it ends with the process, however that ends.

    :raises Terminal: Unreachable: another pod kept it all the time; CacheUnusable: what is done
        within met a full or broken disk.
    """
    try:
        wanted.target.parent.mkdir(parents=True, exist_ok=True)
        with locked_file(wanted.beside("lock"), deadline=wanted.deadline):
            yield
    except OSError as error:
        if error.errno in FULL:
            raise Terminal(
                failure.CACHE_UNUSABLE,
                f"the artifact cache is full ({error.strerror}), and nothing in it may go: make "
                f"the volume mounted at {wanted.cache} larger, lower spec.revisionHistoryLimit of "
                "the Models that share it, or set TIDEGATE_CACHE_LIMIT_BYTES (docs/artifacts.md "
                "says what is removed then)",
            ) from None
        raise Terminal(
            failure.CACHE_UNUSABLE,
            f"the artifact cache cannot be used ({error.strerror}): check the volume mounted at "
            f"{wanted.cache}, and that the pod's user may write to it",
        ) from None


@contextlib.contextmanager
def locked_file(path: Path, *, deadline: float) -> Iterator[None]:
    """Hold the lock of a file that is never removed, which is made where it is missing.

    :raises Terminal: Unreachable: another pod kept it all the time.
    """
    with path.open("a") as file:
        _wait_for(file.fileno(), deadline=deadline)
        yield


def hold_lease(artifact: Path) -> None:
    """Say as long as this process lives that it reads an artifact of the cache.

    What is not in a cache has no lease; and on a disk without locks nothing is ever removed.
    """
    try:
        handle = os.open(artifact.with_name(f".{artifact.name}.lease"), os.O_RDONLY)
    except OSError:
        return
    # Never closed: the lease ends with the process, however that ends.
    with contextlib.suppress(OSError):
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)


def _wait_for(handle: int, *, deadline: float) -> None:
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise Terminal(
                    failure.UNREACHABLE,
                    "another pod has been fetching this artifact all the time: see its log, and "
                    "raise the time limit if artifacts are that large",
                ) from None
            time.sleep(_LOCK_POLL_S)


def is_whole(wanted: Wanted) -> bool:
    """Whether the artifact is there and as it was when it was verified.

    The server hashes it again before it loads it; this only saves the fetch.
    """
    try:
        noted = json.loads(wanted.beside("ok").read_bytes())
        return bool(noted == _mark(wanted))
    except (OSError, ValueError, Terminal):
        return False


def publish(wanted: Wanted, made: Path) -> None:
    """Give what was verified its name, and note what it looks like, surviving a power cut.

    The bytes of `made` (a file, or a folder with its files) must have reached the disk.
    """
    if wanted.kind == "tree":
        for path in plain_files(made, max_files=wanted.max_files):
            (made / path).chmod(0o444)
    else:
        made.chmod(0o444)
    if wanted.target.is_dir() or (wanted.kind == "tree" and wanted.target.exists()):
        remove(wanted.target)  # spoilt: a rename does not replace a folder that holds something
    made.rename(wanted.target)
    note = wanted.beside("ok.new")
    with note.open("w") as file:
        json.dump(_mark(wanted), file)
        file.flush()
        os.fsync(file.fileno())
    note.rename(wanted.beside("ok"))
    sync_folder(wanted.target.parent)


def remove(path: Path) -> None:
    """Remove a file, or a folder with all that is in it; nothing where there is neither."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def sync_folder(path: Path) -> None:
    """Bring the names in a folder to the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _mark(wanted: Wanted) -> dict[str, Any]:
    if wanted.kind == "file":
        found = wanted.target.stat()
        return {"size": found.st_size, "mtime_ns": found.st_mtime_ns}
    marks = {}
    for path in plain_files(wanted.target, max_files=wanted.max_files):
        found = (wanted.target / path).stat()
        marks[path] = [found.st_size, found.st_mtime_ns]
    return {"files": marks}
