"""How things stand: the conditions of Rollout and Model that tools read.

`Ready` is False from the moment the latest revision is not stable; `Available` says that stable
serves. `Reconciling` and `Stalled` are present only while true (kstatus). Reasons are listed in
docs/conditions.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidegate.domain.conditions import Said, merged
from tidegate.domain.rollout.adapting import lasting
from tidegate.domain.rollout.availability import (
    not_deliverable,
    stable_available,
    stable_serving,
    standing,
)
from tidegate.domain.rollout.contesting import message_of
from tidegate.domain.rollout.ending import rejection_of
from tidegate.domain.rollout.observing import judge
from tidegate.domain.rollout.plan import stages
from tidegate.domain.rollout.promoting import frozen
from tidegate.domain.rollout.winning import adoption, artifact_winner

if TYPE_CHECKING:
    from tidegate.api.base import Condition
    from tidegate.api.rollout_status import StepStatus
    from tidegate.domain.rollout.draft import Draft

_FOR_A_PERSON = ("BadMetric", "BucketsTooCoarse")
"""Holds that waiting does not clear."""

ROLLOUT_TYPES = ("Ready", "Reconciling", "Stalled", "WinnerNamed")


def rollout_conditions(draft: Draft) -> list[Said]:
    """What is said about the Rollout."""
    ready = _rollout_ready(draft)
    said = [ready]
    winner = artifact_winner(draft)
    if winner is not None:
        said.append(Said("WinnerNamed", "True", "ArtifactWon", adoption(draft, winner)))
    if ready.status == "True":
        return said
    if _stalled(draft):
        said.append(Said("Stalled", "True", ready.reason, ready.message))
    else:
        said.append(Said("Reconciling", "True", ready.reason, ready.message))
    return said


def merged_for_rollout(draft: Draft, said: list[Said]) -> list[Condition]:
    """The Rollout's conditions after this look."""
    return merged(
        draft.status.conditions,
        said,
        types=ROLLOUT_TYPES,
        generation=draft.generation,
        now=draft.now,
    )


def _stalled(draft: Draft) -> bool:
    """Whether a person has to act."""
    if draft.facts.blocked is not None or draft.phase == "Degraded" or draft.wrong is not None:
        return True
    hold = draft.status.hold
    if hold is not None and hold.reason in _FOR_A_PERSON:
        return True
    if draft.said is not None and not draft.active:
        return draft.said.reason != "ArmsPending"
    return draft.phase == "Paused" and bool(draft.status.pauses)


def _rollout_ready(draft: Draft) -> Said:
    facts = draft.facts
    if facts.blocked is not None:
        return Said("Ready", "False", facts.blocked.reason, facts.blocked.message)
    latest = facts.latest
    if draft.phase == "Degraded":
        reason, message = _degraded(draft)
        also = "" if draft.wrong is None else f". Besides, {draft.wrong.message}"
        return Said("Ready", "False", reason, message + also)
    if draft.wrong is not None and draft.status.hold is None:
        return Said("Ready", "False", draft.wrong.reason, draft.wrong.message)
    trials = draft.status.aa if draft.spec.strategy.aa is not None else None
    current = latest is not None and latest.name == draft.delivery.stable and facts.model_current
    if current and trials is not None and draft.active:
        serves = f"{draft.delivery.stable} serves"
        return Said("Ready", "True", "TrialsRunning", f"{serves}; {_progress_message(draft)}")
    if draft.said is not None and draft.phase == "Healthy":
        return draft.said
    rests = draft.phase in ("Healthy", "Baking")
    if rests and latest is not None and latest.name == draft.delivery.stable:
        if not facts.model_current:
            return Said("Ready", "False", "ModelChanged", "the Model's change is being resolved")
        if draft.phase == "Baking":
            message = f"{draft.delivery.stable} serves, and is still judged"
            return Said("Ready", "True", "Baking", message)
        about = f"; {trials.message}" if trials is not None else ""
        return Said("Ready", "True", "Promoted", f"{draft.delivery.stable} serves{about}")
    if facts.model_problem is not None and not draft.active:
        return Said("Ready", "False", facts.model_problem.reason, facts.model_problem.message)
    return Said("Ready", "False", _reason(draft), _progress_message(draft))


def _reason(draft: Draft) -> str:
    if draft.phase == "Paused":
        return draft.status.pauses[-1] if draft.status.pauses else "PausedBySpec"
    hold = draft.status.hold
    return hold.reason if hold is not None else draft.phase


