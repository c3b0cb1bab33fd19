"""Before an attempt: how many requests a decision needs, and whether the traffic brings them.

The promote evidence of a version that does exactly what stable does, along its expected path: with
counts that are what they are on average every log-e grows in proportion to the requests, so the
path is known in closed form, and where it reaches its level is found by bisection. That is within a
third of the median that simulation gives (statistics 1.6). It decides nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tidegate.domain.evidence import latency
from tidegate.domain.evidence.base import Role
from tidegate.domain.evidence.batch import Unseen
from tidegate.domain.evidence.judgement import promote_level
from tidegate.domain.evidence.rates import margin_of
from tidegate.domain.evidence.registry import role_of
from tidegate.stats import NO_COUNTS, Counts, log_mean_exp
from tidegate.stats.dispersion import dispersion
from tidegate.stats.eprocess import (
    PROMOTE_MULTIPLES,
    difference_step,
    promote_alternatives,
    ratio_step,
    stable_rate,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tidegate.api.analysis import Analysis
    from tidegate.domain.evidence.batch import Baseline, Halves
    from tidegate.stats import Margin

MOST_REQUESTS = 1e12
"""More than this is never."""


@dataclass(frozen=True)
class Leg:
    """A part of the way: the candidate's weight in per cent, for so many seconds."""

    weight: float
    seconds: float


@dataclass(frozen=True)
class Expected:
    """What a decision is expected to take.

    `requests` of the candidate, and `seconds` of evaluating time (None: it cannot be told).
    `enough` says whether the deadline leaves that much time.
    """

    requests: float
    seconds: float | None
    enough: bool
    message: str


@dataclass(frozen=True)
class _Rate:
    """One comparison: stable's rate of bad ones, what is tolerated, and how far they come in
    bursts."""

    rate: float
    margin: Margin
    phi: float


def requests_needed(analysis: Analysis, baseline: Baseline | None, *, weight: float) -> float:
    """Requests of the candidate until an identical version may be promoted, at one weight (per
    cent).

    The largest over all comparisons, and `minRequests`. Comparisons by users' own counters are
    left out: nothing is known of their rates.
    """
    level = promote_level(analysis)
    needed = [_one(known, level, weight) for known in _rates(analysis, baseline)]
    return max(float(analysis.min_requests), *needed, 0.0)


def expected(
    analysis: Analysis, baseline: Baseline | None, *, way: Sequence[Leg], deadline_s: float
) -> Expected:
    """Requests and time until an identical version is promoted, along the weights of a strategy.

    The last leg goes on for as long as it takes. `deadline_s` is evaluating time.
    """
    rate = baseline.rate if baseline is not None else None
    last = way[-1].weight if way else 100.0
    if not rate or not way:
        requests = math.ceil(requests_needed(analysis, baseline, weight=last))
        text = f"a decision needs about {requests} requests of the candidate at weight {last:g}"
        why = "stable's rate of requests is not known" if rate is None else "stable has none now"
        return Expected(requests, None, rate is None, f"{text}; {why}")
    level = promote_level(analysis)
    decided = max(
        [_time(known, level, rate, way) for known in _rates(analysis, baseline)]
        + [_time_for(float(analysis.min_requests), rate, way)]
    )
    steps = math.fsum(leg.seconds for leg in way)
    seconds = max(decided, steps)
    # What the search leaves over is no request: 100 that are asked for are told as 100, not 101.
    requests = math.ceil(round(min(MOST_REQUESTS, _requests_by(decided, rate, way)), 4))
    text = (
        f"a decision about a version like stable needs about {requests} requests of the candidate;"
        f" at {rate:.3g} requests a second and these weights that takes {spoken(decided)}"
    )
    if steps > decided:
        text += f", and the steps take {spoken(steps)}"
    enough = seconds <= deadline_s
    if not enough:
        text += (
            f"; the deadline is {spoken(deadline_s)}: allow more time, more weight or a wider"
            " margin"
        )
    return Expected(requests, seconds if math.isfinite(seconds) else None, enough, text)


