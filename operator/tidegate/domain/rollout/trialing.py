"""The strategy aa: a twin of stable is judged again and again, to see how often that goes wrong.

Owns the trials: each begins from nothing, by exactly the analysis that is declared, and no verdict
of theirs has any consequence. A twin whose pods fail is taken back like any candidate.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from tidegate.api.contest_status import MetricAlarms, Trial, Trials
from tidegate.domain.conditions import Said
from tidegate.domain.rollout.baseline import freeze
from tidegate.domain.rollout.beginning import key_of, new_attempt
from tidegate.domain.rollout.ending import take_back
from tidegate.domain.rollout.entering import NOT_DECIDED
from tidegate.domain.rollout.observing import count, judge, look_at_next_batch, metric_hold
from tidegate.domain.rollout.stepping import confirm, follow_capacity, held_up, resume_at_start
from tidegate.domain.times import stamp
from tidegate.stats import Counts, guard_log_e
from tidegate.stats.intervals import rate_interval

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tidegate.domain.evidence import Judgement
    from tidegate.domain.rollout.draft import Draft

TWIN = "twin"
"""The name under which the Model controller reports the twin's revision."""
CONFIDENCE = 0.95
RESULTS_KEPT = 5
"""Trials that a status shows one by one; the sums are of all."""
_PRIOR = {"a": 0.5, "b": 5.0}
"""Beta prior of both mixtures: sharpest for rates of some per cent, valid for all."""


def begin_trials(draft: Draft) -> bool:
    """Begin an attempt for the twin of stable, if these trials are new; say why where they cannot
    begin."""
    latest, stable = draft.facts.latest, draft.delivery.stable
    assert latest is not None
    if latest.name != stable:
        if draft.phase != "Degraded":
            draft.said = Said(
                "Ready",
                "False",
                "DeliversNothing",
                f"{latest.name} is asked for, and strategy aa only compares stable with itself:"
                " give the Rollout a strategy that delivers, like canary",
            )
        return False
    made = next((a for a in draft.facts.arms if a.name == TWIN and a.source == stable), None)
    if made is None or made.revision is None:
        reason = (made.reason if made else "") or "ArmsPending"
        message = (made.message if made else "") or "the twin of stable is being made"
        draft.said = Said("Ready", "False", reason, message)
        return False
    key, before = key_of(made.revision.digest, draft.spec), draft.status.aa
    same = before is not None and before.key == key
    if same and before is not None and before.ended not in (None, *NOT_DECIDED):
        return False
    new_attempt(draft, made.revision, asked=latest.digest)
    fresh = Trials(
        key=key,
        stable=latest.name,
        twin=made.revision.name,
        expected_at_most=draft.spec.analysis.false_rollback_rate,
        message="no trial has ended yet",
    )
    # A restart that lost the attempt loses the trial under way, not those that have ended.
    draft.set(aa=before.model_copy(update={"ended": None, "promoted": False, "between": False})
              if same and before is not None else fresh)  # fmt: skip
    return True


def progress(draft: Draft) -> None:
    """Progressing, Holding or Paused: count, record how the trial ends, begin the next."""
    stage = draft.stage
    if draft.status.step is None or stage is None:
        resume_at_start(draft)
        return
    short = follow_capacity(draft, stage)
    confirm(draft)
    if trials_of(draft).between:
        if held_up(draft, stage, short) or not freeze(draft):
            return
        draft.set(aa=trials_of(draft).model_copy(update={"between": False}))
    counted = count(draft)
    if counted and _ended(draft, judge(draft)):
        return
    if held_up(draft, stage, short or metric_hold(draft)):
        return
    draft.clear_hold()
    look_at_next_batch(draft)


def trials_of(draft: Draft) -> Trials:
    """The trials that are under way."""
    trials = draft.status.aa
    assert trials is not None, "an attempt of strategy aa has trials"
    return trials


