"""Intervals hold what was seen, shrink with traffic, and cover at every look."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.stats import Counts, difference_interval, ratio_interval
from tidegate.stats.intervals import rate_interval


@given(n=st.integers(0, 10**9), share=st.floats(0, 1), alpha=st.floats(1e-6, 0.5))
def test_an_interval_holds_the_estimate_and_stays_between_0_and_1(
    n: int, share: float, alpha: float
) -> None:
    bad = math.floor(share * n)
    low, high = rate_interval(Counts(bad, n), alpha)
    assert 0 <= low <= high <= 1
    if n:
        assert low <= bad / n <= high


def test_more_traffic_at_the_same_rate_narrows_it() -> None:
    widths = []
    for n in (100, 1000, 10_000, 10**8):
        low, high = difference_interval(Counts(0.02 * n, n), Counts(0.01 * n, n), 0.05)
        assert low <= 0.01 <= high
        widths.append(high - low)
    assert widths == sorted(widths, reverse=True)


def test_no_traffic_is_no_knowledge() -> None:
    assert difference_interval(Counts(0, 0), Counts(0, 0), 0.05) == (-1, 1)
    assert ratio_interval(Counts(0, 0), Counts(0, 0), 0.05) == (0, math.inf)


@given(n=st.integers(0, 10**6), bad=st.integers(0, 10**6))
def test_a_difference_is_always_finite(n: int, bad: int) -> None:
    assert all(map(math.isfinite, difference_interval(Counts(bad, n), Counts(0, n), 0.01)))


def test_it_covers_the_rate_at_every_look() -> None:
    alpha, runs, missed = 0.1, 200, 0
    rng = random.Random(20130101)
    for _ in range(runs):
        total = Counts(0, 0)
        for _ in range(60):
            total += Counts(rng.binomialvariate(50, 0.1), 50)
            low, high = rate_interval(total, alpha)
            if not low <= 0.1 <= high:
                missed += 1
                break
    assert missed <= alpha * runs


def test_the_ends_are_sharp() -> None:
    low, high = rate_interval(Counts(0, 100), 0.05)
    assert low == 0
    assert high == pytest.approx(0.05702859764, abs=1e-9)
