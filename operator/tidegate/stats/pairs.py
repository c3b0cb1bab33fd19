"""Candidate and stable on the same request, with the truth known: who is right more often? (3.4)

Owns the sequential McNemar test. Mere disagreement without truth is a share and goes to `guard`; it
is not quality, so nothing may be promoted on it alone.
"""

from __future__ import annotations

import math

from tidegate.stats.counts import Counts
from tidegate.stats.eprocess import log_beta
from tidegate.stats.guard import guard_log_e

_HALF = 0.5


def pairs_log_e(*, candidate_right: float, stable_right: float, a: float = 0.5) -> float:
    """Two-sided log-e (nats) against "neither is right more often", from discordant pairs.

    `candidate_right` pairs where only the candidate was right (b), `stable_right` where only stable
    was (c): lnB(a + b, a + c) - lnB(a, a) + (b + c) ln 2. No pair, no evidence. Source: Robbins
    1970, beta-binomial mixture; McNemar's conditional test.
    """
    if candidate_right + stable_right <= 0.0:
        return 0.0
    return (
        log_beta(a + candidate_right, a + stable_right)
        - log_beta(a, a)
        + (candidate_right + stable_right) * math.log(2.0)
    )


def worse_log_e(*, candidate_right: float, stable_right: float, a: float = 0.5) -> float:
    """Log-e (nats) against "the candidate is right at least as often as stable".

    The mixture of `guard_log_e` truncated to (1/2, 1), over the share of discordant pairs where
    only stable was right. Swap the two for the opposite question.
    """
    n = candidate_right + stable_right
    return guard_log_e(Counts(bad=stable_right, n=n), _HALF, a=a, b=a)
