"""What each source's series mean, and what is the same for all of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from tidegate.backends import registry
from tidegate.metrics.base import ArmCounts, NoData, Value
from tidegate.metrics.profiles import (
    BACKENDS,
    ENVOY_GATEWAY,
    GATEWAYS,
    ISTIO,
    KSERVE,
    SELDON,
    SERVER,
    Profile,
)
from tidegate.metrics.prometheus import Prometheus
from tidegate.metrics.traffic import PrometheusTraffic
from tidegate.settings import PROFILES
from tidegate.traffic.assignment import service_name

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.metrics.conftest import Script, ScriptedPrometheus

BEGIN, END = datetime.fromtimestamp(970, UTC), datetime.fromtimestamp(1000, UTC)
TIMES = [float(t) for t in range(955, 1001, 5)]
STABLE, CANDIDATE = "n/m/m-11111111", "n/m/m-22222222"


def rising(rate: float, since: float = 955.0) -> list[tuple[float, float]]:
    return [(t, rate * (t - since)) for t in TIMES if t > since or since == 955.0]


@pytest.fixture
async def prometheus(scripted: ScriptedPrometheus) -> AsyncIterator[Prometheus]:
    prometheus = Prometheus(scripted.url)
    yield prometheus
    await prometheus.close()


async def counted(
    prometheus: Prometheus,
    profile: Profile,
    arms: list[str],
    thresholds: list[float] | None = None,
) -> dict[str, ArmCounts] | NoData:
    traffic = PrometheusTraffic(prometheus, profile, scrape_interval=timedelta(seconds=5))
    found = await traffic.batch(arms, start=BEGIN, end=END, thresholds_ms=thresholds or [])
    assert isinstance(found, Value | NoData), found
    return dict(found.value.arms) if isinstance(found, Value) else found


def test_the_settings_offer_every_profile_of_a_gateway() -> None:
    assert tuple(GATEWAYS) == PROFILES


def test_every_backend_has_a_profile() -> None:
    assert set(BACKENDS) == set(registry.BACKENDS)


async def test_seldons_executor_counts_predictions_of_each_predictor(
    prometheus: Prometheus, scripted: ScriptedPrometheus
) -> None:
    """Each pod counts its own; one that had no request yet has no series."""
    name = "seldon_api_executor_server_requests_seconds"
    for hash_, rate in (("11111111", 9.0), ("22222222", 1.0)):
        of = {
            "namespace": "n",
            "deployment_name": "m",
            "predictor_name": hash_,
            "instance": f"10.0.0.{hash_[0]}:8000",
        }
        for service, times in (("predictions", 1.0), ("feedback", 5.0)):
            scripted.script.add(
                f"{name}_count", rising(times * rate), code="200", service=service, **of
            )
            scripted.script.add(f"{name}_count", rising(0.2), code="500", service=service, **of)
            for le, share in (("0.1", 0.5), ("+Inf", 1.0)):
                scripted.script.add(
                    f"{name}_bucket", rising(rate * share), le=le, code="200", service=service, **of
                )
    found = await counted(prometheus, SELDON, [STABLE, CANDIDATE], [100.0])
    assert isinstance(found, dict)
    assert found[STABLE].requests == pytest.approx(9.2 * 30)
    assert found[STABLE].errors == pytest.approx(6)
    assert found[STABLE].slow == pytest.approx((135,))
    assert found[CANDIDATE].requests == pytest.approx(1.2 * 30)


async def test_istio_counts_the_entries_of_an_inference_service(
    prometheus: Prometheus, scripted: ScriptedPrometheus
) -> None:
    for hash_, rate in (("11111111", 9.0), ("22222222", 1.0)):
        of = {
            "reporter": "source",
            "destination_service_name": f"m-r{hash_}-predictor",
            "destination_service_namespace": "n",
        }
        scripted.script.add("istio_requests_total", rising(rate), response_code="200", **of)
    found = await counted(prometheus, KSERVE, [STABLE, CANDIDATE])
    assert isinstance(found, dict)
    assert {arm: counts.requests for arm, counts in found.items()} == {STABLE: 270, CANDIDATE: 30}


async def test_envoy_gateway_names_clusters_after_their_backends(
    prometheus: Prometheus, scripted: ScriptedPrometheus
) -> None:
    for revision, rate in (("m-11111111", 9.0), ("m-22222222", 1.0)):
        of = {"envoy_cluster_name": f"tidegate/m/n/{revision}"}
        scripted.script.add("envoy_cluster_upstream_rq_total", rising(rate), **of)
        scripted.script.add(
            "envoy_cluster_upstream_rq_xx", rising(rate), envoy_response_code_class="2", **of
        )
    found = await counted(prometheus, ENVOY_GATEWAY, [STABLE, CANDIDATE])
    assert found == {STABLE: ArmCounts(270, 0), CANDIDATE: ArmCounts(30, 0)}


def istio(script: Script, revision: str, rate: float, code: str = "200", **more: str) -> None:
    of = {
        "destination_service_name": revision,
        "destination_service_namespace": "n",
        "reporter": "source",
        "response_code": code,
        **more,
    }
    script.add("istio_requests_total", rising(rate), **of)


async def test_istio_counts_what_the_sender_reports_by_code(
    prometheus: Prometheus, scripted: ScriptedPrometheus
) -> None:
    istio(scripted.script, "m-11111111", 8)
    istio(scripted.script, "m-11111111", 1, "503")
    istio(scripted.script, "m-22222222", 2)
    istio(scripted.script, "m-22222222", 5, reporter="destination")
    found = await counted(prometheus, ISTIO, [STABLE, CANDIDATE])
    assert found == {STABLE: ArmCounts(270, 30), CANDIDATE: ArmCounts(60, 0)}


async def test_istio_proves_a_scrape_by_the_other_arm(
    prometheus: Prometheus, scripted: ScriptedPrometheus
) -> None:
    istio(scripted.script, "m-11111111", 8)
    found = await counted(prometheus, ISTIO, [STABLE, CANDIDATE])
    assert found == {STABLE: ArmCounts(240, 0), CANDIDATE: ArmCounts(0, 0)}
    of = {"destination_service_name": "m-22222222", "destination_service_namespace": "n"}
    first = [(t, 3.0) for t in TIMES if t > 985]
    scripted.script.add("istio_requests_total", first, reporter="source", response_code="500", **of)
    found = await counted(prometheus, ISTIO, [STABLE, CANDIDATE])
    assert isinstance(found, dict)
    assert found[CANDIDATE] == ArmCounts(3, 3)


async def test_istio_latency_is_in_milliseconds(
    prometheus: Prometheus, scripted: ScriptedPrometheus
) -> None:
    istio(scripted.script, "m-11111111", 8)
    of = {
        "destination_service_name": "m-11111111",
        "destination_service_namespace": "n",
        "reporter": "source",
        "response_code": "200",
    }
    name = "istio_request_duration_milliseconds_bucket"
    scripted.script.add(name, rising(6), le="25", **of)
    scripted.script.add(name, rising(8), le="+Inf", **of)
    found = await counted(prometheus, ISTIO, [STABLE], [25.0])
    assert found == {STABLE: ArmCounts(240, 0, slow=(60.0,), timed=240)}


def serving(script: Script, revision: str, rate: float, instance: str, bad: float = 0) -> None:
    of = {"namespace": "n", "model": "m", "revision": revision, "instance": instance}
    script.add("tidegate_model_ready", [(t, 1.0) for t in TIMES], **of)
    script.add("tidegate_inference_requests_total", rising(rate), code="200", **of)
    script.add("tidegate_inference_requests_total", rising(bad), code="500", **of)
    name = "tidegate_inference_duration_seconds_bucket"
    script.add(name, rising(rate / 2), le="0.05", code="200", **of)
    script.add(name, rising(rate), le="+Inf", code="200", **of)


async def test_the_servers_are_counted_by_their_own_pods(
    prometheus: Prometheus, scripted: ScriptedPrometheus
) -> None:
    serving(scripted.script, "m-11111111", 4, "10.0.0.1:9")
    serving(scripted.script, "m-11111111", 4, "10.0.0.2:9")
    serving(scripted.script, "m-22222222", 2, "10.0.0.3:9", bad=1)
    found = await counted(prometheus, SERVER, [STABLE, CANDIDATE], [50.0])
    assert found == {
        STABLE: ArmCounts(240, 0, slow=(120.0,), timed=240),
        CANDIDATE: ArmCounts(90, 30, slow=(30.0,), timed=60),
    }


async def test_copies_are_part_of_what_a_server_counts(
    prometheus: Prometheus, scripted: ScriptedPrometheus
) -> None:
    serving(scripted.script, "m-11111111", 4, "10.0.0.1:9")
    serving(scripted.script, "m-22222222", 2, "10.0.0.3:9")
    found = await counted(prometheus, SERVER, [STABLE, f"{CANDIDATE}/shadow"])
    assert isinstance(found, dict)
    assert found[f"{CANDIDATE}/shadow"].requests == 60


@pytest.mark.parametrize("profile", [ENVOY_GATEWAY, ISTIO])
async def test_a_source_that_counts_no_copies_says_what_does(
    prometheus: Prometheus, profile: Profile
) -> None:
    found = await counted(prometheus, profile, [STABLE, f"{CANDIDATE}/shadow"])
    assert isinstance(found, NoData)
    assert "source: Server" in found.reason


@pytest.mark.parametrize("profile", [*GATEWAYS.values(), SERVER, SELDON])
def test_an_arm_comes_back_from_the_labels_that_select_it(profile: Profile) -> None:
    labels = {
        "envoy_cluster_name": STABLE if profile.name == "envoy" else "tidegate/m/n/m-11111111",
        "destination_service_name": "m-11111111",
        "destination_service_namespace": "n",
        "namespace": "n",
        "model": "m",
        "revision": "m-11111111",
        "deployment_name": "m",
        "predictor_name": "11111111",
    }
    assert profile.arm(labels) == STABLE
    assert profile.arm({"envoy_cluster_name": "x"}) != STABLE
    matchers = ",".join(profile.select([STABLE]))
    assert "11111111" in matchers


def test_a_service_that_is_no_entry_of_an_inference_service_is_no_arm() -> None:
    labels = {"destination_service_namespace": "n"}
    assert KSERVE.arm({**labels, "destination_service_name": "m-r11111111-predictor"}) == STABLE
    assert KSERVE.arm({**labels, "destination_service_name": "m-11111111"}) is None
    assert "m-r11111111-predictor" in ",".join(KSERVE.select([STABLE]))


def test_new_callers_of_istio_are_counted_under_the_service_that_assigned_them() -> None:
    service = service_name("m-11111111")
    labels = {"destination_service_name": service, "destination_service_namespace": "n"}
    assert ISTIO.arm(labels) == f"n/m/{service}"
    assert service in ",".join(ISTIO.select([f"n/m/{service}"]))
