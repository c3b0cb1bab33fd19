"""The init container of a model pod: bring one artifact into the cache, verified.

    python -m tidegate.serving.fetch --source URI --sha256 HEX --cache DIR

The cache is addressed by content: `<cache>/sha256/<hex>`. A file appears there only whole: bytes
go to `.<hex>.partial`, are hashed while they pass, reach the disk, and are then renamed. Several
pods may share the cache: one fetches, the others wait for its lock. What a broken connection or a
killed pod leaves behind is continued, and since the digest decides, a continuation of something
else is noticed and started over.

Where the artifact is fetched, `profile.json` beside it comes along if it is there, as
`<cache>/sha256/<hex>.profile.json`. It is no part of the digest: it says how to count, no more.

Ends with 1 and a JSON line (failure.py) when it cannot be done.
"""

from __future__ import annotations

import argparse
import contextlib
import errno
import fcntl
import hashlib
import json
import logging
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from tidegate.artifacts.uri import beside, shown
from tidegate.errors import Retryable, Terminal, Unreachable
from tidegate.serving import failure
from tidegate.serving.settings import PROFILE_NAME, profile_beside

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

log = logging.getLogger(__name__)

DEFAULT_TIMEOUT_S = 600.0
DEFAULT_MAX_BYTES = 10 * 1024**3
_CHUNK = 1024 * 1024
_PROFILE_BYTES = 1024 * 1024
_LOCK_POLL_S = 0.1
_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What to fetch. `deadline` is of time.monotonic(); `max_bytes` is a limit, not a size."""

    source: str
    sha256: str
    cache: Path
    max_bytes: int = DEFAULT_MAX_BYTES
    deadline: float

    @property
    def target(self) -> Path:
        return self.cache / "sha256" / self.sha256

    def beside(self, suffix: str) -> Path:
        return self.cache / "sha256" / f".{self.sha256}.{suffix}"


def fetch(wanted: Wanted) -> Path:
    """The path of the verified artifact in the cache, fetched if it is not there yet.

    :raises Terminal: it cannot be had; the message says what to do.
    """
    try:
        wanted.target.parent.mkdir(parents=True, exist_ok=True)
        with _lock(wanted):
            if _is_whole(wanted):
                log.info("already in the cache sha256=%s", wanted.sha256)
            else:
                _fetch_until(wanted)
                _fetch_profile(wanted)
    except OSError as error:
        what = "is full" if error.errno in (errno.ENOSPC, errno.EDQUOT) else "cannot be used"
        raise Terminal(
            failure.CACHE_UNUSABLE,
            f"the artifact cache {what} ({error.strerror}): check the size of the volume mounted "
            f"at {wanted.cache}, and that the pod's user may write to it",
        ) from None
    return wanted.target


@contextlib.contextmanager
def _lock(wanted: Wanted) -> Iterator[None]:
    """Hold the digest's lock; it ends with the process, however that ends."""
    with wanted.beside("lock").open("w") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > wanted.deadline:
                    raise Terminal(
                        failure.UNREACHABLE,
                        "another pod has been fetching this artifact all the time: see its log, "
                        "and raise the time limit if artifacts are that large",
                    ) from None
                time.sleep(_LOCK_POLL_S)
        yield


def _is_whole(wanted: Wanted) -> bool:
    """Whether the artifact is there and as it was when it was verified.

    The server hashes it again before it loads it; this only saves the fetch.
    """
    try:
        noted = json.loads(wanted.beside("ok").read_bytes())
        found = wanted.target.stat()
    except (OSError, ValueError):
        return False
    return bool(noted == _mark(found))


def _mark(found: os.stat_result) -> dict[str, int]:
    return {"size": found.st_size, "mtime_ns": found.st_mtime_ns}


def _fetch_until(wanted: Wanted) -> None:
    """Try until it is there, the deadline passes, or trying again cannot help."""
    pause = _FIRST_PAUSE_S
    while True:
        try:
            _fetch_once(wanted)
            return
        except Retryable as error:
            if wanted.deadline - time.monotonic() <= pause:
                raise Terminal(error.reason, error.message) from None
            log.warning("trying again seconds=%.1f because=%s", pause, error.message)
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_S)


