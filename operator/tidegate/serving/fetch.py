"""The init container of a model pod: bring one artifact into the cache, verified.

    python -m tidegate.serving.fetch --source URI --sha256 HEX --cache DIR [--kind tree]

Bytes go to a hidden file beside their place in the cache, are hashed while they pass, reach the
disk, and are then renamed. What a broken connection or a killed pod leaves behind is continued, and
since the digest decides, a continuation of something else is noticed and started over. Credentials
are read from the folder where their Secret is mounted, never from arguments.

Where the artifact is fetched, `profile.json` beside it (in it, for a tree) comes along if it is
there, as `<cache>/sha256/<hex>.profile.json`. It is no part of a file's digest: it says how to
count, no more.

Ends with 1 and a JSON line (failure.py) when it cannot be done.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tidegate.artifacts.credentials import NO_CREDENTIALS, mounted
from tidegate.artifacts.fetching import fetcher_for
from tidegate.artifacts.tree import MAX_FILES
from tidegate.artifacts.uri import beside, scheme_of, shown
from tidegate.errors import Retryable, Terminal, Unreachable
from tidegate.serving import failure
from tidegate.serving.cache import (
    DEFAULT_MAX_BYTES,
    FULL,
    Wanted,
    is_whole,
    locked,
    publish,
    remove,
)
from tidegate.serving.download import Bounds, download
from tidegate.serving.eviction import free_some, make_lock, make_room, note_use, read_keep
from tidegate.serving.folder import fetch_tree
from tidegate.serving.settings import PROFILE_NAME, profile_beside

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tidegate.artifacts.fetching import Fetcher
    from tidegate.serving.eviction import Keep

log = logging.getLogger(__name__)

DEFAULT_TIMEOUT_S = 600.0
WITH_NEIGHBOURS = ("file", "pvc", "http", "https", "s3", "gs", "az", "azure")
"""Schemes in which a file has a folder, and so may have a profile beside it."""
_PROFILE_BYTES = 1024 * 1024
_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """What keeps a shared cache from filling up: a limit in bytes (0: nothing is ever removed), the
    file with what must stay, and how many bytes the artifact has (0: nobody knows)."""

    limit: int = 0
    keep: Path | None = None
    size: int = 0


def fetch(wanted: Wanted, room: Room = Room()) -> Path:
    """The path of the verified artifact in the cache, fetched if it is not there yet.

    :raises Terminal: it cannot be had; the message says what to do.
    """
    keep = read_keep(room.keep)
    movable = keep if room.limit > 0 else None
    make_lock(wanted, movable)
    with locked(wanted):
        note_use(wanted, keep)
        if is_whole(wanted):
            log.info("already in the cache sha256=%s", wanted.sha256)
        else:
            make_room(wanted, keep, limit=room.limit, size=room.size)
            # A pod that finds its artifact in the cache never imports what would fetch it.
            fetcher = fetcher_for(wanted.source, wanted.credentials)
            _fetch_until(wanted, fetcher, movable)
            _bring_profile(wanted, fetcher)
            note_use(wanted, keep)
    return wanted.target


def check_no_pickle(folder: Path, *, what: str) -> None:
    """Check that an MLflow model's folder is no pickle by what its `MLmodel` says, before a server
    can load it. A folder without that file is left to whoever loads it.

    :raises Terminal: FormatUnsafe, LoadFailed.
    """
    # Late: most artifacts are none of MLflow's, and need no reader of YAML.
    from tidegate.artifacts.mlflow import pickles

    try:
        with (folder / pickles.NAME).open("rb") as file:
            # One byte more than there may be: what is cut off could name the pickle.
            pickles.check_no_pickle(file.read(pickles.MAX_BYTES + 1), what=shown(what))
    except (FileNotFoundError, NotADirectoryError):
        return


def _fetch_until(wanted: Wanted, fetcher: Fetcher, keep: Keep | None) -> None:
    """Try until it is there, the deadline passes, or trying again cannot help. On a full disk: as
    long as something may go by the list of what must stay."""
    pause = _FIRST_PAUSE_S
    while True:
        started = time.monotonic()
        try:
            fetch_one = fetch_tree if wanted.kind == "tree" else _fetch_file
            size = fetch_one(wanted, fetcher)
            seconds = time.monotonic() - started
            log.info("fetched sha256=%s bytes=%d seconds=%.1f", wanted.sha256, size, seconds)
            return
        except OSError as error:
            if error.errno not in FULL or not free_some(wanted, keep):
                raise
        except Retryable as error:
            if wanted.deadline - time.monotonic() <= pause:
                raise Terminal(error.reason, error.message) from None
            log.warning("trying again seconds=%.1f because=%s", pause, error.message)
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_S)


def _fetch_file(wanted: Wanted, fetcher: Fetcher) -> int:
    """Bring a file into the cache; the number of its bytes."""
    partial = wanted.beside("partial")
    bounds = Bounds(left=wanted.max_bytes, limit=wanted.max_bytes, deadline=wanted.deadline)
    got = download(fetcher, wanted.source, partial, bounds=bounds, sha256=wanted.sha256)
    if got.sha256 != wanted.sha256:
        remove(partial)
        if got.continued:
            raise Unreachable("what was continued does not fit its beginning; it is started over")
        raise Terminal(
            failure.DIGEST_MISMATCH,
            f"{shown(wanted.source)} has sha256 {got.sha256}, wanted is {wanted.sha256}: "
            "the file there was changed after it was resolved. Put the right one back, or have the "
            "new one resolved: set spec.artifact.sha256 to its digest, or register it as a version",
        )
    publish(wanted, partial)
    return got.size


def _bring_profile(wanted: Wanted, fetcher: Fetcher) -> None:
    """Bring the profile along. One try: most models have none, and none needs one to serve."""
    if wanted.kind == "tree":
        inside = wanted.target / PROFILE_NAME
        if inside.is_file() and inside.stat().st_size <= _PROFILE_BYTES:
            _place_profile(wanted, inside.read_bytes())
        return
    if scheme_of(wanted.source) not in WITH_NEIGHBOURS:
        return
    content = bytearray()
    try:
        with fetcher.open(beside(wanted.source, PROFILE_NAME), offset=0) as stream:
            for chunk in stream.chunks:
                content += chunk
                if len(content) > _PROFILE_BYTES or time.monotonic() > wanted.deadline:
                    log.warning("no profile: larger than %d bytes, or too slow", _PROFILE_BYTES)
                    return
    except (Terminal, Retryable) as error:
        log.info("no profile beside the artifact because=%s", error.reason)
        return
    _place_profile(wanted, bytes(content))


def _place_profile(wanted: Wanted, content: bytes) -> None:
    partial = wanted.beside("profile.partial")
    partial.write_bytes(content)
    partial.chmod(0o444)
    partial.rename(profile_beside(wanted.target))
    log.info("fetched the profile bytes=%d", len(content))


def _digest(text: str) -> str:
    digest = text.lower().removeprefix("sha256:")
    if len(digest) != 64 or set(digest) - set("0123456789abcdef"):
        raise argparse.ArgumentTypeError("a SHA-256 digest has 64 hex digits")
    return digest


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="tidegate.serving.fetch", description=__doc__)
    parser.add_argument("--source", required=True, help="where the artifact is, a URI")
    parser.add_argument("--kind", choices=["file", "tree"], default="file", help="what it is")
    parser.add_argument("--sha256", required=True, type=_digest, help="what it must be")
    parser.add_argument("--no-pickle", action="store_true", help="refuse a pickle of MLflow's")
    parser.add_argument("--cache", required=True, type=Path, help="folder of the cache")
    parser.add_argument("--credentials", type=Path, help="folder where their Secret is mounted")
    parser.add_argument("--secret", default="", help="name of that Secret, for messages")
    parser.add_argument("--max-bytes", type=int, default=DEFAULT_MAX_BYTES, help="size limit")
    parser.add_argument("--max-files", type=int, default=MAX_FILES, help="limit of a tree")
    parser.add_argument("--size", type=int, default=0, help="its bytes, where they are known")
    parser.add_argument("--cache-limit", type=int, default=0, help="bytes; 0: there is no limit")
    parser.add_argument("--cache-keep", type=Path, help="what must stay, from the operator")
    parser.add_argument("--timeout", type=float, default=DEFAULT_TIMEOUT_S, help="seconds in all")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Fetch what the arguments name; the exit code."""
    logging.basicConfig(
        stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s"
    )
    given = _arguments(arguments)
    try:
        wanted = _wanted(given)
        room = Room(limit=given.cache_limit, keep=given.cache_keep, size=given.size)
        path = fetch(wanted, room)
        if signed_by := os.environ.get("TIDEGATE_SIGNED_BY"):
            # Late: few pods check signatures, and this costs 6 MB.
            from tidegate.serving.signed import check_signed

            check_signed(wanted, signed_by)
        if given.no_pickle:
            check_no_pickle(path, what=given.source)
    except Terminal as error:
        failure.report(error)
        return 1
    except Retryable as error:
        failure.report(Terminal(error.reason, error.message))
        return 1
    return 0


def _wanted(given: argparse.Namespace) -> Wanted:
    credentials = NO_CREDENTIALS
    if given.credentials is not None:
        credentials = mounted(given.credentials, name=given.secret)
    return Wanted(
        source=given.source,
        sha256=given.sha256,
        cache=given.cache,
        deadline=time.monotonic() + given.timeout,
        kind=given.kind,
        max_bytes=given.max_bytes,
        max_files=given.max_files,
        credentials=credentials,
    )


if __name__ == "__main__":
    sys.exit(main())
