"""After the promotion: what is still judged, how long, and how it is taken back."""

from __future__ import annotations

from typing import Any

import pytest
from tests.domain.rollout.sim import ERRORS, SLO, Sim, spec

from tidegate.domain.pods import PodFailure
from tidegate.domain.rollout import Command
from tidegate.domain.route import NO_DETOURS

BAKING = {"baking": {"duration": "30m"}, "rollbackWindow": {"duration": "1m"}}


def baking(**more: Any) -> Sim:
    """r2 was promoted over r1 and bakes."""
    sim = Sim(spec((20, 10), metrics=[ERRORS, SLO], **(BAKING | more))).stable()
    sim.ask("r2")
    sim.until("Baking")
    assert (sim.delivery.stable, sim.delivery.previous) == ("r2", "r1")
    return sim


def conditions(sim: Sim) -> dict[str, tuple[str, str]]:
    return {c.type: (c.status, c.reason) for c in sim.status.conditions}


def test_a_promoted_version_is_ready_while_it_bakes_and_the_way_back_stays_warm() -> None:
    sim = baking()
    sim.run(20 * 60)
    assert sim.phase == "Baking"
    assert conditions(sim) == {"Ready": ("True", "Baking")}
    assert sim.sizes["r1"] == 4
    sim.until("Healthy")
    assert sim.reasons[-2:] == ["BakingStarted", "Baked"]
    assert sim.delivery.previous is None


def test_a_version_that_turns_bad_after_the_promotion_is_taken_back_in_one_write() -> None:
    sim = baking()
    sim.run(120)
    sim.behave("r2", error_rate=0.3)
    sim.until("Degraded")
    assert (sim.delivery.stable, sim.delivery.candidate) == ("r1", None)
    assert [entry.revision for entry in sim.delivery.rejected] == ["r2"]
    assert sim.weights_seen[-2:] == [{"r2": 100}, {"r1": 100}]


def test_a_version_that_stays_as_it_was_is_not_taken_back() -> None:
    sim = baking()
    sim.until("Healthy", minutes=35)
    assert sim.delivery.stable == "r2"


def test_no_requests_while_baking_take_nothing_back_and_keep_nothing_from_ending() -> None:
    sim = baking()
    sim.rate = 0.0
    sim.until("Healthy", minutes=35)
    assert sim.delivery.stable == "r2"


@pytest.mark.scenario("XS-08")
def test_blue_green_is_judged_as_long_as_its_window_is_open() -> None:
    sim = Sim(
        spec(
            strategy={"blueGreen": {"shadow": {}, "duration": "20s"}},
            metrics=[ERRORS, SLO],
            rollbackWindow={"duration": "10m"},
        )
    ).stable()
    sim.ask("r2")
    sim.until("Baking")
    sim.run(120)
    sim.behave("r2", error_rate=0.5)
    sim.until("Degraded")
    assert [weights.get("r2", 0) for weights in sim.weights_seen] == [0, 100, 0]
    assert sim.sizes["r1"] == 4
    assert [entry.revision for entry in sim.delivery.rejected] == ["r2"]
    assert sim.route.detours == NO_DETOURS


def test_abort_while_baking_takes_back_what_was_promoted() -> None:
    sim = baking()
    assert sim.say("abort") == "Done"
    sim.until("Degraded")
    assert sim.delivery.stable == "r1"
    assert sim.delivery.rejected[0].reason == "Aborted"


def test_promote_while_baking_is_content_with_it() -> None:
    sim = baking()
    assert sim.say("promote") == "Done"
    assert sim.phase == "Healthy"


@pytest.mark.parametrize("verb", ["skip", "resume", "pause", "approve"])
def test_other_verbs_have_nothing_to_do_while_it_bakes(verb: str) -> None:
    assert "nothing to" in baking().say(verb)


def test_what_was_promoted_by_force_is_not_judged_any_more() -> None:
    sim = Sim(spec((20, 60), metrics=[ERRORS], **BAKING)).stable()
    sim.ask("r2")
    sim.until_weight(20)
    assert sim.say("promote", force=True) == "Done"
    sim.until("Healthy")
    sim.run(5)
    assert sim.phase == "Healthy"
    assert "BakingStarted" not in sim.reasons
    (told,) = sim.told("BakingSkipped")
    assert "was promoted by force (by alice), so it is not judged" in told
    assert "promoted by force by alice" in sim.told("PromotedByCommand")[0]


@pytest.mark.parametrize("force", [False, True])
def test_what_was_promoted_before_any_evidence_is_told_to_be_unjudged(*, force: bool) -> None:
    sim = Sim(spec((20, 60), metrics=[ERRORS], **BAKING)).stable()
    sim.ask("r2")
    sim.until("WarmingUp")
    assert sim.say("promote", force=force) == "Done"
    sim.until("Healthy")
    (told,) = sim.told("BakingSkipped")
    assert "by alice" in told
    assert "is not judged" in told


