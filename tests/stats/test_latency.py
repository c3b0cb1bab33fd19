"""Thresholds come from enough of stable's traffic and from boundaries that are near the target."""

from __future__ import annotations

import math

import pytest

from tidegate.stats import Histogram, NoThreshold, Threshold, latency_thresholds

BOUNDS = (5.0, 10.0, 15.0, 20.0, 30.0, 50.0, 100.0, 500.0, math.inf)
STABLE = Histogram(BOUNDS, (0, 500, 800, 900, 950, 980, 992, 1000, 1000))


def test_quantiles_are_read_off_the_buckets() -> None:
    assert STABLE.quantile(0.5) == pytest.approx(10)
    assert STABLE.quantile(0.25) == pytest.approx(7.5)
    assert STABLE.quantile(0.95) == pytest.approx(30)
    assert Histogram((10.0, math.inf), (1, 10)).quantile(0.5) == math.inf


def test_what_is_faster_than_the_histogram_can_tell_is_at_its_first_bound() -> None:
    fast = Histogram((0.5, 0.75, 1.0, math.inf), (990, 995, 1000, 1000))
    assert fast.quantile(0.5) == 0.5
    (threshold,) = latency_thresholds(fast, [0.5], 1.25)
    assert isinstance(threshold, Threshold)
    assert threshold.bound_ms == 0.75


@pytest.mark.parametrize("q", [0.0, 1.0, -1.0])
def test_there_is_no_quantile_without_requests_or_outside_0_and_1(q: float) -> None:
    with pytest.raises(ValueError, match="quantile"):
        STABLE.quantile(q)
    with pytest.raises(ValueError, match="quantile"):
        Histogram(BOUNDS, (0,) * 9).quantile(0.5)


def test_a_threshold_is_the_next_boundary_at_or_above_the_target() -> None:
    median, tail = latency_thresholds(STABLE, [0.5, 0.95], 1.25)
    assert isinstance(median, Threshold)
    assert isinstance(tail, Threshold)
    assert (median.target_ms, median.bound_ms) == pytest.approx((12.5, 15.0))
    assert (tail.target_ms, tail.bound_ms) == pytest.approx((37.5, 50.0))
    (exact,) = latency_thresholds(STABLE, [0.5], 1.5)
    assert isinstance(exact, Threshold)
    assert exact.bound_ms == 15.0


def test_exceedances_get_half_of_what_the_quantile_allows_as_margin() -> None:
    margin = Threshold(quantile=0.99, target_ms=1, bound_ms=1).margin
    assert margin.ratio == 1.5
    assert margin.absolute == pytest.approx(0.005)


def test_a_thin_baseline_waits() -> None:
    thin = Histogram(BOUNDS, (0, 500, 800, 900, 950, 980, 992, 999, 999))
    (none,) = latency_thresholds(thin, [0.5], 1.25)
    assert isinstance(none, NoThreshold)
    assert none.reason == "NoBaseline"
    assert "fewer than 1000 requests" in none.message


def test_what_is_said_of_a_thin_baseline_does_not_change_with_every_request() -> None:
    said = {
        found.message
        for total in range(300, 400)
        for found in latency_thresholds(Histogram((10.0, math.inf), (0, total)), [0.5], 1.25)
        if isinstance(found, NoThreshold)
    }
    assert len(said) == 1


@pytest.mark.parametrize(("q", "ratio"), [(0.995, 1.25), (0.9999, 2.0)])
def test_a_boundary_that_is_too_far_is_refused(q: float, ratio: float) -> None:
    (none,) = latency_thresholds(STABLE, [q], ratio)
    assert isinstance(none, NoThreshold)
    assert none.reason == "BucketsTooCoarse"
    assert "finer" in none.message


@pytest.mark.parametrize(
    ("bounds", "cumulative"), [((1.0,), (1, 2)), ((2.0, 1.0), (1, 2)), ((1.0, 2.0), (2, 1))]
)
def test_what_is_no_histogram_is_refused(
    bounds: tuple[float, ...], cumulative: tuple[float, ...]
) -> None:
    with pytest.raises(ValueError, match="histogram"):
        Histogram(bounds, cumulative)
