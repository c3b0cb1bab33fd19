"""A decision in the making: the statuses as they are about to be written, and what people are told.

Owns the only way to change phase (`move`), to begin and end a hold, and to name a time to look
again. It decides nothing itself.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from tidegate.api.rollout_status import ArmStatus, Hold, RolloutStatus, Transition
from tidegate.domain.rollout.facts import Comparing, Note, RevisionFacts
from tidegate.domain.rollout.plan import Stage, detours_at, stages, sticky_detours
from tidegate.domain.rollout.transitions import ACTIVE, following, remembered
from tidegate.domain.route import NO_DETOURS, Detours, Routing
from tidegate.domain.times import moment, stamp

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from tidegate.api.model_status import DeliveryStatus
    from tidegate.api.rollout import RolloutSpec
    from tidegate.domain.conditions import Said
    from tidegate.domain.evidence import Unseen
    from tidegate.domain.rollout.facts import Declared, Facts, Timing

_TRYING = ("Progressing", "Holding", "Paused")
"""Phases in which the route may do more for the candidate than its weight says."""
_QUIET_REASONS = frozenset({"PodsReady", "WarmedUp", "HoldCleared", "TakenBack", "PodsLost"})
_WARNINGS = frozenset(
    {"Aborted", "CandidateFailed", "CandidateUnavailable", "EvidenceRollsBack", "GuardBroken",
     "HoldExpired", "Inconclusive", "RevisionFailed", "RolledBack", "PausedByHold",
     "PausedByFailure", "PausedByDeadline", "PausedByDoubt", "PausedByMismatch", "RejectedBefore",
     "CommonCause", "SampleRatioMismatch"}
)  # fmt: skip


def _positive(weights: Mapping[str, int]) -> dict[str, int]:
    return {name: weight for name, weight in weights.items() if weight > 0}


class DeliveryDraft:
    """A delivery decision in the making: the Model's `status.delivery`, and what people are
    told."""

    def __init__(self, facts: Facts, timing: Timing) -> None:
        self.facts = facts
        self.timing = timing
        self.now: datetime = timing.now
        self.delivery: DeliveryStatus = facts.delivery
        self.notes: list[Note] = []
        self.let_go: set[str] = set()
        """Revisions that this look lets go, whether or not one before it did so too."""
        self._next: tuple[timedelta, str] | None = None

    @property
    def startable(self) -> RevisionFacts | None:
        """The latest revision; while that is held back, the candidate that is under way, if any."""
        facts, candidate = self.facts, self.delivery.candidate
        if facts.held_back is None:
            return facts.latest
        if candidate is None or candidate not in facts.digests:
            return None
        return RevisionFacts(name=candidate, digest=facts.digests[candidate])

    def set_delivery(self, **changes: Any) -> None:
        """Change fields of the Model's `status.delivery`."""
        self.delivery = self.delivery.model_copy(update=changes)

    def tell(self, reason: str, message: str, *, warning: bool | None = None) -> None:
        """Tell people, by an Event."""
        is_warning = reason in _WARNINGS if warning is None else warning
        self.notes.append(Note("Warning" if is_warning else "Normal", reason, message[:1000]))

    def at(self, when: datetime | str, why: str) -> None:
        """Look again at a moment, or earlier when something asks for that."""
        moment_ = moment(when) if isinstance(when, str) else when
        self.within(max(timedelta(0), moment_ - self.now), why)

    def within(self, after: timedelta, why: str) -> None:
        """Look again after a while, or earlier when something asks for that."""
        if self._next is None or after < self._next[0]:
            self._next = (after, why)

    def soon(self, why: str) -> None:
        """Look again at once."""
        self.within(timedelta(0), why)

    def routes(self, weights: Mapping[str, int], detours: Detours = NO_DETOURS) -> bool:
        """Whether the gateway routes like this now; entries of weight 0 do not count."""
        if not self.facts.route_wanted:
            return True
        route = self.facts.route
        if not route.programmed or route.weights is None or route.detours != detours:
            return False
        return _positive(route.weights) == _positive(weights)

    def route_with(self, weights: Mapping[str, int]) -> dict[str, int]:
        """What the route is to say: the weights, and 0 for every other revision that has pods.

        A revision that stays in the route at 0 keeps its endpoints and counters there: what it is
        still answering is not cut off, and going back to it needs no new cluster. One whose pods
        are still to be created is left out, because its Service is too.
        """
        others = [self.delivery.previous, self.delivery.candidate, *self.delivery.contenders]
        others += [entry.revision for entry in self.delivery.draining]
        found = {name: w for name, w in weights.items() if w > 0 or self.facts.arm(name).exists}
        for name in others:
            if name is not None and name not in found and self.facts.arm(name).exists:
                found[name] = 0
        return found

    @property
    def next_look(self) -> tuple[timedelta, str] | None:
        """When to look again, and why."""
        return self._next


