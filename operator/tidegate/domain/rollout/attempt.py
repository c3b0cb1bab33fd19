"""An attempt that goes forward: from the first pod of the candidate to its promotion.

Owns the order of things inside an attempt, as docs/rollout-decisions.md tells it: pods, then
evidence, then pauses, then promotion or the next step. Rollback and ending stand in `ending.py`.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from tidegate.api.rollout import StepStatus
from tidegate.domain import evidence as evidences
from tidegate.domain.evidence import Batch, Judgement, Unseen
from tidegate.domain.rollout import sizes
from tidegate.domain.rollout.ending import finish_promotion, take_back
from tidegate.domain.times import moment, seconds_between, stamp

if TYPE_CHECKING:
    from tidegate.api.rollout import Step
    from tidegate.domain.rollout.draft import Draft

UNAVAILABLE_AFTER = timedelta(seconds=60)
"""How long a candidate with weight may be without any ready pod before it is taken back."""
NO_TRAFFIC_EXPECTED = 10.0
"""Requests that the candidate should have had, by its weight, before having none counts as no
data."""
SETTLE_LIMIT = timedelta(seconds=30)
"""Longest wait for the old arm's counters to stand still after a promotion is programmed."""


def advance(draft: Draft) -> None:
    """One look at an attempt under way."""
    if _pods_end_it(draft):
        return
    match draft.phase:
        case "Starting":
            _start(draft)
        case "WarmingUp":
            _warm_up(draft)
        case "Promoting":
            _promote(draft)
        case _:
            _progress(draft)
    _hold_expires(draft)


# -- pods ----------------------------------------------------------------------------------------


def _pods_end_it(draft: Draft) -> bool:
    """Whether the candidate's pods end the attempt: a final failure, or none ready for a minute."""
    attempt = draft.status.attempt
    assert attempt is not None
    pods = draft.facts.arm(attempt.revision)
    if pods.failure is not None and pods.failure.final and pods.ready == 0:
        take_back(draft, "CandidateFailed", pods.failure.message, rejected_for=pods.failure.reason)
        return True
    had_weight = draft.status.step is not None or draft.phase == "Promoting"
    if pods.ready > 0 or not had_weight:
        if draft.status.candidate_missing_since is not None:
            draft.set(candidate_missing_since=None)
        return False
    since = draft.status.candidate_missing_since
    if since is None:
        draft.set(candidate_missing_since=stamp(draft.now))
        draft.within(UNAVAILABLE_AFTER, "the candidate has no ready pod")
        return False
    if seconds_between(since, draft.now) < UNAVAILABLE_AFTER.total_seconds():
        draft.at(moment(since) + UNAVAILABLE_AFTER, "the candidate has no ready pod")
        return False
    why = pods.failure.message if pods.failure else "no pod of it has been ready for a minute"
    take_back(draft, "CandidateUnavailable", why)
    return True


# -- before the first weight ---------------------------------------------------------------------


def _start(draft: Draft) -> None:
    """Wait until every pod that the first weight takes is ready, in both arms."""
    if _paused(draft):
        return
    facts = draft.facts
    stable, candidate = facts.arm(draft.delivery.stable), facts.arm(draft.delivery.candidate)
    need = sizes.needed(sizes.first_weight(draft), stable.ready)
    if not (candidate.complete and candidate.ready >= need):
        why = f": {candidate.failure.message}" if candidate.failure else ""
        draft.hold(
            "CapacityMissing",
            f"the candidate has {candidate.ready} ready pods and needs {need}{why}",
        )
        return
    if stable.ready == 0:
        draft.hold("CapacityMissing", "stable has no ready pod to compare with")
        return
    draft.clear_hold()
    draft.set_attempt(warm_since=stamp(draft.now))
    draft.move("PodsReady", f"{candidate.ready} pods of the candidate are ready")


def _warm_up(draft: Draft) -> None:
    """Wait out the warm-up at weight 0, then freeze what evidence starts from and take step 0."""
    attempt = draft.status.attempt
    assert attempt is not None
    if attempt.warm_since is None:
        raise AssertionError("warm-up begins when the pods are ready")
    if _paused(draft):
        return
    if not draft.facts.arm(attempt.revision).complete:
        draft.move("PodsLost", "pods of the candidate are not ready any more")
        return
    warm = moment(attempt.warm_since) + draft.spec.analysis.warmup
    if draft.now < warm:
        draft.at(warm, "warming up")
        return
    baseline = draft.facts.baseline
    if isinstance(baseline, Unseen):
        draft.hold(baseline.reason, baseline.message)
        draft.within(_retry_interval(draft), "stable's baseline is not known yet")
        return
    if baseline is None:
        draft.soon("stable's baseline is to be read")
        return
    started = evidences.start(draft.spec.analysis, baseline)
    if isinstance(started, Unseen):
        draft.hold(started.reason, started.message)
        draft.within(_retry_interval(draft), "stable's baseline does not suffice yet")
        return
    draft.clear_hold()
    draft.set(evidence=started)
    draft.move("WarmedUp", "warm-up is over")
    _take_step(draft, 0)


