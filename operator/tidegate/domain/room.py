"""How much room the histories of a Model's status have, and what of them goes first. Pure.

A status is read and written as a whole, so each history keeps to its room: older entries lose their
words first, then they go. What a decision needs is no history, and never goes. What went stands in
the lineage, whole.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tidegate.api.base import ApiModel

REVISIONS_BYTES = 5_400
REJECTED_BYTES = 3_600
TRAININGS_BYTES = 1_500


def fitted[T: ApiModel](
    entries: Sequence[T], *, room: int, steps: Sequence[Callable[[T], T | None]]
) -> list[T]:
    """The entries, oldest first, cut until they take at most `room` bytes of JSON.

    Every step is tried on one entry after the other, before the next step is; it returns the entry
    with less in it, as it was, or None where it may go. What no step takes away stays, also where
    it is too much.
    """
    kept: list[T | None] = list(entries)
    sizes = [size(entry) for entry in entries]
    for step in steps:
        for index, entry in enumerate(kept):
            if sum(sizes) <= room:
                break
            if entry is None:
                continue
            kept[index] = less = step(entry)
            sizes[index] = size(less) if less is not None else 0
    return [entry for entry in kept if entry is not None]


def size(entry: ApiModel) -> int:
    """Bytes of an entry in a list, as compact JSON."""
    text = json.dumps(entry.wire(), separators=(",", ":"), ensure_ascii=False)
    return len(text.encode()) + 1
