"""What evidence starts from: stable's own history, read and frozen before the first request.

Owns the waits for it. Bounds that followed the data would be no bounds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidegate.domain import evidence as evidences
from tidegate.domain.evidence import Unseen
from tidegate.domain.rollout.observing import retry_interval

if TYPE_CHECKING:
    from tidegate.domain.rollout.draft import Draft


def freeze(draft: Draft) -> bool:
    """Start empty evidence from the baseline that was read. Returns False, with a hold where
    something is wrong, while that is not possible."""
    baseline = draft.facts.baseline
    if baseline is None:
        draft.soon("stable's baseline is to be read")
        return False
    if isinstance(baseline, Unseen):
        if baseline.reason != "NoBaseline" or evidences.needs_latency(draft.spec.analysis):
            draft.hold(baseline.reason, baseline.message)
            draft.within(retry_interval(draft), "stable's baseline is not known yet")
            return False
        baseline = None  # only latency bounds must come from what stable did before
    started = evidences.start(draft.spec.analysis, baseline)
    if isinstance(started, Unseen):
        draft.hold(started.reason, started.message)
        draft.within(retry_interval(draft), "stable's baseline does not suffice yet")
        return False
    draft.clear_hold()
    draft.set(evidence=started)
    return True