# -- steps ---------------------------------------------------------------------------------------


def steps_of(draft: Draft) -> list[Step]:
    """The steps of the strategy."""
    canary = draft.spec.strategy.canary
    assert canary is not None, "the schema requires a strategy"
    return canary.steps


def _take_step(draft: Draft, index: int) -> None:
    """Intend the weight of a step; its clock starts when the gateway has confirmed it."""
    weight = steps_of(draft)[index].weight
    last = draft.status.step.last_batch_end if draft.status.step else None
    draft.set(step=StepStatus(index=index, last_batch_end=last))
    draft.set_candidate_weight(weight)
    draft.move("StepReached", f"step {index + 1} of {len(steps_of(draft))}: weight {weight}")


def _progress(draft: Draft) -> None:
    """Progressing, Holding or Paused: confirm the weight, take evidence, judge, go on."""
    if draft.status.step is None:
        if not _paused(draft):
            draft.move("ResumedAtStart", "resumed before the first step")
        return
    short = _follow_capacity(draft)
    _confirm(draft)
    counted = _count(draft)
    judgement = _judge(draft)
    if judgement.verdict == "Rollback" and _failed(draft, judgement):
        return
    waits = short or _metric_hold(draft)
    if _paused(draft):
        return
    if waits is not None:
        draft.hold(*waits)
        draft.move(waits[0], waits[1])
        return
    if draft.phase == "Holding":
        draft.clear_hold()
        draft.move("HoldCleared", "nothing is missing any more")
    draft.clear_hold()
    if draft.phase == "Paused":
        _resume(draft)
        return
    if _deadline_passed(draft):
        return
    _go_on(draft, judgement, counted=counted)


def _follow_capacity(draft: Draft) -> tuple[str, str] | None:
    """Lower the weight to what the candidate's ready pods carry; put it back when they are there.

    Less exposure is always allowed. Returns the hold while the step's weight is not carried.
    """
    assert draft.status.step is not None
    step = steps_of(draft)[draft.status.step.index]
    candidate = draft.facts.arm(draft.delivery.candidate)
    stable = draft.facts.arm(draft.delivery.stable)
    need = sizes.needed(step.weight, stable.ready)
    weight = draft.weight("candidate")
    if candidate.ready >= need:
        if weight < step.weight and not draft.status.pauses:
            draft.set_candidate_weight(step.weight)
            draft.set_step(started_at=None, observed_duration=0, requests=0, last_batch_end=None)
        return None
    least = min(weight, sizes.carried(candidate.ready, stable.ready)) if candidate.ready else 0
    # Only lost pods lower it: a stable that grew leaves the candidate with what it carried before.
    if least < weight and candidate.ready < max(1, draft.seen_ready("candidate")):
        draft.set_candidate_weight(least)
        draft.set_step(started_at=None, observed_duration=0, requests=0, last_batch_end=None)
        draft.tell(
            "WeightLowered",
            f"weight {weight} -> {least}: the candidate has {candidate.ready} of {need} ready pods",
            warning=True,
        )
    return (
        "CapacityMissing",
        f"the candidate has {candidate.ready} ready pods and needs {need} for weight {step.weight}",
    )


def _confirm(draft: Draft) -> None:
    """Start the step's clock once the gateway routes as intended."""
    step = draft.status.step
    assert step is not None
    if step.started_at is not None or not draft.confirmed:
        return
    start = step.last_batch_end or stamp(draft.now)
    first = moment(start) + interval_of(draft) + draft.timing.lag
    draft.set_step(
        started_at=stamp(draft.now), last_batch_end=start, next_evaluation_at=stamp(first)
    )


def interval_of(draft: Draft) -> timedelta:
    """How much time a batch covers at least: the interval, and never less than a scrape."""
    return max(draft.spec.analysis.interval, draft.timing.scrape)


def _retry_interval(draft: Draft) -> timedelta:
    return max(interval_of(draft), timedelta(seconds=2))


