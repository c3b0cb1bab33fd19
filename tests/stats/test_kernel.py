"""The discrepancy is large for different samples, and unbiased for equal distributions."""

from __future__ import annotations

import random

import pytest

from tidegate.stats.kernel import median_gamma, mmd2


def points(n: int, shift: float, rng: random.Random) -> list[list[float]]:
    return [[rng.gauss() + shift, rng.gauss()] for _ in range(n)]


def test_it_is_zero_on_average_for_equal_distributions_and_not_for_others() -> None:
    rng, runs = random.Random(20130101), 300
    same = [mmd2(points(8, 0, rng), points(8, 0, rng), gamma=0.5) for _ in range(runs)]
    assert min(same) < 0
    assert sum(same) / runs == pytest.approx(0, abs=0.01)
    assert mmd2(points(30, 0, rng), points(30, 2, rng), gamma=0.5) > 0.2


def test_it_is_the_same_both_ways_and_moves_with_both_samples() -> None:
    rng = random.Random(1)
    a, b = points(5, 0, rng), points(7, 1, rng)
    assert mmd2(a, b, gamma=0.3) == pytest.approx(mmd2(b, a, gamma=0.3))
    moved = [[x + 5, y] for x, y in a], [[x + 5, y] for x, y in b]
    assert mmd2(*moved, gamma=0.3) == pytest.approx(mmd2(a, b, gamma=0.3))


def test_gamma_follows_the_scale_of_the_points() -> None:
    line = [[0.0], [1.0], [3.0]]
    assert median_gamma(line[:2], line[2:]) == pytest.approx(1 / (2 * 4))
    with pytest.raises(ValueError, match="scale"):
        median_gamma([[1.0]], [[1.0]])
    with pytest.raises(ValueError, match="two points"):
        mmd2([[1.0]], [[1.0], [2.0]], gamma=1)
