"""Who takes part in an abTest: which revision stands behind each arm, and what keeps it from
beginning.

Pure reading of the spec and of what is there. It begins nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tidegate.domain.conditions import Said
from tidegate.domain.revision import attempt_key
from tidegate.domain.rollout.ending import rejection_of
from tidegate.domain.rollout.facts import RevisionFacts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tidegate.api.ab_test import AbArm, AbTest
    from tidegate.api.contest_status import ContestArm
    from tidegate.api.metric import Metric
    from tidegate.domain.rollout.draft import Draft

NOT_DECIDED = frozenset({"Superseded", "StatusLost"})
"""Ends of a test that decide nothing: the same test may begin anew by itself."""


@dataclass(frozen=True)
class Entrant:
    """One arm and the revision behind it."""

    name: str
    revision: RevisionFacts


@dataclass(frozen=True)
class Entry:
    """All arms that can take part, stable's among them, and the key of their test. `problem` is
    why it cannot begin; then the rest does not matter."""

    arms: tuple[Entrant, ...] = ()
    key: str = ""
    problem: Said | None = None

    def challengers(self, stable: str | None) -> tuple[Entrant, ...]:
        """Those that are not stable: the Model's latest revision first."""
        return tuple(arm for arm in self.arms if arm.revision.name != stable)


def goal_of(draft: Draft) -> Metric:
    """The metric on whose failures the winner of the test is decided."""
    test = draft.spec.strategy.ab_test
    assert test is not None, "a test has a goal"
    return next(metric for metric in draft.spec.analysis.metrics if metric.name == test.goal)


def entry_of(draft: Draft, test: AbTest) -> Entry:
    """The arms of the test as they are now, without those that were rejected before."""
    found: list[Entrant] = []
    for arm in sorted(test.arms, key=lambda one: one.revision != "latest"):
        revision = _behind(draft, arm)
        if isinstance(revision, Said):
            return Entry(problem=revision)
        if revision is None:
            continue
        twin = next((other for other in found if other.revision.digest == revision.digest), None)
        if twin is not None:
            return Entry(problem=_equal(twin.name, arm.name, revision.name))
        found.append(Entrant(arm.name, revision))
    analysis = draft.spec.analysis
    key = attempt_key(
        {
            "arms": sorted([one.name, one.revision.digest] for one in found),
            "strategy": draft.spec.strategy.wire(),
            "metrics": [metric.wire() for metric in analysis.metrics],
            "rates": [analysis.false_rollback_rate, analysis.false_promotion_rate],
            "source": analysis.source,
        }
    )
    kept = [
        one
        for one in found
        if one.revision.name == draft.delivery.stable
        or rejection_of(draft, one.revision.digest) is None
    ]
    return Entry(tuple(kept), key)


def _behind(draft: Draft, arm: AbArm) -> RevisionFacts | Said | None:
    """The revision of an arm; None when it has nothing to add now, or why there is none yet."""
    facts, stable = draft.facts, draft.delivery.stable
    if arm.revision == "stable":
        return RevisionFacts(stable or "", facts.digests.get(stable or "", ""))
    if arm.revision == "latest":
        latest = facts.latest
        return None if latest is None or latest.name == stable else latest
    assert arm.artifact is not None, "the schema requires revision or artifact"
    made = next(
        (a for a in facts.arms if a.name == arm.name and a.source == arm.artifact.sha256), None
    )
    if made is None:
        return Said("Ready", "False", "ArmsPending", f"arm {arm.name}: its revision is being made")
    if made.revision is None:
        message = f"arm {arm.name}: {made.message}"
        return Said("Ready", "False", made.reason or "ArmUnresolved", message)
    if made.revision.name == stable and won_before(draft, made.revision.digest):
        return None  # it won and is stable now: nothing of it is left to test
    return made.revision


def won_before(draft: Draft, digest: str) -> bool:
    """Whether the last test was won by this digest."""
    contest = draft.status.contest
    if contest is None or contest.winner is None:
        return False
    return any(arm.name == contest.winner and arm.digest == digest for arm in contest.arms)


def decided(draft: Draft, key: str) -> bool:
    """Whether exactly this test is over, with or without a winner."""
    contest = draft.status.contest
    return (
        contest is not None
        and contest.key == key
        and contest.ended is not None
        and contest.ended not in NOT_DECIDED
    )


def adoptable(draft: Draft) -> bool:
    """Whether the Model asks for what won the last test against the present stable. What was taken
    back since is rejected like any other: it would be promoted and taken back for ever."""
    latest, contest = draft.facts.latest, draft.status.contest
    if latest is None or contest is None or draft.spec.strategy.ab_test is None:
        return False
    if rejection_of(draft, latest.digest) is not None:
        return False
    against = any(arm.revision == draft.delivery.stable for arm in contest.arms)
    return against and latest.name != draft.delivery.stable and won_before(draft, latest.digest)


def taking_part(arms: Sequence[ContestArm]) -> list[ContestArm]:
    """The arms that have not left."""
    return [arm for arm in arms if arm.left is None]


def _equal(first: str, second: str, revision: str) -> Said:
    return Said(
        "Ready",
        "False",
        "ArmsEqual",
        f"arms {first} and {second} are the same revision ({revision}), so there is nothing to find"
        " out: remove one of them; strategy aa shows how often equal arms look different",
    )
