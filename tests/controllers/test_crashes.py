"""The operator is killed before and after every write of a whole delivery; it must not matter."""

from __future__ import annotations

import pytest
from tests.controllers.crashing import Kills, Story, play

CANARY = {"canary": {"steps": [{"weight": 10, "duration": "5s"}, {"weight": 50, "duration": "9s"}]}}
SHADOW = {"shadow": {"percent": 100}, "duration": "5s"}

PROMOTED = Story({"strategy": CANARY})
TAKEN_BACK = Story({"strategy": CANARY}, error_rate=0.2)
OTHERS = {
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
}
STRIDE = 9
"""A kill at every ninth write, begun at each of the first nine, so that each has its turn."""


@pytest.mark.scenario("RS-01")
@pytest.mark.timeout(170)
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize(
    ("story", "phase"), [(PROMOTED, "Healthy"), (TAKEN_BACK, "Degraded")], ids=["good", "bad"]
)
async def test_a_kill_around_any_write_leads_to_the_same_end(
    story: Story, phase: str, *, after: bool
) -> None:
    undisturbed, writes, _ = await play(story)
    assert undisturbed.phase == phase
    assert undisturbed.attempts == 1
    for nth in range(1, writes + 1):
        end, _, _ = await play(story, Kills(nth, after=after))
        assert end == undisturbed, f"killed {'after' if after else 'before'} write {nth}"


@pytest.mark.scenario("RS-01", "SU-02")
@pytest.mark.timeout(170)
@pytest.mark.parametrize("story", OTHERS.values(), ids=OTHERS)
async def test_an_operator_that_dies_again_and_again_comes_to_the_same_end(story: Story) -> None:
    undisturbed, writes, _ = await play(story)
    for first in range(1, STRIDE + 1):
        kills = Kills(first, every=STRIDE, after=first % 2 == 0, by_turns=True)
        end, _, died = await play(story, kills)
        assert end == undisturbed, f"killed from write {first} on, {died} times"
        assert died >= writes // STRIDE - 1
