"""One arm split in two, minute by minute."""

from __future__ import annotations

import random

import pytest

from tidegate.metrics.halves import error_halves, recent_rate, slow_halves
from tidegate.metrics.prometheus import Series
from tidegate.stats import Counts
from tidegate.stats.dispersion import LEAST_BLOCKS, dispersion


def series(values: list[float], *, start: int = 0, **labels: str) -> Series:
    named = {"job": "envoy", "instance": "gw-1", **labels}
    return Series(named, tuple((60.0 * (start + i), v) for i, v in enumerate(values)))


def test_two_instances_are_two_halves() -> None:
    found = error_halves(
        [
            series([0, 90, 180], code="2"),
            series([0, 10, 10], code="5"),
            series([0, 50, 100], code="2", instance="gw-2"),
        ],
        code="code",
    )
    assert found == (
        (Counts(10, 100), Counts(0, 50)),
        (Counts(0, 90), Counts(0, 50)),
    )


def test_one_instance_is_split_by_minutes_that_do_not_overlap() -> None:
    found = error_halves(
        [
            series([0, 10, 30, 60, 100], start=1, code="2"),
            series([0, 0, 5, 5, 5], start=1, code="5"),
        ],
        code="code",
    )
    assert found == ((Counts(0, 10), Counts(5, 25)), (Counts(0, 30), Counts(0, 40)))


def test_gaps_and_restarts_lose_a_block_and_count_nothing_twice() -> None:
    broken = [(0.0, 100.0), (60.0, 110.0), (240.0, 500.0), (300.0, 5.0), (360.0, 25.0)]
    found = error_halves([Series({"code": "2"}, tuple(broken))], code="code")
    assert found == ()
    found = error_halves([Series({"code": "2"}, (*tuple(broken[1:]), (420.0, 35.0)))], code="code")
    assert found == ((Counts(0, 20), Counts(0, 10)),)


def test_slow_requests_are_those_above_each_bound() -> None:
    found = slow_halves(
        [
            series([0, 8, 16], start=1, le="0.01"),
            series([0, 10, 20], start=1, le="+Inf"),
        ],
        bound_ms=1000.0,
    )
    assert found == {10.0: ((Counts(2, 10), Counts(2, 10)),)}


@pytest.mark.parametrize(("size", "low", "high"), [(1, 1.0, 2.1), (10, 9.0, 25.0)])
def test_bursts_are_found_by_one_gateway_too(size: int, low: float, high: float) -> None:
    rng = random.Random(size)
    good, bad = [0.0], [0.0]
    for _ in range(2 * LEAST_BLOCKS + 2):
        good.append(good[-1] + 3000)
        bad.append(bad[-1] + size * sum(rng.random() < 0.01 for _ in range(3000 // size)))
    found = dispersion(error_halves([series(good, code="2"), series(bad, code="5")], code="code"))
    assert found.verified
    assert low <= found.phi <= high


def test_the_rate_is_that_of_the_last_samples() -> None:
    raw = Series({}, ((10.0, 100.0), (20.0, 200.0), (30.0, 20.0)))
    assert recent_rate([raw]) == pytest.approx(6.0)
    assert recent_rate([raw, Series({"x": "y"}, ((10.0, 0.0), (30.0, 40.0)))]) == 8.0
    assert recent_rate([]) is None
