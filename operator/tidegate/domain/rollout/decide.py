"""`decide`: what a Rollout does next, from what is declared and what is seen. Pure.

Order of a look, first match first: abort and promote (commands), supersede, the candidate's pods, a
Rollback verdict, pauses, holds, promotion or the next step. The same function runs in the
controller, and in tests.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from tidegate.api.rollout_status import Ending
from tidegate.domain.rollout import commands, sizes, standing
from tidegate.domain.rollout.attempt import advance
from tidegate.domain.rollout.baking import bake, end_for_newer
from tidegate.domain.rollout.beginning import (
    drop_candidate,
    fast_rollback,
    keep,
    key_of,
    new_attempt,
)
from tidegate.domain.rollout.contesting import begin_contest
from tidegate.domain.rollout.draft import Draft
from tidegate.domain.rollout.ending import (
    close_window,
    reject,
    rejection_of,
    release,
    take_back,
    taking_back,
    window_end,
)
from tidegate.domain.rollout.entering import adoptable
from tidegate.domain.rollout.facts import Decision, Declared, Facts, Timing
from tidegate.domain.rollout.lateness import not_before
from tidegate.domain.rollout.mending import forget_strange, start_over, unreadable
from tidegate.domain.rollout.promoting import catch_up
from tidegate.domain.rollout.resting import check_metrics
from tidegate.domain.rollout.trialing import begin_trials, conclude_trials
from tidegate.domain.rollout.winning import conclude, release_contenders

if TYPE_CHECKING:
    from tidegate.domain.rollout.facts import RevisionFacts


def decide(declared: Declared, facts: Facts, timing: Timing) -> Decision:
    """One look at a Rollout: the statuses to write, the weights, the sizes, and when to look
    again."""
    draft = Draft(declared, facts, not_before(timing, declared.status))
    if facts.blocked is None:
        forget_strange(draft)
        missing = unreadable(draft)
        catch_up(draft)
        commands.obey(draft)
        if draft.active and not _superseded(draft):
            if missing and draft.phase != "Promoting":
                start_over(draft, missing)
            else:
                advance(draft)
        commands.overrule(draft, declared.status.last_command)
        conclude(draft)
        conclude_trials(draft)
        if draft.phase == "RollingBack":
            taking_back(draft)
        if draft.phase == "Baking":
            _baking(draft)
        if not draft.active and draft.phase not in ("Baking", "RollingBack"):
            _idle(draft)
        release_contenders(draft)
        close_window(draft)
        draft.refresh_arms()
        check_metrics(draft)
    else:
        _blocked(draft)  # and pods that are lost meanwhile lower the weight afterwards
    draft.set(
        observed_generation=draft.generation,
        observed_model_generation=facts.model_generation,
        observed_revision=facts.latest.name if facts.latest else None,
    )
    said = standing.rollout_conditions(draft)
    draft.set(conditions=standing.merged_for_rollout(draft, said))
    look = draft.next_look
    return Decision(
        delivery=draft.delivery,
        rollout=draft.status,
        routing=draft.routing(),
        floors={} if facts.blocked else sizes.floors(draft),
        model_said=standing.model_conditions(draft),
        notes=tuple(draft.notes),
        after=look[0] if look else None,
        why=look[1] if look else "nothing is under way",
        comparing=draft.comparing,
    )


def _blocked(draft: Draft) -> None:
    """Nothing may move but back: abort is obeyed all the same, and what is being taken back goes
    on. Nobody looks after the weight meanwhile, so that time is no time of the step."""
    asked = draft.facts.command
    aborted = asked is not None and asked.verb == "abort"
    if draft.phase == "RollingBack" or aborted:
        forget_strange(draft)
        unreadable(draft)
        catch_up(draft)
        if aborted:
            commands.obey(draft)
        conclude(draft)
        conclude_trials(draft)
        if draft.phase == "RollingBack":
            taking_back(draft)
    step = draft.status.step
    if step is not None and step.started_at is not None:
        draft.set_step(started_at=None, last_batch_end=None)


def _superseded(draft: Draft) -> bool:
    """Whether something newer was asked for: then the candidate goes first, weight 0."""
    attempt, latest = draft.status.attempt, draft.facts.latest
    assert attempt is not None, "an active phase has an attempt"
    if draft.phase == "Promoting" and draft.weight("candidate") == 100:
        return False  # finish what the route already says, then start against the new stable
    if not draft.facts.model_current or draft.facts.held_back is not None:
        # Not known yet, or not to be started; strategy and metrics may have changed all the same.
        latest = None
    changed = attempt.key != key_of(attempt.digest, draft.spec)
    newer = latest is not None and latest.digest != (attempt.asked or attempt.digest)
    if not changed and not newer:
        return False
    if latest is not None and latest.name == draft.delivery.stable and attempt.asked is None:
        what = "the Model was set back to stable"
    elif draft.phase == "Promoting" and attempt.forced:
        return False  # force outranks what is asked for next, which starts against it
    elif changed:
        what = "the strategy or the metrics were changed"
    elif draft.spec.strategy.aa is None and _queued(draft):
        return False  # trials deliver nothing, so that nothing waits for their end
    else:
        assert latest is not None
        what = f"{latest.name} is asked for now"
    take_back(draft, "Superseded", what, reject=False)
    return True


def _queued(draft: Draft) -> bool:
    """Whether a newer revision waits for the end of this attempt: only the newest one does.

    Before the candidate has met any request there is nothing to lose: the newer one takes over.
    """
    policy, attempt = draft.spec.supersede, draft.status.attempt
    assert attempt is not None
    if policy is None:
        # The Model was not edited, so a reference that is polled has moved.
        polled = attempt.model_generation == draft.facts.model_generation
        policy = "AfterAttempt" if polled else "WhenNewer"
    started = draft.status.step is not None or draft.phase == "Promoting"
    return policy == "AfterAttempt" and started


def _baking(draft: Draft) -> None:
    """A promoted revision is judged on, until something else is asked for."""
    latest, attempt = draft.facts.latest, draft.status.attempt
    assert attempt is not None, "baking has an attempt"
    ours = draft.delivery.stable == attempt.revision
    known = draft.facts.model_current and draft.facts.held_back is None
    newer = latest is not None and known and latest.name != attempt.revision
    if ours and newer and latest is not None and rejection_of(draft, latest.digest) is None:
        end_for_newer(draft, f"{latest.name} is asked for now")
    elif ours and attempt.key != key_of(attempt.digest, draft.spec):
        end_for_newer(draft, "the strategy or the metrics were changed")
    else:
        bake(draft)
    if draft.phase == "RollingBack":
        taking_back(draft)


# -- without an attempt --------------------------------------------------------------------------


def _idle(draft: Draft) -> None:
    latest = draft.facts.latest
    if draft.delivery.stable is None:
        _initial(draft)
        return
    if not draft.status.arms:
        draft.set_arms(None)
    if latest is None or not draft.facts.model_current:
        return
    if latest.name == draft.delivery.stable:
        _at_rest(draft)
        _test(draft)
        return
    if adoptable(draft):
        _adopt(draft, latest)
        return
    rejection = rejection_of(draft, latest.digest)
    if rejection is not None:
        drop_candidate(draft)
        if draft.phase != "Degraded":
            draft.move(
                "RejectedBefore",
                f"{latest.name} was rejected before ({rejection.reason}: {rejection.message});"
                f" change the Model, or try it again: {draft.by_hand('retry')}",
            )
        _test(draft)
        return
    if draft.facts.held_back is not None:
        return
    if latest.name == draft.delivery.previous and _window_open(draft):
        fast_rollback(draft)
        return
    if draft.spec.strategy.ab_test is None and draft.spec.strategy.aa is None:
        _begin(draft, latest)
    else:
        _test(draft)


def _initial(draft: Draft) -> None:
    """Nothing serves yet: the first revision that is ready gets everything, without steps."""
    latest = draft.startable
    if latest is None:
        return
    rejection = rejection_of(draft, latest.digest)
    if rejection is not None:
        drop_candidate(draft)
        if draft.phase == "Pending":
            draft.move("RevisionFailed", f"{latest.name}: {rejection.message}")
        return
    if draft.phase == "Degraded":
        draft.move("Reset", "another first revision is tried")
    if draft.delivery.candidate != latest.name:
        drop_candidate(draft)
        keep(draft, latest.name)
        draft.set_delivery(candidate=latest.name)
    pods = draft.facts.arm(latest.name)
    if pods.failure is not None and pods.failure.final and pods.ready == 0:
        ending = Ending(reason=pods.failure.reason, message=pods.failure.message, reject=True)
        reject(draft, latest.digest, latest.name, ending)
        release(draft, latest.name, draft.spec.keep_failed)
        draft.set_delivery(candidate=None)
        draft.move("RevisionFailed", f"{latest.name}: {pods.failure.message}")
        return
    if not pods.complete or pods.ready < draft.facts.scaling.min_replicas:
        return
    draft.set_delivery(stable=latest.name, candidate=None)
    draft.set_arms(None)
    draft.move("InitialDeploy", f"{latest.name} is the first revision that serves")


def _at_rest(draft: Draft) -> None:
    """Stable is what the Model asks for."""
    drop_candidate(draft)
    if draft.phase == "Pending":
        draft.move("InitialDeploy", f"{draft.delivery.stable} serves")
    elif draft.phase == "Degraded":
        draft.move("Recovered", f"the Model asks for {draft.delivery.stable} again, which serves")
    draft.set(hold=None, pauses=[])
    draft.set_arms(None)


def _test(draft: Draft) -> None:
    """Begin the test that the strategy declares, where it is one and can begin."""
    if (draft.spec.strategy.ab_test is not None and begin_contest(draft)) or (
        draft.spec.strategy.aa is not None and begin_trials(draft)
    ):
        _started(draft)


def _adopt(draft: Draft, latest: RevisionFacts) -> None:
    """The Model asks for what won the last test against this stable: it needs no other."""
    new_attempt(draft, latest, contest=draft.status.contest)
    draft.move("WinnerAdopted", f"{latest.name} won the last test against stable, so no new one")
    draft.within(timedelta(0), "the route is to follow")


def _window_open(draft: Draft) -> bool:
    ends = window_end(draft)
    pods = draft.facts.arm(draft.delivery.previous)
    return ends is not None and draft.now < ends and pods.ready > 0


def _begin(draft: Draft, candidate: RevisionFacts) -> None:
    new_attempt(draft, candidate)
    _started(draft)


def _started(draft: Draft) -> None:
    number = draft.status.attempts
    draft.move("AttemptStarted", f"attempt {number}: {', '.join(draft.challengers)}")
    advance(draft)
