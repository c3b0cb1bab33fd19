"""What a decision will take, told when evidence begins, and a warning when traffic cannot give it.

Owns the translation from stages to weights over time. It holds nothing up: traffic may rise.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidegate.api.rollout_status import ExpectedDecision
from tidegate.domain import evidence as evidences
from tidegate.domain.evidence import Contestants, Leg
from tidegate.domain.rollout.allotting import wrong_rate
from tidegate.domain.rollout.entering import goal_of
from tidegate.domain.rollout.plan import stages

if TYPE_CHECKING:
    from tidegate.domain.evidence import Baseline, Expected
    from tidegate.domain.rollout.draft import Draft


def expect(draft: Draft, baseline: Baseline | None) -> None:
    """Write down what a decision is expected to take; an Event where it is more than there is."""
    rate = baseline.rate if baseline is not None else None
    way = _way(draft, rate)
    if not way:
        return  # strategies that compare nothing before the switch
    deadline_s = draft.spec.deadline.total_seconds()
    found = evidences.expected(draft.spec.analysis, baseline, way=way, deadline_s=deadline_s)
    _tell(draft, found)


def expect_winner(draft: Draft, baseline: Baseline | None) -> None:
    """The same for a test between arms."""
    test, contest = draft.spec.strategy.ab_test, draft.status.contest
    assert test is not None
    assert contest is not None
    contestants = Contestants(
        arms=sum(1 for arm in contest.arms if arm.left is None),
        alpha=wrong_rate(draft),
        by_caller=contest.unit == "Users",
        least_requests=float(draft.spec.analysis.min_requests),
        least_seconds=test.min_duration.total_seconds(),
    )
    deadline_s = draft.spec.deadline.total_seconds()
    found = evidences.expected_winner(goal_of(draft), baseline, contestants, deadline_s=deadline_s)
    _tell(draft, found)


def _tell(draft: Draft, found: Expected) -> None:
    draft.set_attempt(
        expected=ExpectedDecision(
            requests=found.requests,
            seconds=None if found.seconds is None else round(found.seconds, 1),
            message=found.message,
        )
    )
    if not found.enough:
        draft.tell("TrafficTooLow", found.message, warning=True)


def _way(draft: Draft, rate: float | None) -> list[Leg]:
    """The candidate's weights over time. Adaptive is taken at its largest weight."""
    adaptive = draft.spec.strategy.adaptive
    if adaptive is not None:
        return [Leg(float(adaptive.max_weight), adaptive.min_duration.total_seconds())]
    way = []
    for stage in stages(draft.spec.strategy):
        if not 0 < stage.weight < 100 or stage.verb == "approval":
            continue
        seconds = stage.duration.total_seconds()
        if rate and stage.min_requests:
            seconds = max(seconds, stage.min_requests / (rate * stage.weight / 100.0))
        way.append(Leg(float(stage.weight), seconds))
    return way
