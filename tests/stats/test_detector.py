"""Detectors hear a change and seldom anything else; bets are fair without one."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad

from tidegate.stats import log_mean_exp
from tidegate.stats.detector import (
    LEAST_P,
    NO_EVIDENCE,
    cusum,
    log_e_of_log_p,
    log_e_of_p,
    plug_in_log_e,
    shiryaev_roberts,
)

A = math.log(1000)


@given(st.floats(0, 1), st.floats(0, 1))
def test_a_smaller_p_is_never_less_evidence(first: float, second: float) -> None:
    low, high = sorted((first, second))
    assert log_e_of_p(low) >= log_e_of_p(high) - 1e-12
    assert math.log(0.5) <= log_e_of_p(high)


def test_a_p_value_gives_a_fair_bet() -> None:
    mean = quad(lambda v: math.exp(log_e_of_p(math.exp(-v)) - v), 0, 690, limit=500)[0]
    # The rest of the mass lies below e^-690: the integral of 1 / v^2.
    assert mean == pytest.approx(1 - 1 / 690, abs=1e-4)


def test_the_ends_of_p_and_the_joints_of_the_formula() -> None:
    assert log_e_of_p(1.0) == log_e_of_log_p(0.0) == math.log(0.5)
    assert log_e_of_p(0.0) == math.inf
    assert 600 < log_e_of_p(LEAST_P) < 700
    assert log_e_of_log_p(-1e6) == pytest.approx(1e6 - 2 * math.log(1e6))
    for v in (1e-3, 30.0):
        before, after = (log_e_of_log_p(-v * (1 + side * 1e-9)) for side in (-1, 1))
        assert before == pytest.approx(after, abs=1e-6)
    for p in (-0.1, 1.1, math.nan):
        with pytest.raises(ValueError, match="p-value"):
            log_e_of_p(p)
    for log_p in (0.1, math.nan):
        with pytest.raises(ValueError, match="p-value"):
            log_e_of_log_p(log_p)


@given(st.lists(st.floats(-5, 5), max_size=50))
def test_the_sum_of_all_starts_is_at_least_the_best_start(log_e: list[float]) -> None:
    sr = best = NO_EVIDENCE
    for value in log_e:
        sr, best = shiryaev_roberts(sr, value), cusum(best, value)
        assert sr >= best - 1e-9


def test_they_do_not_overflow() -> None:
    for follow in (shiryaev_roberts, cusum):
        log_m = NO_EVIDENCE
        for _ in range(10):
            log_m = follow(log_m, 1e6)
        assert log_m == pytest.approx(1e7)
        assert follow(log_m, -math.inf) == NO_EVIDENCE


def test_false_alarms_are_rare_and_a_change_is_heard() -> None:
    """At A = 1,000 at most a tenth of runs may alarm within 100 windows (A windows on average)."""
    rng, alarms, runs = random.Random(20130101), 0, 200
    for _ in range(runs):
        log_m = NO_EVIDENCE
        for _ in range(100):
            log_m = shiryaev_roberts(log_m, log_e_of_p(rng.random()))
            if log_m >= A:
                alarms += 1
                break
    assert alarms <= 0.1 * runs
    log_m = NO_EVIDENCE
    for _ in range(10):
        log_m = shiryaev_roberts(log_m, log_e_of_p(0.001))
    assert log_m >= A
    assert log_mean_exp([log_m] + [0.0] * 29) < log_m


def test_the_bet_on_bins_is_fair_and_grows_with_drift() -> None:
    reference, recent = [500.0, 300.0, 200.0], [10.0, 70.0, 20.0]
    total = sum(reference) + 1.5
    shares = [(y + 0.5) / total for y in reference]
    n, mean = 6, 0.0
    for a in range(n + 1):
        for b in range(n + 1 - a):
            c = n - a - b
            ways = math.factorial(n) / math.prod(map(math.factorial, (a, b, c)))
            chance = ways * math.prod(s**k for s, k in zip(shares, (a, b, c), strict=True))
            mean += chance * math.exp(plug_in_log_e([a, b, c], reference=reference, recent=recent))
    assert mean == pytest.approx(1, abs=1e-9)
    drifted = [50.0, 350.0, 100.0]
    assert plug_in_log_e(drifted, reference=reference, recent=drifted) > 10
    assert plug_in_log_e([0, 0, 0], reference=reference, recent=recent) == pytest.approx(0)
    assert plug_in_log_e([1e9, 0, 0], reference=reference, recent=recent) >= math.log(0.5)
    with pytest.raises(ValueError, match="bins"):
        plug_in_log_e([1], reference=reference, recent=recent)
