"""The ring of outputs: what sampled requests were answered with in the last minute.

For the comparer of a shadow step alone, which joins the rings of both arms by request id. So what
is kept depends on nothing but the id: both arms keep the same ones. Nothing is kept while nobody
reads: the first read switches the ring on, and a minute after the last read it is off and empty.
It owns bounds in entries, bytes and age; the oldest go first. It is used on the event loop alone.
"""

from __future__ import annotations

import secrets
import zlib
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tidegate.serving.records import OK, Page, Record, Tensor

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tidegate.serving.protocol import Tensor as Array
    from tidegate.serving.signature import TensorSpec

RETENTION_S = 60.0
"""How long an output is kept, and how long the ring stays on after it was last read."""

MAX_ID_BYTES = 128
"""A longer x-request-id is a caller's own invention; it is not kept."""

PAGE_BYTES = 1024 * 1024
"""A page ends at this size of outputs, and outputs larger than it are not kept: reading one must
not hold the event loop for long."""

_ENTRY_BYTES = 400
"""What an entry costs beside its values: measured, CPython 3.12."""

_HASHES = 2**32


@dataclass(frozen=True, slots=True)
class _Entry:
    number: int
    at: float
    size: int
    id: bytes
    status: int
    outputs: tuple[tuple[TensorSpec, Array], ...]


class Ring:
    """Outputs by request id. Times are seconds of one monotonic clock.

    `rate` in 0..1 is the share of ids that are sampled. `max_bytes` bounds what entries hold,
    `max_entries` their number.
    """

    def __init__(
        self, *, model: str, revision: str, rate: float, max_entries: int, max_bytes: int
    ) -> None:
        self._model = model
        self._revision = revision
        self._below = int(rate * _HASHES)
        self._max_entries = max_entries
        self._max_bytes = max_bytes
        self._entries: deque[_Entry] = deque()
        self._bytes = 0
        self._number = 0
        self._on_until = float("-inf")
        # A server that starts again counts from zero: its cursors must not fit the old ones.
        self._instance = secrets.token_hex(8)

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def size(self) -> int:
        """Bytes held, as far as they are counted."""
        return self._bytes

    def record(
        self,
        request_id: bytes,
        *,
        now: float,
        status: int,
        outputs: Sequence[tuple[TensorSpec, Array]] = (),
    ) -> None:
        """Keep what a request was answered with, if the ring is on and its id is sampled.

        The arrays are kept as they are: nobody may write to them afterwards.
        """
        if now >= self._on_until:
            if self._entries:
                self._clear()
            return
        if not request_id or len(request_id) > MAX_ID_BYTES or not self._sampled(request_id):
            return
        kept = tuple((spec, _own(values)) for spec, values in outputs) if status == OK else ()
        size = _ENTRY_BYTES + sum(_size(values) for _, values in kept)
        if size > PAGE_BYTES:
            return
        self._number += 1
        self._bytes += size
        self._entries.append(_Entry(self._number, now, size, request_id, status, kept))
        self._drop(now)

    def read(self, since: str | None, *, limit: int, now: float) -> Page:
        """At most `limit` records after `since`; None is the present: nothing yet, only a cursor.

        A cursor of another process, one that ran in this place before, reads from the beginning:
        whoever holds it has read nothing of this one.
        """
        self._on_until = now + RETENTION_S
        self._drop(now)
        if since is None:
            return self._page([], after=self._number, more=False, lost=0)
        instance, _, number = since.partition("-")
        after = int(number) if instance == self._instance and number.isdecimal() else 0
        first = self._entries[0].number if self._entries else self._number + 1
        lost = max(0, first - 1 - after)
        found: list[_Entry] = []
        size = 0
        start = max(0, after + 1 - first)  # numbers are consecutive
        for index in range(start, len(self._entries)):
            entry = self._entries[index]
            if len(found) >= limit or (found and size + entry.size > PAGE_BYTES):
                break
            found.append(entry)
            size += entry.size
        reached = found[-1].number if found else max(after, first - 1)
        return self._page(
            [_record(entry) for entry in found],
            after=reached,
            more=reached < self._number,
            lost=lost,
        )

    def _page(self, records: list[Record], *, after: int, more: bool, lost: int) -> Page:
        return Page(
            model=self._model,
            revision=self._revision,
            next=f"{self._instance}-{after}",
            more=more,
            lost=lost,
            records=records,
        )

    def _sampled(self, request_id: bytes) -> bool:
        return zlib.crc32(request_id) < self._below

    def _drop(self, now: float) -> None:
        entries = self._entries
        oldest = now - RETENTION_S
        while entries and (
            entries[0].at < oldest
            or len(entries) > self._max_entries
            or self._bytes > self._max_bytes
        ):
            self._bytes -= entries.popleft().size

    def _clear(self) -> None:
        self._entries.clear()
        self._bytes = 0


def _own(values: Array) -> Array:
    """A view would keep the whole of what it was cut from."""
    return values if values.base is None else values.copy()


def _size(values: Array) -> int:
    if values.dtype == object:
        return int(values.nbytes) + sum(50 + len(text) for text in values.ravel())
    return int(values.nbytes)


def _record(entry: _Entry) -> Record:
    return Record(
        id=entry.id.decode("latin-1"),
        status=entry.status,
        outputs=tuple(
            Tensor(spec.name, spec.datatype, values.shape, values.ravel().tolist())
            for spec, values in entry.outputs
        ),
    )
