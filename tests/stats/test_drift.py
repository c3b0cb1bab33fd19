"""Distances of binned samples: zero for the same, and exceeded by chance as often as promised."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chi2_contingency, wasserstein_distance

from tidegate.stats.drift import (
    chi2_two_sample,
    jensen_shannon,
    kolmogorov_smirnov,
    ks_threshold,
    psi,
    psi_effect,
    psi_threshold,
    wasserstein,
)

Rows = tuple[list[int], list[int]]
rows = st.integers(2, 12).flatmap(
    lambda bins: st.tuples(
        *[
            st.lists(st.integers(0, 10**6), min_size=bins, max_size=bins).filter(any)
            for _ in range(2)
        ]
    )
)


@given(rows)
def test_distances_are_finite_and_the_same_both_ways(found: Rows) -> None:
    x, y = found
    edges = list(range(len(x) + 1))
    for distance in (psi, jensen_shannon, kolmogorov_smirnov):
        value = distance(x, y)
        assert -1e-12 <= value < math.inf
        assert distance(y, x) == pytest.approx(value, rel=1e-9, abs=1e-12)
        assert distance(x, x) == pytest.approx(0, abs=1e-12)
    assert jensen_shannon(x, y) <= math.log(2) + 1e-9
    assert wasserstein(x, y, edges) == pytest.approx(wasserstein(y, x, edges))


@given(rows)
def test_the_distance_of_the_earth_moved_agrees_with_scipy(found: Rows) -> None:
    x, y = found
    centres = [i + 0.5 for i in range(len(x))]
    expected = wasserstein_distance(centres, centres, x, y)
    assert wasserstein(x, y, range(len(x) + 1)) == pytest.approx(expected, rel=1e-6, abs=1e-9)


@given(rows)
def test_chi_square_agrees_with_scipy(found: Rows) -> None:
    used = [(x, y) for x, y in zip(*found, strict=True) if x + y]
    ours = chi2_two_sample(*found)
    if len(used) < 2:
        assert ours.statistic == ours.log_p == 0
        return
    expected = chi2_contingency(list(zip(*used, strict=True)), correction=False)
    assert ours.statistic == pytest.approx(expected.statistic, rel=1e-6, abs=1e-6)
    assert ours.p == pytest.approx(expected.pvalue, rel=1e-6, abs=1e-6)


def test_chance_exceeds_the_thresholds_as_often_as_promised() -> None:
    rng, runs, n, m, bins = random.Random(20130101), 400, 500, 2000, 10
    over = {"psi": 0, "js": 0, "ks": 0, "chi2": 0}
    for _ in range(runs):
        x, y = ([0] * bins for _ in range(2))
        for row, size in ((x, n), (y, m)):
            for value in rng.choices(range(bins), k=size):
                row[value] += 1
        level = psi_threshold(n=n, m=m, bins=bins, alpha=0.1)
        over["psi"] += psi(x, y) > level
        over["js"] += jensen_shannon(x, y) > level / 8
        over["ks"] += kolmogorov_smirnov(x, y) > ks_threshold(n=n, m=m, alpha=0.1)
        over["chi2"] += chi2_two_sample(x, y).p < 0.1
    assert over["ks"] <= 0.1 * runs
    for name in ("psi", "js", "chi2"):
        assert over[name] == pytest.approx(0.1 * runs, abs=4 * math.sqrt(0.09 * runs))


def test_an_open_outer_bin_is_as_wide_as_its_neighbour() -> None:
    x, y = [5, 1, 1, 1], [1, 1, 1, 5]
    closed = wasserstein(x, y, [0, 1, 2, 3, 4])
    assert wasserstein(x, y, [-math.inf, 1, 2, 3, math.inf]) == closed


def test_the_effect_is_what_chance_does_not_explain() -> None:
    assert psi_effect(0.05, n=1000, m=math.inf, bins=11) == pytest.approx(0.04)


def test_senseless_rows_are_refused() -> None:
    for distance in (psi, jensen_shannon, kolmogorov_smirnov, chi2_two_sample):
        for x, y in (([1], [1, 2]), ([], []), ([-1, 2], [1, 1])):
            with pytest.raises(ValueError, match=r"bins|negative"):
                distance(x, y)
    for distance in (jensen_shannon, kolmogorov_smirnov, chi2_two_sample):
        with pytest.raises(ValueError, match="empty"):
            distance([0, 0], [1, 1])
    for edges in ([0, 2, 1], [0, 1], [-math.inf, 0, math.inf]):
        with pytest.raises(ValueError, match="edges"):
            wasserstein([1, 2], [2, 1], edges)
    with pytest.raises(ValueError, match="two bins"):
        psi_threshold(n=10, m=10, bins=1, alpha=0.1)