def test_force_during_a_promotion_says_who_asked() -> None:
    sim = Sim(spec((20, 10), metrics=[ERRORS], **BAKING)).stable()
    sim.quiet = False
    sim.ask("r2")
    sim.until("Promoting")
    assert sim.say("promote", force=True) == "Done"
    (told,) = sim.told("PromotionForced")
    assert told.startswith("alice forces the promotion")


def test_a_newer_revision_ends_the_baking_and_starts_against_what_baked() -> None:
    sim = baking()
    sim.ask("r3")
    assert "BakingEnded" in sim.reasons
    assert (sim.delivery.stable, sim.delivery.candidate) == ("r2", "r3")


def test_back_to_the_previous_one_while_it_bakes_is_the_fast_way() -> None:
    sim = baking()
    sim.ask("r1")
    sim.run(5)
    assert "FastRollback" in sim.reasons
    sim.until("Healthy")
    assert sim.delivery.stable == "r1"
    assert sim.told("BakingSkipped") == []  # nobody overruled anything


def test_a_changed_metric_ends_the_baking() -> None:
    sim = baking()
    wider = {**ERRORS, "margin": {"ratio": 3, "absolute": 0.1}}
    sim.spec = spec((20, 10), metrics=[wider, SLO], **BAKING)
    sim.run(2)
    assert sim.phase == "Healthy"
    assert sim.reasons[-1] == "BakingEnded"


def test_a_metric_that_is_edited_at_the_end_of_a_promotion_is_told_to_skip_the_baking() -> None:
    sim = Sim(spec((20, 10), metrics=[ERRORS, SLO], **BAKING)).stable()
    sim.quiet = False
    sim.ask("r2")
    sim.until("Promoting")
    while sim.weight < 100:
        sim.run(1)
    sim.spec = spec((20, 10), metrics=[{**ERRORS, "name": "other"}, SLO], **BAKING)
    sim.quiet = True
    sim.until("Healthy", minutes=2)
    assert sim.delivery.stable == "r2"
    (told,) = sim.told("BakingSkipped")
    assert "were changed while it was being promoted" in told


def test_pods_that_are_gone_for_a_minute_take_it_back_where_the_previous_one_can_serve() -> None:
    sim = baking()
    sim.ready["r2"] = 0
    sim.failures["r2"] = PodFailure("CrashLoop", "boom", final=True)
    sim.run(50)
    assert sim.phase == "Baking"
    sim.until("Degraded", minutes=2)
    assert sim.delivery.stable == "r1"


def test_a_way_back_without_a_ready_pod_is_waited_for() -> None:
    sim = baking()
    sim.ready["r1"] = 0
    sim.behave("r2", error_rate=0.5)
    sim.until("RollingBack")
    sim.run(30)
    assert sim.weights_seen[-1] == {"r2": 100}
    sim.ready.clear()
    sim.until("Degraded")
    assert sim.weights_seen[-1] == {"r1": 100}


@pytest.mark.parametrize("written", [0, 1, 2])
def test_a_crash_between_the_writes_of_the_way_back_heals(written: int) -> None:
    sim = baking()
    sim.command = Command(id="x", verb="abort", by="alice")
    sim.look(written=written)
    sim.until("Degraded")
    assert sim.delivery.stable == "r1"
    assert [entry.revision for entry in sim.delivery.rejected] == ["r2"]
    assert sim.weights_seen[-1] == {"r1": 100}


@pytest.mark.parametrize("verb", ["abort", "promote"])
def test_a_verb_right_after_a_crash_knows_that_it_is_being_taken_back(verb: str) -> None:
    sim = baking()
    sim.command = Command(id="1", verb="abort", by="alice")
    sim.look(written=1)
    assert (sim.phase, sim.delivery.stable) == ("Baking", "r1")
    said = sim.say(verb)
    assert said == ("Done" if verb == "abort" else "Ignored: it is being taken back already")
    sim.run(5)
    assert (sim.phase, sim.delivery.stable) == ("Degraded", "r1")
    assert sim.reasons[-2] == ("Aborted" if verb == "abort" else "EvidenceRollsBack")


def test_baking_without_evidence_that_can_be_read_looks_at_its_end_only() -> None:
    sim = baking()
    entries = [entry.model_copy(update={"state": "{"}) for entry in sim.status.evidence]
    sim.status = sim.status.model_copy(update={"evidence": entries})
    sim.run(60)
    decision = sim.settle()
    assert decision.after is not None
    assert decision.after.total_seconds() > 60
    sim.until("Healthy", minutes=35)


def test_callers_inside_the_cluster_keep_what_serves_while_the_way_back_has_no_pod() -> None:
    sim = baking()
    sim.ready["r1"] = 0
    assert sim.say("abort") == "Done"
    decision = sim.look()
    assert (sim.phase, sim.delivery.stable) == ("RollingBack", "r1")
    assert (decision.selected, decision.weights) == ("r2", {"r1": 0, "r2": 100})
    del sim.ready["r1"]
    decision = sim.look()
    assert (decision.selected, decision.weights) == ("r1", {"r1": 100, "r2": 0})
