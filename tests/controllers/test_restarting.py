"""Without a cache only what can be fetched again however long it is kept is rolled out."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.controllers.site import NAMESPACE, SETTINGS, Site, condition, model, rollout

from tidegate.testing.kube import FakeKube

WITHOUT_CACHE = replace(SETTINGS, cache_claim=None)


@pytest.mark.parametrize("immutable", [True, False])
async def test_a_rollout_without_a_cache_needs_immutable_locations(immutable: bool) -> None:
    async with FakeKube.start(namespace=NAMESPACE) as kube:
        site = Site(kube, settings=WITHOUT_CACHE)
        site.shelf.immutable = immutable
        await kube.put(model())
        await kube.put(rollout())
        await site.harness.settle()
        await site.pass_time(seconds=5)
        said = condition(await site.rollout(), "Ready")
        assert (said["reason"] == "ArtifactMutable") != immutable
        if not immutable:
            assert "https://models/v1" in said["message"]
        assert (await site.model())["status"]["resolved"]["immutable"] == immutable


async def test_one_loose_candidate_stops_a_rollout_that_had_begun_without_a_cache() -> None:
    async with FakeKube.start(namespace=NAMESPACE) as kube:
        site = Site(kube, settings=WITHOUT_CACHE)
        site.shelf.immutable = True
        stable = await site.start()
        site.shelf.immutable = False
        await site.ask_for("https://models/v2")
        await site.pass_time(seconds=30)
        assert condition(await site.rollout(), "Ready")["reason"] == "ArtifactMutable"
        assert await site.weights() == {stable: 100}
