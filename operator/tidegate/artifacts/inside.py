"""Looking into a tree without fetching it: which files it has, and what one of them says.

For what the operator has to know before it makes a revision. Answers are bounded in size and time;
what a pod loads is told by the tree's digest, and verified there.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from tidegate.artifacts.fetching import fetcher_for
from tidegate.artifacts.in_time import in_time, limited_to
from tidegate.artifacts.mlflow import pickles
from tidegate.artifacts.tree import MAX_FILES, too_many
from tidegate.artifacts.uri import scheme_of, shown
from tidegate.errors import Terminal, Unreachable

if TYPE_CHECKING:
    from collections.abc import Callable

    from tidegate.artifacts.base import Resolved
    from tidegate.artifacts.credentials import Credentials
    from tidegate.artifacts.fetching import Entry, Fetcher

TOO_LARGE = "TooLarge"
TOTAL_S = 30.0
_UNSEEN = ("pvc",)
"""Schemes of what only a pod can see."""


def is_seen(location: str) -> bool:
    """Whether what is at a location can be looked at from here, and not by a pod alone."""
    return scheme_of(location) not in _UNSEEN


async def check_no_pickle(found: Resolved, credentials: Credentials) -> None:
    """Check that an MLflow model's folder is no pickle, by its file `MLmodel`. What cannot be seen
    from here (a claim, an archive) is checked by the init container alone.

    :raises Terminal: FormatUnsafe; LoadFailed: the file cannot be read. What the source raises.
    :raises Unreachable: no answer in time.
    """
    if found.kind != "tree" or not is_seen(found.location):
        return
    said = await within(lambda: _mlmodel(found.location, credentials), found.location)
    if said is not None:
        pickles.check_no_pickle(said, what=shown(found.location))


async def within[T](look: Callable[[], T], location: str, *, total_s: float | None = None) -> T:
    """What a look at a location finds, in a thread and in time (seconds).

    :raises Unreachable: no answer in time.
    """
    limit_s = TOTAL_S if total_s is None else total_s
    try:
        with limited_to(limit_s):
            async with asyncio.timeout(limit_s):
                return await asyncio.to_thread(look)
    except TimeoutError:
        raise Unreachable(f"{shown(location)} did not answer within {limit_s:.0f} s") from None


def entries_of(fetcher: Fetcher, location: str) -> list[Entry]:
    """The entries of a tree. Blocks.

    :raises Terminal: TooManyFiles, or what the source says.
    """
    found = []
    for entry in fetcher.files(location):
        found.append(entry)
        if len(found) > MAX_FILES:
            raise too_many(shown(location), limit=MAX_FILES)
    return found


def read(fetcher: Fetcher, place: str, *, limit: int) -> bytes:
    """All bytes of a small file. Blocks.

    :raises Terminal: TooLarge, or what the source says.
    """
    received = bytearray()
    with fetcher.open(place, offset=0) as stream:
        for chunk in in_time(stream.chunks):
            received += chunk
            if len(received) > limit:
                raise Terminal(
                    TOO_LARGE, f"{shown(place)} is larger than {limit} bytes: make it anew"
                )
    return bytes(received)


def _mlmodel(location: str, credentials: Credentials) -> bytes | None:
    fetcher = fetcher_for(location, credentials)
    for entry in entries_of(fetcher, location):
        if entry.path == pickles.NAME and entry.archive is None:
            return read(fetcher, entry.location, limit=pickles.MAX_BYTES)
    return None