def _ended(draft: Draft, judgement: Judgement) -> bool:
    """Record a trial that is over, and end them all after the last. Returns whether it is over."""
    trials, declared, step = trials_of(draft), draft.spec.strategy.aa, draft.status.step
    assert declared is not None
    assert step is not None
    if judgement.verdict == "Promote" and not trials.promoted:
        trials = trials.model_copy(update={"promoted": True})
        draft.set(aa=trials)
    alarm = judgement.verdict == "Rollback"
    if not alarm and step.observed_duration < declared.duration.total_seconds():
        return False
    trial = Trial(
        at=stamp(draft.now),
        verdict="Rollback" if alarm else "Promote" if trials.promoted else "Continue",
        metric=judgement.metric if alarm else "",
        n=round(max((entry.candidate.n for entry in draft.status.evidence), default=0.0), 3),
        seconds=step.observed_duration,
    )
    trials = with_trial(trials, trial).model_copy(
        update={"between": trials.done + 1 < declared.trials}
    )
    draft.set(aa=trials)
    draft.set_step(observed_duration=0, requests=0)
    what = f"false alarm by {trial.metric}: {judgement.message}" if alarm else trial.verdict
    number = f"trial {trials.done} of {declared.trials}"
    draft.tell("TrialEnded", f"{number}: {what}", warning=alarm)
    if trials.done >= declared.trials:
        take_back(draft, "TrialsDone", trials.message, reject=False)
    else:
        draft.soon("the next trial begins")
    return True


def with_trial(trials: Trials, trial: Trial) -> Trials:
    """The trials after one more, with what they mean in numbers and in words."""
    results = [trial, *trials.results][:RESULTS_KEPT]
    done = trials.done + 1
    alarms = trials.false_alarms + (trial.verdict == "Rollback")
    by_metric = {entry.metric: entry.false_alarms for entry in trials.by_metric}
    if trial.metric:
        by_metric[trial.metric] = by_metric.get(trial.metric, 0) + 1
    counts = Counts(bad=float(alarms), n=float(done))
    upper = rate_interval(counts, 1 - CONFIDENCE, **_PRIOR).upper
    return trials.model_copy(
        update={
            "done": done,
            "false_alarms": alarms,
            "promotions": trials.promotions + trials.promoted,
            "promoted": False,
            "by_metric": [
                MetricAlarms(metric=name, false_alarms=found) for name, found in by_metric.items()
            ],
            "results": results,
            "upper_bound": round(upper, 6),
            "message": _meaning(counts, upper, trials.expected_at_most, list(by_metric)),
        }
    )


def _meaning(counts: Counts, upper: float, promised: float, blamed: Sequence[str]) -> str:
    """What the trials say about the settings, for people."""
    done, alarms = f"{counts.n:.0f}", f"{counts.bad:.0f}"
    bound = f"the rate is below {upper:.0%} with {CONFIDENCE:.0%} confidence"
    if counts.bad == 0:
        return f"no false alarm in {done} trials: {bound} (promised: at most {promised:g} a trial)"
    if guard_log_e(counts, promised, **_PRIOR) >= -math.log(1 - CONFIDENCE):
        return (
            f"{alarms} of {done} trials raised a false alarm, more than the promised {promised:g}"
            f" a trial can explain: do not rely on these settings. Blamed: {', '.join(blamed)}."
            " Failures that come in bursts, warm-up or unequal pods do this: see docs/aa.md"
        )
    return (
        f"{alarms} of {done} trials raised a false alarm ({', '.join(blamed)}), which the promised"
        f" {promised:g} a trial can still explain: {bound}"
    )


def conclude_trials(draft: Draft) -> None:
    """Write down why no more trials are made."""
    trials, attempt = draft.status.aa, draft.status.attempt
    if trials is None or trials.ended is not None:
        return
    if draft.phase == "RollingBack" and attempt is not None and attempt.ending is not None:
        draft.set(aa=trials.model_copy(update={"ended": draft.status.history[0].reason}))
    elif not draft.active and draft.phase != "RollingBack":
        draft.set(aa=trials.model_copy(update={"ended": "StatusLost"}))
