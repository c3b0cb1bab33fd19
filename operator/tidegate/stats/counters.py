"""From raw counter samples to what a counter rose by, resets included (statistics 0).

Owns the arithmetic of one series. Which samples belong together is the caller's to know.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def increase(samples: Iterable[float]) -> float:
    """What a counter rose by over its samples in time order, in the counter's unit.

    A sample below its predecessor means that the counter started again at zero, so it counts in
    full. The first sample has no increase: what came before it is unknown. NaN samples are
    skipped.
    """
    total = 0.0
    previous: float | None = None
    for value in samples:
        if math.isnan(value):
            continue
        if previous is not None:
            total += value - previous if value >= previous else value
        previous = value
    return total
