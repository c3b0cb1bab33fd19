"""Metrics of users and of the model servers, from real pods through the real Prometheus."""

from __future__ import annotations

from typing import Any

import pytest
from tests.e2e.objects import ERRORS, condition, model, rollout
from tests.e2e.stage import E2E, Stage, Together

from tidegate.domain.evidence.packing import unpacked
from tidegate.kube.resources import ROLLOUTS

pytestmark = E2E
together = Together(at_once=3)

ANSWERED = 'tidegate_inference_requests_total{revision="{{revision}}"'
OWN: dict[str, Any] = {
    "name": "own",
    "type": "Counters",
    "prometheus": {"bad": ANSWERED + ',code="500"}', "total": ANSWERED + "}"},
    "margin": {"ratio": 2, "absolute": 0.1},
}
PODS: dict[str, Any] = {
    "name": "pods",
    "type": "Value",
    "prometheus": {"query": 'sum(tidegate_model_ready{revision="{{revision}}"})'},
    "condition": "value >= 1.0",
}
DRIFT: dict[str, Any] = {"name": "drift", "type": "PredictionDrift", "max": 0.9}


def by_servers(made: dict[str, Any]) -> dict[str, Any]:
    """The same, counted by the model servers."""
    made["spec"]["analysis"] |= {"source": "Server", "sourceReason": "to try it"}
    return made


@together
async def test_a_good_version_is_promoted_on_what_the_servers_count(stage: Stage) -> None:
    where = "counted"
    declared = by_servers(rollout(where, (30, "3s"), metrics=(ERRORS, OWN, PODS, DRIFT)))
    old = await stage.serve(where, model(where, stage.artifacts["good"].uri), declared)
    async with stage.load(where, rate=100, missing=3).flowing() as load:
        await stage.apply(model(where, stage.artifacts["better"].uri))
        new = await stage.until_tried(where, load, stable=old)
        found = await stage.until_phase("Healthy", where)
    evidence = {entry["metric"]: entry for entry in found["status"]["evidence"]}
    assert evidence["errors"]["candidate"]["n"] >= 100
    assert evidence["own"]["candidate"]["n"] >= 100
    assert evidence["own"]["candidate"]["bad"] == 0
    assert evidence["own"]["stable"]["n"] > evidence["own"]["candidate"]["n"]
    assert ", value >= 1.0 holds" in evidence["pods"]["message"]
    assert unpacked(evidence["drift"]["state"])["o"], "no predictions were counted"
    # With margins this wide the evidence takes fewer than the minRequests of 100.
    assert found["status"]["attempt"]["expected"]["requests"] == 100
    assert (await stage.model(where))["status"]["delivery"]["stable"] == new


@together
async def test_counters_of_the_users_own_take_a_version_back(stage: Stage) -> None:
    where = "owncounters"
    # At the gateway it may fail for nine in ten: only the user's own counters are strict.
    lenient = {**ERRORS, "margin": {"ratio": 20, "absolute": 0.9}}
    declared = rollout(where, (30, "1m"), metrics=(lenient, OWN))
    stable = await stage.serve(where, model(where, stage.artifacts["good"].uri), declared)
    async with stage.load(where, rate=100, missing=3).flowing() as load:
        await stage.apply(model(where, stage.artifacts["broken"].uri))
        await stage.until_tried(where, load, stable=stable, requests=1)
        found = await stage.until_phase("Degraded", where)
    assert "own: candidate" in condition(found, "Ready")["message"]


@pytest.mark.scenario("BI-04")
@together
async def test_a_query_that_does_not_parse_is_told_before_anything_waits(stage: Stage) -> None:
    where = "misspelt"
    wrong = {**PODS, "prometheus": {"query": "sum(tidegate_model_ready"}}
    declared = rollout(where, (30, "1m"), metrics=(ERRORS, wrong))
    stable = await stage.serve(where, model(where, stage.artifacts["good"].uri), declared)
    found = await stage.until(
        lambda rollout: condition(rollout, "Stalled").get("reason") == "BadMetric",
        *(ROLLOUTS, where),
    )
    assert found["status"]["phase"] in ("Pending", "Healthy"), "nothing is under way"
    assert "metric pods: " in condition(found, "Stalled")["message"]
    assert "parse error" in condition(found, "Stalled")["message"]
    async with stage.load(where, rate=20).flowing() as load:
        await stage.apply(model(where, stage.artifacts["better"].uri))
        await stage.until(
            lambda rollout: rollout["status"].get("hold", {}).get("reason") == "BadMetric",
            *(ROLLOUTS, where),
        )
    assert await stage.envoy_weights(where) == {stable: 100}
    assert load.failed(stable) == 0


@pytest.mark.scenario("XS-01", "XS-03")
@together
async def test_predictions_that_differ_take_a_version_back_before_anybody_meets_it(
    stage: Stage,
) -> None:
    where = "differing"
    agree = {"name": "agree", "type": "Disagreement", "tolerance": 1.0e-6, "max": 0.02}
    declared = rollout(where, (30, "1m"), metrics=(ERRORS, agree))
    declared["spec"]["strategy"]["canary"]["steps"].insert(0, {"shadow": {}, "duration": "1m"})
    stable = await stage.serve(where, model(where, stage.artifacts["good"].uri), declared)
    async with stage.load(where, rate=50).flowing() as load:
        await stage.apply(model(where, stage.artifacts["better"].uri))
        found = await stage.until_phase("Degraded", where)
    message = condition(found, "Ready")["message"]
    assert "agree: 100.00% of the predictions differ from stable's in shadow" in message
    assert load.untouched(stable), load.story()
