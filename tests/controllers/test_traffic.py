"""A Model's route by either provider: written, put back, changed for another, or refused."""

from __future__ import annotations

import copy
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
from tests.controllers.named import direct
from tests.controllers.site import NAME, NAMESPACE, SETTINGS, Site, condition, model, rollout

from tidegate.controllers.children import Children
from tidegate.controllers.gathering import Gatherer
from tidegate.controllers.routing import Router
from tidegate.domain.direct import decide_direct
from tidegate.domain.rollout import Timing
from tidegate.domain.route import Detours, Routing, Sticky
from tidegate.errors import NotFound
from tidegate.kube.objects import owner_reference
from tidegate.kube.resources import (
    CRDS,
    DESTINATIONRULES,
    HTTPROUTES,
    MODELS,
    SERVICES,
    VIRTUALSERVICES,
)
from tidegate.specs.metadata import Parent
from tidegate.testing import istio
from tidegate.traffic import registry
from tidegate.traffic.gateway_api import GatewayAPIProvider

if TYPE_CHECKING:
    from tidegate.kube.resources import Resource
    from tidegate.traffic.base import Feature

V1, V2 = "https://models/v1", "https://models/v2"
ISTIO: dict[str, Any] = {"istio": {"gateways": ["infra/public"], "hosts": ["flights.example"]}}
GATEWAY: dict[str, Any] = model()["spec"]["traffic"]


async def install_istio(site: Site) -> None:
    for definition in istio.definitions():
        await site.kube.user.apply(CRDS, definition, manager="setup")
    await site.kube.clock.rest()


async def names(site: Site, res: Resource) -> set[str]:
    found = await site.kube.user.list(res, namespace=NAMESPACE)
    return {obj["metadata"]["name"] for obj in found.items}


async def stored(site: Site, res: Resource, name: str = NAME) -> dict[str, Any]:
    return await site.kube.user.get(res, name, namespace=NAMESPACE)


async def test_a_rollout_walks_its_steps_on_istio_and_leaves_nothing_behind(site: Site) -> None:
    await install_istio(site)
    await site.kube.put(model(V1, traffic=ISTIO))
    await site.kube.put(rollout(rollbackWindow={"duration": "30s"}))
    await site.harness.settle()
    await site.until("Healthy")
    await site.pass_time(seconds=15)
    stable = (await site.model())["status"]["delivery"]["stable"]
    await site.kube.put(model(V2, traffic=ISTIO))
    await site.harness.settle()
    new = (await site.model())["status"]["latestRevision"]
    await site.until("Progressing")
    assert await names(site, DESTINATIONRULES) == {stable, new}
    await site.until("Healthy")
    raised = [weights.get(new, 0) for weights in site.weights_seen]
    assert list(dict.fromkeys(raised)) == [0, 5, 25, 50, 100]
    assert (await site.model())["status"]["endpoint"] == (
        f"http://flights.example/v2/models/{NAME}"
    )
    await site.pass_time(minutes=2)
    assert await names(site, DESTINATIONRULES) == {new}
    assert await names(site, HTTPROUTES) == set()


async def test_a_virtual_service_that_is_edited_or_deleted_comes_back_as_it_was(
    site: Site,
) -> None:
    await install_istio(site)
    await site.kube.put(direct(V1, traffic=ISTIO))
    await site.harness.settle()
    before = await stored(site, VIRTUALSERVICES)
    edited = copy.deepcopy(before)
    edited["spec"]["http"][0]["retries"]["attempts"] = 5
    edited["metadata"]["annotations"]["theirs"] = "stays"
    await site.kube.user.replace(VIRTUALSERVICES, edited, manager="hand")
    await site.harness.settle()
    after = await stored(site, VIRTUALSERVICES)
    assert after["spec"] == before["spec"]
    assert after["metadata"]["annotations"]["theirs"] == "stays"
    await site.kube.user.delete(VIRTUALSERVICES, NAME, namespace=NAMESPACE)
    await site.harness.settle()
    assert (await stored(site, VIRTUALSERVICES))["spec"] == before["spec"]