def _rates(analysis: Analysis, baseline: Baseline | None) -> Iterator[_Rate]:
    """Every comparison of which stable's rate is known."""
    for metric in analysis.metrics:
        if role_of(metric) is not Role.COMPARISON:
            continue
        if metric.type == "ErrorRate":
            history = baseline.errors if baseline is not None else NO_COUNTS
            halves = baseline.errors_halves if baseline is not None else ()
            yield _rate(history, margin_of(metric), halves)
        if metric.type == "Latency" and baseline is not None:
            bounds = latency.thresholds(metric, baseline)
            for bound in () if isinstance(bounds, Unseen) else bounds:
                history = latency.slower(baseline, bound.bound_ms)
                yield _rate(history, bound.margin, baseline.slow_halves.get(bound.bound_ms, ()))


def _rate(history: Counts, margin: Margin, halves: Halves) -> _Rate:
    return _Rate(stable_rate(NO_COUNTS, history), margin, dispersion(halves).phi)


def _drifts(known: _Rate, weight: float) -> list[tuple[float, ...]]:
    """How much each log-e of both promote grids grows with one request of the candidate."""
    n_s = (100.0 - weight) / weight
    candidate = Counts(bad=known.rate / known.phi, n=1.0 / known.phi)
    stable = Counts(bad=known.rate * n_s / known.phi, n=n_s / known.phi)
    alternatives = promote_alternatives(known.rate, known.margin.absolute)
    return [
        ratio_step(
            (0.0,) * len(PROMOTE_MULTIPLES),
            candidate=candidate,
            stable=stable,
            ratio=known.margin.ratio,
            multiples=PROMOTE_MULTIPLES,
        ),
        difference_step(
            (0.0,) * len(alternatives),
            candidate=candidate,
            stable=stable,
            margin=known.margin.absolute,
            alternatives=alternatives,
            q_s=known.rate,
            rollback=False,
        ),
    ]


def _log_e(grids: Sequence[Sequence[float]]) -> float:
    return log_mean_exp([log_mean_exp(grid) for grid in grids])


def _one(known: _Rate, level: float, weight: float) -> float:
    """Requests at one weight until the level is reached."""
    drifts = _drifts(known, weight)

    def reached(requests: float) -> bool:
        return _log_e([[requests * drift for drift in grid] for grid in drifts]) >= level

    return first_reached(reached, MOST_REQUESTS)


def _time(known: _Rate, level: float, rate: float, way: Sequence[Leg]) -> float:
    """Seconds along the way until the level is reached."""
    legs = [(leg, _drifts(known, leg.weight)) for leg in way if 0.0 < leg.weight < 100.0]
    if not legs:
        return math.fsum(leg.seconds for leg in way)  # nothing is compared before the switch

    def reached(seconds: float) -> bool:
        requests = _by_leg(seconds, rate, way)
        grids = [[0.0] * len(grid) for grid in legs[0][1]]
        for leg, drifts in legs:
            for grid, drift in zip(grids, drifts, strict=True):
                for i, value in enumerate(drift):
                    grid[i] += requests[way.index(leg)] * value
        return _log_e(grids) >= level

    return first_reached(reached, MOST_REQUESTS / rate)


def _time_for(requests: float, rate: float, way: Sequence[Leg]) -> float:
    return first_reached(
        lambda seconds: _requests_by(seconds, rate, way) >= requests, MOST_REQUESTS
    )


def _by_leg(seconds: float, rate: float, way: Sequence[Leg]) -> list[float]:
    """The candidate's requests on each leg after so many seconds; the last one has no end."""
    left, found = seconds, []
    for at, leg in enumerate(way):
        spent = left if at == len(way) - 1 else min(left, leg.seconds)
        found.append(rate * leg.weight / 100.0 * spent)
        left -= spent
    return found


def _requests_by(seconds: float, rate: float, way: Sequence[Leg]) -> float:
    return math.fsum(_by_leg(seconds, rate, way)) if math.isfinite(seconds) else math.inf


def first_reached(reached: Callable[[float], bool], most: float) -> float:
    """The smallest value for which `reached` holds, to a 10^-12th of it; inf where none does."""
    if reached(0.0):
        return 0.0
    high = 1.0
    while not reached(high):
        high *= 2.0
        if high > most:
            return math.inf
    low = high / 2.0 if high > 1.0 else 0.0
    while high - low > 1e-12 * high:
        middle = 0.5 * (low + high)
        low, high = (low, middle) if reached(middle) else (middle, high)
    return high


def spoken(seconds: float) -> str:
    """A time for people."""
    if math.isinf(seconds):
        return "for ever"
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
