"""Which of many features to believe, with the share of false ones among them kept below q (6).

Owns the two step-up procedures. It knows no features, only their p- or e-values by position.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def by_p(p_values: Sequence[float], q: float) -> tuple[int, ...]:
    """Positions that Benjamini & Hochberg reject, rising: p_(i) <= q i / K for the largest such i.

    For independent (or positively dependent) p-values. NaN is never rejected.
    """
    order = sorted(_numbers(p_values), key=lambda i: p_values[i])
    size = len(p_values)
    last = max((i for i, at in enumerate(order, 1) if p_values[at] <= q * i / size), default=0)
    return tuple(sorted(order[:last]))


def by_log_e(log_e_values: Sequence[float], q: float) -> tuple[int, ...]:
    """Positions that e-BH rejects, rising: e_(i) >= K / (q i) for the largest such i.

    Takes logs (nats); valid under any dependence. NaN is never rejected. Source: Wang & Ramdas
    2022.

    :raises ValueError: q is not positive.
    """
    if not q > 0.0:
        raise ValueError(f"q must be positive, got {q}")
    order = sorted(_numbers(log_e_values), key=lambda i: -log_e_values[i])
    level = math.log(len(log_e_values) / q) if log_e_values else 0.0
    last = max(
        (i for i, at in enumerate(order, 1) if log_e_values[at] >= level - math.log(i)), default=0
    )
    return tuple(sorted(order[:last]))


def _numbers(values: Sequence[float]) -> list[int]:
    return [i for i, value in enumerate(values) if not math.isnan(value)]
