"""Users' own counters and values, and predictions, from a scripted Prometheus."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from tidegate.metrics.base import Counters, Error, NoData, Value
from tidegate.metrics.prometheus import Prometheus
from tidegate.metrics.queries import PrometheusQueries
from tidegate.stats import Counts

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.metrics.conftest import ScriptedPrometheus

BEGIN, END = datetime.fromtimestamp(970, UTC), datetime.fromtimestamp(1000, UTC)
TIMES = [955.0, 960.0, 965.0, 970.0, 975.0, 980.0, 985.0, 990.0, 995.0, 1000.0]
SPAN = {"start": BEGIN, "end": END}


@pytest.fixture
async def queries(scripted: ScriptedPrometheus) -> AsyncIterator[PrometheusQueries]:
    prometheus = Prometheus(scripted.url)
    yield PrometheusQueries(prometheus, scrape_interval=timedelta(seconds=5))
    await prometheus.close()


def rising(rate: float, times: list[float] | None = None) -> list[tuple[float, float]]:
    return [(t, rate * (t - 955.0)) for t in times or TIMES]


def pair(revision: str) -> Counters:
    return Counters(bad=f'cancelled{{r="{revision}"}}', total=f'booked{{r="{revision}"}}')


async def test_both_counters_rise_over_the_same_scrapes_of_each_arm(
    queries: PrometheusQueries, scripted: ScriptedPrometheus
) -> None:
    add = scripted.script.add
    add("booked", rising(4), r="new", instance="a")
    add("booked", rising(1), r="new", instance="b")
    add("cancelled", rising(1), r="new", instance="a")
    add("booked", rising(10), r="old", instance="c")
    found = await queries.ratios(
        {"candidate": pair("new"), "stable": pair("old")}, **SPAN, owner="n/m"
    )
    assert isinstance(found, Value)
    assert found.value.counts == {"candidate": Counts(30, 150), "stable": Counts(0, 300)}
    assert (found.value.start, found.value.end) == (BEGIN, END)


async def test_a_restarted_pod_counts_from_zero(
    queries: PrometheusQueries, scripted: ScriptedPrometheus
) -> None:
    samples = [(t, v if t < 985 else t - 985) for t, v in rising(4)]
    scripted.script.add("booked", samples, r="new")
    found = await queries.ratios({"candidate": pair("new")}, **SPAN, owner="n/m")
    assert isinstance(found, Value)
    assert found.value.counts["candidate"].n == 4 * 10 + 15


@pytest.mark.parametrize(
    ("instance", "times", "said"),
    [
        ("b", TIMES, "has cancelled"),
        ("a", TIMES[:5], "last scraped"),
    ],
    ids=["bad of another target", "a silent target"],
)
async def test_what_was_not_seen_is_no_data(
    queries: PrometheusQueries,
    scripted: ScriptedPrometheus,
    instance: str,
    times: list[float],
    said: str,
) -> None:
    scripted.script.add("booked", rising(4, times), r="new", instance="a")
    scripted.script.add("cancelled", rising(1, times), r="new", instance=instance)
    scripted.script.add("up", [(1000.0, 0.0)], instance="a")
    found = await queries.ratios({"candidate": pair("new")}, **SPAN, owner="n/m")
    assert isinstance(found, NoData)
    assert said in found.reason


async def test_a_total_that_is_not_there_is_no_data(queries: PrometheusQueries) -> None:
    found = await queries.ratios({"candidate": pair("new")}, **SPAN, owner="n/m")
    assert isinstance(found, NoData)
    assert 'booked{r="new"}' in found.reason


async def test_a_number_is_one_series(
    queries: PrometheusQueries, scripted: ScriptedPrometheus
) -> None:
    scripted.script.add("spent", [(1000.0, 0.25)], r="x")
    assert await queries.number("spent{}", at=END, owner="n/m") == Value(0.25)
    scripted.script.add("spent", [(1000.0, 0.5)], r="y")
    found = await queries.number("spent{}", at=END, owner="n/m")
    assert isinstance(found, Error)
    assert found.refused
    assert "2 series" in found.reason
    assert "sum()" in found.reason


@pytest.mark.scenario("ND-06")
@pytest.mark.parametrize(
    ("value", "answer"),
    [
        (math.nan, NoData("the query gives NaN, which is 0/0 where there was no traffic")),
        (math.inf, Value(math.inf)),
        (None, NoData("the query has no result now")),
    ],
)
async def test_no_number_is_no_verdict(
    queries: PrometheusQueries,
    scripted: ScriptedPrometheus,
    value: float | None,
    answer: Value[float] | NoData,
) -> None:
    if value is not None:
        scripted.script.add("spent", [(1000.0, value)])
    assert await queries.number("spent{}", at=END, owner="n/m") == answer


@pytest.mark.parametrize(("status", "refused"), [(400, True), (422, True), (503, False)])
async def test_a_query_that_does_not_parse_is_told_from_an_outage(
    queries: PrometheusQueries, scripted: ScriptedPrometheus, status: int, refused: bool
) -> None:
    scripted.script.status = status
    found = await queries.number("spent{}", at=END, owner="n/m")
    assert isinstance(found, Error)
    assert found.refused is refused


async def test_predictions_are_counted_by_output_and_bin(
    queries: PrometheusQueries, scripted: ScriptedPrometheus
) -> None:
    for revision, low, high in (("m-1", 2.0, 1.0), ("m-2", 1.0, 4.0)):
        of = {"namespace": "n", "model": "m", "revision": revision, "instance": revision}
        scripted.script.add("tidegate_model_ready", [(t, 1.0) for t in TIMES], **of)
        for bin_, rate in (("[0,1)", low), ("[1,2)", high)):
            scripted.script.add(
                "tidegate_prediction_total", rising(rate), output="p", bin=bin_, **of
            )
    found = await queries.predictions(
        {"stable": "n/m/m-1", "candidate": "n/m/m-2"}, **SPAN, owner="n/m"
    )
    assert isinstance(found, Value)
    assert found.value.bins == {
        "stable": {"p": {"[0,1)": 60, "[1,2)": 30}},
        "candidate": {"p": {"[0,1)": 30, "[1,2)": 120}},
    }
    missing = await queries.predictions({"stable": "n/m/m-3"}, **SPAN, owner="n/m")
    assert isinstance(missing, NoData)
