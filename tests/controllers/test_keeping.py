"""Pods are told what must stay in their cache, when that changes and at no other time."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

from tests.controllers.named import break_pods, direct, revision_of, traffic
from tests.controllers.site import NAMESPACE, Site, condition, sha

from tidegate.controllers.keeping import RETRY_S
from tidegate.kube.resources import CONFIGMAPS
from tidegate.settings import Settings
from tidegate.specs.keep import KEEP_KEY, KEEP_NAME
from tidegate.testing.kube import FakeKube

V1, V2, V3 = "https://models/v1", "https://models/v2", "https://models/v3"


async def serve(site: Site, uri: str, **spec: Any) -> None:
    await site.kube.put(direct(uri, **spec))
    await site.harness.settle()
    await site.pass_time(minutes=2)


async def listed(site: Site) -> dict[str, Any]:
    found = await site.kube.user.get(CONFIGMAPS, KEEP_NAME, namespace=NAMESPACE)
    said: dict[str, Any] = json.loads(found["data"][KEEP_KEY])
    return said


async def test_every_revision_that_there_is_stays_and_one_that_is_pruned_does_not(
    site: Site,
) -> None:
    await serve(site, V1, revisionHistoryLimit=0)
    first = await listed(site)
    assert first["digests"] == [sha(V1)]
    await serve(site, V2, revisionHistoryLimit=0)
    await serve(site, V3, revisionHistoryLimit=0)
    last = await listed(site)
    assert last["digests"] == [sha(V3)]
    assert last["owner"] == first["owner"]
    assert last["at"] > first["at"]


async def test_an_operator_that_starts_anew_writes_nothing_while_nothing_changed(
    site: Site,
) -> None:
    await serve(site, V1)
    before = await site.kube.user.get(CONFIGMAPS, KEEP_NAME, namespace=NAMESPACE)
    site.harness.restart()
    site.harness.wake_all()
    await site.pass_time(minutes=1)
    after = await site.kube.user.get(CONFIGMAPS, KEEP_NAME, namespace=NAMESPACE)
    assert after == before


async def test_a_configmap_of_that_name_that_is_somebody_elses_is_left_alone(site: Site) -> None:
    theirs = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": KEEP_NAME, "namespace": NAMESPACE},
        "data": {"mine": "1"},
    }
    await site.kube.put(theirs)
    await serve(site, V1)
    found = await site.kube.user.get(CONFIGMAPS, KEEP_NAME, namespace=NAMESPACE)
    assert found["data"] == {"mine": "1"}


async def test_a_list_that_cannot_be_written_stops_nothing_and_is_written_later(
    site: Site,
) -> None:
    site.kube.transport.fail(status=403, reason="Forbidden", path="/configmaps", times=10_000)
    await serve(site, V1)
    assert await traffic(site) == {revision_of(V1): 100}
    site.kube.transport.heal()
    await site.harness.advance(timedelta(seconds=RETRY_S))
    site.harness.wake_all()  # the next resync
    await site.harness.settle()
    assert (await listed(site))["digests"] == [sha(V1)]


async def test_a_full_volume_is_a_condition_and_what_serves_goes_on_serving(site: Site) -> None:
    await serve(site, V1)
    await site.kube.put(direct(V2))
    break_pods(site, revision_of(V2), "CacheUnusable", "the artifact cache is full", init=True)
    await site.harness.settle()
    await site.pass_time(minutes=2)
    found = await site.model()
    ready = condition(found, "Ready")
    assert found["status"]["revisions"][0]["reason"] == "CacheUnusable"
    assert (ready["status"], ready["reason"]) == ("False", "Starting")
    assert "the artifact cache is full" in ready["message"]
    assert await traffic(site) == {revision_of(V1): 100}
    site.harness.world.recover(revision_of(V2))
    await site.pass_time(minutes=1)
    assert await traffic(site) == {revision_of(V2): 100}


async def test_without_a_shared_cache_there_is_nothing_to_say() -> None:
    async with FakeKube.start(namespace=NAMESPACE) as kube:
        site = Site(kube, settings=Settings())
        await serve(site, V1)
        names = {one["metadata"]["name"] for one in (await kube.user.list(CONFIGMAPS)).items}
        assert KEEP_NAME not in names
