"""Behaviours that show only in a cluster's objects: conflicts, refusals, other hands, upgrades."""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from tests.controllers.named import revision_of, traffic
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
from tidegate.metrics.base import Error
from tidegate.specs.pod import pod_template

if TYPE_CHECKING:
    from tidegate.kube.resources import Resource

V1, V2, V3 = "https://models/v1", "https://models/v2", "https://models/v3"
CHILDREN = (
    DEPLOYMENTS, SERVICES, HORIZONTALPODAUTOSCALERS, PODDISRUPTIONBUDGETS, HTTPROUTES,
    CONTROLLERREVISIONS,
)  # fmt: skip


async def stored(site: Site, res: Resource, name: str = NAME) -> dict[str, Any]:
    return await site.kube.user.get(res, name, namespace=NAMESPACE)


async def until_weight(site: Site, revision: str, weight: int) -> None:
    for _ in range(300):
        if (await site.weights()).get(revision) == weight:
            return
        await site.pass_time(seconds=1)
    raise AssertionError(await site.weights())


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


@pytest.mark.scenario("TR-06")
async def test_conflicts_at_every_step_change_nothing_but_the_time_it_takes(site: Site) -> None:
    await site.start()
    new = await site.ask_for(V2)
    status, route = "/rollouts/flights/status", "/httproutes/"
    for weight, path in ((5, status), (25, route), (50, status), (100, route)):
        site.kube.transport.fail(status=409, reason="Conflict", method="PATCH", path=path, times=5)
        await until_weight(site, new, weight)
    found = await site.until("Healthy")
    assert list(dict.fromkeys(w.get(new, 0) for w in site.weights_seen)) == [0, 5, 25, 50, 100]
    reasons = [entry["reason"] for entry in reversed(found["status"]["history"])]
    assert reasons[-2:] == ["EvidencePromotes", "Promoted"]
    assert found["status"]["attempts"] == 1


@pytest.mark.scenario("TR-08")
async def test_a_route_that_the_gateway_refuses_claims_nothing_and_freezes_a_rollout(
    site: Site,
) -> None:
    site.harness.world.unprogrammed.add(NAME)
    await site.kube.put(model())
    await site.kube.put(rollout())
    await site.harness.settle()
    assert condition(await site.model(), "Ready")["reason"] == "RouteNotProgrammed"
    site.harness.world.unprogrammed.clear()
    await site.pass_time(seconds=20)
    stable = (await site.model())["status"]["delivery"]["stable"]
    assert condition(await site.model(), "Ready")["status"] == "True"
    new = await site.ask_for(V2)
    await until_weight(site, new, 5)
    site.harness.world.unprogrammed.add(NAME)
    route = await stored(site, HTTPROUTES)
    await site.kube.set_status(route, {"parents": []}, manager="gateway")
    await site.pass_time(minutes=3)
    assert await traffic(site) in ({stable: 95, new: 5}, {stable: 75, new: 25})
    frozen = await traffic(site)
    await site.pass_time(minutes=3)
    assert await traffic(site) == frozen
    assert "gateway" in condition(await site.rollout(), "Ready")["message"]
    site.harness.world.unprogrammed.clear()
    await site.until("Healthy")
    assert await traffic(site) == {new: 100}


@pytest.mark.scenario("TR-10")
async def test_the_second_rollout_takes_over_with_the_weights_as_they_are(site: Site) -> None:
    stable = await site.start()
    second = rollout()
    second["metadata"]["name"] = "second"
    await site.pass_time(seconds=2)
    await site.kube.put(second)
    await site.harness.settle()
    before = len(site.kube.transport.writes)
    await site.pass_time(minutes=1)
    assert len(site.kube.transport.writes) == before
    routes = await stored(site, HTTPROUTES)
    await site.kube.user.delete(ROLLOUTS, "flights", namespace=NAMESPACE)
    await site.harness.settle()
    await site.pass_time(seconds=3)
    found = await site.kube.user.get(ROLLOUTS, "second", namespace=NAMESPACE)
    assert condition(found, "Stalled") == {}
    assert condition(found, "Ready")["status"] == "True"
    assert await site.weights() == {stable: 100}
    assert (await stored(site, HTTPROUTES))["spec"] == routes["spec"]


@pytest.mark.scenario("TR-01")
async def test_what_others_do_to_the_route_is_put_back_once_and_their_own_fields_stay(
    site: Site,
) -> None:
    stable = await site.start()
    new = await site.ask_for(V2)
    await until_weight(site, new, 25)
    await site.pass_time(seconds=3)
    route = await stored(site, HTTPROUTES)
    route["metadata"].setdefault("labels", {})["team"] = "weather"
    route["spec"]["rules"].append({"matches": [{"path": {"type": "Exact", "value": "/x"}}]})
    for backend in route["spec"]["rules"][0]["backendRefs"]:
        backend["weight"] = 100 if backend["name"] == new else 0
    await site.kube.user.replace(HTTPROUTES, route, manager="hand")
    before = len(site.kube.transport.writes)
    await site.harness.settle()
    written = [w for w in site.kube.transport.writes[before:] if "/httproutes/" in w.path]
    assert len(written) == 1
    assert await traffic(site) == {stable: 75, new: 25}
    live = await stored(site, HTTPROUTES)
    assert live["metadata"]["labels"]["team"] == "weather"
    assert len(live["spec"]["rules"]) == 1
    await site.until("Healthy")
    assert await traffic(site) == {new: 100}


@pytest.mark.scenario("TR-02")
async def test_an_hour_in_a_pause_changes_nothing_but_the_evidence(site: Site) -> None:
    await site.start()
    new = await site.ask_for(V2)
    await until_weight(site, new, 25)
    await site.kube.edit(await site.rollout(), paused=True)
    await site.pass_time(seconds=10)
    site.metrics.outage = Error("connection refused")
    await site.pass_time(seconds=10)
    before = len(site.kube.transport.writes)
    for _ in range(12):
        await site.harness.advance(timedelta(minutes=5))
        site.harness.wake_all()
        await site.harness.settle()
    written = site.kube.transport.writes[before:]
    assert {w.path.rpartition("/namespaces/")[2] for w in written} <= {
        f"{NAMESPACE}/rollouts/flights/status"
    }
    assert (await site.weights())[new] == 25


@pytest.mark.scenario("TR-04")
async def test_a_deleted_route_is_written_again_whole_in_one_write(site: Site) -> None:
    stable = await site.start()
    new = await site.ask_for(V2)
    await until_weight(site, new, 25)
    await site.pass_time(seconds=3)
    spec = (await stored(site, HTTPROUTES))["spec"]
    before = len(site.kube.transport.writes)
    await site.kube.user.delete(HTTPROUTES, NAME, namespace=NAMESPACE)
    await site.harness.settle()
    written = [w for w in site.kube.transport.writes[before:] if "/httproutes/" in w.path]
    assert len(written) == 1
    assert (await stored(site, HTTPROUTES))["spec"] == spec
    assert await traffic(site) == {stable: 75, new: 25}


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
