"""Behaviours of routes in a cluster: conflicts, refusals, other hands, a second Rollout."""

from __future__ import annotations

from datetime import timedelta

import pytest
from tests.controllers.named import stored, traffic, until_weight
from tests.controllers.site import NAME, NAMESPACE, Site, condition, model, rollout

from tidegate.kube.resources import HTTPROUTES, ROLLOUTS
from tidegate.metrics.base import Error

V2 = "https://models/v2"


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
