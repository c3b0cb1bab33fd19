"""The rule: from everybody's evidence to Rollback, Promote, Inconclusive or Continue (4.1).

Owns the levels that evidence must reach and the order in which the answers are tried. It knows
numbers only: which metric a number belongs to, what a deadline means and what is said to people is
the domain's.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from tidegate.stats.eprocess import log_mean_exp

if TYPE_CHECKING:
    from collections.abc import Sequence

Verdict = Literal["Rollback", "Promote", "Inconclusive", "Continue"]
Reason = Literal[
    "GuardBroken",
    "EvidenceRollsBack",
    "EvidencePromotes",
    "EvidenceMissing",
    "RequestsMissing",
    "TooEarly",
    "DeadlinePassed",
]


def rollback_level(alpha_r: float) -> float:
    """ln(2 / alpha_R): what the mean of the comparisons' e-values must reach, in nats."""
    return math.log(2.0 / alpha_r)


def guard_level(alpha_r: float, guards: int) -> float:
    """ln(2 G / alpha_R) for G guards: the other half of alpha_R, shared among them."""
    return math.log(2.0 * max(1, guards) / alpha_r)


def promote_level(alpha_p: float) -> float:
    """ln(1 / alpha_P): what every comparison must reach. No correction: all of them must."""
    return math.log(1.0 / alpha_p)


@dataclass(frozen=True, slots=True)
class Exposure:
    """What an attempt has seen so far and what it must and may see, in requests and seconds."""

    requests: float
    least_requests: float = 0.0
    elapsed_s: float = 0.0
    least_s: float = 0.0
    most_s: float = math.inf


@dataclass(frozen=True, slots=True)
class Decision:
    """A verdict, why, and the positions of the evidence to blame or to wait for.

    Positions are those of the guards for GuardBroken, of the comparisons otherwise.
    """

    verdict: Verdict
    reason: Reason
    at: tuple[int, ...] = ()


def decide(
    *,
    rollback: Sequence[float],
    promote: Sequence[float],
    guards: Sequence[float] = (),
    weights: Sequence[float] | None = None,
    alpha_r: float,
    alpha_p: float,
    exposure: Exposure,
) -> Decision:
    """The first answer that fits, from the log-e (nats) of all comparisons and guards.

    1. Rollback if a guard reaches ln(2 G / alpha_R), or ln sum w_m E_m over the comparisons'
       rollback evidence reaches ln(2 / alpha_R) (sum w = 1): valid under any dependence.
    2. Promote if every comparison's promote evidence reaches ln(1 / alpha_P) (an intersection-union
       test) and the least requests and time are over.
    3. Inconclusive once the longest time is over.
    4. Continue.

    Ties go to Rollback. Source: Ville; Vovk & Wang 2021 for the mean of e-values.
    """
    broken = _reached(guards, guard_level(alpha_r, len(guards)))
    if broken:
        return Decision("Rollback", "GuardBroken", broken)
    if rollback and log_mean_exp(rollback, weights) >= rollback_level(alpha_r):
        return Decision("Rollback", "EvidenceRollsBack", blamed(rollback, weights, alpha_r=alpha_r))
    waiting = _waiting(promote, alpha_p, exposure)
    if waiting is None:
        return Decision("Promote", "EvidencePromotes")
    if exposure.elapsed_s >= exposure.most_s:
        return Decision("Inconclusive", "DeadlinePassed", waiting.at)
    return waiting


def _waiting(promote: Sequence[float], alpha_p: float, exposure: Exposure) -> Decision | None:
    """What a promotion still waits for; None when nothing."""
    reached = _reached(promote, promote_level(alpha_p))
    missing = tuple(i for i in range(len(promote)) if i not in reached)
    if missing:
        return Decision("Continue", "EvidenceMissing", missing)
    if exposure.requests < exposure.least_requests:
        return Decision("Continue", "RequestsMissing")
    if exposure.elapsed_s < exposure.least_s:
        return Decision("Continue", "TooEarly")
    return None


def _reached(values: Sequence[float], level: float) -> tuple[int, ...]:
    return tuple(i for i, value in enumerate(values) if value >= level)


def blamed(
    rollback: Sequence[float], weights: Sequence[float] | None = None, *, alpha_r: float
) -> tuple[int, ...]:
    """The comparisons to blame, the worst first: w_m E_m >= 1 / alpha_R, or else the largest.

    Weights are scaled to sum to 1; equal ones when none are given.
    """
    shares = [1.0] * len(rollback) if weights is None else list(weights)
    total = math.fsum(shares)
    parts = [
        value + math.log(w / total) if w > 0.0 else -math.inf
        for value, w in zip(rollback, shares, strict=True)
    ]
    worst_first = sorted(range(len(parts)), key=lambda i: -parts[i])
    guilty = tuple(i for i in worst_first if parts[i] >= math.log(1.0 / alpha_r))
    return guilty or tuple(worst_first[:1])
