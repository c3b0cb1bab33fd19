"""The strategy abTest: arms side by side until one is shown to fail least.

Owns the order of things while arms are compared, and how a test ends. Who takes part is for
`entering.py`, the evidence for `tally.py`, the weights for `allotting.py`. An arm that the analysis
speaks against leaves, and the others go on; a mismatch of shares ends the test without blame.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidegate.api.contest_status import Contest, ContestArm
from tidegate.api.rollout_status import StepStatus
from tidegate.domain import evidence as evidences
from tidegate.domain.conditions import Said
from tidegate.domain.evidence import Batch, Judgement
from tidegate.domain.rollout import sizes
from tidegate.domain.rollout.allotting import (
    allot,
    contest_of,
    even,
    follow_pods,
    reallot,
    wrong_rate,
)
from tidegate.domain.rollout.beginning import new_attempt
from tidegate.domain.rollout.entering import Entry, decided, entry_of, goal_of, taking_part
from tidegate.domain.rollout.leaving import leave, without_pods
from tidegate.domain.rollout.observing import (
    NO_TRAFFIC_EXPECTED,
    count,
    look_at_next_batch,
    metric_hold,
)
from tidegate.domain.rollout.stepping import confirm, held_up, resume_at_start
from tidegate.domain.rollout.tally import UNITS, Counted, Tally, add, display, phi_of, standing_of
from tidegate.domain.rollout.waiting import pause
from tidegate.domain.rollout.winning import mismatched, out_of_time, won
from tidegate.domain.times import moment

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tidegate.api.ab_test import AbTest
    from tidegate.api.analysis import Analysis
    from tidegate.api.rollout_status import Evidence
    from tidegate.domain.rollout.draft import Draft


def enrolled(draft: Draft, entry: Entry) -> Contest:
    """The status of a test that is about to begin."""
    test = draft.spec.strategy.ab_test
    assert test is not None
    by_cookie = test.sticky_by is not None and test.sticky_by.cookie is not None
    counters = goal_of(draft).type == "Counters"
    order = {arm.name: place for place, arm in enumerate(test.arms)}
    arms = sorted(entry.arms, key=lambda arm: order[arm.name])
    return Contest(
        key=entry.key,
        unit="Events" if counters else "Users" if by_cookie else "Requests",
        callers=by_cookie if counters else None,
        arms=[
            ContestArm(name=arm.name, revision=arm.revision.name, digest=arm.revision.digest)
            for arm in arms
        ],
        seed=int(entry.key[:8], 16),
        message="the arms get ready",
    )


def begin_contest(draft: Draft) -> bool:
    """Begin the test that is declared, if it is new and can begin; say why where it cannot.

    It is begun with the Model's latest revision as the candidate, or with the first other arm.
    """
    test, latest = draft.spec.strategy.ab_test, draft.facts.latest
    assert test is not None
    assert latest is not None
    entry = entry_of(draft, test)
    if entry.problem is not None:
        draft.said = entry.problem
        return False
    challengers = entry.challengers(draft.delivery.stable)
    if decided(draft, entry.key):
        draft.said = _over(draft, latest.name)
        return False
    delivered = latest.name == draft.delivery.stable or draft.phase == "Degraded"
    if not delivered and all(arm.revision.name != latest.name for arm in challengers):
        draft.said = Said(
            "Ready",
            "False",
            "DeliversNothing",
            f"{latest.name} is asked for, and no arm of the test has it: add an arm with revision:"
            " latest, or give the Rollout a strategy that delivers, like canary",
        )
        return False
    if not challengers:
        return False
    first, *others = challengers
    new_attempt(
        draft,
        first.revision,
        asked=latest.digest if first.revision.name != latest.name else None,
        contest=enrolled(draft, entry),
        contenders=[arm.revision.name for arm in others],
    )
    return True


def _over(draft: Draft, latest: str) -> Said | None:
    """What is to be done after a test without a winner; None when nothing is."""
    contest = contest_of(draft)
    no_verdict = contest.ended == "SampleRatioMismatch"
    if draft.phase == "Degraded" or (latest == draft.delivery.stable and not no_verdict):
        return None
    again = f"try it again: {draft.by_hand('retry')}"
    message = f"{contest.message}. Change the test, or {again}"
    return Said("Ready", "False", contest.ended or "Inconclusive", message)


def open_contest(draft: Draft) -> None:
    """All arms are warm: give each an even share."""
    contest, test = contest_of(draft), draft.spec.strategy.ab_test
    assert test is not None
    tally = Tally.start(contest, draft.status.evidence, contenders=draft.delivery.contenders)
    draft.set(contest=display(contest, tally, wrong_rate(draft)), step=StepStatus(index=0))
    allot(draft, even(contest))
    names = ", ".join(arm.name for arm in contest.arms)
    draft.move("StepReached", f"arms {names} are compared by {UNITS[contest.unit]}")


def progress(draft: Draft) -> None:
    """Progressing, Holding or Paused: confirm, count, let arms leave, judge, go on."""
    stage = draft.stage
    if draft.status.step is None or stage is None:
        resume_at_start(draft)
        return
    confirm(draft)
    counted = _count(draft)
    if without_pods(draft) or (counted and _judged(draft, counted)):
        return
    if mismatched(draft):
        return
    if held_up(draft, stage, _missing(draft)):
        return
    look_at_next_batch(draft)
    if counted and won(draft):
        return
    if out_of_time(draft):
        return
    draft.clear_hold()
    reallot(draft, counted=bool(counted))


# -- evidence ------------------------------------------------------------------------------------


def _count(draft: Draft) -> Mapping[str, Sequence[Evidence]]:
    """Take the batch into everything at once; returns every challenger's evidence, none without a
    batch."""
    attempt, step, seen = draft.status.attempt, draft.status.step, draft.facts.observation
    test = draft.spec.strategy.ab_test
    assert attempt is not None
    assert step is not None
    assert test is not None
    whole = step.started_at is not None and draft.confirmed
    if not count(draft) or not isinstance(seen, Batch):
        return {}
    # A gateway needs a moment to take weights over after it says so.
    settled = whole and seen.start >= moment(step.started_at or "") + draft.timing.lag
    weights = {arm.revision: arm.weight for arm in draft.status.arms}
    given = Counted(
        stable=draft.delivery.stable or "",
        candidate=attempt.revision,
        weights=weights if settled else None,
        phi=phi_of(draft.status.evidence, test.goal),
        alpha=wrong_rate(draft),
        allocates=test.allocation == "TopTwo",
        goal=test.goal,
    )
    contest, judged = add(contest_of(draft), seen, draft.spec.analysis, given)
    draft.set(contest=contest.model_copy(update={"message": standing_of(contest)}))
    return {attempt.revision: draft.status.evidence, **judged}


def _judged(draft: Draft, evidence: Mapping[str, Sequence[Evidence]]) -> bool:
    """Let the arms go that the analysis speaks against. Returns whether that ends the test."""
    analysis = _shared(draft)
    for arm in taking_part(contest_of(draft).arms):
        if arm.revision not in evidence:
            continue
        judgement = evidences.judge(evidence[arm.revision], analysis, candidate_requests=0)
        if judgement.verdict not in ("Rollback", "Inconclusive"):
            continue
        if draft.spec.on_failure == "Pause":
            _pause_for(draft, arm, judgement.message)
        elif leave(draft, arm, _why(judgement), judgement.message):
            return True
    return False


def _why(judgement: Judgement) -> str:
    """Evidence that bursts made doubtful speaks against an arm all the same."""
    return "Inconclusive" if judgement.verdict == "Inconclusive" else judgement.reason


def _shared(draft: Draft) -> Analysis:
    """The analysis for one challenger: all of them share the rate of false rollbacks."""
    analysis = draft.spec.analysis
    challengers = max(1, len(contest_of(draft).arms) - 1)
    return analysis.model_copy(
        update={"false_rollback_rate": analysis.false_rollback_rate / challengers}
    )


def _pause_for(draft: Draft, arm: ContestArm, message: str) -> None:
    if "PausedByFailure" not in draft.status.pauses:
        draft.set_attempt(failed=True)
        back = draft.by_hand("abort")
        pause(
            draft,
            "PausedByFailure",
            f"arm {arm.name}: {message}; onFailure is Pause: choose {back} or set onFailure to"
            f" Rollback and {draft.by_hand('resume')}, then only this arm leaves",
        )


def _missing(draft: Draft) -> tuple[str, str] | None:
    """What keeps the arms from being compared now: pods, or data. TopTwo compares at whatever
    weights pods carry."""
    follow_pods(draft)
    test = draft.spec.strategy.ab_test
    assert test is not None
    for arm in taking_part(contest_of(draft).arms):
        if arm.revision == draft.delivery.stable or test.allocation == "TopTwo":
            continue
        meant, ready = draft.targets.get(arm.revision, 0), draft.facts.arm(arm.revision).ready
        need = sizes.needed(meant, draft.facts.arm(draft.delivery.stable).ready)
        lost = ready < min(need, draft.facts.arm(arm.revision).desired)
        if lost and draft.weight_of(arm.revision) < meant:
            return (
                "CapacityMissing",
                f"arm {arm.name} has {ready} ready pods and needs {need} for weight {meant}",
            )
    return metric_hold(draft) or _silent(draft)


def _silent(draft: Draft) -> tuple[str, str] | None:
    """A contender without requests where some were to be expected."""
    seen = draft.facts.observation
    if not isinstance(seen, Batch):
        return None
    stable = draft.weight_of(draft.delivery.stable or "")
    for arm in taking_part(contest_of(draft).arms):
        other = seen.others.get(arm.revision)
        expected = seen.stable.requests * draft.weight_of(arm.revision) / max(1, stable)
        if other is not None and other.requests <= 0 and expected >= NO_TRAFFIC_EXPECTED:
            return ("NoData", f"no requests came for arm {arm.name}; weights stay until some do")
    return None


def message_of(draft: Draft, test: AbTest) -> str:
    """How far a test is, for conditions."""
    contest, step = contest_of(draft), draft.status.step
    assert step is not None
    least = test.min_duration.total_seconds()
    seen = f"{min(step.observed_duration, least):.0f} of {least:g} s"
    return f"test of {len(taking_part(contest.arms))} arms, {seen}; {standing_of(contest)}"
