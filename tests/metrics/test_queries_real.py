"""Users' queries against the real Prometheus: that what the schema takes parses, and counts."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from tidegate.metrics.base import Counters, Error, NoData, Value
from tidegate.metrics.prometheus import Prometheus
from tidegate.metrics.queries import PrometheusQueries
from tidegate.metrics.templates import filled

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.metrics.conftest import Scraped

VALUES = {"revision": 'm-1a.b"\\', "model": "m", "namespace": "shop"}
SELECTORS = [
    "booked",
    "booked{}",
    'booked{version="{{revision}}"}',
    "booked{version='{{revision}}',}",
    'booked{version=~"{{revision}}", zone!="x{1}"}',
    '{__name__=~"booked|gone", version!~"{{model}}"}',
]


@pytest.fixture
async def queries(scraped: Scraped) -> AsyncIterator[PrometheusQueries]:
    prometheus = Prometheus(scraped.prometheus.url)
    every = timedelta(seconds=scraped.prometheus.SCRAPE_S)
    yield PrometheusQueries(prometheus, scrape_interval=every)
    await prometheus.close()


def now() -> datetime:
    return datetime.fromtimestamp(time.time(), UTC)


async def settled() -> datetime:
    """A moment whose samples have all been taken."""
    await asyncio.sleep(0.5)
    moment = now()
    await asyncio.sleep(0.4)
    return moment


def of(name: str) -> str:
    return f'{name}{{version="m-1a.b\\"\\\\",zone="a"}}'


async def test_whatever_the_schema_takes_is_counted(
    scraped: Scraped, queries: PrometheusQueries
) -> None:
    page = scraped.exporter.lines
    page[of("booked_total".removesuffix("_total"))] = 100
    page[of("cancelled")] = 7
    for _ in range(100):
        if isinstance(await queries.number("count(booked)", at=now(), owner="a/b"), Value):
            break
        await asyncio.sleep(0.1)
    start = await settled()
    page[of("booked")] = 150
    page[of("cancelled")] = 10
    end = await settled()
    for selector in SELECTORS:
        pair = Counters(
            bad=filled('cancelled{version="{{revision}}"}', VALUES),
            total=filled(selector, VALUES),
        )
        found = await queries.ratios({"candidate": pair}, start=start, end=end, owner="a/b")
        assert isinstance(found, Value), (selector, found)
        counts = found.value.counts["candidate"]
        assert (counts.bad, counts.n) == (3, 50), selector


async def test_numbers_are_told_from_no_number_and_from_nonsense(
    scraped: Scraped, queries: PrometheusQueries
) -> None:
    at = now()

    async def asked(query: str, owner: str) -> Value[float] | NoData | Error:
        return await queries.number(query, at=at, owner=owner)

    assert await asked("1 / 4", "a") == Value(0.25)
    assert await asked("vector(1) / 0", "b") == Value(float("inf"))
    assert isinstance(await asked("vector(0) / 0", "c"), NoData)
    assert isinstance(await asked("absent_metric", "d"), NoData)
    nonsense = await asked("rate(x", "e")
    assert isinstance(nonsense, Error)
    assert nonsense.refused
    a_range = await asked("up[5m]", "f")
    assert isinstance(a_range, NoData | Error)
