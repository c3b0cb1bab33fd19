"""A clock that is behind, and a status that is far ahead."""

from __future__ import annotations

from datetime import timedelta

import pytest
from tests.domain.rollout.sim import SCRAPE, START, Sim

from tidegate.api.rollout_status import RolloutStatus
from tidegate.domain.evidence import Unseen
from tidegate.domain.rollout import Timing
from tidegate.domain.rollout.lateness import not_before
from tidegate.domain.times import moment, stamp


@pytest.mark.parametrize(
    ("ahead", "moved"),
    [
        (timedelta(seconds=-5), False),
        (timedelta(0), False),
        (timedelta(seconds=90), True),
        (timedelta(minutes=10), True),
        (timedelta(days=365), False),
    ],
)
def test_time_waits_for_a_clock_that_is_a_little_behind(ahead: timedelta, moved: bool) -> None:
    status = RolloutStatus(phase="Healthy", phase_since=stamp(START + ahead))
    timing = not_before(Timing(now=START, scrape=SCRAPE), status)
    assert timing.now == (START + ahead if moved else START)


def test_a_hold_that_begins_anew_under_a_clock_that_is_behind_does_not_begin_earlier() -> None:
    sim = Sim().stable()
    sim.ask("r2")
    sim.until_weight(5)
    sim.outage = Unseen("MetricsUnavailable", "connection refused")
    sim.until("Holding")
    assert sim.status.hold is not None
    since = moment(sim.status.hold.since)
    sim.now -= timedelta(seconds=90)
    sim.outage = Unseen("ClockSkew", "synchronise the clocks")
    sim.ready["r2"] = 0
    for _ in range(120):
        sim.run(1)
        if sim.status.hold is not None:
            assert moment(sim.status.hold.since) >= since
