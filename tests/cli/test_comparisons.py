"""`tidegate status` of a test between arms and of A/A trials."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tests.controllers.site import NAME, Site, rollout

if TYPE_CHECKING:
    from tests.cli.conftest import Tidegate

TEST = {
    "abTest": {
        "arms": [{"name": "a", "revision": "stable"}, {"name": "b", "revision": "latest"}],
        "goal": "errors",
        "minDuration": "10m",
    }
}


async def test_a_test_is_shown_arm_by_arm(site: Site, tidegate: Tidegate) -> None:
    stable = await site.start()
    await site.kube.put(rollout(strategy=TEST))
    site.metrics.behave(site.cluster(stable), error_rate=0.02)
    latest = await site.ask_for("https://models/v2")
    await site.until("Progressing")
    await site.pass_time(seconds=20)
    shown = (await tidegate("status", NAME)).out
    assert "failed of requests" in shown
    rows = [line.split() for line in shown.splitlines() if line.startswith(("a ", "b "))]
    assert [(row[0], row[1], row[2]) for row in rows] == [("a", stable, "50"), ("b", latest, "50")]
    assert "one arm is to be shown to fail less than each of the others" in shown
    asked = json.loads((await tidegate("status", NAME, "-o", "json")).out)
    assert [arm["name"] for arm in asked["contest"]["arms"]] == ["a", "b"]
    assert "state" not in asked["contest"]


async def test_trials_are_shown_with_what_they_mean(site: Site, tidegate: Tidegate) -> None:
    stable = await site.start()
    await site.kube.put(rollout(strategy={"aa": {"trials": 5, "duration": "10s"}}))
    await site.until("Progressing")
    await site.pass_time(seconds=30)
    shown = (await tidegate("status", NAME)).out
    assert f"A/A trials of {stable}: 2 done, 0 false alarms, " in shown
    assert "no false alarm in 2 trials" in shown
    assert "the end of trial 3" in shown
    await site.kube.put(rollout())
    await site.until("Healthy")
    assert "A/A trials" not in (await tidegate("status", NAME)).out
