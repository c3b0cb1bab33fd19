"""Reads what containers said: the log provider of the API server.

A container's output goes straight into a file, so nothing here runs while nobody reads. The times
of lines are known to the second, by `timeline.py`.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Protocol

from tidegate.errors import Invalid, NotFound
from tidegate.local.node.states import Running, Snapshot, Waiting
from tidegate.local.node.timeline import Timeline

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
        begin = None if since is None else datetime.now(UTC) - timedelta(seconds=since)
        pieces = _pieces(path, tail, begin, running if follow else lambda: False)
        return _stamped(path, pieces) if timestamps else _texts(pieces)


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


def _begin(path: Path, tail: int | None, since: datetime | None) -> int:
    """Return where reading starts: whatever of both leaves less."""
    start = _start(path, tail)
    if since is None:
        return start
    if since > datetime.now(UTC):
        # What was said within this second has no time yet; it was not said in the future.
        return _start(path, 0)
    return max(start, Timeline.read(path).length_at(since))


async def _texts(pieces: AsyncIterator[tuple[int, bytes]]) -> AsyncIterator[bytes]:
    async for _, text in pieces:
        yield text


async def _stamped(path: Path, pieces: AsyncIterator[tuple[int, bytes]]) -> AsyncIterator[bytes]:
    """Put its time in front of every line; a line is passed on when it is complete."""
    rest = b""
    async for position, text in pieces:
        timeline = await asyncio.to_thread(Timeline.read, path)
        *lines, after = (rest + text).split(b"\n")
        end, now = position - len(rest), datetime.now(UTC)
        rest = after
        found = []
        for line in lines:
            end += len(line) + 1
            found.append(_time(timeline.said_at(end, now=now)) + line + b"\n")
        if found:
            yield b"".join(found)
    if rest:
        yield _time(datetime.now(UTC)) + rest


def _time(moment: datetime) -> bytes:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%f000Z ").encode()


async def _pieces(
    path: Path, tail: int | None, since: datetime | None, running: Callable[[], bool]
) -> AsyncIterator[tuple[int, bytes]]:
    """Yield (position, text)."""
    position = await asyncio.to_thread(_begin, path, tail, since)
    while True:
        # Asked before reading: what is written before the end is then always read.
        goes_on = running()
        piece = await asyncio.to_thread(_read, path, position)
        if piece is None:
            position = 0
        elif piece:
            yield position, piece
            position += len(piece)
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
