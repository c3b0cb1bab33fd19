"""The next weight never lets more bad requests through than the budget, apart from the floor."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.stats import Counts
from tidegate.stats.weight import excess_upper, next_weight, requests_left


def weight_at(
    *, budget: float, excess: float, requests: float = 0.0, rate: float | None = 100.0
) -> float:
    return next_weight(
        budget=budget, excess=excess, requests=requests, rate=rate, horizon_s=60.0, floor=0.01
    )


@given(
    budget=st.floats(0, 1e4),
    excess=st.floats(0, 1),
    requests=st.floats(0, 1e9),
    rate=st.floats(0, 1e5),
)
def test_the_harm_expected_stays_within_the_budget_above_the_floor(
    budget: float, excess: float, requests: float, rate: float
) -> None:
    weight = weight_at(budget=budget, excess=excess, requests=requests, rate=rate)
    assert 0.01 <= weight <= 0.5
    if weight > 0.01:
        assert (requests + weight * rate * 60) * excess <= budget * (1 + 1e-9)
    worse = weight_at(budget=budget, excess=2 * excess, requests=requests, rate=rate)
    assert worse <= weight


@pytest.mark.parametrize("rate", [None, 0.0, -1.0, math.nan, math.inf])
def test_without_a_known_rate_it_is_the_floor(rate: float | None) -> None:
    assert weight_at(budget=100, excess=0.01, rate=rate) == 0.01


def test_it_starts_with_all_of_the_budget_at_risk() -> None:
    start = excess_upper(Counts(0, 0), Counts(0, 0))
    assert start == 1
    assert weight_at(budget=100, excess=start) == pytest.approx(1 / 60)


def test_a_spent_budget_is_stalled() -> None:
    assert requests_left(budget=20, excess=0.02, requests=999) == pytest.approx(1)
    assert requests_left(budget=20, excess=0.02, requests=1001) < 0
    assert weight_at(budget=20, excess=0.02, requests=1e6) == 0.01


def test_traffic_that_goes_well_earns_trust() -> None:
    bounds = [excess_upper(Counts(0.01 * n, n), Counts(0.19 * n, 19 * n)) for n in (0, 100, 10**4)]
    assert bounds == sorted(bounds, reverse=True)
    assert 0 < bounds[-1] < 0.01
    assert excess_upper(Counts(0, 10**6), Counts(10**6, 10**6)) == 1e-6


@pytest.mark.parametrize(("floor", "ceiling"), [(-0.1, 0.5), (0.6, 0.5), (0.1, 1.1)])
def test_senseless_ends_are_refused(floor: float, ceiling: float) -> None:
    with pytest.raises(ValueError, match="floor"):
        next_weight(
            budget=1, excess=1, requests=0, rate=1, horizon_s=1, floor=floor, ceiling=ceiling
        )
