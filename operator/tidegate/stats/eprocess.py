"""Evidence that a candidate's share of bad requests differs from stable's, valid at every look.

Owns the ratio and difference e-processes and `Comparison`, the state that a Rollout carries from
batch to batch. All evidence is a natural logarithm (nats): log E >= ln(1/alpha) rejects, and the
chance of ever rejecting a true null is at most alpha (Ville). It never exponentiates evidence,
knows no metric names and takes no decision.
"""

from __future__ import annotations

import base64
import math
import struct
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, Self

from tidegate.stats.counts import NO_COUNTS, Counts, Margin
from tidegate.stats.projection import project_difference

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# Multiples of the margin at which the alternatives of the mixtures stand (statistics 1.1 and 1.2).
ROLLBACK_MULTIPLES = (1.1, 1.25, 1.5, 2.0, 3.0, 5.0, 10.0, 20.0, 50.0)
PROMOTE_MULTIPLES = (0.95, 0.9, 0.8, 0.7, 0.6, 0.5, 0.35, 0.2, 0.1)
PROMOTE_FRACTIONS = (-0.5, 0.0, 0.25, 0.5, 0.75)

# History guides the alternatives only; more of it than this would outvote what stable does now.
HISTORY_CAP = 2000.0
_LEAST_RATE = 1e-9
_GRID_SIZES = {
    "rr": len(ROLLBACK_MULTIPLES),
    "rd": len(ROLLBACK_MULTIPLES),
    "pr": len(PROMOTE_MULTIPLES),
    "pd": len(PROMOTE_FRACTIONS),
}
_SIZES = {**_GRID_SIZES, "c": 2, "s": 2}
"""Numbers under each key of a stored comparison."""
_GRIDS = struct.Struct(f"<{sum(_GRID_SIZES.values())}f")
_DECIMALS = 6


def log_mean_exp(values: Sequence[float], weights: Sequence[float] | None = None) -> float:
    """ln(sum_i w_i exp(values_i) / sum_i w_i), in nats; equal weights when none are given.

    The mean of e-values under any dependence is an e-value (Vovk & Wang 2021). -inf is an e-value
    of zero; +inf wins.

    :raises ValueError: no values, lengths that differ, or weights that are negative or all zero.
    """
    if not values or len(values) != len(values if weights is None else weights):
        raise ValueError("log_mean_exp needs as many weights as values, and at least one")
    if weights is None:
        top = max(values)
        if math.isinf(top):
            return top
        return top + math.log(math.fsum([math.exp(v - top) for v in values]) / len(values))
    shares = list(weights)
    total = math.fsum(shares)
    if min(shares) < 0.0 or not total > 0.0:
        raise ValueError("weights must not be negative, nor all zero")
    top = max(v for v, w in zip(values, shares, strict=True) if w > 0.0)
    if math.isinf(top):
        return top
    mass = math.fsum(w * math.exp(v - top) for v, w in zip(values, shares, strict=True) if w > 0.0)
    return top + math.log(mass / total)


def ratio_step(
    grid: Sequence[float],
    *,
    candidate: Counts,
    stable: Counts,
    ratio: float,
    multiples: Sequence[float],
) -> tuple[float, ...]:
    """One batch of the ratio e-process: log-e per alternative, in nats.

    For rho = ratio * g:  L += k_c ln(g) + (k_c + k_s) ln((r n_c + n_s) / (rho n_c + n_s)).
    With multiples above 1 it tests "p_c <= r p_s" (rollback), below 1 "p_c >= r p_s" (promote).
    An arm without requests adds nothing. Exact for any split, drifting rates and [0, 1]-valued
    scores. Source: Lindon, Sanden & Shirikian 2022; Robbins 1970; the margin's proof is ours.
    """
    n_c, n_s = candidate.n, stable.n
    if n_c <= 0.0 or n_s <= 0.0:
        return tuple(grid)
    bad, both = candidate.bad, candidate.bad + stable.bad
    null = ratio * n_c + n_s
    return tuple(
        value + bad * math.log(g) - both * math.log1p((g - 1.0) * ratio * n_c / null)
        for value, g in zip(grid, multiples, strict=True)
    )