def _count(draft: Draft) -> bool:
    """Take the batch that is complete into the evidence. Returns whether there was one."""
    step, seen = draft.status.step, draft.facts.observation
    assert step is not None
    if seen is None or step.last_batch_end is None:
        return False
    if isinstance(seen, Unseen):
        draft.set_step(next_evaluation_at=stamp(draft.now + _retry_interval(draft)))
        return False
    if seen.end <= moment(step.last_batch_end) or seen.start < moment(step.last_batch_end):
        return False  # counted before: a crash came between the query and the write
    draft.set(evidence=evidences.update(draft.status.evidence, draft.spec.analysis, seen))
    draft.set_step(
        last_batch_end=stamp(seen.end),
        next_evaluation_at=stamp(seen.end + interval_of(draft) + draft.timing.lag),
    )
    if draft.phase in ("Progressing", "Holding") and not _empty(draft, seen):
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
    if draft.phase == "Progressing":
        draft.set_attempt(evaluating_s=round(attempt.evaluating_s + batch.seconds, 3))


def _empty(draft: Draft, batch: Batch) -> bool:
    """Whether a batch holds no traffic where traffic was to be expected."""
    weight = draft.weight("candidate")
    if weight <= 0:
        return False
    if batch.candidate.requests + batch.stable.requests <= 0:
        return True
    expected = batch.stable.requests * weight / max(1, 100 - weight)
    return batch.candidate.requests <= 0 and expected >= NO_TRAFFIC_EXPECTED


def _metric_hold(draft: Draft) -> tuple[str, str] | None:
    """Why the evidence cannot be had now, or says nothing about the candidate."""
    seen, hold = draft.facts.observation, draft.status.hold
    if isinstance(seen, Unseen):
        return (seen.reason, seen.message)
    if isinstance(seen, Batch):
        if _empty(draft, seen):
            return ("NoData", "no requests came for the candidate; the weight stays until some do")
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


def _judge(draft: Draft) -> Judgement:
    requests = max((entry.candidate.n for entry in draft.status.evidence), default=0.0)
    return evidences.judge(draft.status.evidence, draft.spec.analysis, candidate_requests=requests)


def _failed(draft: Draft, judgement: Judgement) -> bool:
    """Act on a Rollback verdict, in a pause and in a hold too. Returns whether the attempt
    ended."""
    attempt = draft.status.attempt
    assert attempt is not None
    if draft.spec.on_failure == "Rollback":
        take_back(draft, judgement.reason, judgement.message)
        return True
    if "PausedByFailure" not in draft.status.pauses:
        draft.set_attempt(failed=True)
        _pause(
            draft,
            "PausedByFailure",
            f"{judgement.message}; onFailure is Pause: abort it, or promote with force",
        )
    return False


def _go_on(draft: Draft, judgement: Judgement, *, counted: bool) -> None:
    """Take the next step, or promote after the last, when all is there that is asked for."""
    step = draft.status.step
    assert step is not None
    steps = steps_of(draft)
    _next_look(draft)
    if not _step_done(draft, steps[step.index]):
        return
    if step.index + 1 < len(steps):
        _raise(draft, step.index + 1, fresh=counted or step.skipped)
    elif judgement.verdict == "Promote" and counted:
        draft.move("EvidencePromotes", judgement.message)


def _raise(draft: Draft, index: int, *, fresh: bool) -> None:
    """Go to a higher step as soon as ready pods carry it."""
    weight = steps_of(draft)[index].weight
    candidate = draft.facts.arm(draft.delivery.candidate)
    need = sizes.needed(weight, draft.facts.arm(draft.delivery.stable).ready)
    draft.target_weight = weight
    if candidate.ready < need:
        message = (
            f"the candidate has {candidate.ready} ready pods and needs {need} for weight {weight}"
        )
        draft.hold("CapacityMissing", message)
        return
    draft.clear_hold()
    if fresh or draft.confirmed:
        _take_step(draft, index)


def _step_done(draft: Draft, step: Step) -> bool:
    now = draft.status.step
    assert now is not None
    if now.skipped:
        return True
    return (
        now.started_at is not None
        and draft.confirmed
        and now.observed_duration >= step.duration.total_seconds()
        and now.requests >= step.min_requests
    )


def _next_look(draft: Draft) -> None:
    step = draft.status.step
    if step is not None and step.next_evaluation_at is not None:
        draft.at(step.next_evaluation_at, "the next batch will be complete")


# -- pauses and deadlines ------------------------------------------------------------------------


def _pause(draft: Draft, cause: str, message: str) -> None:
    if cause not in draft.status.pauses:
        draft.set(pauses=[*draft.status.pauses, cause])
    if draft.phase != "Paused":
        draft.move(cause, message)
    else:
        draft.tell(cause, message)


