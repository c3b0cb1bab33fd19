"""When a container said what: how long its log was at which time, noted once a second.

The container writes straight into its log, so nobody sees a line pass; its time is known to the
second. What is noted lies beside the log, `<time, length>` after `<time, length>`.
"""

from __future__ import annotations

import bisect
import struct
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_MARK = struct.Struct("<dQ")


def beside(log: Path) -> Path:
    """The file of a log's times."""
    return log.with_suffix(".times")


@dataclass(slots=True)
class Noter:
    """Notes how long a log is; call `note` every now and then."""

    log: Path
    _length: int = 0

    def note(self, *, now: datetime) -> None:
        """Note the length if it has changed. A log that was emptied begins anew."""
        try:
            length = self.log.stat().st_size
        except FileNotFoundError:
            return
        if length == self._length:
            return
        mode = "ab" if length > self._length > 0 else "wb"
        self._length = length
        with beside(self.log).open(mode) as file:
            file.write(_MARK.pack(now.timestamp(), length))


@dataclass(frozen=True, slots=True)
class Timeline:
    """What was noted of one log, oldest first."""

    times: tuple[float, ...] = ()
    lengths: tuple[int, ...] = ()

    @classmethod
    def read(cls, log: Path) -> Timeline:
        """Read what was noted; nothing of a log that nobody noted."""
        try:
            content = beside(log).read_bytes()
        except FileNotFoundError:
            return cls()
        whole = content[: len(content) - len(content) % _MARK.size]
        marks = list(_MARK.iter_unpack(whole))
        return cls(tuple(mark[0] for mark in marks), tuple(mark[1] for mark in marks))

    def length_at(self, moment: datetime) -> int:
        """How long the log was then, at least: what follows was said later, or at that time."""
        index = bisect.bisect_left(self.times, moment.timestamp())
        return self.lengths[index - 1] if index else 0

    def said_at(self, end: int, *, now: datetime) -> datetime:
        """When the line that ends at this position was said; `now` when it was just now."""
        index = bisect.bisect_left(self.lengths, end)
        if index == len(self.times):
            return now
        return datetime.fromtimestamp(self.times[index], UTC)
