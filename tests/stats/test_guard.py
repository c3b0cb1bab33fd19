"""A guard breaks when its limit is broken, and not otherwise, however many requests there are."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import betaincc

from tidegate.stats import Counts, guard_log_e
from tidegate.stats.guard import log_upper_beta


@pytest.mark.parametrize("n", [14_000, 10**6, 10**9])
@pytest.mark.parametrize("rate", [0.0, 0.01, 0.04])
def test_a_healthy_arm_does_not_break_its_guard_by_sheer_traffic(n: int, rate: float) -> None:
    """A floor of 1e-300 under the beta function would: after 14,000 clean requests at 5 %."""
    assert guard_log_e(Counts(rate * n, n), 0.05) < 0


@pytest.mark.parametrize("n", [1000, 10**6, 10**9])
def test_a_broken_limit_is_seen(n: int) -> None:
    assert guard_log_e(Counts(0.1 * n, n), 0.05) > math.log(1 / 0.005)


@given(n=st.integers(0, 10**6), limit=st.floats(1e-4, 0.9), share=st.floats(0, 1))
def test_more_bad_answers_are_never_less_evidence(n: int, limit: float, share: float) -> None:
    bad = math.floor(share * n)
    less = guard_log_e(Counts(bad, n), limit)
    more = guard_log_e(Counts(min(bad + 1, n), n), limit)
    assert math.isfinite(less)
    assert more >= less - 1e-9 * (1 + n)


@pytest.mark.parametrize("x", [1e-4, 0.01, 0.3, 0.7, 0.999])
@pytest.mark.parametrize(("a", "b"), [(0.5, 0.5), (1, 99), (30, 970), (500, 3), (4000, 96000)])
def test_the_incomplete_beta_function_agrees_with_scipy(x: float, a: float, b: float) -> None:
    reference = float(betaincc(a, b, x))
    got = log_upper_beta(x, a, b)
    if reference < 1e-290:
        assert got < math.log(1e-280)
    else:
        assert got == pytest.approx(math.log(reference), rel=1e-8, abs=1e-9)


def test_at_its_limit_a_guard_breaks_seldom() -> None:
    alpha, runs, crossed = 0.1, 300, 0
    rng = random.Random(20130101)
    for _ in range(runs):
        total = Counts(0, 0)
        for _ in range(100):
            total += Counts(rng.binomialvariate(75, 0.05), 75)
            if guard_log_e(total, 0.05) >= math.log(1 / alpha):
                crossed += 1
                break
    assert crossed <= alpha * runs


@pytest.mark.parametrize("limit", [0.0, 1.0, -0.1, math.nan])
def test_a_limit_that_is_none_is_refused(limit: float) -> None:
    with pytest.raises(ValueError, match="limit"):
        guard_log_e(Counts(0, 1), limit)
