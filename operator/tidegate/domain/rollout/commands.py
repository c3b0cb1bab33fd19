"""The verbs that people send to a Rollout: abort, approve, promote, retry, pause, resume, skip.

Owns reading the annotation `tidegate.dev/command` and what each verb may do when. A command is
carried out once: its id stands in `status.lastCommand` afterwards, whatever came of it.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from tidegate.api.rollout_status import CommandResult
from tidegate.domain import evidence as evidences
from tidegate.domain.rollout.baking import end_for_newer, take_back_promoted
from tidegate.domain.rollout.ending import take_back
from tidegate.domain.rollout.facts import Command
from tidegate.domain.rollout.waiting import APPROVAL, pause_by_command
from tidegate.domain.times import stamp

if TYPE_CHECKING:
    from tidegate.domain.rollout.draft import Draft

ANNOTATION = "tidegate.dev/command"
VERBS = ("abort", "approve", "promote", "retry", "pause", "resume", "skip")


def read(text: str | None) -> Command | None:
    """The command in an annotation; one that cannot be understood carries the problem. None
    without."""
    if not text:
        return None
    fallback = hashlib.sha256(text.encode()).hexdigest()[:12]
    try:
        raw: Any = json.loads(text)
    except ValueError:
        raw = None
    if not isinstance(raw, dict):
        return Command(id=fallback, verb="?", problem='it is no JSON object like {"verb":"abort"}')
    verb, attempt = raw.get("verb"), raw.get("attempt")
    problem = ""
    if verb not in VERBS:
        problem = f"the verb is {verb!r}; use one of {', '.join(VERBS)}"
    elif attempt is not None and (not isinstance(attempt, int) or isinstance(attempt, bool)):
        problem = "attempt is no whole number"
    return Command(
        id=str(raw.get("id") or fallback)[:64],
        verb=str(verb)[:32],
        by=str(raw.get("by", ""))[:128],
        attempt=attempt if not problem else None,
        revision=str(raw["revision"]) if raw.get("revision") else None,
        force=raw.get("force") is True,
        problem=problem,
    )


def obey(draft: Draft) -> None:
    """Carry out the command that waits, if it was not answered before."""
    command, last = draft.facts.command, draft.status.last_command
    if command is None or (last is not None and last.id == command.id):
        return
    problem = command.problem or _mismatch(draft, command) or _carry_out(draft, command)
    result = f"Ignored: {problem}" if problem else "Done"
    if problem:
        draft.tell("CommandIgnored", f"{command.verb}: {problem}", warning=True)
    draft.set(
        last_command=CommandResult(
            id=command.id,
            verb=command.verb,
            by=command.by,
            at=stamp(draft.now),
            result=result[:500],
        )
    )


def overrule(draft: Draft, before: CommandResult | None) -> None:
    """Say of a verb that was answered in this look that the attempt was taken back all the same.

    Skip and promote come last: a verdict, lost pods or a newer revision in the same look win.
    """
    last, attempt = draft.status.last_command, draft.status.attempt
    if last is None or last == before or last.verb not in ("promote", "skip", "approve", "resume"):
        return
    if draft.phase != "RollingBack" or last.result != "Done":
        return
    assert attempt is not None, "an attempt is taken back"
    assert attempt.ending is not None, "for a reason"
    problem = f"overruled, the candidate is taken back: {attempt.ending.message}"
    draft.tell("CommandIgnored", f"{last.verb}: {problem}", warning=True)
    result = f"Ignored: {problem}"[:500]
    draft.set(last_command=last.model_copy(update={"result": result}))


def _mismatch(draft: Draft, command: Command) -> str:
    """Why the command is not about what happens now."""
    attempt = draft.status.attempt
    if command.attempt is not None and (attempt is None or attempt.number != command.attempt):
        now = "there is none" if attempt is None else f"it is {attempt.number} now"
        return f"it was meant for attempt {command.attempt}, and {now}"
    if command.revision is None:
        return ""
    if command.verb == "retry":
        # What is tried again is the Model's latest revision, which the last attempt need not have
        # been about: one that was rejected before gets no attempt.
        latest = draft.facts.latest
        if latest is None or latest.name != command.revision:
            return f"it was meant for revision {command.revision}, which is not the latest"
    elif attempt is None or attempt.revision != command.revision:
        return f"it was meant for revision {command.revision}, which is not the one being tried"
    return ""


def _carry_out(draft: Draft, command: Command) -> str:
    """Do what was asked. Returns why not, empty when it was done."""
    if command.verb == "retry":
        return _retry(draft)
    if draft.phase == "RollingBack" and command.verb == "promote":
        return _promote_instead(draft, command)
    if draft.phase == "Baking" and command.verb in ("abort", "promote"):
        return _end_baking(draft, command)
    if not draft.active:
        return f"there is nothing to {command.verb}: phase is {draft.phase}"
    by = command.by or "a person"
    match command.verb:
        case "abort":
            take_back(draft, "Aborted", f"aborted by {by}", by=by)
        case "pause" if draft.phase == "Promoting":
            back = draft.by_hand("abort")
            return f"it is being promoted: {back} takes it back, spec.paused stops it where it is"
        case "pause":
            pause_by_command(draft, by)
        case "resume":
            return _resume(draft)
        case "skip":
            return _skip(draft)
        case "approve":
            return _approve(draft, by)
        case "promote":
            return _promote(draft, command)
    return ""


def _end_baking(draft: Draft, command: Command) -> str:
    """Abort takes back what was promoted; promote is content with it."""
    by, attempt = command.by or "a person", draft.status.attempt
    # A crash between the two statuses of a way back leaves the Model's ahead.
    going_back = attempt is not None and draft.delivery.stable != attempt.revision
    if command.verb == "promote" and going_back:
        return "it is being taken back already"
    if command.verb == "promote":
        end_for_newer(draft, f"{by} is content with it")
    elif draft.delivery.previous is None and not going_back:
        return "there is no previous revision left to go back to"
    else:
        take_back_promoted(draft, "Aborted", f"aborted by {by} after the promotion", by=by)
    return ""


def _retry(draft: Draft) -> str:
    if draft.active or draft.phase == "RollingBack":
        return f"an attempt is under way: phase is {draft.phase}"
    latest, contest = draft.facts.latest, draft.status.contest
    digests = {latest.digest} if latest else set()
    over = False
    if draft.spec.strategy.ab_test is not None and contest is not None:
        digests |= {arm.digest for arm in contest.arms}
        over = contest.ended is not None
        draft.set(contest=None)
    if draft.spec.strategy.aa is not None and draft.status.aa is not None:
        digests |= {a.revision.digest for a in draft.facts.arms if a.revision is not None}
        over = draft.status.aa.ended is not None
        draft.set(aa=None)
    kept = [entry for entry in draft.delivery.rejected if entry.digest not in digests]
    if len(kept) == len(draft.delivery.rejected) and not over:
        return "the Model's latest revision was not rejected"
    draft.set_delivery(rejected=kept)
    return ""


def _resume(draft: Draft) -> str:
    attempt = draft.status.attempt
    assert attempt is not None
    others = [cause for cause in draft.status.pauses if cause != APPROVAL]
    if APPROVAL in draft.status.pauses and not others:
        return f"it waits for an approval: {draft.by_hand('approve')}"
    if not draft.status.pauses:
        return "spec.paused is true: set it to false" if draft.spec.paused else "it is not paused"
    if "PausedByDeadline" in draft.status.pauses:
        more = attempt.evaluating_s + draft.spec.deadline.total_seconds()
        draft.set_attempt(deadline_s=more)
    draft.set(pauses=[cause for cause in draft.status.pauses if cause == APPROVAL])
    return ""


def _approve(draft: Draft, by: str) -> str:
    if APPROVAL not in draft.status.pauses:
        return f"nothing waits for an approval: phase is {draft.phase}"
    draft.set(pauses=[cause for cause in draft.status.pauses if cause != APPROVAL])
    draft.set_step(skipped=True)
    draft.tell("Approved", f"approved by {by}")
    return ""


def _skip(draft: Draft) -> str:
    stage = draft.stage
    if stage is None or draft.phase == "Promoting":
        return f"no step is under way: phase is {draft.phase}"
    if stage.verb == "approval":
        return f"it waits for an approval: {draft.by_hand('approve')}"
    if stage.verb in ("adaptive", "contest") or stage.endless:
        return "this strategy has no steps to skip"
    draft.set_step(skipped=True)
    return ""


def _promote(draft: Draft, command: Command) -> str:
    if draft.spec.strategy.shadow is not None:
        return (
            "strategy shadow never promotes: copies show no caller's outcome; give the Rollout"
            " strategy canary, adaptive or blueGreen"
        )
    attempt = draft.status.attempt
    if draft.spec.strategy.aa is not None:
        return "strategy aa never promotes: what it tries is stable's own twin"
    if draft.spec.strategy.ab_test is not None and attempt is not None and attempt.asked:
        return (
            "the Model asks for none of the arms that are tried: put the artifact of an arm into"
            " the Model's spec.artifact"
        )
    if draft.phase == "Promoting" and not command.force:
        return "it is being promoted already"
    if draft.spec.paused and not command.force:
        return "spec.paused is true: set it to false"
    if draft.facts.arm(draft.delivery.candidate).ready == 0:
        return "the candidate has no ready pod"
    verdict = (
        evidences.judge(
            draft.status.evidence,
            draft.spec.analysis,
            candidate_requests=max((e.candidate.n for e in draft.status.evidence), default=0.0),
        )
        if draft.status.evidence
        else None
    )
    if verdict is not None and verdict.verdict == "Rollback" and not command.force:
        overrule = draft.by_hand("promote --force")
        return f"the evidence is against it ({verdict.message}); only {overrule} overrules that"
    _go_to_all(draft, command, "no evidence yet" if verdict is None else verdict.message)
    return ""


def _promote_instead(draft: Draft, command: Command) -> str:
    """A rollback that waits for a stable that cannot serve: forward is the other way out."""
    if draft.weight("candidate") == 0:
        return "it has been taken back already; the pods only wait for the gateway"
    if not command.force:
        return f"it is being taken back; only {draft.by_hand('promote --force')} overrules that"
    if draft.facts.arm(draft.delivery.candidate).ready == 0:
        return "the candidate has no ready pod"
    draft.set_attempt(ending=None)
    _go_to_all(draft, command, "stable has no ready pod to go back to")
    return ""


def _go_to_all(draft: Draft, command: Command, evidence: str) -> None:
    """Promote because a person said so, and write down what was known then."""
    by = command.by or "a person"
    draft.set_attempt(forced=command.force)
    draft.set(pauses=[], hold=None)
    if draft.phase == "Promoting":
        message = f"{by} forces the promotion that is under way; evidence at that time: {evidence}"
        draft.tell("PromotionForced", message)
        return
    how = "promoted by force" if command.force else "promoted"
    message = f"{how} by {by}; evidence at that time: {evidence}"
    draft.move("PromotedByCommand", message, by=by)
