"""Golden requests against the pod on trial, through the real controllers."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tests.controllers.named import direct, revision_of, traffic
from tests.controllers.site import NAMESPACE, Site, condition
from tests.controllers.test_trial import phase, put, results, uid

from tidegate.kube.resources import MODELS

if TYPE_CHECKING:
    from collections.abc import Mapping

V1, V2 = "https://models/v1", "https://models/v2"
GATE: dict[str, Any] = {
    "name": "golden",
    "requests": {"configMapRef": {"name": "golden"}},
    "maxLatency": "50ms",
}
REQUEST = {"inputs": [{"name": "temp", "shape": [1], "datatype": "FP64", "data": [3.0]}]}


def config_map(expected: float = 6.0, *, text: str = "") -> dict[str, Any]:
    outputs = {"outputs": [{"name": "p", "data": [expected]}]}
    recorded = json.dumps({"request": REQUEST, "expected": outputs})
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "golden", "namespace": NAMESPACE},
        "data": {"sunny.json": text or recorded},
    }


def doubled(body: Mapping[str, Any]) -> Any:
    return {"outputs": [{"name": "p", "data": [2 * body["inputs"][0]["data"][0]]}]}


def tried(site: Site, uri: str, **spec: Any) -> dict[str, Any]:
    """A Model with the gate, whose pod on trial has an address."""
    site.harness.world.address(revision_of(uri), "10.0.0.9")
    return direct(uri, gates=[GATE], **spec)


async def test_a_revision_that_answers_as_recorded_serves(site: Site) -> None:
    site.inference.predict = doubled
    await site.kube.put(config_map())
    found = await put(site, tried(site, V1))
    assert results(found, revision_of(V1)) == {"golden": "Passed Passed"}
    assert await traffic(site) == {revision_of(V1): 100}
    entry = found["status"]["revisions"][0]["gates"][0]
    assert entry["value"] == 0
    assert entry["bound"] == "tolerance 1e-06, p95 max 50ms"
    assert entry["source"].startswith("ConfigMap golden, sha256 ")
    url = "http://10.0.0.9:8080/v2/models/flight-delay/infer"
    assert {asked for asked, _ in site.inference.asked} == {url}
    assert len(site.inference.asked) == 1 + 20, "each once, then twenty for the latency, once"


async def test_a_revision_that_answers_otherwise_is_refused_and_says_where(site: Site) -> None:
    site.inference.predict = doubled
    await site.kube.put(config_map(expected=6.5))
    found = await put(site, tried(site, V1))
    said = condition(found, "GatesPassed")
    assert said["reason"] == "GateFailed"
    assert "sunny, p[0] is 6.0, expected 6.5, off by 0.5" in said["message"]
    assert phase(found, revision_of(V1)) == "Failed"
    assert await site.weights() == {}
    asked = len(site.inference.asked)
    await site.pass_time(minutes=5)
    assert len(site.inference.asked) == asked, "it is not tried again by itself"
    await site.pass_time(minutes=6)
    assert await site.deployments() == {}


async def test_corrected_requests_are_replayed_on_a_new_pod(site: Site) -> None:
    site.inference.predict = doubled
    await site.kube.put(config_map(expected=6.5))
    await put(site, tried(site, V1))
    await site.pass_time(minutes=11)
    assert await site.deployments() == {}
    await site.kube.put(config_map(expected=6.0))
    await site.pass_time(minutes=2)
    assert await traffic(site) == {revision_of(V1): 100}


async def test_a_slow_revision_is_refused(site: Site) -> None:
    site.inference.predict = doubled
    site.inference.seconds = 0.08
    await site.kube.put(config_map())
    found = await put(site, tried(site, V1))
    assert results(found, revision_of(V1)) == {"golden": "Failed TooSlow"}
    assert "p95 is over 50ms: p95 80 ms" in condition(found, "GatesPassed")["message"]


async def test_a_config_map_that_is_missing_or_wrong_is_waited_for(site: Site) -> None:
    site.inference.predict = doubled
    found = await put(site, tried(site, V1))
    said = condition(found, "GatesPassed")
    assert said["status"] == "Unknown"
    assert "there is no ConfigMap golden in namespace demo; create it" in said["message"]
    await site.kube.put(config_map(text="{"))
    await site.pass_time(seconds=20)
    assert "key sunny.json is no JSON" in condition(await site.model(), "Ready")["message"]
    await site.kube.put(config_map())
    await site.pass_time(seconds=20)
    assert await traffic(site) == {revision_of(V1): 100}


async def test_a_pod_that_cannot_be_reached_is_asked_again(site: Site) -> None:
    await site.kube.put(config_map())
    found = await put(site, tried(site, V1))
    assert results(found, revision_of(V1)) == {"golden": "Pending PodUnreachable"}
    assert "does a NetworkPolicy keep the operator" in condition(found, "Ready")["message"]
    assert phase(found, revision_of(V1)) == "Trial"
    site.inference.predict = doubled
    await site.pass_time(seconds=20)
    assert await traffic(site) == {revision_of(V1): 100}


async def test_nothing_is_replayed_where_another_gate_has_failed(site: Site) -> None:
    site.inference.predict = doubled
    await site.kube.put(config_map())
    document = tried(site, V1)
    document["spec"]["gates"].append({"name": "auc", "metric": "roc_auc", "min": 0.6})
    found = await put(site, document)
    assert results(found, revision_of(V1)) == {
        "golden": "Pending NotJudged",
        "auc": "Failed OriginUnknown",
    }
    assert site.inference.asked == []
    assert await site.deployments() == {}


async def test_results_outlive_a_new_operator(site: Site) -> None:
    site.inference.predict = doubled
    await site.kube.put(config_map())
    await put(site, tried(site, V1))
    before = await uid(site, revision_of(V1))
    await put(site, tried(site, V2))
    asked = len(site.inference.asked)
    site.harness.restart()
    site.harness.wake_all()
    await site.pass_time(minutes=1)
    assert len(site.inference.asked) == asked
    assert await traffic(site) == {revision_of(V2): 100}
    found = await site.kube.user.list(MODELS, namespace=NAMESPACE)
    assert len(found.items) == 1
    assert before


async def test_a_revision_whose_answers_leave_their_range_is_refused(site: Site) -> None:
    site.inference.predict = doubled
    await site.kube.put(config_map(text=json.dumps({"request": REQUEST})))
    gate = {**GATE, "requests": {**GATE["requests"], "outputs": [{"name": "p", "max": 6}]}}
    document = tried(site, V1)
    document["spec"]["gates"] = [gate]
    assert results(await put(site, document), revision_of(V1)) == {"golden": "Passed Passed"}
    gate["requests"]["outputs"][0]["max"] = 5.5
    site.harness.world.address(revision_of(V2), "10.0.0.9")
    document = tried(site, V2)
    document["spec"]["gates"] = [gate]
    found = await put(site, document)
    assert results(found, revision_of(V2)) == {"golden": "Failed AnswersOutside"}
    assert "sunny, p[0] is 6.0, over 5.5" in condition(found, "Ready")["message"]
    assert await traffic(site) == {revision_of(V1): 100}
