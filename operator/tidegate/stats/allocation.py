"""Top-two Thompson: how the next users are shared out among arms to find the best soonest (5).

Owns the shares only; who has won is for `contest`. Chance comes from the generator that is given,
so that the same state and seed allocate the same again.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random
    from collections.abc import Sequence

    from tidegate.stats.counts import Counts

DRAWS = 400
TOP_SHARE = 0.5
FLOOR = 0.05


def best_chances(
    arms: Sequence[Counts], generator: random.Random, *, draws: int = DRAWS
) -> tuple[float, ...]:
    """P(arm i fails least) under Beta(1, 1) priors, estimated from `draws` draws; sums to 1.

    One more draw is shared out evenly, so that no chance is exactly 0 or 1.
    """
    wins = [1.0 / len(arms)] * len(arms)
    for _ in range(draws):
        drawn = [generator.betavariate(1.0 + c.bad, 1.0 + c.n - c.bad) for c in arms]
        wins[drawn.index(min(drawn))] += 1.0
    return tuple(won / (draws + 1.0) for won in wins)


def top_two_shares(
    chances: Sequence[float], *, top: float = TOP_SHARE, floor: float = FLOOR
) -> tuple[float, ...]:
    """Each arm's share of the next users: at least `floor`, together 1.

    top p_i + (1 - top) sum_{j != i} p_j p_i / (1 - p_j): with probability `top` the likely best,
    else the best of the others. Arms below the floor are lifted to it at the cost of those above.
    Source: Russo 2016/2020.

    :raises ValueError: a chance is not in (0, 1), they do not sum to 1, or the floors exceed 1.
    """
    if len(chances) < 2 or not all(0.0 < p < 1.0 for p in chances):
        raise ValueError("need the chances of two arms or more, each in (0, 1)")
    if abs(math.fsum(chances) - 1.0) > 1e-6:
        raise ValueError("chances must sum to 1")
    if not 0.0 <= floor * len(chances) <= 1.0:
        raise ValueError(f"{len(chances)} arms cannot each have a floor of {floor}")
    odds = [p / (1.0 - p) for p in chances]
    every = math.fsum(odds)
    shares = [p * (top + (1.0 - top) * (every - own)) for p, own in zip(chances, odds, strict=True)]
    return _lifted(shares, floor)


def _lifted(shares: Sequence[float], floor: float) -> tuple[float, ...]:
    """The shares with none below the floor; those above keep their proportions."""
    low: set[int] = set()
    while True:
        left = 1.0 - floor * len(low)
        rest = math.fsum(share for i, share in enumerate(shares) if i not in low)
        scaled = [floor if i in low else share * left / rest for i, share in enumerate(shares)]
        below = {i for i, share in enumerate(scaled) if share < floor and i not in low}
        if not below or len(low | below) == len(shares):
            return tuple(max(floor, share) for share in scaled)
        low |= below
