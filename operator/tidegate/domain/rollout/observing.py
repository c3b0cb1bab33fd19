"""Taking batches of the metrics into the evidence, each once, and saying why there is none.

Owns the clocks that count observed time. It moves no traffic.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from tidegate.domain import evidence as evidences
from tidegate.domain.evidence import Batch, Judgement, Unseen
from tidegate.domain.times import moment, stamp

if TYPE_CHECKING:
    from tidegate.domain.rollout.draft import Draft


LATE = timedelta(seconds=1)
"""How soon a batch that is late is asked for again."""
NO_TRAFFIC_EXPECTED = 10.0
"""Requests that the candidate should have had, by its weight, before having none counts as no
data."""
_MOST_INTERVALS = 2
"""So many intervals of one batch count towards the deadline, which is of time under evaluation."""


def interval_of(draft: Draft) -> timedelta:
    """How much time a batch covers at least: the interval, and never less than a scrape."""
    return max(draft.spec.analysis.interval, draft.timing.scrape)


def retry_interval(draft: Draft) -> timedelta:
    return max(interval_of(draft), timedelta(seconds=2))


def count(draft: Draft) -> bool:
    """Take the batch that is complete into the evidence. Returns whether there was one."""
    step, seen = draft.status.step, draft.facts.observation
    assert step is not None
    if seen is None or step.last_batch_end is None:
        return False
    if isinstance(seen, Unseen):
        draft.set_step(next_evaluation_at=stamp(draft.now + retry_interval(draft)))
        return False
    if seen.end <= moment(step.last_batch_end) or seen.start < moment(step.last_batch_end):
        return False  # counted before: a crash came between the query and the write
    draft.set(evidence=evidences.update(draft.status.evidence, draft.spec.analysis, seen))
    draft.set_step(
        last_batch_end=stamp(seen.end),
        next_evaluation_at=stamp(seen.end + interval_of(draft) + draft.timing.lag),
    )
    if draft.phase in ("Progressing", "Holding") and not is_empty(draft, seen):
        _clock(draft, seen)
    return True


def _clock(draft: Draft, batch: Batch) -> None:
    """Count the batch towards the step and the deadline, as far as it lies at this weight."""
    step, attempt = draft.status.step, draft.status.attempt
    assert step is not None
    assert attempt is not None
    if step.started_at is None:
        return
    began = moment(step.started_at)
    seconds = max(0.0, (batch.end - max(batch.start, began)).total_seconds())
    whole = batch.start >= began
    draft.set_step(
        observed_duration=round(step.observed_duration + seconds, 3),
        requests=round(step.requests + (batch.candidate.requests if whole else 0), 3),
    )
    if draft.phase == "Progressing" and draft.status.hold is None:
        # An operator that was away finds one batch of all that time. It decided nothing meanwhile,
        # and a candidate that has proven itself since must not be taken back for being late.
        looked = min(batch.seconds, _MOST_INTERVALS * interval_of(draft).total_seconds())
        draft.set_attempt(evaluating_s=round(attempt.evaluating_s + looked, 3))


def is_empty(draft: Draft, batch: Batch) -> bool:
    """Whether a batch holds no traffic where traffic was to be expected."""
    weight, stage = draft.weight("candidate"), draft.stage
    if batch.shadow and stage is not None:
        expected = batch.stable.requests * stage.mirror / 100
        nothing = batch.stable.requests <= 0
        return nothing or (batch.candidate.requests <= 0 and expected >= NO_TRAFFIC_EXPECTED)
    if weight <= 0:
        return False
    if batch.candidate.requests + batch.stable.requests <= 0:
        return True
    expected = batch.stable.requests * weight / max(1, 100 - weight) * _at_weight(draft, batch)
    return batch.candidate.requests <= 0 and expected >= NO_TRAFFIC_EXPECTED


def _at_weight(draft: Draft, batch: Batch) -> float:
    """The share of a batch in which the present weight stood: what lies before it, of a step
    without a weight say, had no requests for the candidate to answer."""
    step = draft.status.step
    if step is None or step.started_at is None or batch.seconds <= 0:
        return 0.0
    began = max(batch.start, moment(step.started_at))
    return max(0.0, (batch.end - began).total_seconds()) / batch.seconds


def metric_hold(draft: Draft) -> tuple[str, str] | None:
    """Why the evidence cannot be had now, or says nothing about the candidate."""
    seen, hold = draft.facts.observation, draft.status.hold
    if isinstance(seen, Unseen):
        return (seen.reason, seen.message)
    if isinstance(seen, Batch):
        if is_empty(draft, seen):
            return ("NoData", "no requests came for the candidate; the weight stays until some do")
        missing = evidences.missing_answer(seen)
        if missing is not None:
            return (missing.reason, missing.message)
        guard = evidences.common_cause(draft.spec.analysis, seen)
        if guard is not None:
            return (
                "CommonCause",
                f"both arms are over the limit of {guard}: neither is to blame for that",
            )
        return None
    if hold is not None and hold.reason != "CapacityMissing":
        return (hold.reason, hold.message)
    return None


def judge(draft: Draft) -> Judgement:
    requests = evidences.promotion_requests(draft.status.evidence)
    return evidences.judge(draft.status.evidence, draft.spec.analysis, candidate_requests=requests)


def look_at_next_batch(draft: Draft) -> None:
    """Look again when the next batch is complete. One that should be complete and was not asked
    for (the scrape interval was made longer, say) is no reason to look without a break."""
    step = draft.status.step
    if step is None or step.next_evaluation_at is None:
        return
    due = moment(step.next_evaluation_at)
    draft.at(due if due > draft.now else draft.now + LATE, "the next batch will be complete")
