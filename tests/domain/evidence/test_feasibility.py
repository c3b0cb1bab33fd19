"""What a decision is expected to take, against what simulation gave."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.domain.evidence.made import CALM, CANCELLED, ERRORS, LATENCY, SLO, analysis

from tidegate.domain.evidence import Baseline, Leg, expected, requests_needed
from tidegate.stats import Counts

# (stable's rate, ratio, absolute, weight, median requests of the candidate), statistics 1.6
SIMULATED = [
    (0.01, 1.5, 0.005, 5, 3737),
    (0.01, 1.5, 0.005, 50, 6778),
    (0.01, 2.0, 0.01, 5, 1292),
    (0.01, 2.0, 0.01, 50, 2249),
    (0.001, 2.0, 0.001, 5, 10398),
    (0.001, 2.0, 0.001, 50, 17845),
    (0.001, 3.0, 0.002, 5, 3718),
    (0.001, 3.0, 0.002, 50, 6062),
]


def errors(rate: float, requests: float = 1e6) -> Baseline:
    return Baseline(Counts(rate * requests, requests), CALM.latency, rate=100.0)


@pytest.mark.parametrize(("rate", "ratio", "absolute", "weight", "median"), SIMULATED)
def test_the_expected_requests_are_near_the_simulated_median(
    rate: float, ratio: float, absolute: float, weight: float, median: float
) -> None:
    margin = {"ratio": ratio, "absolute": absolute}
    of = analysis({**ERRORS, "margin": margin}, minRequests=0)
    found = requests_needed(of, errors(rate), weight=weight)
    assert 0.85 * median <= found <= 1.35 * median


def test_min_requests_and_the_slowest_metric_decide() -> None:
    of = analysis(ERRORS, SLO, minRequests=50_000)
    assert requests_needed(of, CALM, weight=5) == 50_000
    alone = requests_needed(analysis(ERRORS, minRequests=0), CALM, weight=5)
    both = requests_needed(analysis(ERRORS, LATENCY, minRequests=0), CALM, weight=5)
    assert both >= alone
    unknown = requests_needed(analysis(ERRORS, CANCELLED, minRequests=0), CALM, weight=5)
    assert unknown == alone


def test_bursts_need_more_requests() -> None:
    halves = tuple(
        (Counts(10 * (n % 2), 1000), Counts(10 * ((n + 1) % 2), 1000)) for n in range(240)
    )
    of = analysis(ERRORS, minRequests=0)
    plain = requests_needed(of, CALM, weight=5)
    bursty = requests_needed(of, replace(CALM, errors_halves=halves), weight=5)
    assert bursty == pytest.approx(15 * plain, rel=0.05)


def test_the_way_through_the_weights_is_added_up() -> None:
    of = analysis(ERRORS, minRequests=0)
    at_five = expected(of, CALM, way=[Leg(5, 0)], deadline_s=7200)
    needed = requests_needed(of, CALM, weight=5)
    assert at_five.requests == pytest.approx(needed, rel=0.01)
    assert at_five.seconds == pytest.approx(needed / 5, rel=0.01)
    stepped = expected(of, CALM, way=[Leg(5, 60), Leg(50, 0)], deadline_s=7200)
    assert stepped.seconds is not None
    assert at_five.seconds is not None
    assert 60 < stepped.seconds < at_five.seconds
    assert "100 requests a second" in stepped.message


def test_traffic_that_cannot_decide_in_time_is_told_with_the_mend() -> None:
    slow = replace(CALM, rate=1.0)
    found = expected(analysis(ERRORS), slow, way=[Leg(5, 600), Leg(50, 600)], deadline_s=3600)
    assert not found.enough
    assert "the deadline is 60 min: allow more time" in found.message
    few = expected(analysis(ERRORS, minRequests=500), slow, way=[Leg(1, 0)], deadline_s=7200)
    assert not few.enough


@pytest.mark.parametrize(
    ("baseline", "enough", "said"),
    [
        (None, True, "is not known"),
        (replace(CALM, rate=0.0), False, "has none now"),
    ],
)
def test_without_a_rate_only_requests_are_told(
    baseline: Baseline | None, enough: bool, said: str
) -> None:
    found = expected(analysis(ERRORS), baseline, way=[Leg(5, 0)], deadline_s=60)
    assert found.seconds is None
    assert found.enough is enough
    assert said in found.message


@pytest.mark.parametrize("least", [50_000, 99_999, 123_457])
@pytest.mark.parametrize("rate", [7.3, 98.7, 100.0])
def test_where_min_requests_decide_exactly_so_many_are_expected(least: int, rate: float) -> None:
    of = analysis(ERRORS, minRequests=least)
    found = expected(of, replace(CALM, rate=rate), way=[Leg(30, 3)], deadline_s=7200)
    assert found.requests == least
