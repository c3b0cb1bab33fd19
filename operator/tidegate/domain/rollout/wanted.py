"""What to ask the metrics before a decision: which batch, whether a baseline, whether an arm is
quiet.

Pure, like `decide`: the controller asks exactly this and nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from tidegate.domain import evidence as evidences
from tidegate.domain.evidence import Span
from tidegate.domain.rollout.plan import stages
from tidegate.domain.times import moment

if TYPE_CHECKING:
    from datetime import datetime

    from tidegate.api.model_status import DeliveryStatus
    from tidegate.domain.evidence import Ask
    from tidegate.domain.rollout.facts import Declared, Timing

BASELINE_WINDOW = timedelta(hours=24)
"""How far back stable's history is read when an attempt begins."""
COUNTING = ("Progressing", "Holding", "Paused", "Promoting", "Baking")
"""Phases in which every metric is asked for again and again: what is wrong with one shows there."""
NO_REVISION = "no-revision-yet"
"""For what queries are tried before anything serves: whether they parse can be told then too."""


@dataclass(frozen=True)
class WantedBatch:
    """Count requests of both arms in (start, end], with the latency bounds in milliseconds.

    `shadow`: the candidate's are copies, which the gateway counts apart. `baking`: the candidate
    has all traffic, and it alone is counted. `asks` is what single metrics need besides. `others`
    are further revisions to count; `users` those whose new callers are counted too, which the
    gateway sends to the arm's assignment Service first.
    """

    stable: str
    candidate: str
    start: datetime
    end: datetime
    bounds_ms: tuple[float, ...]
    shadow: bool = False
    baking: bool = False
    asks: tuple[Ask, ...] = ()
    others: tuple[str, ...] = ()
    users: tuple[str, ...] = ()


@dataclass(frozen=True)
class Wanted:
    """What to ask. `trials` are users' own queries, to be tried with the baseline, or by themselves
    for the revision `tried_for` where that was not done yet. `quiet`: (revision, start, end) of an
    arm that should have no requests any more."""

    batch: WantedBatch | None = None
    baseline: str | None = None
    trials: tuple[Ask, ...] = ()
    tried_for: str = ""
    quiet: tuple[str, datetime, datetime] | None = None


def wanted(declared: Declared, delivery: DeliveryStatus, timing: Timing) -> Wanted:
    """What this look needs to know of the metrics, by where the attempt stands."""
    found = _wanted(declared, delivery, timing)
    edited = declared.generation != declared.status.observed_generation
    if found.baseline is not None or (declared.status.phase in COUNTING and not edited):
        return found
    trials = evidences.trials(declared.spec.analysis, end=timing.now - timing.lag)
    return replace(found, trials=trials, tried_for=delivery.stable or NO_REVISION)


def _wanted(declared: Declared, delivery: DeliveryStatus, timing: Timing) -> Wanted:
    status, stable = declared.status, delivery.stable
    if stable is None or status.attempt is None:
        return Wanted()
    if status.phase == "WarmingUp":
        warm = moment(status.attempt.warm_since or status.attempt.started_at)
        due = timing.now >= warm + declared.spec.analysis.warmup
        if not due:
            return Wanted()
        trials = evidences.trials(declared.spec.analysis, end=timing.now - timing.lag)
        return Wanted(baseline=stable, trials=trials)
    end = timing.now - timing.lag
    if status.phase == "Promoting" and status.settling_since is not None:
        since = moment(status.settling_since) + timing.scrape
        return Wanted(quiet=(stable, since, end) if end > since else None)
    step = status.step
    if status.phase not in COUNTING or step is None:
        return Wanted()
    if declared.spec.strategy.aa is not None and status.aa is not None and status.aa.between:
        return Wanted(baseline=stable)  # between two trials: the next one's bounds
    if step.started_at is None or step.last_batch_end is None or not status.evidence:
        return Wanted()
    if step.next_evaluation_at is not None and timing.now < moment(step.next_evaluation_at):
        return Wanted()
    if not evidences.readable(status.evidence, declared.spec.analysis):
        return Wanted()  # `decide` starts the attempt over
    start = moment(step.last_batch_end)
    if end <= start:
        return Wanted()
    bounds = evidences.bounds_ms(status.evidence)
    plan = stages(declared.spec.strategy)
    trying = status.phase not in ("Promoting", "Baking")
    at = min(step.index, len(plan) - 1)
    shadow = trying and plan[at].mirror > 0
    earliest = None
    if trying and not shadow and at > 0 and plan[at - 1].mirror > 0:
        # Copies are behind the weight's first batch: they never count as requests of callers.
        # A scrape later, because a counter's last sample before may be that much older.
        began = moment(step.started_at) + timing.scrape
        shadow = end <= began
        if not shadow:
            start, earliest = max(start, began), began
        if start == began and end - start < max(declared.spec.analysis.interval, timing.scrape):
            return Wanted()  # soon there is a whole interval of the weight
    if status.phase == "Baking" and stable == status.attempt.revision:
        stable = delivery.previous or stable  # what it took over from, without traffic now
    span = Span(start, end, shadow=shadow, baking=status.phase == "Baking", earliest=earliest)
    asks = evidences.asks(status.evidence, declared.spec.analysis, span)
    batch = WantedBatch(
        stable,
        status.attempt.revision,
        start,
        end,
        bounds,
        shadow=shadow,
        baking=span.baking,
        asks=asks,
    )
    contest = status.contest
    if contest is not None and contest.ended is None and trying:
        known = (stable, status.attempt.revision)
        part = [arm for arm in contest.arms if arm.left is None]
        by_users = contest.counts_callers
        batch = replace(
            batch,
            others=tuple(arm.revision for arm in part if arm.revision not in known),
            users=tuple(arm.revision for arm in part if by_users and arm.weight > 0),
        )
    return Wanted(batch=batch)