async def test_a_quiet_model_on_istio_writes_nothing(site: Site) -> None:
    await install_istio(site)
    await site.kube.put(direct(V1, traffic=ISTIO))
    await site.harness.settle()
    site.kube.transport.sent.clear()
    for _ in range(3):
        site.harness.wake_all()
        await site.harness.settle()
    assert [sent for sent in site.kube.transport.sent if sent.method != "GET"] == []


@pytest.mark.parametrize(
    ("first", "second", "old", "new"),
    [
        (GATEWAY, ISTIO, HTTPROUTES, VIRTUALSERVICES),
        (ISTIO, GATEWAY, VIRTUALSERVICES, HTTPROUTES),
    ],
)
async def test_the_old_providers_route_goes_when_the_new_one_is_confirmed(
    site: Site, first: dict[str, Any], second: dict[str, Any], old: Resource, new: Resource
) -> None:
    await install_istio(site)
    await site.kube.put(direct(V1, traffic=first))
    await site.harness.settle()
    assert await names(site, old) == {NAME}
    if new is HTTPROUTES:
        site.harness.world.unprogrammed.add(NAME)
        await site.kube.put(direct(V1, traffic=second))
        await site.harness.settle()
        assert (await names(site, old), await names(site, new)) == ({NAME}, {NAME})
        site.harness.world.unprogrammed.clear()
    await site.kube.put(direct(V1, traffic=second))
    await site.harness.settle()
    assert (await names(site, old), await names(site, new)) == (set(), {NAME})
    rules = 0 if second is GATEWAY else 1
    assert len(await names(site, DESTINATIONRULES)) == rules


async def test_a_rollout_goes_on_where_it_was_when_its_provider_changes(site: Site) -> None:
    await install_istio(site)
    await site.start()
    new = await site.ask_for(V2)
    while (await site.weights()).get(new) != 25:
        await site.pass_time(seconds=1)
    await site.kube.put(model(V2, traffic=ISTIO))
    await site.harness.settle()
    assert await names(site, HTTPROUTES) == set()
    assert (await site.weights())[new] == 25
    await site.until("Healthy")
    assert (await site.rollout())["status"]["attempts"] == 1


@pytest.mark.scenario("TR-08")
async def test_what_istio_says_against_a_route_freezes_the_rollout_until_it_is_mended(
    site: Site,
) -> None:
    await install_istio(site)
    await site.kube.put(model(V1, traffic=ISTIO))
    await site.kube.put(rollout())
    await site.harness.settle()
    await site.until("Healthy")
    await site.pass_time(seconds=15)
    await site.kube.put(model(V2, traffic=ISTIO))
    await site.harness.settle()
    new = (await site.model())["status"]["latestRevision"]
    while (await site.weights()).get(new) != 5:
        await site.pass_time(seconds=1)
    error = {
        "level": "ERROR",
        "type": {"code": "IST0101", "name": "ReferencedResourceNotFound"},
    }
    route = await stored(site, VIRTUALSERVICES)
    await site.kube.set_status(route, {"validationMessages": [error]})
    await site.pass_time(minutes=2)
    assert (await site.weights())[new] == 5
    messages = [c["message"] for c in (await site.model())["status"]["conditions"]]
    messages += [c["message"] for c in (await site.rollout())["status"]["conditions"]]
    assert any("Istio refuses the VirtualService: Referenced" in text for text in messages)
    await site.kube.set_status(await stored(site, VIRTUALSERVICES), {"validationMessages": None})
    await site.until("Healthy")
    assert await site.weights() == {new: 100}


@pytest.mark.parametrize("gone", ["traffic", "model"])
async def test_a_model_without_traffic_loses_everything_of_its_provider(
    site: Site, gone: str
) -> None:
    await install_istio(site)
    await site.kube.put(direct(V1, traffic=ISTIO))
    await site.harness.settle()
    if gone == "model":
        await site.kube.user.delete(MODELS, NAME, namespace=NAMESPACE)
    else:
        without = direct(V1)
        del without["spec"]["traffic"]
        await site.kube.put(without)
    await site.harness.settle()
    assert await names(site, VIRTUALSERVICES) == set()
    assert await names(site, DESTINATIONRULES) == set()
    assert (NAME in await names(site, SERVICES)) is (gone == "traffic")


