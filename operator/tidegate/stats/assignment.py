"""Are users shared out as configured? Sample-ratio mismatch, checked at every look (statistics 5).

Owns the evidence only. A mismatch means that the results cannot be trusted: Inconclusive, never a
rollback. Count users, not requests: the requests of one connection are a cluster.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

SHARE_MULTIPLES = (0.8, 0.9, 0.95, 0.98, 1.02, 1.05, 1.1, 1.25)
ALARM = math.log(1000.0)


def assignment_log_e(
    users: Sequence[float], shares: Sequence[float], *, concentration: float = 100.0
) -> float:
    """Log-e (nats) against "users fall to the arms by `shares`", which must not have changed.

    ln G(A) - ln G(A + n) + sum (ln G(a_j + x_j) - ln G(a_j)) - sum x_j ln th_j with th the shares
    scaled to sum to 1, a_j = concentration th_j and A = concentration. Source: Lindon & Malek,
    anytime-valid inference for multinomial counts.

    :raises ValueError: lengths differ, a share or the concentration is not positive.
    """
    if len(users) != len(shares) or not users:
        raise ValueError("need one share an arm")
    if not min(shares) > 0.0 or not concentration > 0.0:
        raise ValueError("shares and the concentration must be positive")
    total = math.fsum(shares)
    value = math.lgamma(concentration) - math.lgamma(concentration + math.fsum(users))
    for count, share in zip(users, shares, strict=True):
        theta = share / total
        a = concentration * theta
        value += math.lgamma(a + count) - math.lgamma(a) - count * math.log(theta)
    return value


def share_step(
    grid: Sequence[float], *, arm: float, others: float, share: float
) -> tuple[float, ...]:
    """One batch of the same question when shares change: log-e per alternative, in nats.

    `arm` users fell to the arm that was given `share` (0..1) of them in this batch, `others` to the
    rest. The ratio e-process with the configured shares for requests, r = 1:

        L += k ln(g) - (k + others) ln(1 + (g - 1) share)  for g in SHARE_MULTIPLES.

    Exact, since the count is binomial given the total. A share of 0 or 1 adds nothing.

    :raises ValueError: the share is outside 0..1.
    """
    if not 0.0 <= share <= 1.0:
        raise ValueError(f"a share must be in 0..1, got {share}")
    if share in (0.0, 1.0):
        return tuple(grid)
    return tuple(
        value + arm * math.log(g) - (arm + others) * math.log1p((g - 1.0) * share)
        for value, g in zip(grid, SHARE_MULTIPLES, strict=True)
    )