class Draft(DeliveryDraft):
    """The same for a Rollout: its status too; every part of `decide` works on it in turn."""

    def __init__(self, declared: Declared, facts: Facts, timing: Timing) -> None:
        super().__init__(facts, timing)
        self.name = declared.name
        self.spec: RolloutSpec = declared.spec
        self.generation = declared.generation
        self.status: RolloutStatus = declared.status
        self._seen_arms = declared.status.arms
        self.target_weight: int | None = None
        """The weight that the candidate's size is made ready for, when above its weight now."""
        self.targets: Mapping[str, int] = {}
        """The same by revision, for the arms of a test."""
        self.said: Said | None = None
        """Why nothing of what is declared can be tried, or that it is decided."""
        self.wrong: Unseen | None = None
        """What is wrong with a metric, where that is not a hold."""
        if self.status.phase is None:
            self.set(phase="Pending", phase_since=stamp(self.now))

    # -- state -----------------------------------------------------------------------------

    @property
    def phase(self) -> str:
        return self.status.phase or "Pending"

    @property
    def active(self) -> bool:
        """Whether an attempt goes forward or waits."""
        return self.phase in ACTIVE

    def by_hand(self, verb: str) -> str:
        """How a person sends a verb to this Rollout, for messages that ask for one.

        docs/commands.md has the same by `kubectl annotate`.
        """
        verb, _, options = verb.partition(" ")
        return f"`tidegate {verb} {self.name}{f' {options}' if options else ''}`"

    def set(self, **changes: Any) -> None:
        """Change fields of the Rollout's status."""
        self.status = self.status.model_copy(update=changes)

    def set_attempt(self, **changes: Any) -> None:
        """Change fields of the attempt under way."""
        assert self.status.attempt is not None
        self.set(attempt=self.status.attempt.model_copy(update=changes))

    def set_step(self, **changes: Any) -> None:
        """Change fields of the present step."""
        assert self.status.step is not None
        self.set(step=self.status.step.model_copy(update=changes))

    # -- arms ------------------------------------------------------------------------------

    def weight(self, arm: str) -> int:
        """The weight that is intended for an arm, in per cent."""
        return next((entry.weight for entry in self.status.arms if entry.name == arm), 0)

    def seen_ready(self, arm: str) -> int:
        """Ready pods of an arm as the last look found them."""
        return next((entry.ready for entry in self._seen_arms if entry.name == arm), 0)

    def set_candidate_weight(self, weight: int) -> None:
        """Intend a weight for the candidate; stable gets the rest."""
        assert self.status.attempt is not None
        self.set_arms(self.status.attempt.revision, weight)

    def set_arms(
        self, candidate: str | None, weight: int = 0, *, contenders: Mapping[str, int] | None = None
    ) -> None:
        """Intend all arms: a candidate and contenders with their weights, and stable as delivered
        with the rest."""
        others = dict(contenders or {})
        arms = []
        if self.delivery.stable is not None:
            rest = 100 - weight - sum(others.values())
            arms.append(self._arm("stable", self.delivery.stable, rest))
        if candidate is not None:
            arms.append(self._arm("candidate", candidate, weight))
        arms += [self._arm("contender", name, share) for name, share in others.items()]
        self.set(arms=arms)

    def weight_of(self, revision: str) -> int:
        """The weight that is intended for a revision, in per cent."""
        return sum(entry.weight for entry in self.status.arms if entry.revision == revision)

    def seen_ready_of(self, revision: str) -> int:
        """Ready pods of a revision as the last look found them."""
        return next((entry.ready for entry in self._seen_arms if entry.revision == revision), 0)

    @property
    def challengers(self) -> tuple[str, ...]:
        """The revisions that the attempt tries: the candidate, and the contenders of a test."""
        attempt = self.status.attempt
        assert attempt is not None, "an attempt is under way"
        return (attempt.revision, *self.delivery.contenders)

    def refresh_arms(self) -> None:
        """Show the arms' ready pods as they are now."""
        self.set(arms=[self._arm(a.name, a.revision, a.weight) for a in self.status.arms])

    def _arm(self, name: Any, revision: str, weight: int) -> ArmStatus:
        ready = self.facts.arm(revision).ready
        return ArmStatus(name=name, revision=revision, weight=weight, ready=ready)

    def weights(self) -> dict[str, int]:
        """What the route is to say."""
        return self.route_with({arm.revision: arm.weight for arm in self.status.arms})

    @property
    def detours(self) -> Detours:
        """What the route is to do besides its weights."""
        attempt = self.status.attempt
        if attempt is None or self.phase not in _TRYING:
            return NO_DETOURS
        test, contest = self.spec.strategy.ab_test, self.status.contest
        if test is not None and contest is not None:
            return NO_DETOURS if self.status.step is None else sticky_detours(test, contest)
        return detours_at(self.spec.strategy, self.stage, candidate=attempt.revision)

    @property
    def comparing(self) -> Comparing | None:
        """Whose predictions are to be compared: while requests are mirrored and a metric asks."""
        mirror = self.detours.mirror
        metric = next((m for m in self.spec.analysis.metrics if m.type == "Disagreement"), None)
        stable = self.delivery.stable
        if mirror is None or metric is None or metric.tolerance is None or stable is None:
            return None
        return Comparing(stable, mirror.revision, metric.tolerance)

    @property
    def stage(self) -> Stage | None:
        """The stage of the strategy that the attempt is in; None before the first."""
        step = self.status.step
        if step is None:
            return None
        plan = stages(self.spec.strategy)
        return plan[min(step.index, len(plan) - 1)]

    def routing(self) -> Routing | None:
        """The whole route that is wanted; None while nothing may get traffic."""
        weights = self.weights()
        return Routing(weights, self.detours) if weights else None

    @property
    def confirmed(self) -> bool:
        """Whether the gateway routes exactly as intended."""
        return self.routes(self.weights(), self.detours)

    # -- changes of phase ------------------------------------------------------------------

    def move(self, reason: str, message: str, *, by: str = "") -> None:
        """Change the phase as the table says, with a line of history and, where it matters, an
        Event."""
        before = self.phase
        after = following(before, reason)
        if before == after and reason not in ("StepReached",):
            return
        entry = Transition(
            at=stamp(self.now), from_=before, to=after, reason=reason, message=message[:500]
        )
        self.set(
            phase=after,
            phase_since=stamp(self.now) if before != after else self.status.phase_since,
            history=remembered([entry, *self.status.history]),
        )
        if reason not in _QUIET_REASONS:
            self.tell(reason, message + (f" (by {by})" if by else ""))
        self.soon(f"{reason} was just decided")

    # -- waits -----------------------------------------------------------------------------

    def hold(self, reason: str, message: str) -> None:
        """Begin a hold, or go on holding: one deadline runs until everything has cleared."""
        now = self.status.hold
        if now is not None and now.reason == reason and now.message == message[:500]:
            return
        self.set(
            hold=Hold(
                reason=reason,
                message=message[:500],
                since=now.since if now else stamp(self.now),
                deadline=now.deadline if now else stamp(self.now + self.spec.holds.deadline),
            )
        )

    def clear_hold(self) -> None:
        """Nothing to wait for any more."""
        if self.status.hold is not None:
            self.set(hold=None)
