"""Tails agree with scipy, also where a float of the probability itself would be 0."""

from __future__ import annotations

import math

import pytest
from scipy.special import erfcx, log_ndtr
from scipy.stats import chi2

from tidegate.stats.special import (
    chi2_quantile,
    log_chi2_tail,
    log_normal_cdf,
    log_scaled_normal_cdf,
    normal_tail,
)


@pytest.mark.parametrize("z", [-1e5, -40, -37, -20.001, -20, -19.9, -5, -0.1, 0, 0.1, 5, 40])
def test_the_normal_distribution_agrees_with_scipy(z: float) -> None:
    assert log_normal_cdf(z) == pytest.approx(float(log_ndtr(z)), rel=1e-10, abs=1e-300)
    assert normal_tail(-z) == pytest.approx(math.exp(float(log_ndtr(z))), rel=1e-9)


@pytest.mark.parametrize("z", [-1e8, -100, -20.001, -19.999, -3, 0, 5])
def test_what_cancels_in_the_normal_tail_is_exact(z: float) -> None:
    """ln Phi(z) + z^2 / 2, by erfcx."""
    expected = math.log(0.5 * float(erfcx(-z / math.sqrt(2))))
    assert log_scaled_normal_cdf(z) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("df", [1, 2, 9, 19, 1000, 1e5])
@pytest.mark.parametrize("share", [1e-6, 0.3, 0.99, 1, 1.01, 2, 10])
def test_the_tail_of_chi_square_agrees_with_scipy(df: float, share: float) -> None:
    expected = float(chi2.logsf(share * df, df))
    if math.isfinite(expected):
        assert log_chi2_tail(share * df, df) == pytest.approx(expected, rel=1e-9, abs=1e-9)
    else:
        assert log_chi2_tail(share * df, df) < -700


@pytest.mark.parametrize("df", [1, 2, 9, 1000])
@pytest.mark.parametrize("alpha", [0.999, 0.5, 0.01, 1e-9])
def test_a_quantile_of_chi_square_agrees_with_scipy(df: float, alpha: float) -> None:
    assert chi2_quantile(alpha, df) == pytest.approx(float(chi2.isf(alpha, df)), rel=1e-9)


def test_the_ends_of_chi_square() -> None:
    assert log_chi2_tail(0.0, 3) == log_chi2_tail(-1.0, 3) == 0.0
    assert log_chi2_tail(math.inf, 3) == -math.inf
    for df in (0.0, -1.0, math.nan):
        with pytest.raises(ValueError, match="degrees of freedom"):
            log_chi2_tail(1.0, df)
    with pytest.raises(ValueError, match="alpha"):
        chi2_quantile(0.0, 1)