def _fetch_once(wanted: Wanted) -> None:
    # Imported late: a pod that finds its artifact in the cache has no use for an HTTP client.
    from tidegate.serving.transfer import open_source

    started = time.monotonic()
    partial = wanted.beside("partial")
    with partial.open("a+b") as file:
        digest = _digest_of(file)
        offset = file.tell()
        if digest.hexdigest() != wanted.sha256:
            with open_source(wanted.source, offset=offset) as stream:
                if stream.offset < offset:
                    file.truncate(0)
                    digest, offset = hashlib.sha256(), 0
                _receive(stream.chunks, file, digest, wanted)
        size = file.tell()
        file.flush()
        os.fsync(file.fileno())
    if digest.hexdigest() != wanted.sha256:
        partial.unlink()
        if offset:
            raise Unreachable("what was continued does not fit its beginning; it is started over")
        raise Terminal(
            failure.DIGEST_MISMATCH,
            f"{shown(wanted.source)} has sha256 {digest.hexdigest()}, wanted is {wanted.sha256}: "
            "the file there was changed. Put the right one back, or set spec.artifact.sha256 to "
            "the new digest",
        )
    _publish(wanted, partial)
    log.info(
        "fetched sha256=%s bytes=%d from=%d seconds=%.1f",
        wanted.sha256,
        size,
        offset,
        time.monotonic() - started,
    )


def _fetch_profile(wanted: Wanted) -> None:
    """Bring the profile along. One try: most models have none, and none needs one to serve."""
    from tidegate.serving.transfer import open_source

    target = profile_beside(wanted.target)
    content = bytearray()
    try:
        with open_source(beside(wanted.source, PROFILE_NAME), offset=0) as stream:
            for chunk in stream.chunks:
                content += chunk
                if len(content) > _PROFILE_BYTES or time.monotonic() > wanted.deadline:
                    log.warning("no profile: larger than %d bytes, or too slow", _PROFILE_BYTES)
                    return
    except (Terminal, Retryable) as error:
        log.info("no profile beside the artifact because=%s", error.reason)
        return
    partial = wanted.beside("profile.partial")
    partial.write_bytes(content)
    partial.chmod(0o444)
    partial.rename(target)
    log.info("fetched the profile bytes=%d", len(content))


def _digest_of(file: IO[bytes]) -> Any:
    """The hash of what is in the file already; leaves its position at the end."""
    digest = hashlib.sha256()
    file.seek(0)
    while chunk := file.read(_CHUNK):
        digest.update(chunk)
    return digest


def _receive(chunks: Iterator[bytes], file: IO[bytes], digest: Any, wanted: Wanted) -> None:
    """Write and hash what comes, within the limits of size and time."""
    size = file.seek(0, os.SEEK_END)
    for chunk in chunks:
        size += len(chunk)
        if size > wanted.max_bytes:
            wanted.beside("partial").unlink()
            raise Terminal(
                failure.TOO_LARGE,
                f"{shown(wanted.source)} is larger than {wanted.max_bytes} bytes, the limit for "
                "artifacts: make the model smaller, or raise the limit",
            )
        if time.monotonic() > wanted.deadline:
            raise Unreachable(
                f"{shown(wanted.source)} did not arrive in time ({size} bytes did): raise the "
                "time limit, or move the artifact nearer"
            )
        file.write(chunk)
        digest.update(chunk)


def _publish(wanted: Wanted, partial: Path) -> None:
    """Give the verified file its name, and note what it looks like, surviving a power cut."""
    partial.chmod(0o444)
    partial.rename(wanted.target)
    note = wanted.beside("ok.new")
    with note.open("w") as file:
        json.dump(_mark(wanted.target.stat()), file)
        file.flush()
        os.fsync(file.fileno())
    note.rename(wanted.beside("ok"))
    folder = os.open(wanted.target.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _digest(text: str) -> str:
    digest = text.lower().removeprefix("sha256:")
    if len(digest) != 64 or set(digest) - set("0123456789abcdef"):
        raise argparse.ArgumentTypeError("a SHA-256 digest has 64 hex digits")
    return digest


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="tidegate.serving.fetch", description=__doc__)
    parser.add_argument("--source", required=True, help="file:// or http(s):// address")
    parser.add_argument("--sha256", required=True, type=_digest, help="what it must be")
    parser.add_argument("--cache", required=True, type=Path, help="folder of the cache")
    parser.add_argument("--max-bytes", type=int, default=DEFAULT_MAX_BYTES, help="size limit")
    parser.add_argument("--timeout", type=float, default=DEFAULT_TIMEOUT_S, help="seconds in all")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Fetch what the arguments name; the exit code."""
    logging.basicConfig(
        stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s"
    )
    logging.getLogger("httpx").setLevel(logging.WARNING)  # it logs whole addresses
    given = _arguments(arguments)
    wanted = Wanted(
        source=given.source,
        sha256=given.sha256,
        cache=given.cache,
        max_bytes=given.max_bytes,
        deadline=time.monotonic() + given.timeout,
    )
    try:
        fetch(wanted)
    except Terminal as error:
        failure.report(error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
