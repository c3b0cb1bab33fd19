"""Making room in a cache that pods share: what no revision refers to goes, longest unused first.

A cache may hold the only copy of what serves, so whatever is not certain stays. Something may go
only if all of this holds: the operator's list of what must stay (`Keep`) is there and does not name
it; every use of it was noted, by pods of that list's owner alone; its last use was `GRACE_S` before
now, and as long before the list was written, which may be old; and nobody holds its lock or lease.

It goes by a rename, so that it is there whole or not at all. Locks and leases are never removed:
whoever waits for one would hold another than those who come after.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import logging
import os
import re
import time
import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from tidegate.serving.cache import FULL, locked_file, remove

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from tidegate.serving.cache import Wanted

log = logging.getLogger(__name__)

GRACE_S = 3600.0
"""How long something stays after its last use; clocks may differ by as much."""
NOBODY = "unknown"
"""Who uses a cache without a list of what must stay; what was used so is never removed."""
_TRASH = ".trash."
_PART = re.compile(r"^\.?([0-9a-f]{64})(?:\.(.+))?$")
_USED = "used."
_LASTING = ("lock", "lease")


@dataclass(frozen=True, slots=True)
class Keep:
    """What must stay: `digests` of all revisions of the cache's `owner` at `at` (seconds since
    1970)."""

    owner: str
    at: float
    digests: frozenset[str]


@dataclass(frozen=True, slots=True)
class Held:
    """A digest in the cache: its bytes, who used it, and when last (seconds since 1970)."""

    sha256: str
    size: int
    owners: frozenset[str]
    used: float


def read_keep(path: Path | None) -> Keep | None:
    """The operator's list; None where there is none that can be read: then nothing is removed."""
    if path is None:
        return None
    try:
        said = json.loads(path.read_bytes())
        digests = frozenset(str(digest) for digest in said["digests"])
        return Keep(str(said["owner"]), datetime.fromisoformat(said["at"]).timestamp(), digests)
    except (OSError, ValueError, KeyError, TypeError) as error:
        log.warning("nothing is removed from the cache: no list of what must stay: %s", error)
        return None


def note_use(wanted: Wanted, keep: Keep | None) -> None:
    """Note that the digest is used now, and by whom; with it, the file that its readers lock.

    Call it with the digest's lock held. On a full disk the note may be missing, once: then what was
    noted before holds.
    """
    owner = keep.owner if keep is not None else NOBODY
    for suffix in (f"{_USED}{owner}", "lease"):
        try:
            wanted.beside(suffix).touch(mode=0o644)
        except OSError as error:
            log.warning("cannot note the use of sha256=%s: %s", wanted.sha256, error.strerror)


def may_go(held: Held, keep: Keep, *, now: float) -> bool:
    """Whether something in the cache is needed by nobody, for certain."""
    return (
        held.sha256 not in keep.digests
        and held.owners == {keep.owner}
        and held.used + GRACE_S <= min(now, keep.at)
    )


def make_lock(wanted: Wanted, keep: Keep | None) -> None:
    """Make the file of the digest's lock, on a disk too that has no room for another file; where
    that cannot be done, whoever locks it will say so."""
    with contextlib.suppress(OSError):
        wanted.target.parent.mkdir(parents=True, exist_ok=True)
        while True:
            try:
                wanted.beside("lock").touch(mode=0o644)
                return
            except OSError as error:
                if error.errno not in FULL or not free_some(wanted, keep):
                    return


def make_room(wanted: Wanted, keep: Keep | None, *, limit: int, size: int) -> None:
    """Before a fetch of `size` bytes: bring the cache below `limit` bytes, if that can be done. If
    not, the fetch goes on: there may be room all the same."""
    if keep is None or limit <= 0:
        return
    try:
        _make_room(wanted, keep, limit=limit, size=size)
    except OSError as error:
        log.warning("no room was made in the cache: %s", error)


