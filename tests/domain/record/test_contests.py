"""Tests between arms and A/A trials come out of their records as they went in."""

from __future__ import annotations

from typing import Any

import pytest
from tests.domain.record.kept import KeptSim
from tests.domain.rollout.sim import ERRORS, SLO, spec
from tests.domain.rollout.test_contests import A, B, a_test, artifact, made
from tests.domain.rollout.test_trials import TWIN

from tidegate.domain.record import Row, replay

COOKIE: dict[str, Any] = {"stickyBy": {"cookie": "tg-arm"}}


def contest(*arms: dict[str, Any], rates: dict[str, float], **more: Any) -> KeptSim:
    """A test between r1, which fails once in ten requests, and others."""
    sim = KeptSim(a_test(*(arms or (A, B)), **more))
    sim.stable()
    sim.behave("r1", error_rate=0.1)
    for name, rate in rates.items():
        sim.behave(name, error_rate=rate)
    sim.ask("r2")
    return sim


def decided(rows: list[Row], reason: str) -> dict[str, Any]:
    """What the row of a change of phase holds."""
    return next(r.body for r in rows if r.kind == "transition" and r.body["reason"] == reason)


def test_a_winner_is_recomputed_from_the_batches() -> None:
    sim = contest(rates={"r2": 0.03})
    sim.until("Healthy")
    rows = sim.record(1)
    found = replay(rows)
    assert found.same, (found.problems, [c.problem for c in found.checks])
    assert found.batches > 5
    assert any(row.body.get("contest") for row in rows if row.kind == "evidence")


def test_batches_of_other_traffic_would_have_another_winner() -> None:
    sim = contest(rates={"r2": 0.03})
    sim.until("Healthy")
    rows = [
        Row(r.seq, r.kind, r.at, {**r.body, "candidate": r.body["stable"]})
        if r.kind == "batch"
        else r
        for r in sim.record(1)
    ]
    assert not replay(rows).same


@pytest.mark.parametrize("more", [{}, {"allocation": "TopTwo"}, COOKIE])
def test_an_arm_that_leaves_is_followed(more: dict[str, Any]) -> None:
    sim = contest(A, B, artifact("c"), rates={"r2": 0.08, "r3": 0.6}, metrics=[ERRORS, SLO], **more)
    sim.arms = (made("c", "r3"),)
    sim.until("Progressing")
    sim.run(120)
    found = replay(sim.record(1))
    assert found.same, (found.problems, [c.problem for c in found.checks])
    assert found.batches > 5


def test_trials_begin_anew_and_are_recomputed() -> None:
    declared = {"trials": 3, "duration": "60s"}
    sim = KeptSim(spec(strategy={"aa": declared}, metrics=[ERRORS, SLO]))
    sim.arms = (TWIN,)
    sim.stable()
    sim.until("Progressing")
    sim.run(5 * 60)
    rows = sim.record(1)
    assert decided(rows, "TrialsDone")
    assert len([row for row in rows if row.kind == "evidence"]) >= 3
    found = replay(rows)
    assert found.same, (found.problems, [c.problem for c in found.checks])
