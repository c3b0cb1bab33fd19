"""What must hold after every decision, whatever was seen."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING

from tidegate.domain.rollout.beginning import key_of
from tidegate.domain.rollout.sizes import needed
from tidegate.domain.rollout.transitions import ACTIVE, TRANSITIONS
from tidegate.domain.times import moment

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tidegate.api.rollout_status import RolloutStatus, Transition
    from tidegate.domain.rollout import Decision, Declared, Facts

STATUS_LIMIT_BYTES = 16 * 1024
PROMOTIONS = {
    "EvidencePromotes",
    "ChecksPassed",
    "PromotedByCommand",
    "PromotedByDeadline",
    "FastRollback",
    "ContestWon",
    "WinnerAdopted",
}


def check(before: Declared, facts: Facts, decision: Decision) -> None:
    """Assert every invariant of one decision."""
    status = decision.rollout
    assert status is not None
    _weights(before.status, status, facts, decision)
    _history(before.status, status)
    _attempts(before.status, status)
    _deadlines(before, status)
    _promotion(before, decision, facts)
    _abort(before, facts, status)
    _rest(before, facts, decision)
    text = json.dumps(status.wire(), allow_nan=False)
    assert len(text) <= STATUS_LIMIT_BYTES, f"status of {len(text)} bytes"
    json.dumps(decision.delivery.wire(), allow_nan=False)
    assert all(size >= 1 for size in decision.floors.values())


def positive(weights: Mapping[str, int] | None) -> dict[str, int]:
    """The weights above 0; what stands at 0 only keeps its endpoints."""
    return {name: weight for name, weight in (weights or {}).items() if weight > 0}


def _weights(before: RolloutStatus, after: RolloutStatus, facts: Facts, decision: Decision) -> None:
    if after.arms:
        assert all(0 <= arm.weight <= 100 for arm in after.arms)
        assert sum(arm.weight for arm in after.arms) == 100
        assert positive(decision.weights) == positive({a.revision: a.weight for a in after.arms})
    was = {arm.revision: arm.weight for arm in before.arms if arm.name != "stable"}
    assert len({arm.revision for arm in after.arms}) == len(after.arms)
    for arm in after.arms:
        if arm.name != "stable" and arm.weight > was.get(arm.revision, 0):
            full = facts.arm(decision.delivery.stable).ready
            ready = facts.arm(arm.revision).ready
            assert ready >= min(
                needed(arm.weight, full), needed(arm.weight, facts.scaling.min_replicas)
            )
            assert ready > 0, "weight for an arm without a ready pod"


def _fresh(before: RolloutStatus, after: RolloutStatus) -> list[Transition]:
    """The entries of the history that this decision added, newest first."""
    for added in range(len(after.history) + 1):
        if after.history[added:] == before.history[: len(after.history) - added]:
            return after.history[:added]
    raise AssertionError("the history was rewritten")


def _history(before: RolloutStatus, after: RolloutStatus) -> None:
    fresh = _fresh(before, after)
    assert len(after.history) <= 20
    for entry in fresh:
        assert TRANSITIONS[entry.from_, entry.reason] == entry.to
    if fresh:
        assert fresh[0].to == after.phase
        assert fresh[-1].from_ == (before.phase or "Pending")


def _attempts(before: RolloutStatus, after: RolloutStatus) -> None:
    assert before.attempts <= after.attempts <= before.attempts + 1
    if after.attempt is not None:
        assert after.attempt.number == after.attempts
    if after.attempts > before.attempts:
        assert after.evidence == [] or after.phase == "Progressing"
        weights = [arm.weight for arm in after.arms if arm.name == "candidate"]
        assert weights == [0]


def _deadlines(declared: Declared, after: RolloutStatus) -> None:
    before = declared.status
    if before.hold is not None and after.hold is not None and before.attempts == after.attempts:
        same = before.hold.since == after.hold.since
        edited = moment(after.hold.since) + declared.spec.holds.deadline
        kept = after.hold.deadline == before.hold.deadline
        assert not same or kept or moment(after.hold.deadline) == edited
        assert moment(after.hold.since) >= moment(before.hold.since)
    old, new = before.attempt, after.attempt
    if old is not None and new is not None and old.number == new.number:
        assert new.evaluating_s >= old.evaluating_s
        assert (new.deadline_s or 0) >= (old.deadline_s or 0)
    a, b = before.step, after.step
    if a is not None and b is not None and before.attempts == after.attempts:
        assert b.index >= a.index
        if a.last_batch_end is not None and b.last_batch_end is not None:
            assert moment(b.last_batch_end) >= moment(a.last_batch_end)


def _promotion(before: Declared, decision: Decision, facts: Facts) -> None:
    """Stable changes only for the first revision, or at the end of Promoting."""
    was, now = facts.delivery.stable, decision.delivery.stable
    status = decision.rollout
    assert status is not None
    if was is None or now == was:
        return
    if before.status.phase == "Baking":
        assert now == facts.delivery.previous
        assert status.attempt is not None
        assert status.attempt.ending is not None
        return
    assert before.status.phase == "Promoting"
    fresh = _fresh(before.status, status)
    assert fresh[-1].reason in ("Promoted", "BakingStarted")
    assert any(entry.reason in PROMOTIONS for entry in before.status.history)
    forward = next(entry for entry in before.status.history if entry.reason in PROMOTIONS)
    attempt = before.status.attempt
    edited = attempt is not None and attempt.key != key_of(attempt.digest, before.spec)
    if forward.reason == "EvidencePromotes" and not edited:
        compared = [entry for entry in before.status.evidence if entry.promote is not None]
        assert compared
        assert all((entry.promote or 0) >= 100 for entry in compared)
    if forward.reason == "ContestWon":
        contest = before.status.contest
        assert contest is not None
        assert now == next(arm.revision for arm in contest.arms if arm.name == contest.winner)
    intended = {arm.revision: arm.weight for arm in before.status.arms}
    assert positive(facts.route.weights) == positive(intended)


def _abort(before: Declared, facts: Facts, after: RolloutStatus) -> None:
    """Abort is reachable from every active phase, at once."""
    command, last = facts.command, before.status.last_command
    if (
        command is None
        or command.verb != "abort"
        or command.problem
        or command.attempt
        or command.revision
    ):
        return
    if last is not None and last.id == command.id:
        return
    attempt = before.status.attempt
    promoted = attempt is not None and facts.delivery.stable == attempt.revision
    if promoted and before.status.phase == "Promoting":
        return  # a crash left only the phase behind
    if before.status.phase in ACTIVE:
        assert after.attempt is not None
        assert after.attempt.ending is not None
        assert after.attempt.ending.reason == "Aborted"


def _rest(before: Declared, facts: Facts, decision: Decision) -> None:
    """A look that changes nothing does not ask for another at once: that would never end."""
    if decision.after is None or decision.after > timedelta(0):
        return
    changed = decision.rollout != before.status or decision.delivery != facts.delivery
    assert changed, f"looks for ever: {decision.why}"
