"""Envoy's profile against a scripted Prometheus: what is asked, and what the answers mean."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from tidegate.metrics.base import ArmCounts, Batch, Error, NoData, Value
from tidegate.metrics.profiles import ENVOY
from tidegate.metrics.prometheus import Prometheus
from tidegate.metrics.traffic import PrometheusTraffic

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from tests.metrics.conftest import Script, ScriptedPrometheus

STABLE, CANDIDATE = "shop/flight-delay/flight-delay-1a", "shop/flight-delay/flight-delay-2b"
GATEWAYS = ("gw-1:9901", "gw-2:9901")


def moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


@pytest.fixture
async def envoy(scripted: ScriptedPrometheus) -> AsyncIterator[PrometheusTraffic]:
    prometheus = Prometheus(scripted.url, timeout=timedelta(seconds=2))
    yield PrometheusTraffic(prometheus, ENVOY, scrape_interval=timedelta(seconds=5))
    await prometheus.close()


def ramp(first: int, last: int, rate: float) -> list[tuple[float, float]]:
    return [(float(t), rate * t) for t in range(first, last + 1, 5)]


def add_arm(
    script: Script,
    cluster: str,
    *,
    rate: float,
    bad: float = 0.0,
    gateway: str = GATEWAYS[0],
    first: int = 900,
    last: int = 1000,
) -> None:
    """A cluster as one gateway reports it: `rate` good and `bad` bad answers a second."""
    of = {"envoy_cluster_name": cluster, "instance": gateway}
    script.add("envoy_cluster_membership_total", [(t, 1.0) for t, _ in ramp(first, last, 1)], **of)
    script.add(
        "envoy_cluster_upstream_rq_xx", ramp(first, last, rate), **of, envoy_response_code_class="2"
    )
    if bad:
        script.add(
            "envoy_cluster_upstream_rq_xx",
            ramp(first, last, bad),
            **of,
            envoy_response_code_class="5",
        )
    for bound, share in (("0.5", 0.0), ("10", 0.5), ("25.0", 0.9), ("+Inf", 1.0)):
        script.add(
            "envoy_cluster_upstream_rq_time_bucket",
            ramp(first, last, rate * share),
            **of,
            le=bound,
        )


async def ask(
    envoy: PrometheusTraffic,
    clusters: Sequence[str] = (STABLE, CANDIDATE),
    *,
    start: float = 985,
    end: float = 1000,
    thresholds: Sequence[float] = (),
) -> Value[Batch] | NoData | Error:
    return await envoy.batch(
        clusters, start=moment(start), end=moment(end), thresholds_ms=thresholds
    )


async def test_a_batch_adds_up_classes_and_instances(
    envoy: PrometheusTraffic, scripted: ScriptedPrometheus
) -> None:
    for gateway in GATEWAYS:
        add_arm(scripted.script, STABLE, rate=19, gateway=gateway)
        add_arm(scripted.script, CANDIDATE, rate=1, bad=0.2, gateway=gateway)
    add_arm(scripted.script, "shop/other/x", rate=7)
    answer = await ask(envoy, thresholds=[10.0, 25.0])
    assert isinstance(answer, Value)
    batch = answer.value
    assert (batch.start, batch.end) == (moment(985), moment(1000))
    assert batch.arms[STABLE] == ArmCounts(requests=570, errors=0, slow=(285, 57), timed=570)
    assert batch.arms[CANDIDATE].requests == pytest.approx(36)
    assert batch.arms[CANDIDATE].errors == pytest.approx(6)
    assert set(batch.arms) == {STABLE, CANDIDATE}


async def test_one_query_a_metric_serves_all_clusters(
    envoy: PrometheusTraffic, scripted: ScriptedPrometheus
) -> None:
    names = [f"shop/m/m-{i}" for i in range(20)]
    for name in names:
        add_arm(scripted.script, name, rate=2)
    answer = await ask(envoy, names, thresholds=[10.0])
    assert isinstance(answer, Value)
    assert set(answer.value.arms) == set(names)
    assert len(scripted.script.queries) == 2


async def test_names_of_clusters_are_taken_literally(
    envoy: PrometheusTraffic, scripted: ScriptedPrometheus
) -> None:
    odd = 'a.b|c"d\\e/{f}'
    add_arm(scripted.script, odd, rate=2)
    add_arm(scripted.script, "axb", rate=1000)
    answer = await ask(envoy, [odd])
    assert isinstance(answer, Value)
    assert answer.value.arms[odd].requests == 30
    assert isinstance(await ask(envoy, ["a.b"]), NoData)


async def test_a_bound_is_found_however_prometheus_spells_it(
    envoy: PrometheusTraffic, scripted: ScriptedPrometheus
) -> None:
    add_arm(scripted.script, STABLE, rate=10)
    answer = await ask(envoy, [STABLE], thresholds=[0.5, 10.0, 25.0])
    assert isinstance(answer, Value)
    assert answer.value.arms[STABLE].slow == pytest.approx((150, 75, 15))


async def test_unknown_clusters_are_no_data(
    envoy: PrometheusTraffic, scripted: ScriptedPrometheus
) -> None:
    assert isinstance(await ask(envoy), NoData)
    add_arm(scripted.script, STABLE, rate=10)
    answer = await ask(envoy)
    assert isinstance(answer, NoData)
    assert CANDIDATE in answer.reason


async def test_a_target_that_cannot_be_scraped_is_no_data(
    envoy: PrometheusTraffic, scripted: ScriptedPrometheus
) -> None:
    add_arm(scripted.script, STABLE, rate=10)
    add_arm(scripted.script, STABLE, rate=10, gateway=GATEWAYS[1], last=985)
    scripted.script.add("up", [(1000.0, 0.0)], instance=GATEWAYS[1])
    answer = await ask(envoy, [STABLE])
    assert isinstance(answer, NoData)
    assert GATEWAYS[1] in answer.reason


async def test_a_target_that_left_the_discovery_is_counted_to_its_last_scrape(
    envoy: PrometheusTraffic, scripted: ScriptedPrometheus
) -> None:
    add_arm(scripted.script, STABLE, rate=10)
    add_arm(scripted.script, STABLE, rate=10, gateway=GATEWAYS[1], last=990)
    scripted.script.add("up", [(1000.0, 1.0)], instance=GATEWAYS[0])
    answer = await ask(envoy, [STABLE], end=1005)
    assert isinstance(answer, Value)
    assert answer.value.arms[STABLE].requests == 150 + 50


async def test_an_error_of_any_query_is_an_error(
    envoy: PrometheusTraffic, scripted: ScriptedPrometheus
) -> None:
    scripted.script.status = 503
    assert isinstance(await ask(envoy), Error)
    assert isinstance(await envoy.clock(), Error)
    baseline = await envoy.baseline(STABLE, end=moment(1000), window=timedelta(hours=1))
    assert isinstance(baseline, Error)


async def test_warnings_come_with_the_batch(
    envoy: PrometheusTraffic, scripted: ScriptedPrometheus
) -> None:
    add_arm(scripted.script, STABLE, rate=10)
    scripted.script.warnings = ["one store was slow"]
    answer = await ask(envoy, [STABLE])
    assert isinstance(answer, Value)
    assert answer.warnings == ("one store was slow",)


async def test_a_long_silence_is_skipped_beyond_an_hour(
    envoy: PrometheusTraffic, scripted: ScriptedPrometheus
) -> None:
    add_arm(scripted.script, STABLE, rate=10, first=0, last=20_000)
    answer = await ask(envoy, [STABLE], start=5_000, end=20_000)
    assert isinstance(answer, Value)
    assert answer.value.duration == timedelta(hours=1)
    assert answer.value.arms[STABLE].requests == 36_000


async def test_an_empty_interval_is_no_data(envoy: PrometheusTraffic) -> None:
    assert isinstance(await ask(envoy, start=1000, end=1000), NoData)
    assert isinstance(await ask(envoy, []), NoData)
