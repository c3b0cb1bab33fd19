"""How far errors come in bursts rather than one by one (statistics 2.4).

Owns the over-dispersion factor phi, measured on stable against itself, and the thinning of counts
that makes up for it. It decides nothing; how blocks are formed is the caller's to know.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from tidegate.stats.counts import Counts

if TYPE_CHECKING:
    from collections.abc import Iterable

# Blocks of a minute: fewer say too little about bursts.
LEAST_BLOCKS = 240
_SAFETY = 1.5


class Dispersion(NamedTuple):
    """What counts are to be divided by, at least 1, and whether anything was there to measure."""

    phi: float
    verified: bool


def pearson_phi(blocks: Iterable[tuple[Counts, Counts]]) -> float:
    """Pearson's phi of two halves of one arm over blocks of time: 1 for independent errors.

    sum (k_a - K th)^2 / sum K th (1 - th) with th = n_a / (n_a + n_b), K = k_a + k_b > 0. Clusters
    of g errors give about g. NaN when no block has an error (or only one half had traffic).
    """
    above = below = 0.0
    for a, b in blocks:
        both, n = a.bad + b.bad, a.n + b.n
        if both <= 0.0:
            continue
        share = a.n / n
        above += (a.bad - both * share) ** 2
        below += both * share * (1.0 - share)
    return above / below if below > 0.0 else math.nan


def dispersion(blocks: Iterable[tuple[Counts, Counts]]) -> Dispersion:
    """phi to work with: max(1, 1.5 phi_hat); 1 and unverified for lack of blocks or of errors."""
    known = list(blocks)
    phi = pearson_phi(known)
    if len(known) < LEAST_BLOCKS or math.isnan(phi):
        return Dispersion(1.0, verified=False)
    return Dispersion(max(1.0, _SAFETY * phi), verified=True)


def thinned(counts: Counts, phi: float) -> Counts:
    """The counts as so many independent units: k / phi of n / phi.

    The ratio e-process is then exact for independent clusters of at most phi errors.

    :raises ValueError: phi is below 1.
    """
    if not phi >= 1.0:
        raise ValueError(f"phi must be at least 1, got {phi}")
    return Counts(bad=counts.bad / phi, n=counts.n / phi)