def _make_room(wanted: Wanted, keep: Keep, *, limit: int, size: int) -> None:
    folder = wanted.target.parent
    with locked_file(folder / ".sweep.lock", deadline=wanted.deadline):
        _empty_trash(folder)
        found = look(folder)
        total = sum(one.size for one in found if one.sha256 != wanted.sha256) + size
        for held in _oldest_first(found, keep, but=wanted.sha256):
            if total <= limit:
                return
            if _removed(folder, held, keep):
                total -= held.size
    if total > limit:
        log.warning("the cache is %d bytes above its limit, and nothing may go", total - limit)


def free_some(wanted: Wanted, keep: Keep | None) -> bool:
    """On a full disk: remove one thing; False when nothing may go."""
    if keep is None:
        return False
    folder = wanted.target.parent
    with locked_file(folder / ".sweep.lock", deadline=wanted.deadline):
        if _empty_trash(folder):
            return True
        return any(
            _removed(folder, held, keep)
            for held in _oldest_first(look(folder), keep, but=wanted.sha256)
        )


def look(folder: Path) -> list[Held]:
    """What is in a cache, finished or not."""
    sizes: dict[str, int] = {}
    uses: dict[str, dict[str, float]] = {}
    for entry in list(os.scandir(folder)):
        match = _PART.match(entry.name)
        if match is None:
            continue
        digest, suffix = match[1], match[2] or ""
        with contextlib.suppress(FileNotFoundError):
            if suffix.startswith(_USED):
                uses.setdefault(digest, {})[suffix.removeprefix(_USED)] = entry.stat().st_mtime
            elif suffix not in _LASTING:
                sizes[digest] = sizes.get(digest, 0) + _size(entry)
    return [
        Held(
            digest,
            size,
            owners=frozenset(uses.get(digest, {})),
            used=max(uses.get(digest, {}).values(), default=0.0),
        )
        for digest, size in sizes.items()
    ]


def _oldest_first(found: Sequence[Held], keep: Keep, *, but: str) -> list[Held]:
    now = time.time()
    may = [held for held in found if held.sha256 != but and may_go(held, keep, now=now)]
    return sorted(may, key=lambda held: held.used)


def _removed(folder: Path, held: Held, keep: Keep) -> bool:
    """Remove a digest, unless somebody has it, or has used it meanwhile."""
    digest = held.sha256
    with contextlib.ExitStack() as stack:
        try:
            for name in _LASTING:
                stack.enter_context(_taken(folder / f".{digest}.{name}"))
        except OSError:  # held, or a disk that has no locks: then nobody knows
            return False
        now = next((one for one in look(folder) if one.sha256 == digest), None)
        if now is None or not may_go(now, keep, now=time.time()):
            return False
        _remove_parts(folder, digest)
    log.info("removed from the cache sha256=%s bytes=%d", digest, held.size)
    return True


def _remove_parts(folder: Path, digest: str) -> None:
    """Remove all of a digest but its locks. Makes nothing new: a full disk has no room for that.

    The artifact first, by a rename: without it nothing takes the rest for whole. The notes of its
    use last: what is left behind by a crash may go at the next try.
    """
    lasting = {f".{digest}.{name}" for name in _LASTING}
    names = {entry.name for entry in os.scandir(folder) if digest in entry.name} - lasting
    marks = {name for name in names if name.startswith(f".{digest}.{_USED}")}
    for name in sorted(names - marks, key=lambda name: (name != digest, name)):
        trash = folder / f"{_TRASH}{uuid.uuid4().hex}"
        (folder / name).rename(trash)
        remove(trash)
    for name in marks:
        (folder / name).unlink(missing_ok=True)


@contextlib.contextmanager
def _taken(path: Path) -> Iterator[None]:
    """Hold a lock that nobody holds; BlockingIOError where somebody does."""
    with path.open("a") as file:
        fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield


def _empty_trash(folder: Path) -> bool:
    """Remove what a crash left half removed; whether there was something."""
    left = [entry.name for entry in os.scandir(folder) if entry.name.startswith(_TRASH)]
    for name in left:
        remove(folder / name)
    return bool(left)


def _size(entry: os.DirEntry[str]) -> int:
    """Bytes of a file, or of all files in a folder."""
    if not entry.is_dir(follow_symlinks=False):
        return entry.stat(follow_symlinks=False).st_size
    return sum(_size(one) for one in os.scandir(entry.path))