def conditional_log_e(
    *, bad_c: float, bad_s: float, share: float, a: float = 0.5, b: float = 0.5
) -> float:
    """Two-sided log-e of a constant split: are `share` of all bad requests the candidate's? (nats)

    lnB(a + k_c, b + k_s) - lnB(a, b) - k_c ln(share) - k_s ln(1 - share), where `share` is
    r n_c / (r n_c + n_s). Source: Robbins 1970 / Johari et al., beta-binomial mixture.
    """
    return (
        log_beta(a + bad_c, b + bad_s)
        - log_beta(a, b)
        - bad_c * math.log(share)
        - bad_s * math.log1p(-share)
    )


def log_beta(a: float, b: float) -> float:
    """ln B(a, b) for positive a and b."""
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)


def stable_rate(stable_so_far: Counts, history: Counts) -> float:
    """Stable's share of bad requests as far as the past tells, in (0, 1).

    (hist_k + K_s + 0.5) / (hist_n + N_s + 1), where history counts for at most 2,000 requests.
    """
    scale = min(1.0, HISTORY_CAP / history.n) if history.n > 0.0 else 0.0
    bad = history.bad * scale + stable_so_far.bad
    return (bad + 0.5) / (history.n * scale + stable_so_far.n + 1.0)


def difference_step(
    grid: Sequence[float],
    *,
    candidate: Counts,
    stable: Counts,
    margin: float,
    alternatives: Sequence[float],
    q_s: float,
    rollback: bool,
) -> tuple[float, ...]:
    """One batch of the difference e-process: log-e per alternative, in nats.

    `alternatives` are candidate rates against stable's rate `q_s`, which must come from past
    batches only. `rollback` tests "p_c <= p_s + margin", otherwise "p_c >= p_s + margin". An
    alternative that lies inside the null, and an arm without requests, adds nothing. Otherwise,
    with (c0, s0) the projection onto the null's edge,

        L += k_c ln(q_c/c0) + (n_c-k_c) ln((1-q_c)/(1-c0))
           + k_s ln(q_s/s0) + (n_s-k_s) ln((1-q_s)/(1-s0)).

    Source: Turner, Ly & Grunwald; Turner & Grunwald 2023.
    """
    n_c, n_s = candidate.n, stable.n
    if n_c <= 0.0 or n_s <= 0.0:
        return tuple(grid)
    edge = q_s + margin
    out = []
    for value, q_c in zip(grid, alternatives, strict=True):
        in_null = q_c <= edge if rollback else q_c >= edge
        if in_null:
            out.append(value)
            continue
        c0, s0 = project_difference(n_c=n_c, n_s=n_s, q_c=q_c, q_s=q_s, margin=margin)
        out.append(
            value
            + _log_ratio(candidate.bad, n_c, q=q_c, q0=c0)
            + _log_ratio(stable.bad, n_s, q=q_s, q0=s0)
        )
    return tuple(out)


def _log_ratio(bad: float, n: float, *, q: float, q0: float) -> float:
    """ln of the likelihood ratio of q against q0 for `bad` of `n`, where 0 ln(anything) is 0."""
    total = bad * math.log(q / q0) if bad > 0.0 else 0.0
    good = n - bad
    if good > 0.0:
        total += good * (math.log1p(-q) - math.log1p(-q0))
    return total


def rollback_alternatives(q_s: float, margin: float) -> tuple[float, ...]:
    """Candidate rates worse than stable's by more than the margin, cut to below 1."""
    return tuple(min((q_s + margin) * g, 1.0 - _LEAST_RATE) for g in ROLLBACK_MULTIPLES)


def promote_alternatives(q_s: float, margin: float) -> tuple[float, ...]:
    """Candidate rates inside the margin (some better than stable), kept inside (0, 1)."""
    return tuple(
        min(max(q_s + f * margin, _LEAST_RATE), 1.0 - _LEAST_RATE) for f in PROMOTE_FRACTIONS
    )


