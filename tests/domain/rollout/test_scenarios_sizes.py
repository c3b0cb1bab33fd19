"""Behaviours about how many pods there are, and what becomes of the old ones."""

from __future__ import annotations

from typing import Any

import pytest
from tests.domain.rollout.sim import Sim, spec

from tidegate.api.model import Scaling
from tidegate.domain.conditions import find
from tidegate.domain.pods import PodFailure


def tried(*steps: tuple[int, int], **more: Any) -> Sim:
    """r2 is asked for beside a stable r1."""
    sim = Sim(spec(*steps, **more)).stable()
    sim.ask("r2")
    return sim


@pytest.mark.scenario("RE-05")
def test_a_weight_takes_its_share_of_what_the_autoscaler_gave_stable() -> None:
    sim = Sim(spec((50, 10)), scaling=Scaling(min_replicas=2, max_replicas=30)).stable()
    sim.sizes["r1"] = 20  # the autoscaler's doing
    sim.ready["r2"] = 9
    sim.ask("r2")
    sim.run(60)
    assert sim.sizes == {"r1": 20, "r2": 10}
    assert sim.weights_seen[-1] == {"r1": 100}
    ready = find(sim.status.conditions, "Ready")
    assert ready is not None
    assert "9 ready pods and needs 10" in ready.message
    sim.ready.clear()
    sim.until_weight(50, minutes=1)
    sim.until("Promoting")
    sim.settle()
    assert sim.sizes["r2"] == 20


@pytest.mark.scenario("RE-07")
@pytest.mark.parametrize(("then", "phase"), [("Pause", "Paused"), ("Rollback", "Degraded")])
def test_pods_that_find_no_node_are_waited_for_with_the_schedulers_words(
    then: str, phase: str
) -> None:
    sim = Sim(spec(holds={"deadline": "5m", "then": then})).stable()
    sim.ready["r2"] = 0
    words = "0/3 nodes are available: 3 Insufficient nvidia.com/gpu"
    sim.failures["r2"] = PodFailure("Unschedulable", words, final=False)
    sim.ask("r2")
    sim.run(120)
    assert sim.status.hold is not None
    assert sim.status.hold.reason == "CapacityMissing"
    assert words in sim.status.hold.message
    sim.until(phase, minutes=4)
    assert sim.weights_seen == [{"r1": 100}]
    assert sim.sizes["r1"] == 4
    if then == "Rollback":
        assert sim.delivery.rejected[0].reason == "HoldExpired"
    else:
        assert sim.delivery.rejected == []


@pytest.mark.scenario("RE-10")
def test_an_old_stable_goes_quietly_when_a_second_promotion_takes_its_place() -> None:
    sim = tried()
    sim.until("Healthy")
    promoted = sim.sizes["r2"]
    sim.run(29 * 60)
    assert sim.sizes["r1"] == 4
    assert sim.sizes["r2"] == promoted
    notes = len(sim.notes)
    sim.ask("r3")
    sim.until("Healthy")
    sim.run(40)
    assert set(sim.sizes) == {"r2", "r3"}
    sim.run(61 * 60)
    assert set(sim.sizes) == {"r3"}
    said = [note.reason for note in sim.notes[notes:] if note.type == "Warning"]
    assert said == []
    assert "Degraded" not in [entry.to for entry in sim.status.history]


@pytest.mark.scenario("SW-07")
def test_at_weight_0_only_the_duration_counts() -> None:
    steps = [{"weight": 0, "duration": "60s"}, {"weight": 10, "duration": "5s"}]
    sim = tried(steps=steps)
    sim.until("Progressing")
    began = sim.now
    while sim.weight == 0:
        assert sim.weights_seen[-1] == {"r1": 100}
        assert sim.sizes["r2"] >= 1
        assert sim.status.hold is None
        sim.run(1)
    assert 60 <= (sim.now - began).total_seconds() <= 70


@pytest.mark.scenario("AB-08")
def test_back_inside_the_window_never_makes_the_pods_anew() -> None:
    sim = tried()
    sim.until("Healthy")
    for _ in range(20 * 60):
        sim.run(1)
        assert sim.sizes["r1"] == 4
    seen = len(sim.weights_seen)
    sim.ask("r1")
    sim.until("Healthy", minutes=2)
    assert sim.weights_seen[seen:] == [{"r1": 100}]
    assert "FastRollback" in sim.reasons
    assert sim.reasons[-1] == "Promoted"
    assert sim.status.evidence == []
    assert sim.sizes["r1"] == 4


@pytest.mark.scenario("ST-07")
def test_a_status_with_every_metric_stays_small_over_many_attempts() -> None:
    """The invariants of each look hold its size under 16 kB and its JSON free of NaN."""
    metrics: list[Any] = [
        {"name": f"errors-{n}", "type": "ErrorRate", "margin": {"ratio": 1.5, "absolute": 0.01}}
        for n in range(5)
    ]
    metrics += [{"name": f"slo-{n}", "type": "ErrorRate", "max": 0.05 + n / 100} for n in range(5)]
    sim = Sim(spec((5, 1), metrics=metrics, analysis={"warmup": "0s"})).stable()
    for number in range(2, 62):
        sim.ask(f"r{number}")
        sim.until_weight(5)
        sim.say("abort")
    sim.ask("r2", polled=True)
    assert sim.status.attempts == 61
    assert 10 <= len(sim.status.history) <= 20
    assert len(sim.delivery.rejected) == 20
    sim.ask("r61")
    assert any(entry.revision == "r61" for entry in sim.delivery.rejected)
    assert sim.phase == "Degraded" or sim.delivery.candidate == "r2"
