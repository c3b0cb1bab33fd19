"""Decision records: why an attempt went as it did, so that anybody can recompute it offline.

`rows.py` is the format, `recording.py` finds what a look adds, `judging.py` is what both sides
share, `replaying.py` recomputes, `merging.py` keeps long records small. Pure: `controllers` writes.
"""

from tidegate.domain.record.merging import shortened
from tidegate.domain.record.recording import Written, abandoned, is_due, record_name, recorded
from tidegate.domain.record.replaying import Check, First, Replay, replay
from tidegate.domain.record.rows import (
    FORMAT,
    Row,
    batch_of,
    in_order,
    packed,
    read_row,
    unpacked,
)

__all__ = [
    "FORMAT",
    "Check",
    "First",
    "Replay",
    "Row",
    "Written",
    "abandoned",
    "batch_of",
    "in_order",
    "is_due",
    "packed",
    "read_row",
    "record_name",
    "recorded",
    "replay",
    "shortened",
    "unpacked",
]
