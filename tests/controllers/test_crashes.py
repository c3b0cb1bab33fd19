"""The operator is killed before and after every write of a whole delivery; it must not matter."""

from __future__ import annotations

import pytest
from tests.controllers.crashing import Story, prepared
from tests.controllers.dying import EVENTS, Moments, Reaper
from tests.controllers.test_arms import a_test

CANARY = {"canary": {"steps": [{"weight": 10, "duration": "5s"}, {"weight": 50, "duration": "9s"}]}}
SHADOW = {"shadow": {"percent": 100}, "duration": "5s"}

STORIES = {
    "promotion": Story({"strategy": CANARY}),
    "rollback": Story({"strategy": CANARY}, error_rate=0.2),
    "supersede": Story({"strategy": CANARY}, newer_at=10),
    "baking that is taken back": Story(
        {"strategy": CANARY, "baking": {"duration": "30m"}}, sours=0.3
    ),
    "blue-green": Story(
        {"strategy": {"blueGreen": {"duration": "5s"}}, "rollbackWindow": {"duration": "20s"}}
    ),
    "shadow step": Story({"strategy": {"canary": {"steps": [SHADOW, {"weight": 20}]}}}),
    "adaptive": Story(
        {"strategy": {"adaptive": {"errorBudget": 500, "minDuration": "10s", "soak": "5s"}}}
    ),
    "test between arms": Story({}, then=a_test(minDuration="20s"), others=0.2, arms=3),
    "trials of identical arms": Story(
        {}, then={"aa": {"trials": 2, "duration": "10s", "weight": 20}}, newer=False
    ),
}
# Of the others the writes until the candidate is ready are left out: they are the same.
WHOLE = ("promotion", "rollback", "supersede")
PHASES = {
    name: "Degraded" if name in ("rollback", "baking that is taken back") else "Healthy"
    for name in STORIES
}


@pytest.mark.scenario("RS-01", "SU-02")
@pytest.mark.timeout(170)
@pytest.mark.parametrize("name", STORIES)
async def test_a_kill_around_any_write_leads_to_the_same_end(name: str) -> None:
    async with prepared(STORIES[name]) as run:
        moments = run.site.kube.transport.onlooker = Moments(run)
        undisturbed = await run.deliver()
    assert undisturbed.phase == PHASES[name]
    around = sum(len(moment.around) for moment in moments.kept)
    assert around == 2 * moments.kinds.total(), "before and after each write"
    for moment in moments.kept if name in WHOLE else moments.once_warm():
        async with moment.entered() as again:
            assert await again.go_on() == undisturbed, f"killed {' or '.join(moment.around)}"


@pytest.mark.scenario("RS-01", "SU-02")
@pytest.mark.parametrize("absence", [0.0, 1.5], ids=lambda seconds: f"{seconds:g} s")
@pytest.mark.parametrize("name", STORIES)
async def test_operators_that_live_for_one_write_each_come_to_the_same_end(
    name: str, absence: float
) -> None:
    async with prepared(STORIES[name]) as run:
        moments = run.site.kube.transport.onlooker = Moments(run)
        undisturbed = await run.deliver()
    async with prepared(STORIES[name]) as run:
        reaper = run.site.kube.transport.onlooker = Reaper(run)
        run.absence = absence
        assert await run.deliver() == undisturbed
    lasting = {kind for kind in moments.kinds if kind not in EVENTS}
    assert lasting <= set(reaper.before_writes)
    refused = {"PATCH configmaps"}  # a record is added to before it is made
    assert lasting - refused <= set(reaper.after_writes)
    assert run.died == reaper.before_writes.total() + reaper.after_writes.total()


@pytest.mark.parametrize("name", ["rollback", "trials of identical arms"])
async def test_a_long_absence_after_each_write_makes_no_pods_anew_that_were_to_go(
    name: str,
) -> None:
    async with prepared(STORIES[name]) as run:
        undisturbed = await run.deliver()
    async with prepared(STORIES[name]) as run:
        run.site.kube.transport.onlooker = reaper = Reaper(run)
        run.absence = 45.0  # longer than pods drain
        assert await run.deliver() == undisturbed
    assert reaper.after_writes["DELETE deployments"] <= 1
