"""Behaviours that show only in a cluster's objects: conflicts, refusals, other hands, upgrades."""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from typing import Any

import pytest
from tests.controllers.named import revision_of, stored, traffic, until_weight
from tests.controllers.site import NAME, NAMESPACE, SETTINGS, Site, condition, model, rollout

from tidegate.controllers import revisions
from tidegate.kube.resources import (
    CONTROLLERREVISIONS,
    DEPLOYMENTS,
    EVENTS,
    HORIZONTALPODAUTOSCALERS,
    HTTPROUTES,
    MODELS,
    PODDISRUPTIONBUDGETS,
    ROLLOUTS,
    SERVICES,
)
from tidegate.specs.pod import pod_template

V1, V2, V3 = "https://models/v1", "https://models/v2", "https://models/v3"
CHILDREN = (
    DEPLOYMENTS, SERVICES, HORIZONTALPODAUTOSCALERS, PODDISRUPTIONBUDGETS, HTTPROUTES,
    CONTROLLERREVISIONS,
)  # fmt: skip


async def told(site: Site, reason: str) -> list[dict[str, Any]]:
    """The Events of a reason."""
    found = (await site.kube.user.list(EVENTS, namespace=NAMESPACE)).items
    return [event for event in found if event["reason"] == reason]


@pytest.mark.scenario("FD-01")
async def test_a_first_revision_asks_no_metric_and_writes_the_route_once(site: Site) -> None:
    stable = await site.start()
    assert site.weights_seen == [{stable: 100}]
    assert site.metrics.asked == []
    status = (await site.rollout())["status"]
    assert status["phase"] == "Healthy"
    assert "candidate" not in (await site.model())["status"]["delivery"]
    assert not {"step", "evidence", "attempt"} & {key for key, value in status.items() if value}
    routed = [w for w in site.kube.transport.writes if "/httproutes/" in w.path]
    assert len(routed) == 1


@pytest.mark.scenario("FD-07")
async def test_a_rollout_waits_for_its_model_without_a_hot_loop(site: Site) -> None:
    await site.kube.put(rollout())
    await site.harness.settle()
    said = condition(await site.rollout(), "Stalled")
    assert NAME in said["message"]
    assert "create it" in said["message"]
    writes = len(site.kube.transport.writes)
    await site.harness.advance(timedelta(minutes=5))
    assert len(site.kube.transport.writes) == writes
    await site.kube.put(model())
    await site.harness.settle()
    found = await site.rollout()
    assert [entry["reason"] for entry in found["status"]["history"]] == ["InitialDeploy"]
    assert condition(found, "Stalled") == {}


@pytest.mark.scenario("RE-03")
async def test_each_arm_has_an_autoscaler_and_a_selector_of_its_own(site: Site) -> None:
    scaling = {"minReplicas": 2, "maxReplicas": 8, "targetCPU": 70}
    await site.kube.put(model(scaling=scaling))
    await site.kube.put(rollout())
    await site.harness.settle()
    await site.until("Healthy")
    await site.pass_time(seconds=15)
    stable = str((await site.model())["status"]["delivery"]["stable"])
    await site.kube.put(model(V2, scaling=scaling))
    await site.harness.settle()
    new = str((await site.model())["status"]["latestRevision"])
    await until_weight(site, new, 5)
    scalers = {
        s["metadata"]["name"]: s["spec"]["scaleTargetRef"]["name"]
        for s in (await site.kube.user.list(HORIZONTALPODAUTOSCALERS, namespace=NAMESPACE)).items
    }
    assert scalers == {stable: stable, new: new}
    selectors = {
        name: (await stored(site, DEPLOYMENTS, name))["spec"]["selector"]["matchLabels"]
        for name in (stable, new)
    }
    labels = {
        name: (await stored(site, DEPLOYMENTS, name))["spec"]["template"]["metadata"]["labels"]
        for name in (stable, new)
    }
    assert not selectors[stable].items() <= labels[new].items()
    assert not selectors[new].items() <= labels[stable].items()
    # The autoscaler of the candidate alone finds its pods busy.
    await site.kube.user.scale(DEPLOYMENTS, new, namespace=NAMESPACE, replicas=6, manager="hpa")
    await site.pass_time(seconds=10)
    assert await site.deployments() == {stable: 2, new: 6}


