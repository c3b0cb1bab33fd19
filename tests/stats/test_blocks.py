"""Blocks of a minute: what they say of a mean difference, and that bursts do not fool them."""

from __future__ import annotations

import math
import statistics

import pytest

from tidegate.stats.blocks import Blocks


def of(*differences: float) -> Blocks:
    found = Blocks()
    for difference in differences:
        found = found.added(difference)
    return found


def test_sums_are_the_moments_of_the_differences() -> None:
    values = (0.01, -0.02, 0.03, 0.0, 0.015)
    blocks = of(*values)
    assert blocks.mean == pytest.approx(statistics.mean(values))
    assert blocks.deviation == pytest.approx(statistics.stdev(values))
    error = statistics.stdev(values) / math.sqrt(5)
    assert blocks.errors_above(0.002) == pytest.approx((blocks.mean - 0.002) / error)


def test_thirty_blocks_are_enough_and_fewer_are_not() -> None:
    assert not of(*[0.0] * 29).enough
    assert of(*[0.0] * 30).enough


def test_one_block_apart_is_one_standard_error_however_far_apart_it_is() -> None:
    assert of(*[0.0] * 40, 0.9).errors_above(0.0) == pytest.approx(1.0)
    assert of(*[0.0] * 40, 0.001).errors_above(0.0) == pytest.approx(1.0)


@pytest.mark.parametrize(("tolerated", "said"), [(0.005, math.inf), (0.02, -math.inf)])
def test_equal_blocks_leave_no_doubt(tolerated: float, said: float) -> None:
    assert of(*[0.01] * 30).errors_above(tolerated) == said


def test_the_lower_bound_comes_closer_with_more_blocks_and_stays_below_the_mean() -> None:
    few, many = of(*[0.0, 0.02] * 15), of(*[0.0, 0.02] * 60)
    assert few.lower(0.01) < many.lower(0.01) < 0.01
    assert of().lower(0.01) == -math.inf
