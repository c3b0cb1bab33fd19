"""Counts and margins refuse what cannot be, and mend what two counters read apart can yield."""

from __future__ import annotations

import math

import pytest

from tidegate.stats import Counts, Margin


def test_more_bad_requests_than_requests_are_cut() -> None:
    assert Counts(5, 3) == Counts(3, 3)


@pytest.mark.parametrize(("bad", "n"), [(-1, 5), (0, -1), (math.nan, 1), (0, math.inf)])
def test_impossible_counts_are_refused(bad: float, n: float) -> None:
    with pytest.raises(ValueError, match="counts must"):
        Counts(bad, n)


def test_counts_add_up_and_estimate_a_rate() -> None:
    assert Counts(1, 10) + Counts(2, 20) == Counts(3, 30)
    assert Counts(1, 4).estimate == 0.25
    assert Counts(0, 0).estimate is None


@pytest.mark.parametrize(
    ("ratio", "absolute"), [(0.9, 0.1), (1.0, 0.0), (1.5, -0.1), (1.5, 1.0), (math.nan, 0.1)]
)
def test_margins_without_room_are_refused(ratio: float, absolute: float) -> None:
    with pytest.raises(ValueError, match="margin"):
        Margin(ratio, absolute)


def test_rollback_is_tested_against_half_the_margin() -> None:
    assert Margin(2.25, 0.01).half == Margin(1.5, 0.005)
