"""Other hands at the same objects: foreign names, deleted children, edited routes, lost status."""

from __future__ import annotations

from typing import Any

import pytest
from tests.controllers.named import direct, revision_of, traffic
from tests.controllers.site import NAME, NAMESPACE, Site, condition, model, rollout

from tidegate.kube.resources import DEPLOYMENTS, HTTPROUTES, MODELS, ROLLOUTS, SERVICES, Resource

V1, V2 = "https://models/v1", "https://models/v2"


def foreign_deployment(name: str) -> dict[str, Any]:
    container = {"name": "web", "image": "nginx"}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": NAMESPACE, "labels": {"app": "web"}},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": {"app": "web"}},
            "template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": {"containers": [container]},
            },
        },
    }


async def stored(site: Site, res: Resource, name: str) -> dict[str, Any]:
    return await site.kube.user.get(res, name, namespace=NAMESPACE)


@pytest.mark.scenario("DE-09")
@pytest.mark.parametrize("delivery", ["Direct", "Rollout"])
async def test_a_foreign_deployment_is_neither_adopted_nor_overwritten(
    site: Site, delivery: str
) -> None:
    if delivery == "Rollout":
        stable = await site.start()
    else:
        await site.kube.put(direct(V1))
        await site.harness.settle()
        stable = revision_of(V1)
    name = revision_of(V2)
    await site.kube.put(foreign_deployment(name))
    before = await stored(site, DEPLOYMENTS, name)
    await site.kube.put(model(V2, delivery=delivery))
    await site.harness.settle()
    await site.pass_time(seconds=30)
    after = await stored(site, DEPLOYMENTS, name)
    assert after["spec"] == before["spec"]
    assert "ownerReferences" not in after["metadata"]
    found = await site.model()
    assert condition(found, "Stalled")["reason"] == "NameTaken"
    assert name in condition(found, "Stalled")["message"]
    assert "rename" in condition(found, "Stalled")["message"]
    assert condition(found, "Available")["status"] == "True"
    assert (await site.weights())[stable] == 100
    await site.kube.user.delete(DEPLOYMENTS, name, namespace=NAMESPACE)
    site.harness.wake_all()
    await site.harness.settle()
    await site.pass_time(minutes=3)
    assert (await site.weights())[name] == 100


async def test_a_foreign_deployment_keeps_no_other_revision_from_its_pods(site: Site) -> None:
    stable = await site.start()
    await site.kube.put(foreign_deployment(revision_of(V2)))
    await site.ask_for(V2)
    await site.kube.user.delete(DEPLOYMENTS, stable, namespace=NAMESPACE)
    await site.harness.settle()
    await site.pass_time(seconds=5)
    assert stable in await site.deployments()
    assert condition(await site.model(), "Available")["status"] == "True"


async def test_a_foreign_service_with_the_models_name_is_left_alone(site: Site) -> None:
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": NAME, "namespace": NAMESPACE},
        "spec": {"selector": {"app": "web"}, "ports": [{"port": 80}]},
    }
    await site.kube.put(service)
    await site.kube.put(direct(V1))
    await site.harness.settle()
    await site.pass_time(seconds=5)
    assert (await stored(site, SERVICES, NAME))["spec"]["selector"] == {"app": "web"}
    found = await site.model()
    assert condition(found, "Ready")["reason"] == "NameTaken"
    assert condition(found, "Stalled")["reason"] == "NameTaken"
    writes = len(site.kube.transport.writes)
    site.harness.wake_all()
    await site.harness.settle()
    assert len(site.kube.transport.writes) == writes


@pytest.mark.scenario("DE-09")
async def test_a_deployment_that_lost_its_owner_is_taken_back(site: Site) -> None:
    stable = await site.start()
    await site.kube.user.patch(
        DEPLOYMENTS,
        stable,
        {"metadata": {"ownerReferences": None}},
        namespace=NAMESPACE,
        manager="user",
    )
    site.harness.wake_all()
    await site.harness.settle()
    owners = (await stored(site, DEPLOYMENTS, stable))["metadata"]["ownerReferences"]
    assert [owner["kind"] for owner in owners] == ["Model"]


async def test_a_deployment_edited_by_hand_is_put_back(site: Site) -> None:
    stable = await site.start()
    before = (await stored(site, DEPLOYMENTS, stable))["spec"]["template"]
    body = {"spec": {"template": {"spec": {"terminationGracePeriodSeconds": 1}}}}
    await site.kube.user.patch(DEPLOYMENTS, stable, body, namespace=NAMESPACE, manager="user")
    await site.harness.settle()
    assert (await stored(site, DEPLOYMENTS, stable))["spec"]["template"] == before


