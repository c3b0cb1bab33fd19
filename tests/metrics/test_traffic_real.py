"""Envoy's profile against the real Prometheus: that its answers mean what we think they do."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from tidegate.metrics.base import Batch, Error, NoData, Value
from tidegate.metrics.profiles import ENVOY
from tidegate.metrics.prometheus import Prometheus
from tidegate.metrics.traffic import PrometheusTraffic

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from tests.metrics.conftest import Exporter, Gateway, RealPrometheus, Scraped

STABLE, CANDIDATE = "shop/m/m-1a.b", 'shop/m/m-2"b\\'
BOTH = (STABLE, CANDIDATE)
LAG_S = 0.4


@pytest.fixture
def real(scraped: Scraped) -> RealPrometheus:
    return scraped.prometheus


@pytest.fixture
def page(scraped: Scraped) -> Exporter:
    return scraped.exporter


@pytest.fixture
async def envoy(real: RealPrometheus) -> AsyncIterator[PrometheusTraffic]:
    async with asking(real) as metrics:
        yield metrics


@asynccontextmanager
async def asking(real: RealPrometheus) -> AsyncIterator[PrometheusTraffic]:
    prometheus = Prometheus(real.url, timeout=timedelta(seconds=5))
    yield PrometheusTraffic(prometheus, ENVOY, scrape_interval=timedelta(seconds=real.SCRAPE_S))
    await prometheus.close()


def now() -> datetime:
    return datetime.fromtimestamp(time.time(), UTC)


async def settled() -> datetime:
    """A moment whose samples have all been taken: the page as it is now is in the last of them."""
    await asyncio.sleep(0.5)
    moment = now()
    await asyncio.sleep(LAG_S)
    return moment


async def counted(
    envoy: PrometheusTraffic,
    start: datetime,
    end: datetime,
    *,
    clusters: Sequence[str] = BOTH,
    bound_ms: float = 10.0,
) -> Batch:
    """The batch, as soon as there is one."""
    for _ in range(50):
        answer = await envoy.batch(clusters, start=start, end=end, thresholds_ms=[bound_ms])
        if isinstance(answer, Value):
            return answer.value
        await asyncio.sleep(0.2)
    raise AssertionError(f"no batch: {answer}")


async def first_scrapes(envoy: PrometheusTraffic, clusters: Sequence[str] = BOTH) -> datetime:
    for _ in range(100):
        moment = now()
        answer = await envoy.batch(
            clusters, start=moment - timedelta(seconds=5), end=moment, thresholds_ms=[]
        )
        if isinstance(answer, Value):
            return await settled()
        await asyncio.sleep(0.1)
    raise AssertionError(f"the exporter was not scraped in 10 s: {answer}")


async def scraping(real: RealPrometheus, targets: set[str]) -> None:
    """Waits until Prometheus has taken over the new list: that takes it five seconds."""
    prometheus = Prometheus(real.url)
    for _ in range(100):
        answer = await prometheus.query("up")
        assert isinstance(answer, Value)
        if {series.labels["instance"] for series in answer.value} == targets:
            await prometheus.close()
            return
        await asyncio.sleep(0.2)
    raise AssertionError(f"Prometheus does not scrape {targets} in 20 s")


async def test_counts_match_what_the_gateway_answered(
    real: RealPrometheus, page: Exporter, envoy: PrometheusTraffic
) -> None:
    page.set(STABLE, fast=1000, slow=50)
    page.set(CANDIDATE, fast=10)
    start = await first_scrapes(envoy)

    page.set(STABLE, fast=1095, slow=55)
    page.set(CANDIDATE, fast=14, bad=1)  # the class of errors appears with the first one
    middle = await settled()
    first = await counted(envoy, start, middle)
    assert first.arms[STABLE].requests == 100
    assert first.arms[STABLE].slow == (5.0,)
    assert first.arms[CANDIDATE].requests == 5
    assert first.arms[CANDIDATE].errors == 1
    assert first.start == start

    page.restart()
    page.set(STABLE, fast=30)
    page.set(CANDIDATE, fast=2)
    end = await settled()
    second = await counted(envoy, middle, end)
    assert second.arms[STABLE].requests == 30
    assert second.arms[CANDIDATE].requests == 2
    assert second.arms[CANDIDATE].errors == 0

    baseline = await envoy.baseline(CANDIDATE, end=end, window=timedelta(hours=1))
    assert isinstance(baseline, Value)
    assert baseline.value.requests > 0
    assert baseline.value.histogram.bounds_ms[:3] == (1.0, 10.0, 100.0)
    assert baseline.value.rate is not None
    assert baseline.value.rate > 0
    clock = await envoy.clock()
    assert isinstance(clock, Value)
    assert abs(clock.value - now()) < timedelta(seconds=2)


async def test_a_gateway_that_cannot_be_scraped_is_no_data_until_it_can(
    real: RealPrometheus, page: Exporter, envoy: PrometheusTraffic
) -> None:
    page.set(STABLE, fast=100)
    page.set(CANDIDATE, fast=10)
    start = await first_scrapes(envoy)
    page.up = False
    await settled()
    dark = await envoy.batch(BOTH, start=start, end=await settled(), thresholds_ms=[])
    assert isinstance(dark, NoData)

    page.set(CANDIDATE, fast=13, bad=2)
    page.up = True
    batch = await counted(envoy, start, await settled())
    assert batch.arms[CANDIDATE].requests == 5
    assert batch.arms[CANDIDATE].errors == 2
    assert batch.arms[STABLE].requests == 0


async def test_a_prometheus_that_dies_is_an_error_and_one_that_forgot_skips_the_gap(
    real: RealPrometheus, page: Exporter, envoy: PrometheusTraffic
) -> None:
    page.set(STABLE, fast=100)
    page.set(CANDIDATE, fast=10)
    start = await first_scrapes(envoy)
    real.stop()
    assert isinstance(await envoy.batch(BOTH, start=start, end=now(), thresholds_ms=[]), Error)
    page.set(CANDIDATE, fast=500, bad=400)
    real.lose_everything()
    await first_scrapes(envoy)
    page.set(CANDIDATE, fast=503, bad=401)
    batch = await counted(envoy, start, await settled())
    assert batch.start > start
    assert batch.arms[CANDIDATE].requests == 4
    assert batch.arms[CANDIDATE].errors == 1


async def test_a_gateway_that_left_the_discovery_does_not_hold_up_the_next_batches(
    real: RealPrometheus, page: Exporter, envoy: PrometheusTraffic
) -> None:
    page.set(STABLE, fast=100)
    page.set(CANDIDATE, fast=10)
    start = await first_scrapes(envoy)
    target = real.target
    other = target.replace("127.0.0.1", "localhost")  # the same exporter as a second instance
    real.look_for(target, other)
    await scraping(real, {target, other})
    both = await counted(envoy, start, await settled())
    assert both.arms[STABLE].requests == 0
    real.look_for(other)
    await scraping(real, {other})
    page.set(CANDIDATE, fast=15)
    batch = await counted(envoy, both.end, await settled())
    assert batch.arms[CANDIDATE].requests == 5


async def test_a_real_envoy_is_counted_answer_by_answer(gateway: Gateway) -> None:
    clusters = ("shop/m/full", "shop/m/empty")
    async with asking(gateway.prometheus) as envoy:
        start = await first_scrapes(envoy, clusters)
        paths = ["/"] * 5 + ["/slow"] * 3 + ["/bad"] * 2 + ["/empty"] * 4
        codes = [await asyncio.to_thread(gateway.get, path) for path in paths]
        await asyncio.sleep(1.2)  # Envoy's histograms are one flush behind its counters
        batch = await counted(envoy, start, await settled(), clusters=clusters, bound_ms=50.0)
    assert codes == [200] * 8 + [500] * 2 + [503] * 4
    full, empty = (batch.arms[cluster] for cluster in clusters)
    assert (full.requests, full.errors, full.timed, full.slow) == (10, 2, 10, (3,))
    # Without endpoints: charged to the cluster and counted, though no server took any time.
    assert (empty.requests, empty.errors, empty.timed) == (4, 4, 0)
