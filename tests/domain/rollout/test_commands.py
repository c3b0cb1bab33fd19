"""What people may ask of a Rollout, and what they are told."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from tests.domain.rollout.sim import Sim, spec

from tidegate.domain.rollout.commands import VERBS, read


def at_step(weight: int, **more: object) -> Sim:
    found = Sim(spec(**more)).stable()  # type: ignore[arg-type]
    found.ask("r2")
    found.until_weight(weight)
    return found


def rejected() -> Sim:
    """r2 was taken back for its errors, and its pods are gone."""
    found = Sim().stable()
    found.behave("r2", error_rate=0.5)
    found.ask("r2")
    found.until("Degraded")
    found.run(11 * 60)
    assert "r2" not in found.sizes
    return found


# -- the annotation ---


@pytest.mark.parametrize("text", [None, ""])
def test_no_annotation_is_no_command(text: str | None) -> None:
    assert read(text) is None


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("abort", "no JSON object"),
        ("[]", "no JSON object"),
        ('{"verb": "explode"}', "use one of abort"),
        ("{}", "use one of abort"),
        ('{"verb": ["abort"]}', "use one of abort"),
        ('{"verb": "abort", "attempt": "two"}', "no whole number"),
        ('{"verb": "abort", "attempt": true}', "no whole number"),
    ],
)
def test_what_cannot_be_understood_says_what_can(text: str, problem: str) -> None:
    command = read(text)
    assert command is not None
    assert problem in command.problem
    assert command.id


@pytest.mark.parametrize("verb", VERBS)
def test_a_command_is_read_as_it_was_sent(verb: str) -> None:
    text = json.dumps({"id": "7", "verb": verb, "attempt": 2, "revision": "r2", "by": "alice"})
    command = read(text)
    assert command is not None
    assert (command.id, command.verb, command.attempt) == ("7", verb, 2)
    assert (command.revision, command.by, command.problem) == ("r2", "alice", "")


def test_a_command_without_an_id_gets_one_from_its_text() -> None:
    first, second = read('{"verb": "abort"}'), read('{"verb":  "abort"}')
    assert first is not None
    assert second is not None
    assert first.id != second.id
    assert read('{"verb": "abort"}') == first


# -- abort ---


@pytest.mark.scenario("AB-01")
def test_abort_moves_the_weight_first_and_the_pods_only_when_it_is_confirmed() -> None:
    step = at_step(25)
    sizes = dict(step.sizes)
    step.follows = False
    assert step.say("abort") == "Done"
    step.run(60)
    assert step.phase == "RollingBack"
    assert step.sizes == sizes
    assert step.delivery.candidate == "r2"
    step.follows = True
    step.run(2)
    assert step.phase == "Degraded"
    assert step.weights_seen[-1] == {"r1": 100}
    assert step.sizes["r1"] == 4
    assert step.delivery.rejected[0].reason == "Aborted"
    assert "alice" in step.delivery.rejected[0].message
    assert [entry.revision for entry in step.delivery.draining] == ["r2"]


@pytest.mark.scenario("AB-02")
def test_abort_with_nothing_under_way_changes_nothing_now_or_later() -> None:
    calm = Sim().stable()
    before = (calm.delivery, calm.phase, calm.route)
    assert "nothing to abort" in calm.say("abort")
    assert (calm.delivery, calm.phase, calm.route) == before
    calm.ask("r2")
    calm.until("Healthy")
    assert calm.delivery.stable == "r2"
    assert "nothing to abort" in calm.say("abort")
    assert calm.delivery.stable == "r2"


@pytest.mark.scenario("SU-09")
def test_abort_outranks_a_promotion_that_waits_for_pods() -> None:
    step = at_step(25)
    step.ready["r2"] = 2
    assert step.say("promote") == "Done"
    assert step.phase == "Promoting"
    assert step.weight == 50
    step.run(20)
    assert step.say("abort") == "Done"
    assert step.weight == 0
    del step.ready["r2"]
    step.run(120)
    assert step.phase == "Degraded"
    assert step.delivery.stable == "r1"


def test_a_command_for_another_attempt_or_revision_is_ignored() -> None:
    step = at_step(5)
    assert "meant for attempt 9" in step.say("abort", attempt=9)
    assert "meant for revision r7" in step.say("abort", revision="r7")
    assert step.phase == "Progressing"
    assert len(step.told("CommandIgnored")) == 2
    assert step.say("abort", attempt=1, revision="r2") == "Done"


# -- promote and skip ---


@pytest.mark.scenario("PA-10")
def test_promote_goes_to_a_hundred_and_says_that_evidence_was_missing() -> None:
    step = at_step(5, steps=[{"weight": 5, "duration": "24h"}, {"weight": 50, "duration": "24h"}])
    assert step.say("promote", attempt=1, revision="r2") == "Done"
    step.until("Healthy", minutes=2)
    assert step.delivery.stable == "r2"
    said = step.told("PromotedByCommand")[0]
    assert "alice" in said
    assert "no verdict yet" in said
    assert [seen.get("r2", 0) for seen in step.weights_seen][-1] == 100
    assert 50 not in [seen.get("r2", 0) for seen in step.weights_seen]
    assert all(entry.verdict != "Promote" for entry in step.status.evidence)


def test_promote_raises_only_as_ready_pods_carry_it() -> None:
    step = at_step(5)
    step.ready["r2"] = 3
    step.say("promote")
    step.run(30)
    assert step.weight == 75
    assert step.status.hold is not None
    assert step.status.hold.reason == "CapacityMissing"
    del step.ready["r2"]
    step.until("Healthy", minutes=1)


def test_promote_without_a_ready_pod_is_refused() -> None:
    early = Sim().stable()
    early.ready["r2"] = 0
    early.ask("r2")
    assert "no ready pod" in early.say("promote")
    assert early.phase == "Starting"


@pytest.mark.scenario("SU-11")
def test_a_rollback_verdict_outranks_a_promote_in_the_same_look() -> None:
    step = at_step(25, onFailure="Rollback")
    step.behave("r2", error_rate=0.5)
    while not step.facts().observation:
        step.now += timedelta(seconds=1)
    step.say("promote")
    step.until("Degraded", minutes=2)
    assert step.delivery.stable == "r1"
    assert step.delivery.rejected


def test_promote_against_the_evidence_takes_force() -> None:
    step = at_step(25, onFailure="Pause")
    step.behave("r2", error_rate=0.5)
    step.until("Paused", minutes=2)
    assert "only `tidegate promote flights --force` overrules" in step.say("promote")
    assert step.say("promote", force=True) == "Done"
    step.until("Healthy", minutes=2)
    assert step.delivery.stable == "r2"


def test_skip_ends_one_step_and_no_more() -> None:
    step = at_step(5, steps=[{"weight": 5, "duration": "1h"}, {"weight": 25, "duration": "1h"}])
    assert step.say("skip") == "Done"
    step.until_weight(25, minutes=1)
    step.run(300)
    assert step.weight == 25
    assert step.phase == "Progressing"


# -- failure that pauses ---


@pytest.mark.scenario("AB-13")
def test_a_failure_that_pauses_keeps_the_weight_and_rejects_nothing_before_abort() -> None:
    step = at_step(25, onFailure="Pause")
    step.behave("r2", error_rate=0.3)
    step.until("Paused", minutes=2)
    step.run(300)
    assert step.weight == 25
    assert step.delivery.rejected == []
    assert any(entry.verdict == "Rollback" for entry in step.status.evidence)
    assert step.say("abort") == "Done"
    assert step.delivery.rejected[0].reason == "Aborted"


# -- retry ---


@pytest.mark.scenario("AB-03")
def test_retry_starts_from_nothing() -> None:
    again = rejected()
    again.behave("r2", error_rate=0.0)
    assert again.say("retry") == "Done"
    assert again.status.attempts == 2
    assert again.status.evidence == []
    assert again.status.step is None
    assert again.weight == 0
    again.until("Healthy")
    assert again.delivery.stable == "r2"


def test_retry_is_bound_to_the_latest_revision_which_the_last_attempt_need_not_be_about() -> None:
    again = rejected()
    again.ask("r3")
    again.until("Healthy")
    again.ask("r2")
    again.until("Degraded")
    assert again.status.attempt is not None
    assert again.status.attempt.revision == "r3"
    assert "not the latest" in again.say("retry", revision="r3")
    assert again.say("retry", revision="r2", attempt=2) == "Done"
    assert again.status.attempts == 3


@pytest.mark.parametrize("verb", ["retry", "abort"])
def test_messages_name_the_command_that_helps(verb: str) -> None:
    if verb == "retry":
        found, said = rejected(), "Change the Model, or try it again: `tidegate retry flights`"
    else:
        found = at_step(25, onFailure="Pause")
        found.behave("r2", error_rate=0.5)
        found.until("Paused", minutes=2)
        said = "choose `tidegate abort flights` or `tidegate promote flights --force`"
    ready = next(c for c in found.status.conditions if c.type == "Ready")
    assert said in ready.message


def test_retry_of_what_was_not_rejected_is_refused() -> None:
    assert "was not rejected" in Sim().stable().say("retry")
    assert "under way" in at_step(5).say("retry")


@pytest.mark.scenario("AB-05")
def test_a_rejected_digest_stays_rejected_without_a_flood_of_events() -> None:
    still = rejected()
    notes, history = len(still.notes), still.status.history
    for _ in range(24):
        still.now = still.now + timedelta(minutes=5)
        still.settle()
    assert still.status.attempts == 1
    assert still.weights_seen[-1] == {"r1": 100}
    assert len(still.notes) == notes
    assert still.status.history == history
    ready = next(c for c in still.status.conditions if c.type == "Ready")
    assert "retry" in ready.message


@pytest.mark.scenario("AB-07")
def test_a_new_digest_after_a_rejection_starts_at_once_and_the_old_one_stays_out() -> None:
    next_ = rejected()
    next_.ask("r3")
    assert next_.status.attempts == 2
    next_.until("Healthy")
    assert next_.delivery.stable == "r3"
    next_.ask("r2")
    next_.run(120)
    assert next_.phase == "Degraded"
    assert next_.delivery.stable == "r3"
    assert next_.status.history[0].reason == "RejectedBefore"
