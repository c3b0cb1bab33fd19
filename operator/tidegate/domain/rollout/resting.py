"""What is wrong with the metrics of a Rollout while nothing is judged by them.

A mistake is told within one look of the edit that made it, not when a version waits for it. What
is wrong while evidence is taken is a hold, and `observing.py`'s.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidegate.domain import evidence as evidences
from tidegate.domain.conditions import find
from tidegate.domain.evidence import BAD_METRIC, Unseen
from tidegate.domain.rollout.wanted import COUNTING

if TYPE_CHECKING:
    from tidegate.domain.rollout.draft import Draft


def check_metrics(draft: Draft) -> None:
    """Say what is wrong with a metric, with an Event when it is new."""
    if draft.phase in COUNTING:
        return
    wrong = _wrong(draft)
    if wrong is None:
        return
    draft.wrong = wrong
    if not _told(draft, wrong):
        draft.tell(wrong.reason, wrong.message, warning=True)


def _told(draft: Draft, wrong: Unseen) -> bool:
    """Whether the condition said so before, or says something else now: one Event is enough."""
    before = find(draft.status.conditions, "Ready")
    if before is None:
        return False
    if draft.status.hold is not None or wrong.message in before.message:
        return True
    # After a rollback it stands behind the reason of that, and may be cut off.
    return draft.phase == "Degraded" and before.observed_generation == draft.generation


def _wrong(draft: Draft) -> Unseen | None:
    condition = evidences.wrong_condition(draft.spec.analysis)
    tried = draft.facts.tried
    if condition is not None:
        return condition
    if tried is not None and tried.again is None:
        return tried.wrong
    if tried is not None and tried.again is not None:
        draft.within(tried.again, "the metrics' queries could not be tried yet")
    # Nobody can tell now: what was told of this generation stands.
    before = find(draft.status.conditions, "Ready")
    if before is None or before.reason != BAD_METRIC:
        return None
    same = before.observed_generation == draft.generation
    return Unseen(before.reason, before.message) if same else None