@pytest.mark.scenario("TR-01")
async def test_hand_edited_weights_are_put_back(site: Site) -> None:
    stable = await site.start()
    new = await site.ask_for(V2)
    await site.until("Progressing")
    await site.pass_time(seconds=5)
    route = await stored(site, HTTPROUTES, NAME)
    for backend in route["spec"]["rules"][0]["backendRefs"]:
        backend["weight"] = 100 if backend["name"] == new else 0
    await site.kube.user.replace(HTTPROUTES, route, manager="hand")
    await site.harness.settle()
    assert await traffic(site) == {stable: 95, new: 5}


@pytest.mark.scenario("TR-04")
async def test_a_deleted_route_comes_back_with_the_intended_weights(site: Site) -> None:
    stable = await site.start()
    new = await site.ask_for(V2)
    await site.until("Progressing")
    await site.pass_time(seconds=5)
    await site.kube.user.delete(HTTPROUTES, NAME, namespace=NAMESPACE)
    await site.harness.settle()
    assert await traffic(site) == {stable: 95, new: 5}


async def test_a_mirror_that_somebody_adds_to_the_route_is_taken_out_again(site: Site) -> None:
    stable = await site.start()
    route = await site.kube.user.get(HTTPROUTES, NAME, namespace=NAMESPACE)
    backend = {"name": stable, "port": 80}
    route["spec"]["rules"][0]["filters"] = [
        {"type": "RequestMirror", "requestMirror": {"backendRef": backend}}
    ]
    await site.kube.user.replace(HTTPROUTES, route, manager="somebody")
    await site.harness.settle()
    route = await site.kube.user.get(HTTPROUTES, NAME, namespace=NAMESPACE)
    assert "filters" not in route["spec"]["rules"][0]
    assert condition(await site.model(), "Ready")["status"] == "True"


@pytest.mark.scenario("DE-04")
async def test_a_deleted_candidate_deployment_takes_its_weight_away_until_it_is_back(
    site: Site,
) -> None:
    stable = await site.start()
    new = await site.ask_for(V2)
    await site.until("Progressing")
    while (await site.weights()).get(new) != 25:
        await site.pass_time(seconds=1)
    await site.pass_time(seconds=8)
    site.harness.world.ready[new] = 0
    await site.kube.user.delete(DEPLOYMENTS, new, namespace=NAMESPACE)
    await site.harness.settle()
    assert await traffic(site) == {stable: 100}
    assert new in await site.deployments()
    found = await site.rollout()
    assert found["status"]["phase"] == "Holding"
    assert found["status"]["hold"]["reason"] == "CapacityMissing"
    assert found["status"]["step"]["requests"] == 0
    site.harness.world.recover(new)
    await site.until("Healthy")
    assert await traffic(site) == {new: 100}
    assert (await site.rollout())["status"]["attempts"] == 1


async def test_a_status_that_was_lost_is_recovered_from_the_live_route(site: Site) -> None:
    stable = await site.start()
    await site.ask_for(V2)
    await site.until("Progressing")
    await site.pass_time(seconds=5)
    for res, name in ((MODELS, NAME), (ROLLOUTS, "flights")):
        obj = await stored(site, res, name)
        obj.pop("status")
        await site.kube.user.replace(res, obj, manager="restore", subresource="status")
    site.harness.restart()
    site.harness.wake_all()
    await site.harness.settle()
    delivery = (await site.model())["status"]["delivery"]
    assert delivery["stable"] == stable
    assert (await site.weights())[stable] >= 95
    await site.until("Progressing", minutes=5)
    await site.until("Healthy")
    assert (await site.model())["status"]["delivery"]["stable"] == revision_of(V2)


async def test_a_rollout_for_a_direct_model_says_that_it_does_nothing(site: Site) -> None:
    await site.kube.put(direct(V1))
    await site.kube.put(rollout())
    await site.harness.settle()
    found = await site.rollout()
    assert condition(found, "Stalled")["reason"] == "DeliveryDirect"
    assert condition(await site.model(), "Ready")["status"] == "True"


async def test_a_gateway_that_is_not_there_is_named(site: Site) -> None:
    site.harness.world.unprogrammed.add(NAME)
    await site.kube.put(direct(V1))
    await site.harness.settle()
    found = await site.model()
    assert condition(found, "Ready")["reason"] == "RouteNotProgrammed"
    assert "public" in condition(found, "Ready")["message"]
