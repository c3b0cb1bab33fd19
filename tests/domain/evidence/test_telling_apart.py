"""What a winner is expected to take, against what simulation gives."""

from __future__ import annotations

import random
import statistics

import pytest
from tests.domain.evidence.made import CALM, CANCELLED, ERRORS, SLO, analysis

from tidegate.domain.evidence import Baseline, Contestants, expected_winner
from tidegate.domain.evidence.telling_apart import better_rate
from tidegate.stats import Counts
from tidegate.stats.contest import Contest

GOAL = analysis({**ERRORS, "margin": {"ratio": 1.5, "absolute": 0.005}}, SLO, CANCELLED).metrics
THREE = Contestants(3, 0.05, by_caller=False, least_requests=100, least_seconds=60)
TWO_PERCENT = Baseline(Counts(20_000, 1e6), CALM.latency, rate=100.0)


def simulated(arms: int, *, better: float, worse: float, seed: int) -> int:
    """Requests of each arm until the better one has won."""
    draw, state, n = random.Random(seed), Contest.start(arms), 0
    while state.winner(0.05) is None:
        rates = [better, *[worse] * (arms - 1)]
        state = state.update([Counts(float(draw.binomialvariate(100, p)), 100.0) for p in rates])
        n += 100
    return n


def test_the_expected_requests_are_near_the_simulated_median() -> None:
    found = expected_winner(GOAL[0], TWO_PERCENT, THREE, deadline_s=7200)
    better = better_rate(GOAL[0], 0.02)
    median = statistics.median(
        simulated(3, better=better, worse=0.02, seed=seed) for seed in range(25)
    )
    assert 0.6 * median <= found.requests <= 1.5 * median
    assert found.seconds == pytest.approx(3 * found.requests / 100, rel=0.01)
    assert found.enough


def test_what_must_be_told_apart_is_what_the_margin_calls_worse() -> None:
    assert better_rate(GOAL[0], 0.02) == pytest.approx(0.02 / 1.5)
    assert better_rate(GOAL[0], 0.012) == pytest.approx(0.007)
    assert better_rate(GOAL[0], 0.001) == pytest.approx(0.00005), "never less than a twentieth"
    assert better_rate(GOAL[1], 0.02) == 0.01, "half where the goal has no margin"


def test_too_little_traffic_is_told() -> None:
    found = expected_winner(GOAL[0], TWO_PERCENT, THREE, deadline_s=10)
    assert not found.enough
    assert "allow more time, or fewer arms" in found.message


def test_of_new_callers_and_of_own_counters_nobody_knows_how_many_come() -> None:
    callers = Contestants(2, 0.05, by_caller=True, least_requests=0, least_seconds=0)
    found = expected_winner(GOAL[0], TWO_PERCENT, callers, deadline_s=1)
    assert (found.seconds, found.enough) == (None, True)
    assert "new callers of each of 2 arms" in found.message
    counted = expected_winner(GOAL[2], TWO_PERCENT, THREE, deadline_s=1)
    assert (counted.requests, counted.seconds) == (100, None)
    assert "is not known before the test" in counted.message
