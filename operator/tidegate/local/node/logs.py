"""Reads what containers said: the log provider of the API server.

A container's output goes straight into a file, so nothing here runs while nobody reads. The times
of lines are not known, and asking for them is refused.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

from tidegate.errors import Invalid, NotFound
from tidegate.local.node.states import Running, Snapshot, Waiting

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from tidegate.local.node.surroundings import PodPlace

_CHUNK_BYTES = 64 * 1024
_FOLLOW_EVERY_S = 0.2


class LoggedPod(Protocol):
    """What the reader needs to know of a pod."""

    @property
    def place(self) -> PodPlace:
        """Where the pod keeps its files."""
        ...

    def snapshots(self) -> dict[str, Snapshot]:
        """Return the states of all containers, by name."""
        ...

    def default_container(self) -> str | None:
        """Return the container that is meant when none is named; None if that is not clear."""
        ...


class NodeLogs:
    """Implements the API server's LogProvider."""

    def __init__(self, find: Callable[[str, str], LoggedPod | None]) -> None:
        self._find = find

    def read(
        self,
        namespace: str,
        pod: str,
        container: str,
        *,
        follow: bool,
        tail: int | None,
        previous: bool,
        timestamps: bool,
        since: float | None,
    ) -> AsyncIterator[bytes]:
        """Return a container's log in pieces; with `follow`, until the container ends.

        Raises NotFound, Invalid at once, before the first piece is asked for.
        """
        if timestamps or since is not None:
            raise _bad_request(
                "the local node does not record when a line was written: "
                "leave out --timestamps, --since and --since-time"
            )
        found = self._find(namespace, pod)
        if found is None:
            raise NotFound(f'pods "{pod}" not found', status=404, reason="NotFound")
        name = container or found.default_container()
        snapshots = found.snapshots()
        if name is None or name not in snapshots:
            raise _no_such_container(pod, name, list(snapshots))
        attempt = _attempt(snapshots[name], pod, previous=previous)

        def running() -> bool:
            now = found.snapshots()[name]
            return now.restarts == attempt and isinstance(now.state, Running)

        path = found.place.container(name).log(attempt)
        return _pieces(path, tail, running if follow else lambda: False)


def _bad_request(message: str) -> Invalid:
    return Invalid(message, status=400, reason="BadRequest")


def _no_such_container(pod: str, name: str | None, names: list[str]) -> Invalid:
    if name is None:
        choice = " ".join(names)
        return _bad_request(
            f"a container name must be specified for pod {pod}, choose one of: [{choice}]"
        )
    return _bad_request(f"container {name} is not valid for pod {pod}")


def _attempt(snapshot: Snapshot, pod: str, *, previous: bool) -> int:
    """Return the number of the start whose log is meant."""
    waiting = isinstance(snapshot.state, Waiting)
    if waiting and snapshot.last is None:
        reason = snapshot.state.reason if isinstance(snapshot.state, Waiting) else ""
        raise _bad_request(
            f'container "{snapshot.name}" in pod "{pod}" is waiting to start: {reason}'
        )
    if not previous:
        return snapshot.restarts
    if snapshot.last is None:
        raise _bad_request(
            f'previous terminated container "{snapshot.name}" in pod "{pod}" not found'
        )
    # While a crashed container waits for its restart, it is the previous one itself.
    return snapshot.restarts if waiting else snapshot.restarts - 1


def _start(path: Path, tail: int | None) -> int:
    """Return the position of the last `tail` lines; 0 for all of them."""
    if tail is None:
        return 0
    try:
        with path.open("rb") as file:
            end = position = file.seek(0, 2)
            wanted = tail
            if tail <= 0:
                return end
            while position > 0:
                size = min(_CHUNK_BYTES, position)
                position -= size
                file.seek(position)
                block = file.read(size)
                if position + size == end and block.endswith(b"\n"):
                    block = block[:-1]
                while (found := block.rfind(b"\n")) >= 0:
                    wanted -= 1
                    if wanted == 0:
                        return position + found + 1
                    block = block[:found]
            return 0
    except FileNotFoundError:
        return 0


async def _pieces(
    path: Path, tail: int | None, running: Callable[[], bool]
) -> AsyncIterator[bytes]:
    position = await asyncio.to_thread(_start, path, tail)
    while True:
        # Asked before reading: what is written before the end is then always read.
        goes_on = running()
        piece = await asyncio.to_thread(_read, path, position)
        if piece is None:
            position = 0
        elif piece:
            position += len(piece)
            yield piece
        elif goes_on:
            await asyncio.sleep(_FOLLOW_EVERY_S)
        else:
            return


def _read(path: Path, position: int) -> bytes | None:
    """Return what follows `position`; None when the file was cut and has to be read anew."""
    try:
        with path.open("rb") as file:
            if file.seek(0, 2) < position:
                return None
            file.seek(position)
            return file.read(_CHUNK_BYTES)
    except FileNotFoundError:
        return b""
