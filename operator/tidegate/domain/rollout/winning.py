"""How an abTest ends: with a winner, with shares that cannot be trusted, or by the deadline.

Owns what is made of each, and how the contenders' traffic and pods are given back. The Model's spec
is a person's: a winner that it does not ask for is only named.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from tidegate.domain.rollout.allotting import contest_of, wrong_rate
from tidegate.domain.rollout.ending import rejection_of, release, staying, take_back
from tidegate.domain.rollout.entering import taking_part
from tidegate.domain.rollout.leaving import reject_arm
from tidegate.domain.rollout.tally import Tally, in_test, standing_of
from tidegate.domain.rollout.waiting import pause
from tidegate.stats.assignment import ALARM

if TYPE_CHECKING:
    from tidegate.api.contest_status import ContestArm
    from tidegate.domain.rollout.draft import Draft


def mismatched(draft: Draft) -> bool:
    """Whether callers are not shared out as configured: then nothing that was seen can be trusted,
    and nobody is to blame."""
    contest = contest_of(draft)
    if not contest.counts_callers or Tally.read(contest).log_e_mismatch < ALARM:
        return False
    shares = ", ".join(f"{arm.name} {arm.users or 0:.0f}" for arm in contest.arms)
    message = (
        f"new callers do not fall to the arms as the weights say ({shares}): what was measured"
        " cannot be trusted, so no winner is named; look for caches, bots and redirects that"
        " treat arms differently"
    )
    if draft.spec.on_inconclusive == "Pause":
        if "PausedByMismatch" not in draft.status.pauses:
            again = draft.by_hand("abort")
            pause(draft, "PausedByMismatch", f"{message}; {again} ends it")
        return False
    take_back(draft, "SampleRatioMismatch", message, reject=False)
    return True


def won(draft: Draft) -> bool:
    """Whether an arm is shown to fail least, after the least time and requests."""
    contest, step, stage = contest_of(draft), draft.status.step, draft.stage
    assert step is not None
    assert stage is not None
    if step.observed_duration < stage.duration.total_seconds() or draft.status.pauses:
        return False
    place = Tally.read(contest).pairs.winner(wrong_rate(draft), among=in_test(contest))
    if place is None or contest.arms[place].n < draft.spec.analysis.min_requests:
        return False
    _name_winner(draft, contest.arms[place])
    return True


def _name_winner(draft: Draft, winner: ContestArm) -> None:
    """Promote the Model's latest revision, go back to stable, or say what to ask the Model for."""
    attempt, stable = draft.status.attempt, draft.delivery.stable
    assert attempt is not None
    draft.set(contest=contest_of(draft).model_copy(update={"winner": winner.name}))
    why = f"arm {winner.name} ({winner.revision}) fails least: {standing_of(contest_of(draft))}"
    lost = "LostToStable" if winner.revision == stable else "LostToWinner"
    latest = draft.facts.latest
    for arm in taking_part(contest_of(draft).arms):
        if arm.revision not in (stable, winner.revision, attempt.revision):
            reject_arm(draft, arm, lost, why)
    if (
        latest is not None
        and winner.revision == latest.name
        and winner.revision == attempt.revision
    ):
        draft.move("ContestWon", why)
        return
    ask = ""
    if winner.revision != stable:
        ask = f"; {adoption(draft, winner)}"
        draft.tell("WinnerNamed", f"{why}{ask}")
    take_back(
        draft,
        lost if winner.revision == stable else "WinnerNamed",
        f"{why}{ask}",
        reject=attempt.revision not in (stable, winner.revision)
        and not any(a.revision == attempt.revision and a.left for a in contest_of(draft).arms),
        rejected_for=lost,
    )


def artifact_winner(draft: Draft) -> ContestArm | None:
    """The arm that won the last test and that the Model does not ask for, if there is one."""
    contest, latest = draft.status.contest, draft.facts.latest
    if contest is None or contest.winner is None or latest is None:
        return None
    arm = next((arm for arm in contest.arms if arm.name == contest.winner), None)
    if arm is None or arm.revision == draft.delivery.stable or arm.digest == latest.digest:
        return None
    if rejection_of(draft, arm.digest) is not None:
        return None  # its promotion was taken back: to ask for it would not promote it
    against = any(one.revision == draft.delivery.stable for one in contest.arms)
    return arm if against and draft.spec.strategy.ab_test is not None else None


def adoption(draft: Draft, winner: ContestArm) -> str:
    """What a person has to write so that the winner becomes stable."""
    test = draft.spec.strategy.ab_test
    arm = next((a for a in test.arms if a.name == winner.name), None) if test else None
    if arm is None or arm.artifact is None:
        return f"make the Model ask for {winner.revision}, and it is promoted at once"
    made = arm.artifact
    return (
        f"put its artifact into the Model and it is promoted at once: spec.artifact.uri {made.uri},"
        f" sha256 {made.sha256}, format {made.format}"
    )


def out_of_time(draft: Draft) -> bool:
    """Whether the deadline came before a winner, and what the policy makes of it."""
    attempt, contest = draft.status.attempt, contest_of(draft)
    assert attempt is not None
    limit = max(attempt.deadline_s or 0.0, draft.spec.deadline.total_seconds())
    if attempt.evaluating_s < limit:
        return False
    message = f"no winner after {attempt.evaluating_s:.0f} s of evaluating: {standing_of(contest)}"
    policy = draft.spec.on_inconclusive
    latest = draft.facts.latest
    out = any(a.revision == attempt.revision and a.left is not None for a in contest.arms)
    if policy == "Promote" and latest is not None and attempt.revision == latest.name and not out:
        draft.move("PromotedByDeadline", f"{message}; onInconclusive is Promote")
    elif policy == "Pause":
        again = f"{draft.by_hand('resume')} grants the same time again"
        pause(draft, "PausedByDeadline", f"{message}; {again}")
    else:
        take_back(draft, "Inconclusive", message, reject=not out)
    return True


def conclude(draft: Draft) -> None:
    """Write down that a test is over, however it ended, and give its contenders' traffic back."""
    contest, attempt = draft.status.contest, draft.status.attempt
    if contest is None or contest.ended is not None or attempt is None:
        return
    if draft.phase == "RollingBack" and attempt.ending is not None:
        reason, message = draft.status.history[0].reason, attempt.ending.message
    elif draft.phase == "Promoting":
        reason, message = draft.status.history[0].reason, draft.status.history[0].message
        draft.set_arms(attempt.revision, draft.weight("candidate"))
    elif not draft.active and draft.phase != "RollingBack":
        reason, message = "StatusLost", "its attempt is gone"
    else:
        return
    draft.set(contest=contest.model_copy(update={"ended": reason, "message": message}))


def release_contenders(draft: Draft) -> None:
    """Let the contenders' pods go that take part no more, once the gateway sends them nothing."""
    contest = draft.status.contest
    under_way = contest is not None and contest.ended is None and draft.active
    part = {a.revision for a in taking_part(contest.arms)} if contest and under_way else set()
    for revision in draft.delivery.contenders:
        if revision in part or draft.weight_of(revision) > 0:
            continue
        if not draft.confirmed:
            draft.within(timedelta(seconds=5), "the gateway still sends requests to an arm")
            continue
        others = [name for name in draft.delivery.contenders if name != revision]
        left = contest is not None and any(
            arm.revision == revision and arm.left is not None for arm in contest.arms
        )
        draft.set_delivery(contenders=others)
        if revision not in (draft.delivery.stable, draft.delivery.candidate):
            release(draft, revision, staying(draft, revision, failed=left))
