"""How many queries a thousand rollouts send, and that nobody's counts depend on that."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from tidegate.metrics.base import Error, Value
from tidegate.metrics.coalescing import CHUNK_ARMS, CHUNK_CHARACTERS, chunked
from tidegate.metrics.profiles import ENVOY
from tidegate.metrics.prometheus import Prometheus
from tidegate.metrics.traffic import PrometheusTraffic

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.metrics.conftest import Script, ScriptedPrometheus

TIMES = [float(t) for t in range(940, 1001, 5)]
INTERVAL_S = 15
"""How long a batch is, and how long after it a rollout asks for the next one."""
BEGIN, END = datetime.fromtimestamp(970, UTC), datetime.fromtimestamp(985, UTC)


def arms(rollout: int) -> list[str]:
    return [f"n/m{rollout}/m{rollout}-a", f"n/m{rollout}/m{rollout}-b"]


def add(script: Script, rollout: int) -> None:
    for at, arm in enumerate(arms(rollout)):
        of = {"envoy_cluster_name": arm}
        script.add("envoy_cluster_upstream_rq_total", [(t, 0.0) for t in TIMES], **of)
        samples = [(t, (t - 940) * (rollout + 1 + at)) for t in TIMES]
        script.add("envoy_cluster_upstream_rq_xx", samples, envoy_response_code_class="2", **of)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def traffic(scripted: ScriptedPrometheus, clock: Clock) -> AsyncIterator[PrometheusTraffic]:
    prometheus = Prometheus(scripted.url)
    yield PrometheusTraffic(
        prometheus,
        ENVOY,
        scrape_interval=timedelta(seconds=5),
        tick=timedelta(seconds=2),
        monotonic=clock,
    )
    await prometheus.close()


async def counted(traffic: PrometheusTraffic, rollout: int, later_s: float = 0) -> list[float]:
    later = timedelta(seconds=later_s)
    found = await traffic.batch(
        arms(rollout), start=BEGIN + later, end=END + later, thresholds_ms=()
    )
    assert isinstance(found, Value), found
    return [found.value.arms[arm].requests for arm in arms(rollout)]


async def test_one_query_a_tick_answers_all_rollouts(
    traffic: PrometheusTraffic, scripted: ScriptedPrometheus, clock: Clock
) -> None:
    for rollout in range(5):
        add(scripted.script, rollout)
    expected = [[15.0 * (n + 1), 15.0 * (n + 2)] for n in range(5)]
    first = await asyncio.gather(*(counted(traffic, n) for n in range(5)))
    assert first == expected
    clock.now += INTERVAL_S
    scripted.script.queries.clear()
    assert [await counted(traffic, n, 5) for n in range(5)] == expected
    assert len(scripted.script.queries) == 1
    clock.now += 1.5
    assert await counted(traffic, 3, 6.5) == expected[3]
    assert len(scripted.script.queries) == 1
    clock.now += 1
    assert await counted(traffic, 3, 10) == expected[3]
    assert len(scripted.script.queries) == 2


async def test_queries_stay_bounded_in_size(
    traffic: PrometheusTraffic, scripted: ScriptedPrometheus, clock: Clock
) -> None:
    rollouts = CHUNK_ARMS  # two arms each
    for rollout in range(rollouts):
        add(scripted.script, rollout)
        await counted(traffic, rollout)
    clock.now += INTERVAL_S
    scripted.script.queries.clear()
    await asyncio.gather(*(counted(traffic, n, 5) for n in range(rollouts)))
    assert len(scripted.script.queries) == 2
    assert all(len(asked["query"]) < 6000 for asked in scripted.script.queries)


async def test_only_who_is_due_is_asked_about(
    traffic: PrometheusTraffic, scripted: ScriptedPrometheus, clock: Clock
) -> None:
    for rollout in range(3):
        add(scripted.script, rollout)
        await counted(traffic, rollout)
        clock.now += 5
    scripted.script.queries.clear()
    await counted(traffic, 0, 5)
    (asked,) = scripted.script.queries
    assert [f"n/m{n}/m{n}-a" in asked["query"] for n in range(3)] == [True, False, False]
    clock.now += 5
    await counted(traffic, 1, 5)
    assert [f"n/m{n}/m{n}-a" in scripted.script.queries[1]["query"] for n in range(3)] == [
        False,
        True,
        False,
    ]
    clock.now += 120
    await counted(traffic, 2, 5)
    assert "n/m0/" not in scripted.script.queries[2]["query"], "nobody asks for it any more"


def test_a_query_names_no_more_arms_than_fit_a_line() -> None:
    names = [f"{'n' * 60}/{'m' * 40}/{'r' * 49}{i:03}" for i in range(250)]
    parts = chunked(names)
    assert [name for part in parts for name in part] == names
    assert max(len(part) for part in parts) <= CHUNK_ARMS
    assert max(sum(map(len, part)) for part in parts) <= CHUNK_CHARACTERS
    assert len(chunked([str(i) for i in range(250)])) == 3
    assert chunked([]) == []


async def test_who_reaches_far_back_asks_for_himself(
    traffic: PrometheusTraffic, scripted: ScriptedPrometheus
) -> None:
    for rollout in range(2):
        add(scripted.script, rollout)
    await counted(traffic, 0)
    asked = len(scripted.script.queries)
    found = await traffic.batch(
        arms(1), start=BEGIN - timedelta(minutes=5), end=END, thresholds_ms=()
    )
    assert isinstance(found, Value)
    assert len(scripted.script.queries) == asked + 1


async def test_an_outage_is_one_question_a_tick(
    traffic: PrometheusTraffic, scripted: ScriptedPrometheus, clock: Clock
) -> None:
    for rollout in range(5):
        add(scripted.script, rollout)
        await counted(traffic, rollout)
    scripted.script.status = 503
    for _ in range(3):
        clock.now += INTERVAL_S
        scripted.script.queries.clear()
        for rollout in range(5):
            answer = await traffic.batch(arms(rollout), start=BEGIN, end=END, thresholds_ms=())
            assert isinstance(answer, Error)
        assert len(scripted.script.queries) == 1


async def test_an_outage_that_meets_strangers_is_one_question_a_tick(
    traffic: PrometheusTraffic, scripted: ScriptedPrometheus
) -> None:
    scripted.script.status = 503
    for rollout in range(5):
        answer = await traffic.batch(arms(rollout), start=BEGIN, end=END, thresholds_ms=())
        assert isinstance(answer, Error)
    assert len(scripted.script.queries) == 1


async def test_after_an_outage_the_longer_batches_share_a_query_too(
    traffic: PrometheusTraffic, scripted: ScriptedPrometheus, clock: Clock
) -> None:
    for rollout in range(5):
        add(scripted.script, rollout)
        await counted(traffic, rollout)
    for longer in (5, 10):
        clock.now += INTERVAL_S
        scripted.script.status = 503 if longer == 5 else 200
        scripted.script.queries.clear()
        for rollout in range(5):
            await traffic.batch(
                arms(rollout), start=BEGIN, end=END + timedelta(seconds=longer), thresholds_ms=()
            )
        assert len(scripted.script.queries) == 1


async def test_the_clock_is_asked_every_ten_seconds(
    traffic: PrometheusTraffic, scripted: ScriptedPrometheus, clock: Clock
) -> None:
    assert await traffic.clock() == Value(datetime.fromtimestamp(1000, UTC))
    clock.now += 4
    assert await traffic.clock() == Value(datetime.fromtimestamp(1004, UTC))
    assert len(scripted.script.queries) == 1
    clock.now += 7
    await traffic.clock()
    assert len(scripted.script.queries) == 2
