"""How much traffic the adaptive strategy may give next (statistics 4.2).

Owns the arithmetic of the error budget. It knows no steps and moves no traffic.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from tidegate.stats.intervals import rate_interval

if TYPE_CHECKING:
    from tidegate.stats.counts import Counts

ALPHA = 0.1
CEILING = 0.5
# Nobody is trusted with more than a million times the budget in requests.
LEAST_EXCESS = 1e-6
# How alpha is shared between the arms: stable, with most of the traffic, is known well anyway.
_CANDIDATES_SHARE = 0.9


def excess_upper(
    candidate: Counts,
    stable: Counts,
    *,
    alpha: float = ALPHA,
    prior: tuple[float, float] = (0.5, 0.5),
) -> float:
    """U: the most by which the candidate's bad rate may exceed stable's, in 1e-6..1.

    The upper end of the candidate's confidence sequence at 0.9 alpha less the lower end of stable's
    at 0.1 alpha; 1 before the first request. `prior` is (a, b) of `rate_interval`.
    """
    a, b = prior
    upper = rate_interval(candidate, _CANDIDATES_SHARE * alpha, a=a, b=b).upper
    lower = rate_interval(stable, (1.0 - _CANDIDATES_SHARE) * alpha, a=a, b=b).lower
    return max(LEAST_EXCESS, upper - lower)


def requests_left(*, budget: float, excess: float, requests: float) -> float:
    """B / U - N_c: requests that the candidate may still get before `budget` extra bad ones.

    At or below 0 the budget is stalled: more traffic could overspend it.
    """
    return budget / max(LEAST_EXCESS, excess) - requests


def next_weight(
    *,
    budget: float,
    excess: float,
    requests: float,
    rate: float | None,
    horizon_s: float,
    floor: float,
    ceiling: float = CEILING,
) -> float:
    """The candidate's next share of traffic, floor..ceiling: (B / U - N_c) / (R H).

    `budget` (B) extra bad requests are allowed in the whole attempt, `excess` (U) is
    `excess_upper`, `requests` (N_c) the candidate had, `rate` (R) requests a second arrive in all,
    and the weight after this one takes effect in `horizon_s` (H). Harm is then at most
    (N_c + w R H) U <= B, apart from traffic at the floor. Without a rate: the floor.

    :raises ValueError: floor and ceiling are not 0 <= floor <= ceiling <= 1.
    """
    if not 0.0 <= floor <= ceiling <= 1.0:
        raise ValueError(f"need 0 <= floor <= ceiling <= 1, got {floor} and {ceiling}")
    flow = (rate or 0.0) * horizon_s
    if not (flow > 0.0 and math.isfinite(flow)):
        return floor
    share = requests_left(budget=budget, excess=excess, requests=requests) / flow
    return min(max(share, floor), ceiling)