@pytest.mark.scenario("RE-12")
async def test_what_serves_is_never_scaled_down_before_the_promotion(site: Site) -> None:
    stable = await site.start()
    await site.ask_for(V2)
    while (await site.rollout())["status"]["phase"] != "Healthy" or await traffic(site) == {
        stable: 100
    }:
        assert (await site.deployments())[stable] == 2
        await site.pass_time(seconds=1)


@pytest.mark.scenario("RS-02")
async def test_twenty_restarts_in_two_minutes_give_no_step_and_no_extra_look(site: Site) -> None:
    steps = [{"weight": 25, "duration": "5m"}, {"weight": 50, "duration": "5m"}]
    await site.start(strategy={"canary": {"steps": steps}})
    new = await site.ask_for(V2)
    await until_weight(site, new, 25)
    await site.pass_time(seconds=60)
    asked = len(set(site.metrics.asked))
    for _ in range(20):
        site.harness.restart()
        site.harness.wake_all()
        await site.harness.settle()
        assert (await site.weights())[new] == 25
        await site.pass_time(seconds=6)
    assert len(set(site.metrics.asked)) - asked <= 120 / 5 + 1
    assert (await site.weights())[new] == 25
    assert (await site.rollout())["status"]["attempts"] == 1


@pytest.mark.scenario("XS-04")
async def test_a_shadow_beside_stable_changes_no_pod_of_stables(site: Site) -> None:
    stable = await site.start(strategy={"shadow": {"percent": 50}})
    before = (await stored(site, DEPLOYMENTS, stable))["metadata"]["generation"]
    await site.ask_for(V2)
    await site.until("Progressing")
    await site.pass_time(minutes=10)
    assert await traffic(site) == {stable: 100}
    assert (await stored(site, DEPLOYMENTS, stable))["metadata"]["generation"] == before
    status = (await site.rollout())["status"]
    assert status["phase"] == "Progressing"
    assert all(entry["candidate"]["n"] > 0 for entry in status["evidence"])
    await site.command("promote")
    assert "never promotes" in (await site.rollout())["status"]["lastCommand"]["result"]


