"""The scripted source must itself obey the rules that it stands in for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tidegate.metrics.base import Batch, Error, NoData, Value
from tidegate.testing.metrics import FakeMetrics

START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


class Clock:
    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now

    def pass_seconds(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def metrics(clock: Clock) -> FakeMetrics:
    fake = FakeMetrics(clock, seed=3)
    fake.split(100.0, {"stable": 95, "candidate": 5})
    fake.behave("candidate", error_rate=0.2, latency_ms=60.0)
    return fake


async def count(fake: FakeMetrics, start: datetime, end: datetime) -> Batch:
    answer = await fake.batch(["stable", "candidate"], start=start, end=end, thresholds_ms=[40.0])
    assert isinstance(answer, Value)
    return answer.value


async def test_it_splits_traffic_by_weight(metrics: FakeMetrics, clock: Clock) -> None:
    clock.pass_seconds(60)
    batch = await count(metrics, START, clock.now)
    assert batch.arms["stable"].requests == 5700
    assert batch.arms["candidate"].requests == 300
    assert batch.arms["stable"].errors == 0
    assert 30 <= batch.arms["candidate"].errors <= 90
    assert batch.arms["candidate"].slow[0] > 0.7 * 300
    assert batch.arms["stable"].slow[0] < 0.1 * 5700


@pytest.mark.parametrize("cut", [1.0, 7.5, 30.0, 59.3])
async def test_an_interval_counts_the_same_however_it_is_cut(
    metrics: FakeMetrics, clock: Clock, cut: float
) -> None:
    clock.pass_seconds(60)
    middle = START + timedelta(seconds=cut)
    whole = await count(metrics, START, clock.now)
    first, second = await count(metrics, START, middle), await count(metrics, middle, clock.now)
    for arm in whole.arms:
        assert whole.arms[arm].requests == first.arms[arm].requests + second.arms[arm].requests
        assert whole.arms[arm].errors == first.arms[arm].errors + second.arms[arm].errors
        assert whole.arms[arm].slow[0] == first.arms[arm].slow[0] + second.arms[arm].slow[0]


async def test_a_change_does_not_rewrite_the_past(metrics: FakeMetrics, clock: Clock) -> None:
    clock.pass_seconds(30)
    before = await count(metrics, START, clock.now)
    middle = clock.now
    metrics.behave("stable", error_rate=1.0)
    metrics.route({"candidate": 0.0})
    clock.pass_seconds(30)
    assert await count(metrics, START, middle) == before
    after = await count(metrics, middle, clock.now)
    assert after.arms["stable"].errors == after.arms["stable"].requests == 2850
    assert after.arms["candidate"].requests == 0


async def test_an_outage_answers_everything(metrics: FakeMetrics, clock: Clock) -> None:
    metrics.outage = Error("connection refused")
    clock.pass_seconds(30)
    batch = await metrics.batch(["stable"], start=START, end=clock.now, thresholds_ms=[])
    baseline = await metrics.baseline("stable", end=clock.now, window=timedelta(hours=24))
    assert batch == baseline == await metrics.clock() == Error("connection refused")


async def test_what_it_does_not_know_is_no_data(metrics: FakeMetrics, clock: Clock) -> None:
    clock.pass_seconds(30)
    odd = await metrics.batch(["stable"], start=START, end=clock.now, thresholds_ms=[41.0])
    metrics.forget("stable")
    unknown = await metrics.batch(["stable"], start=START, end=clock.now, thresholds_ms=[])
    assert isinstance(odd, NoData)
    assert isinstance(unknown, NoData)
    assert isinstance(
        await metrics.baseline("stable", end=clock.now, window=timedelta(hours=1)), NoData
    )


async def test_lost_history_moves_the_start_of_a_batch(metrics: FakeMetrics, clock: Clock) -> None:
    clock.pass_seconds(20)
    metrics.lose_history()
    clock.pass_seconds(10)
    batch = await count(metrics, START, clock.now)
    assert batch.start == START + timedelta(seconds=20)
    assert batch.arms["stable"].requests == 950


async def test_a_baseline_holds_the_histogram_of_its_window(
    metrics: FakeMetrics, clock: Clock
) -> None:
    clock.pass_seconds(120)
    answer = await metrics.baseline("stable", end=clock.now, window=timedelta(hours=24))
    assert isinstance(answer, Value)
    assert answer.value.requests == 95 * 120 == answer.value.histogram.total
    assert answer.value.histogram.quantile(0.5) == pytest.approx(20.0, rel=0.05)


async def test_its_clock_can_be_skewed(metrics: FakeMetrics, clock: Clock) -> None:
    metrics.skew = timedelta(seconds=9)
    assert await metrics.clock() == Value(clock.now + timedelta(seconds=9))
