"""The stages of an attempt: confirm the weight, take evidence, judge, go on.

Owns the order of things while the candidate is being tried: a Rollback verdict before pauses,
pauses before holds, holds before the next stage.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidegate.api.rollout_status import StepStatus
from tidegate.domain.evidence import checks_hold
from tidegate.domain.rollout import sizes
from tidegate.domain.rollout.adapting import adapt
from tidegate.domain.rollout.ending import take_back
from tidegate.domain.rollout.observing import (
    count,
    interval_of,
    judge,
    look_at_next_batch,
    metric_hold,
)
from tidegate.domain.rollout.plan import Stage, stages
from tidegate.domain.rollout.waiting import (
    contradicted,
    deadline_passed,
    is_paused,
    pause,
    stopped,
    wait_for_approval,
)
from tidegate.domain.times import moment, stamp

if TYPE_CHECKING:
    from tidegate.domain.evidence import Judgement
    from tidegate.domain.rollout.draft import Draft


def take_step(draft: Draft, index: int) -> None:
    """Intend the weight of a stage; its clock starts when the gateway has confirmed it."""
    plan = stages(draft.spec.strategy)
    stage = plan[index]
    last = draft.status.step.last_batch_end if draft.status.step else None
    draft.set(step=StepStatus(index=index, last_batch_end=last))
    draft.set_candidate_weight(stage.weight)
    draft.move("StepReached", f"step {index + 1} of {len(plan)}: {stage.words}")


def progress(draft: Draft) -> None:
    """Progressing, Holding or Paused: confirm the weight, take evidence, judge, go on."""
    stage = draft.stage
    if draft.status.step is None or stage is None:
        resume_at_start(draft)
        return
    short = follow_capacity(draft, stage)
    confirm(draft)
    counted = count(draft)
    judgement = judge(draft)
    if judgement.verdict == "Rollback" and _failed(draft, judgement):
        return
    if judgement.verdict == "Inconclusive" and contradicted(draft, judgement):
        return
    if held_up(draft, stage, short or metric_hold(draft)):
        return
    if not stage.endless and deadline_passed(draft):
        return
    _go_on(draft, stage, judgement, counted=counted)


def resume_at_start(draft: Draft) -> None:
    """A pause before the first step ends where it began."""
    if not is_paused(draft):
        draft.move("ResumedAtStart", "resumed before the first step")


def held_up(draft: Draft, stage: Stage, waits: tuple[str, str] | None) -> bool:
    """Pauses first, then what is waited for (reason, message): whether that is all of this look."""
    if stage.verb == "approval":
        wait_for_approval(draft)
    if is_paused(draft):
        return True
    if draft.phase == "Paused":
        _resume(draft, stage)
        return True
    if waits is not None:
        draft.hold(*waits)
        draft.move(waits[0], waits[1])
        return True
    if draft.phase == "Holding":
        draft.clear_hold()
        draft.move("HoldCleared", "nothing is missing any more")
    return False


def follow_capacity(draft: Draft, stage: Stage) -> tuple[str, str] | None:
    """Lower the weight to what the candidate's ready pods carry; put it back when they are there.

    Less exposure is always allowed. Returns the hold while the stage's weight is not carried.
    """
    candidate = draft.facts.arm(draft.delivery.candidate)
    stable = draft.facts.arm(draft.delivery.stable)
    weight = draft.weight("candidate")
    # An adaptive weight is its own measure: it may rise above where the stage began.
    target = max(stage.weight, weight) if stage.verb == "adaptive" else stage.weight
    need = sizes.needed(max(target, stage.mirror), stable.ready)
    if candidate.ready >= need:
        if weight < target and not stopped(draft):
            draft.set_candidate_weight(target)
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
        f"the candidate has {candidate.ready} ready pods and needs {need} for {stage.words}",
    )


def confirm(draft: Draft) -> None:
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
        pause(
            draft,
            "PausedByFailure",
            f"{judgement.message}; onFailure is Pause: choose {draft.by_hand('abort')} or"
            f" {draft.by_hand('promote --force')}",
        )
    return False


def _go_on(draft: Draft, stage: Stage, judgement: Judgement, *, counted: bool) -> None:
    """Take the next stage, or promote after the last, when all is there that is asked for."""
    step = draft.status.step
    assert step is not None
    look_at_next_batch(draft)
    if stage.verb == "adaptive":
        adapt(draft, judgement, counted=counted)
        return
    if not _done(draft, stage):
        draft.clear_hold()
        return
    if step.index + 1 < len(stages(draft.spec.strategy)):
        _raise(draft, step.index + 1)
        return
    draft.clear_hold()
    if draft.spec.strategy.blue_green is not None:
        if not checks_hold(draft.status.evidence, draft.spec.analysis):
            return
        # A source that fails this very second was asked for nothing yet: one batch at least.
        if judgement.verdict == "Inconclusive" or not counted:
            return
        draft.move("ChecksPassed", f"nothing speaks against the switch: {judgement.message}")
    elif judgement.verdict == "Promote" and counted:
        draft.move("EvidencePromotes", judgement.message)


def _raise(draft: Draft, index: int) -> None:
    """Go to the next stage as soon as ready pods carry it.

    Until then this is one hold with one deadline: it goes on from look to look.
    """
    stage = stages(draft.spec.strategy)[index]
    candidate = draft.facts.arm(draft.delivery.candidate)
    need = sizes.needed(stage.load, draft.facts.arm(draft.delivery.stable).ready)
    draft.target_weight = stage.load
    if candidate.ready < need:
        message = (
            f"the candidate has {candidate.ready} ready pods and needs {need} for {stage.words}"
        )
        draft.hold("CapacityMissing", message)
        return
    draft.clear_hold()
    take_step(draft, index)


def _done(draft: Draft, stage: Stage) -> bool:
    """Whether a stage has lasted as long, and seen as much, as was asked for."""
    now = draft.status.step
    assert now is not None
    if now.skipped:
        return True
    if stage.endless:
        return False
    return (
        now.started_at is not None
        and draft.confirmed
        and now.observed_duration >= stage.duration.total_seconds()
        and now.requests >= stage.min_requests
    )


def _resume(draft: Draft, stage: Stage) -> None:
    """Go on after a pause; at least one fresh batch is needed before the next stage, but for an
    approval, which needs none."""
    step = draft.status.step
    assert step is not None
    fresh = max(0.0, (stage.duration - interval_of(draft)).total_seconds())
    draft.set_step(observed_duration=min(step.observed_duration, fresh))
    draft.move("Resumed", "no pause stands any more")
    look_at_next_batch(draft)
