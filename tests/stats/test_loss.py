"""Chances and losses of a choice: against closed forms, symmetric, and stable at any size."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.special import betainc, betaincc

from tidegate.stats import Counts
from tidegate.stats.loss import choice, larger_chance

parts = st.floats(0.1, 1e6)


@given(parts, parts, parts, parts)
def test_one_of_two_is_larger(a1: float, b1: float, a2: float, b2: float) -> None:
    chance = larger_chance(a1, b1, a2, b2)
    assert 0 <= chance <= 1
    assert chance + larger_chance(a2, b2, a1, b1) == pytest.approx(1, abs=1e-7)


@given(b=st.floats(0.5, 1e6), d=st.floats(0.5, 1e6))
def test_it_agrees_with_the_closed_form_of_minima(b: float, d: float) -> None:
    """Beta(1, b) is the least of b uniform numbers: P(X > Y) = d / (b + d)."""
    assert larger_chance(1, b, 1, d) == pytest.approx(d / (b + d), rel=1e-7)


@pytest.mark.parametrize("counts", [(3, 10, 5, 12), (0, 0, 7, 9), (90, 1000, 100, 1000)])
def test_the_loss_agrees_with_the_integral_of_the_distributions(counts: tuple[int, ...]) -> None:
    k1, n1, k2, n2 = counts

    def integrand(x: float) -> float:
        first = betainc(1 + k1, 1 + n1 - k1, x)
        return float(first * betaincc(1 + k2, 1 + n2 - k2, x))

    found = choice(Counts(k1, n1), Counts(k2, n2))
    assert found.loss == pytest.approx(quad(integrand, 0, 1, epsabs=1e-12)[0], abs=1e-9)


def test_equal_arms_are_a_toss_up_at_any_size() -> None:
    for n in (0, 10, 10**4, 10**7):
        found = choice(Counts(0.1 * n, n), Counts(0.1 * n, n))
        assert found.larger == pytest.approx(0.5, abs=1e-6)
        assert 0 <= found.loss <= 1 / 6 + 1e-9