def _progress_message(draft: Draft) -> str:
    """What happens and what is missing, in one line."""
    hold, step = draft.status.hold, draft.status.step
    if hold is not None:
        return f"waits: {hold.message}"
    if draft.phase == "Paused" and draft.status.history:
        return draft.status.history[0].message
    if draft.phase == "Promoting" and frozen(draft):
        weight = draft.weight("candidate")
        return f"spec.paused is true: the promotion stays at weight {weight}"
    if draft.active and draft.status.arms and not draft.confirmed:
        why = draft.facts.route.message or "it has not confirmed the route yet"
        return f"waits for the gateway to take weight {draft.weight('candidate')}: {why}"
    if draft.phase == "Promoting":
        return "the candidate has all traffic; what stable still answers is waited for"
    if step is not None and draft.active:
        return _step_message(draft, step)
    if draft.phase == "WarmingUp":
        warm = draft.spec.analysis.warmup.total_seconds()
        return f"all pods are ready; they warm up for {warm:g} s before the first request"
    if draft.delivery.stable is None:
        return "the first revision is not ready yet"
    return f"phase {draft.phase}"


def _step_message(draft: Draft, now: StepStatus) -> str:
    """How far a step is, and which evidence is short once it has lasted long enough."""
    stage, count = draft.stage, len(stages(draft.spec.strategy))
    assert stage is not None, "a step is under way"
    test, trials = draft.spec.strategy.ab_test, draft.spec.strategy.aa
    if test is not None:
        return message_of(draft, test)
    if trials is not None and draft.status.aa is not None:
        return f"trial {draft.status.aa.done + 1} of {trials.trials}; {draft.status.aa.message}"
    if stage.endless:
        return f"{stage.words}, for as long as it is declared: {judge(draft).message}"
    adaptive = draft.spec.strategy.adaptive
    if adaptive is not None:
        weight = draft.weight("candidate")
        return f"weight {weight}: {lasting(draft, adaptive)}; {judge(draft).message}"
    duration = stage.duration.total_seconds()
    text = (
        f"step {now.index + 1} of {count}, {stage.words}:"
        f" {min(now.observed_duration, duration):.0f} of {duration:g} s"
    )
    if stage.min_requests:
        text += f", {min(now.requests, stage.min_requests):.0f} of {stage.min_requests} requests"
    lasted = now.observed_duration >= duration and now.requests >= stage.min_requests
    last = now.index + 1 == count
    return f"{text}; {judge(draft).message}" if lasted and last else text


def _degraded(draft: Draft) -> tuple[str, str]:
    """Why the Rollout is degraded, and what to do."""
    latest = draft.facts.latest
    rejection = rejection_of(draft, latest.digest) if latest else None
    reason = "RevisionFailed" if draft.delivery.stable is None else "RolledBack"
    if rejection is None:
        return reason, "the last attempt was taken back"
    return reason, (
        f"{rejection.revision} was rejected ({rejection.reason}): {rejection.message}."
        f" Change the Model, or try it again: {draft.by_hand('retry')}"
    )


def _under_way(draft: Draft) -> str:
    """Where the attempt is, without counts: the Model is not written at every look for them."""
    step, stage = draft.status.step, draft.stage
    where = "" if step is None or stage is None else f"step {step.index + 1}, {stage.words}; "
    return f"{draft.delivery.candidate} is being tried: {where}see Rollout {draft.name}"


# -- Model ---------------------------------------------------------------------------------------


def model_conditions(draft: Draft) -> tuple[Said, ...]:
    """What the delivery says about the Model: Available, Ready, Reconciling, Stalled."""
    facts = draft.facts
    ready = _model_ready(draft)
    stalled = _stalled(draft) or (
        facts.model_problem is not None and facts.model_problem.status == "False"
    )
    return (stable_available(draft), ready, *standing(draft, ready, stalled=stalled))


def _model_ready(draft: Draft) -> Said:
    problem = not_deliverable(draft)
    if problem is not None:
        return problem
    latest = draft.facts.latest
    if latest is None or latest.name == draft.delivery.stable:
        return stable_serving(draft, draft.weights(), draft.detours)
    rollout = _rollout_ready(draft)
    if rollout.reason == "Progressing":
        return Said("Ready", "False", rollout.reason, _under_way(draft))
    why = draft.facts.arm(draft.delivery.candidate).failure
    detail = f" ({why.message})" if why is not None else ""
    return Said("Ready", "False", rollout.reason, rollout.message + detail)