async def test_a_cluster_without_istio_says_so_and_goes_on_when_it_has_it(site: Site) -> None:
    await site.kube.put(direct(V1, traffic=ISTIO))
    await site.harness.settle()
    ready = condition(await site.model(), "Ready")
    assert (ready["status"], ready["reason"]) == ("False", "TrafficKindNotServed")
    assert "install Istio, or choose another provider in spec.traffic" in ready["message"]
    assert condition(await site.model(), "Stalled")["status"] == "True"
    version = (await site.model())["metadata"]["resourceVersion"]
    await site.pass_time(minutes=2)
    assert (await site.model())["metadata"]["resourceVersion"] == version
    await install_istio(site)
    await site.pass_time(seconds=31)
    assert condition(await site.model(), "Ready")["status"] == "True"
    assert await names(site, VIRTUALSERVICES) == {NAME}


async def test_other_models_are_served_where_istio_is_not(site: Site) -> None:
    await site.start()
    with pytest.raises(NotFound):
        await site.kube.user.list(VIRTUALSERVICES, namespace=NAMESPACE)
    assert condition(await site.model(), "Ready")["status"] == "True"


async def test_new_callers_are_sent_to_a_service_only_when_it_has_endpoints(site: Site) -> None:
    await site.kube.put(direct(V1))
    await site.harness.settle()
    cache, client = site.harness.cache, site.kube.client
    obj = cache.get(MODELS, NAMESPACE, NAME)
    assert obj is not None
    gathered = Gatherer(cache, SETTINGS).gather(obj)
    now = site.kube.clock.now()
    decision = decide_direct(gathered.facts, Timing(now=now, scrape=SETTINGS.scrape_interval))
    stable = str(decision.delivery.stable)
    sticky = Sticky("cookie", "tg-arm", (("a", stable),))
    decision = replace(decision, routing=Routing({stable: 100}, Detours(sticky=sticky)))
    parent = Parent(NAME, NAMESPACE, owner_reference(obj))
    router = Router(client, Children(client, cache), cache)

    assert await router.route(gathered, decision, parent) == timedelta(seconds=1)
    assert f"{stable}-new" in await names(site, SERVICES)
    assert len((await stored(site, HTTPROUTES))["spec"]["rules"]) == 1
    await site.harness.world.step()
    assert await router.route(gathered, decision, parent) is None
    assert len((await stored(site, HTTPROUTES))["spec"]["rules"]) == 2

    # When the test is over, its Services go once the route without them is confirmed.
    await site.harness.settle()
    assert len((await stored(site, HTTPROUTES))["spec"]["rules"]) == 1
    site.harness.wake_all()
    await site.harness.settle()
    assert f"{stable}-new" not in await names(site, SERVICES)


class SwitchOnly(GatewayAPIProvider):
    """A provider that cannot weigh."""

    title: ClassVar[str] = "Switch"
    features: ClassVar[frozenset[Feature]] = frozenset()


@pytest.mark.scenario("XS-05")
async def test_a_strategy_that_the_provider_cannot_carry_out_is_refused(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    stable = await site.start()
    monkeypatch.setitem(registry.PROVIDERS, "gatewayAPI", SwitchOnly)
    new = await site.ask_for(V2)
    await site.pass_time(seconds=30)
    stalled = condition(await site.rollout(), "Stalled")
    assert (stalled["status"], stalled["reason"]) == ("True", "FeatureUnsupported")
    assert "Switch (spec.traffic.gatewayAPI)" in stalled["message"]
    assert "weights; use istio" in stalled["message"]
    assert await site.weights() == {stable: 100}
    monkeypatch.undo()
    site.harness.wake_all()
    await site.until("Progressing")
    await site.until("Healthy")
    assert await site.weights() == {new: 100}