def pause_by_command(draft: Draft, by: str) -> None:
    """Freeze the weight because a person asked for it."""
    _pause(draft, "PausedByCommand", f"paused by {by or 'a person'}; resume with the verb resume")


def _paused(draft: Draft) -> bool:
    """Enter or keep the pause while any cause stands; holds do not run out in it."""
    if draft.spec.paused:
        if draft.phase != "Paused":
            draft.move("PausedBySpec", "spec.paused is true; the weight stays")
    elif not draft.status.pauses:
        return False
    _next_look(draft)
    draft.clear_hold()
    return True


def _resume(draft: Draft) -> None:
    """Go on after a pause; at least one fresh batch is needed before the next step."""
    step = draft.status.step
    assert step is not None
    duration = steps_of(draft)[step.index].duration.total_seconds()
    fresh = max(0.0, duration - interval_of(draft).total_seconds())
    draft.set_step(observed_duration=min(step.observed_duration, fresh))
    draft.move("Resumed", "no pause stands any more")
    _next_look(draft)


def _hold_expires(draft: Draft) -> None:
    """A hold at its deadline ends as `holds.then` says."""
    hold = draft.status.hold
    if hold is None or not draft.active or draft.phase == "Paused":
        return
    if draft.now < moment(hold.deadline):
        draft.at(hold.deadline, f"hold {hold.reason} ends")
        _next_look(draft)
        return
    text = f"held for {hold.reason} until its deadline: {hold.message}"
    if draft.spec.holds.then == "Rollback" or draft.phase == "Promoting":
        take_back(draft, "HoldExpired", text)
    else:
        draft.clear_hold()
        _pause(draft, "PausedByHold", f"{text}; resume or abort")


def _deadline_passed(draft: Draft) -> bool:
    """Whether the deadline came before a verdict, and what the policy makes of it."""
    attempt = draft.status.attempt
    assert attempt is not None
    limit = attempt.deadline_s or draft.spec.deadline.total_seconds()
    if attempt.evaluating_s < limit:
        return False
    judgement = _judge(draft)
    if judgement.verdict == "Promote":
        return False
    message = f"no verdict after {attempt.evaluating_s:.0f} s of evaluating: {judgement.message}"
    match draft.spec.on_inconclusive:
        case "Rollback":
            take_back(draft, "Inconclusive", message)
        case "Pause":
            _pause(draft, "PausedByDeadline", f"{message}; resume grants the same time again")
        case "Promote":
            draft.move("PromotedByDeadline", f"{message}; onInconclusive is Promote")
    return True


# -- promotion -----------------------------------------------------------------------------------


def _promote(draft: Draft) -> None:
    """Raise to 100 as ready pods carry it, wait for the gateway and for the old arm to fall
    silent."""
    _confirm_evidence(draft)
    if draft.phase != "Promoting":
        return
    candidate = draft.facts.arm(draft.delivery.candidate)
    full = sizes.full_size(draft)
    weight = draft.weight("candidate")
    reach = sizes.carried(candidate.ready, full)
    if weight < 100:
        if reach > weight:
            draft.set_candidate_weight(reach)
            weight = reach
        if weight < 100:
            draft.hold(
                "CapacityMissing", f"the candidate has {candidate.ready} of {full} ready pods"
            )
            return
    draft.clear_hold()
    if not draft.confirmed:
        draft.set(settling_since=None)
        return
    since = draft.status.settling_since
    if since is None:
        draft.set(settling_since=stamp(draft.now))
        draft.within(draft.timing.lag + draft.timing.scrape, "the old arm falls silent")
        return
    waited = seconds_between(since, draft.now)
    if draft.facts.quiet is True or waited >= SETTLE_LIMIT.total_seconds():
        finish_promotion(draft)
        return
    draft.within(max(draft.timing.scrape, timedelta(seconds=1)), "the old arm falls silent")


def _confirm_evidence(draft: Draft) -> None:
    """While both arms still carry traffic, a Rollback verdict counts during a promotion too."""
    if draft.status.step is None or draft.weight("stable") == 0 or not draft.status.evidence:
        return
    if _count(draft):
        judgement = _judge(draft)
        if judgement.verdict == "Rollback" and not _forced(draft):
            take_back(draft, judgement.reason, judgement.message)


def _forced(draft: Draft) -> bool:
    """Whether a person promoted against the evidence."""
    attempt = draft.status.attempt
    return attempt is not None and attempt.failed
