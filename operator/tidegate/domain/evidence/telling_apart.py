"""Before a test between arms: how many requests it takes to tell them apart, and how long.

What must be told apart is what the goal's own margin calls worse: an arm that fails by so much less
that stable is beyond the margin seen from it. Along the expected path every log-e grows in
proportion to the requests (see `feasibility.py`). It decides nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tidegate.domain.evidence.feasibility import MOST_REQUESTS, Expected, first_reached, spoken
from tidegate.domain.evidence.rates import margin_of
from tidegate.stats import NO_COUNTS, Counts, log_mean_exp
from tidegate.stats.contest import WINNER_MULTIPLES
from tidegate.stats.dispersion import dispersion
from tidegate.stats.eprocess import ratio_step, stable_rate

if TYPE_CHECKING:
    from tidegate.api.metric import Metric
    from tidegate.domain.evidence.batch import Baseline

WITHOUT_MARGIN = 0.5
"""How much of stable's failures the better arm has where the goal has no margin."""
LEAST_SHARE = 0.05
"""No arm is expected to have less than this share of stable's failures."""


@dataclass(frozen=True)
class Contestants:
    """The test that is about to begin: how many arms share the traffic evenly, the rate of wrong
    winners, and whether new callers are compared (each of them once) rather than requests."""

    arms: int
    alpha: float
    by_caller: bool
    least_requests: float
    least_seconds: float


def expected_winner(
    goal: Metric, baseline: Baseline | None, test: Contestants, *, deadline_s: float
) -> Expected:
    """Requests of each arm, and time, until an arm wins that fails less by the goal's margin.

    For a goal of type Counters nothing is known of stable's rate before the test.
    """
    if goal.type == "Counters" or baseline is None:
        least = math.ceil(test.least_requests)
        text = f"a winner needs at least {least} of each arm"
        why = "how often stable fails is not known before the test"
        return Expected(float(least), None, enough=True, message=f"{text}; {why}")
    worse = stable_rate(NO_COUNTS, baseline.errors)
    better = better_rate(goal, worse)
    phi = 1.0 if test.by_caller else dispersion(baseline.errors_halves).phi
    needed = max(test.least_requests, _needed(better, worse, phi, test))
    requests = math.ceil(round(min(MOST_REQUESTS, needed), 4))
    unit = "new callers" if test.by_caller else "requests"
    text = (
        f"a winner that fails {better:.2%} where stable fails {worse:.2%} needs about {requests}"
        f" {unit} of each of {test.arms} arms"
    )
    rate = baseline.rate
    if test.by_caller or not rate:
        why = "how many new callers come" if test.by_caller else "stable's rate of requests"
        return Expected(requests, None, enough=True, message=f"{text}; {why} is not known")
    decided = needed * test.arms / rate
    seconds = max(decided, test.least_seconds)
    text += f"; at {rate:.3g} requests a second that takes {spoken(decided)}"
    enough = seconds <= deadline_s
    if not enough:
        text += f"; the deadline is {spoken(deadline_s)}: allow more time, or fewer arms"
    return Expected(requests, seconds if math.isfinite(seconds) else None, enough, text)


def better_rate(goal: Metric, worse: float) -> float:
    """The rate of an arm from which `worse` is just beyond the goal's margin."""
    if goal.margin is None:
        return WITHOUT_MARGIN * worse
    margin = margin_of(goal)
    found = min(worse / margin.ratio, worse - margin.absolute)
    return max(LEAST_SHARE * worse, found)


def _needed(better: float, worse: float, phi: float, test: Contestants) -> float:
    """Requests of each arm until ln(K / alpha) is reached (statistics 5)."""
    drifts = ratio_step(
        (0.0,) * len(WINNER_MULTIPLES),
        candidate=Counts(bad=better / phi, n=1.0 / phi),
        stable=Counts(bad=worse / phi, n=1.0 / phi),
        ratio=1.0,
        multiples=WINNER_MULTIPLES,
    )
    level = math.log(test.arms / test.alpha)

    def reached(requests: float) -> bool:
        return log_mean_exp([requests * drift for drift in drifts]) >= level

    return first_reached(reached, MOST_REQUESTS)
