"""A delivery from end to end through the real controllers, with a scripted cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from conftest import Site


async def test_the_first_revision_gets_everything_without_steps(site: Site) -> None:
    stable = await site.start()
    found = await site.rollout()
    assert await site.weights() == {stable: 100}
    assert [entry["reason"] for entry in found["status"]["history"]] == ["InitialDeploy"]
    assert not found["status"].get("evidence")


async def test_a_good_version_walks_the_steps_and_is_promoted(site: Site) -> None:
    old = await site.start()
    new = await site.ask_for("https://models/v2")
    await site.until("Promoting")
    found = await site.until("Healthy")
    assert await site.weights() == {new: 100}
    seen = [weights.get(new, 0) for weights in site.weights_seen]
    assert seen == [0, 0, 5, 25, 50, 100, 100]
    assert (await site.model())["status"]["delivery"]["previous"] == old
    assert found["status"]["history"][0]["reason"] == "Promoted"
