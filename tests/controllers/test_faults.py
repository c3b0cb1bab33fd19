"""The API server refuses, chokes and hangs again and again: deliveries end as if it did not."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

import pytest
from tests.controllers.crashing import Story, play

if TYPE_CHECKING:
    from collections.abc import Callable

    from tidegate.testing.transport import FaultyTransport

CANARY = {"canary": {"steps": [{"weight": 10, "duration": "5s"}, {"weight": 50, "duration": "9s"}]}}
STORIES = {
    "promotion": Story({"strategy": CANARY}),
    "rollback": Story({"strategy": CANARY}, error_rate=0.2),
}


def conflicts(server: FaultyTransport) -> None:
    server.fail(status=409, reason="Conflict", method="PATCH")


def too_many(server: FaultyTransport) -> None:
    server.fail(status=429, retry_after=1)


def broken(server: FaultyTransport) -> None:
    server.fail(status=500, reason="InternalError")


def hanging(server: FaultyTransport) -> None:
    server.lose()


def answers_lost(server: FaultyTransport) -> None:
    """The server acts, and what it answers never comes."""
    server.lose(stored=True)


@pytest.mark.scenario("TR-06")
@pytest.mark.timeout(120)
@pytest.mark.parametrize("story", STORIES.values(), ids=STORIES)
@pytest.mark.parametrize("fault", [conflicts, too_many, broken, hanging, answers_lost])
async def test_a_fault_every_few_seconds_changes_nothing_but_the_time_it_takes(
    story: Story, fault: Callable[[FaultyTransport], None]
) -> None:
    seconds, met = count(), 0

    def disturb(server: FaultyTransport) -> None:
        nonlocal met
        second = next(seconds)
        if second % 2 == 0:
            met += second > 0 and server.pending == 0
            server.heal()  # of a fault that nobody met: they must not pile up
            fault(server)

    undisturbed = await play(story)
    end = await play(story, disturb=disturb)
    assert end == undisturbed
    assert met >= 2, "requests met faults"
