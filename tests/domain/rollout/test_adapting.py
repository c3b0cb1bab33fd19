"""The strategy adaptive: where its weight goes, and what ends it."""

from __future__ import annotations

import pytest
from tests.domain.rollout.sim import ERRORS, SLO, Sim, spec
from tests.domain.rollout.trying import calm, candidate_weights, tried

from tidegate.api.rollout_status import Dispersion
from tidegate.domain.rollout.adapting import excess_of
from tidegate.domain.rollout.draft import Draft

ADAPTIVE = {"adaptive": {"errorBudget": 100, "minDuration": "2m", "soak": "30s"}}


@pytest.mark.scenario("SW-11")
def test_an_adaptive_weight_starts_low_rises_by_itself_and_stays_in_its_bounds() -> None:
    sim = tried(strategy=ADAPTIVE, metrics=[ERRORS, SLO])
    sim.traffic["r1"] = sim.traffic["r2"] = calm()
    sim.until("Healthy", minutes=30)
    weights = candidate_weights(sim)[1:]
    assert sim.delivery.stable == "r2"
    assert weights[0] == 1
    assert weights[-1] == 100
    assert max(weights[:-1]) == 50
    promoted = next(e for e in sim.status.history if e.reason == "EvidencePromotes")
    assert "not worse" in promoted.message


@pytest.mark.scenario("SW-11")
def test_an_adaptive_weight_spends_about_its_budget_on_a_bad_version() -> None:
    sim = tried(strategy=ADAPTIVE, metrics=[ERRORS])
    sim.traffic["r1"] = calm()
    sim.behave("r2", error_rate=0.05)
    sim.until("Degraded", minutes=30)
    extra = sum(b.candidate.errors - 0.01 * b.candidate.requests for b in sim.batches)
    assert extra <= 1.5 * 100
    assert max(candidate_weights(sim)) <= 50


def test_a_budget_that_bears_nothing_for_long_ends_without_a_verdict() -> None:
    stingy = {"adaptive": {"errorBudget": 1, "minDuration": "1m", "soak": "10s"}}
    sim = tried(strategy=stingy, metrics=[ERRORS], onInconclusive="Pause", deadline="5h")
    sim.traffic["r1"] = calm()
    sim.behave("r2", error_rate=0.013)
    sim.until("Paused", minutes=60)
    assert "error budget has borne no more traffic" in sim.status.history[0].message
    assert sim.weight == 1


def test_an_adaptive_weight_rises_only_as_ready_pods_carry_it() -> None:
    sim = tried(strategy=ADAPTIVE, metrics=[ERRORS])
    sim.traffic["r1"] = sim.traffic["r2"] = calm()
    sim.ready["r2"] = 1
    sim.until("Progressing")
    sim.run(10 * 60)
    assert max(candidate_weights(sim)) <= 25
    assert sim.sizes["r2"] == 2
    assert "no steps to skip" in sim.say("skip")


LABELS = {
    "name": "quality",
    "type": "Labels",
    "delay": "1h",
    "margin": {"absolute": 0.02},
    "prometheus": {"bad": "wrong", "total": "labelled"},
}


def test_labels_that_come_after_the_promotion_cost_nothing_of_the_error_budget() -> None:
    adaptive = {"adaptive": {"errorBudget": 100, "minDuration": "1m", "soak": "10s"}}
    sim = Sim(spec(strategy=adaptive, metrics=[ERRORS, LABELS], baking={"duration": "2h"})).stable()
    sim.ask("r2")
    sim.until("Baking", minutes=5)


def test_an_adaptive_weight_that_pods_never_carry_ends_some_time_after_the_deadline() -> None:
    adaptive = {"adaptive": {"errorBudget": 1000, "minDuration": "1m", "soak": "1m"}}
    sim = Sim(spec(strategy=adaptive, metrics=[ERRORS], deadline="5m")).stable()
    sim.ready["r2"] = 1
    sim.ask("r2")
    sim.run(6 * 60)
    assert sim.phase == "Progressing"
    sim.until("Degraded", minutes=3)
    assert "Inconclusive" in sim.reasons


def test_bursts_make_the_bound_of_adaptive_wider() -> None:
    sim = Sim(spec(strategy={"adaptive": {"errorBudget": 100}}, metrics=[ERRORS])).stable()
    sim.ask("r2")
    sim.until("Progressing")
    sim.run(60)
    draft = Draft(sim.declared, sim.facts(), sim.timing)
    calm = excess_of(draft)
    bursty = [
        entry.model_copy(update={"dispersion": Dispersion(phi=10, verified=True)})
        for entry in sim.status.evidence
    ]
    draft.set(evidence=bursty)
    assert excess_of(draft) > 1.5 * calm
