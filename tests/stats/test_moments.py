"""Means and variances from sums; phases put together without Simpson's paradox."""

from __future__ import annotations

import math
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.stats.moments import Moments, difference, stratified_difference

values = st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=30)


def moments(numbers: list[float]) -> Moments:
    return Moments(len(numbers), math.fsum(numbers), math.fsum(x * x for x in numbers))


@given(values)
def test_they_agree_with_the_standard_library(numbers: list[float]) -> None:
    found = moments(numbers)
    assert found.mean == pytest.approx(statistics.fmean(numbers), abs=1e-9)
    assert found.variance == pytest.approx(statistics.variance(numbers), rel=1e-6, abs=1e-6)


@given(values, values)
def test_sums_of_parts_are_the_sums_of_the_whole(first: list[float], second: list[float]) -> None:
    both, whole = moments(first) + moments(second), moments(first + second)
    assert both.n == whole.n
    assert both.total == pytest.approx(whole.total, abs=1e-6)


@given(values, values)
def test_one_phase_is_no_stratification(candidate: list[float], stable: list[float]) -> None:
    plain = difference(moments(candidate), moments(stable))
    assert plain is not None
    assert stratified_difference([(moments(candidate), moments(stable))]) == pytest.approx(plain)


def test_a_drift_of_both_arms_over_a_change_of_weight_is_no_effect() -> None:
    early, late = [0.9, 1.0, 1.1], [1.9, 2.0, 2.1]
    phases = [(moments(early), moments(early * 19)), (moments(late * 19), moments(late))]
    found = stratified_difference(phases)
    pooled = difference(phases[0][0] + phases[1][0], phases[0][1] + phases[1][1])
    assert found is not None
    assert pooled is not None
    assert found.d == pytest.approx(0, abs=1e-12)
    assert pooled.d > 0.8


def test_too_few_values_say_nothing() -> None:
    one, two, none = Moments(1, 3, 9), Moments(2, 4, 10), Moments(0, 0, 0)
    assert (none.mean, none.variance, one.variance) == (None, None, None)
    assert difference(one, two) is difference(two, none) is None
    assert stratified_difference([]) is stratified_difference([(one, two)]) is None
    assert stratified_difference([(one, two), (two, two)]) == stratified_difference([(two, two)])


@pytest.mark.parametrize("wrong", [(-1, 0, 0), (1, math.nan, 0), (1, 0, math.inf), (1, 0, -1)])
def test_what_are_no_moments_is_refused(wrong: tuple[float, float, float]) -> None:
    with pytest.raises(ValueError, match="moments must"):
        Moments(*wrong)