@dataclass(frozen=True, slots=True)
class Comparison:
    """Evidence of one count metric, candidate against stable, after any number of batches.

    Grids of log-e in nats: rollback is tested against the half margins (sqrt(ratio), absolute / 2),
    promote against the full ones (statistics 1.3); the zone between is one of indifference, where
    both may reject. `candidate` and `stable` are the sums of all counts. Start a new one when the
    candidate, stable, the metric or its margin changes; never because the result looks bad.
    """

    rollback_ratio: tuple[float, ...]
    rollback_difference: tuple[float, ...]
    promote_ratio: tuple[float, ...]
    promote_difference: tuple[float, ...]
    candidate: Counts
    stable: Counts

    @classmethod
    def start(cls) -> Self:
        """No evidence yet: every e-value is 1."""
        nine, five = (0.0,) * len(ROLLBACK_MULTIPLES), (0.0,) * len(PROMOTE_FRACTIONS)
        return cls(nine, nine, nine, five, NO_COUNTS, NO_COUNTS)

    def update(
        self,
        *,
        candidate: Counts,
        stable: Counts,
        margin: Margin,
        history: Counts,
        promotes: bool = True,
    ) -> Comparison:
        """The state after one more batch: the same interval for both arms, each request once.

        `history` is what stable did before the attempt (pseudo-counts, at most 2,000 of them
        count); give the same one for every batch. It guides the alternatives and cannot break
        validity. A batch that must not speak for a promotion (copies of requests) has `promotes`
        False: it moves the rollback side alone.
        """
        if candidate.n <= 0.0 and stable.n <= 0.0:
            return self  # no request, no evidence
        half = margin.half
        arms = {"candidate": candidate, "stable": stable}
        q_s = stable_rate(self.stable, history)
        return Comparison(
            rollback_ratio=ratio_step(
                self.rollback_ratio, **arms, ratio=half.ratio, multiples=ROLLBACK_MULTIPLES
            ),
            rollback_difference=difference_step(
                self.rollback_difference,
                **arms,
                margin=half.absolute,
                alternatives=rollback_alternatives(q_s, half.absolute),
                q_s=q_s,
                rollback=True,
            ),
            promote_ratio=ratio_step(
                self.promote_ratio, **arms, ratio=margin.ratio, multiples=PROMOTE_MULTIPLES
            )
            if promotes
            else self.promote_ratio,
            promote_difference=difference_step(
                self.promote_difference,
                **arms,
                margin=margin.absolute,
                alternatives=promote_alternatives(q_s, margin.absolute),
                q_s=q_s,
                rollback=False,
            )
            if promotes
            else self.promote_difference,
            candidate=self.candidate + candidate,
            stable=self.stable + stable,
        )

    @property
    def log_e_rollback(self) -> float:
        """Evidence (nats) that the candidate is worse: both tests must say so (min)."""
        return min(log_mean_exp(self.rollback_ratio), log_mean_exp(self.rollback_difference))

    @property
    def log_e_promote(self) -> float:
        """Evidence (nats) that the candidate is within the margin: either test suffices (mean)."""
        return log_mean_exp(
            [log_mean_exp(self.promote_ratio), log_mean_exp(self.promote_difference)]
        )

    def as_dict(self) -> dict[str, Any]:
        """JSON-safe state with short keys; writing what was read writes the same again.

        `g` is all grids as little-endian float32, base64: seven digits are far more than any
        threshold needs, in half of the room.
        """
        grids = (
            *self.rollback_ratio,
            *self.rollback_difference,
            *self.promote_ratio,
            *self.promote_difference,
        )
        return {
            "g": base64.b64encode(_GRIDS.pack(*(value + 0.0 for value in grids))).decode(),
            "c": _rounded((self.candidate.bad, self.candidate.n)),
            "s": _rounded((self.stable.bad, self.stable.n)),
        }

    @classmethod
    def from_dict(cls, state: Mapping[str, Any]) -> Self:
        """Reads `as_dict`, and what it wrote before there was `g`: a list of numbers a grid.

        :raises ValueError: the state is not one: a key is missing, or a grid has the wrong length.
        """
        given = {**state, **_grids(state["g"])} if "g" in state else state
        parts = {key: tuple(map(float, given.get(key, ()))) for key in _SIZES}
        wrong = [key for key, size in _SIZES.items() if len(parts[key]) != size]
        if wrong:
            raise ValueError(f"not the state of a comparison: {', '.join(wrong)}")
        return cls(
            parts["rr"],
            parts["rd"],
            parts["pr"],
            parts["pd"],
            Counts(*parts["c"]),
            Counts(*parts["s"]),
        )


def _grids(text: str) -> dict[str, tuple[float, ...]]:
    try:
        packed = base64.b64decode(text, validate=True)
    except ValueError as error:
        raise ValueError(f"not the state of a comparison: {error}") from error
    if len(packed) != _GRIDS.size:
        raise ValueError(f"not the state of a comparison: grids of {len(packed)} bytes")
    values = iter(_GRIDS.unpack(packed))
    return {key: tuple(islice(values, size)) for key, size in _GRID_SIZES.items()}


def _rounded(values: Sequence[float]) -> list[float]:
    """Six decimals of a count that may have been thinned: they keep a status small."""
    return [round(value, _DECIMALS) + 0.0 for value in values]