@pytest.mark.scenario("RS-08")
async def test_an_upgrade_that_renders_pods_otherwise_restarts_none_and_starts_nothing(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    stable = await site.start()
    new = await site.ask_for(V2)
    await until_weight(site, new, 25)
    before = {n: (await stored(site, DEPLOYMENTS, n))["spec"]["template"] for n in (stable, new)}

    def newer(*arguments: Any, **more: Any) -> Any:
        rendered = pod_template(*arguments, **more)
        rendered["spec"]["terminationGracePeriodSeconds"] = 99
        return rendered

    monkeypatch.setattr(revisions, "pod_template", newer)
    site.harness.settings = dataclasses.replace(SETTINGS, runtime_v2_image="runtime-v2:next")
    site.harness.restart()
    site.harness.wake_all()
    await site.harness.settle()
    await site.pass_time(seconds=5)
    assert {n: (await stored(site, DEPLOYMENTS, n))["spec"]["template"] for n in before} == before
    assert set(await site.deployments()) == {stable, new}
    await site.until("Healthy")
    assert (await site.rollout())["status"]["attempts"] == 1
    assert await traffic(site) == {new: 100}


@pytest.mark.scenario("DE-01")
async def test_without_its_rollout_a_model_never_switches_by_itself(site: Site) -> None:
    stable = await site.start()
    new = await site.ask_for(V2)
    await until_weight(site, new, 25)
    await site.kube.user.delete(ROLLOUTS, "flights", namespace=NAMESPACE)
    for _ in range(60):
        await site.pass_time(seconds=1)
        weights = await site.weights()
        ready = await site.deployments()
        assert sum(weights.values()) == 100
        assert all(ready[name] > 0 for name in weights)
    assert await traffic(site) == {stable: 100}
    assert new == revision_of(V2)
    await site.pass_time(minutes=10)
    assert await traffic(site) == {stable: 100}


@pytest.mark.scenario("DE-02", "DE-06")
async def test_nothing_has_a_finalizer_so_that_nothing_hangs_and_nothing_is_left(
    site: Site,
) -> None:
    scaling = {"minReplicas": 2, "maxReplicas": 8}
    await site.kube.put(model(scaling=scaling))
    await site.kube.put(rollout())
    await site.harness.settle()
    await site.until("Healthy")
    await site.pass_time(seconds=15)
    await site.kube.put(model(V2, scaling=scaling))
    await site.harness.settle()
    await site.until("Progressing")
    for res in (MODELS, ROLLOUTS, *CHILDREN):
        found = (await site.kube.user.list(res, namespace=NAMESPACE)).items
        assert found, res.kind
        assert not [obj for obj in found if obj["metadata"].get("finalizers")], res.kind
    await site.kube.user.delete(MODELS, NAME, namespace=NAMESPACE)
    await site.harness.settle()
    await site.kube.clock.rest()
    for res in (MODELS, *CHILDREN):
        assert (await site.kube.user.list(res, namespace=NAMESPACE)).items == [], res.kind
    assert condition(await site.rollout(), "Stalled")["reason"] == "ModelMissing"


@pytest.mark.scenario("ST-01")
async def test_an_old_ready_cannot_be_taken_for_the_new_one(site: Site) -> None:
    await site.start()
    with site.harness.stale():
        await site.kube.put(model(V2))
        found = await site.model()
        ready = condition(found, "Ready")
        # What kubectl wait looks at: it ignores a condition of an older generation.
        assert ready["observedGeneration"] < found["metadata"]["generation"]
    await site.harness.settle()
    found = await site.model()
    assert condition(found, "Ready")["status"] == "False"
    assert condition(found, "Ready")["observedGeneration"] == found["metadata"]["generation"]
    assert condition(await site.rollout(), "Reconciling")["status"] == "True"
    await site.until("Healthy")
    for obj in (await site.model(), await site.rollout()):
        assert condition(obj, "Ready")["status"] == "True"
        assert condition(obj, "Reconciling") == condition(obj, "Stalled") == {}


@pytest.mark.scenario("AV-05")
async def test_a_shared_incident_is_one_event(site: Site) -> None:
    stable = await site.start()
    new = await site.ask_for(V2)
    await until_weight(site, new, 25)
    for revision in (stable, new):
        site.metrics.behave(site.cluster(revision), error_rate=0.4)
    await site.until("Holding")
    await site.pass_time(minutes=6)
    assert [event["type"] for event in await told(site, "CommonCause")] == ["Warning"]
    assert (await site.model())["status"]["delivery"].get("rejected", []) == []


@pytest.mark.scenario("ST-04")
async def test_a_wait_shows_each_metrics_numbers_and_what_is_missing(site: Site) -> None:
    await site.start()
    new = await site.ask_for(V2)
    await until_weight(site, new, 25)
    await site.pass_time(seconds=8)
    status = (await site.rollout())["status"]
    for entry in status["evidence"]:
        assert entry["metric"] in entry["message"]
        assert entry["candidate"]["n"] > 0
        assert entry["stable"]["n"] > 0
        assert {"lower", "upper"} & set(entry["interval"])
        assert "rollback" in entry
        assert entry["verdict"] in ("Continue", "Promote")
    assert status["step"]["nextEvaluationAt"]
    site.rate = 0.0
    found = await site.until("Holding")
    assert "no requests came" in condition(found, "Ready")["message"]
