"""What the evidence says: Rollback, Promote or Continue (statistics 4.1).

It moves no traffic and knows no phases.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tidegate.domain.evidence import bursts
from tidegate.domain.evidence.base import LogE, Role
from tidegate.domain.evidence.memo import LARGE_LIMIT, Memo, key_of_metric
from tidegate.domain.evidence.packing import unpacked
from tidegate.domain.evidence.registry import kind_of, role_of
from tidegate.stats import decision as rule

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tidegate.api.analysis import Analysis
    from tidegate.api.metric import Metric
    from tidegate.api.rollout_status import Evidence
    from tidegate.domain.evidence.base import State


OVERDISPERSED = "Overdispersed"
"""The reason of a verdict Inconclusive before the deadline: bad requests come in bursts."""


@dataclass(frozen=True)
class Judgement:
    """What all evidence together says. `metric` is the one to blame or to wait for."""

    verdict: str
    reason: str
    message: str
    metric: str = ""


def state_of(entry: Evidence) -> dict[str, Any]:
    """The state that `status.evidence[].state` holds: shared, so never change it. It is text there,
    so that people can read the rest."""
    return unpacked(entry.state)


_WEIGHED: Memo[LogE] = Memo(LARGE_LIMIT)


def weighed(metric: Metric, entry: Evidence) -> LogE:
    """The evidence (nats) of one metric as its entry holds it."""
    key = (key_of_metric(metric), entry.state)
    return _WEIGHED.get(key, lambda: log_e(metric, state_of(entry)))


def log_e(metric: Metric, state: State) -> LogE:
    """The evidence (nats) of one metric."""
    return kind_of(metric).log_e(metric, state)


def promotion_requests(evidence: Sequence[Evidence]) -> float:
    """Requests of the candidate that count for a promotion: those of callers, without copies."""
    counted = [
        entry.candidate.n - min(state_of(entry).get("m") or [0.0])
        for entry in evidence
        if "phi" in state_of(entry)
    ]
    return max(0.0, *counted) if counted else 0.0


def judge(
    evidence: Sequence[Evidence], analysis: Analysis, *, candidate_requests: float
) -> Judgement:
    """What all evidence together says, in words: the rule itself is `stats.decision.decide`.

    Guards share one half of alpha_R, the comparisons together have the other. A Value that failed
    often enough takes back like a guard; one that does not hold now keeps promotion waiting.
    Continue names what is missing. Ties go to Rollback. Baked evidence (`baking.bake`) never
    promotes: its frozen limits share a half of alpha_R of their own.
    """
    entries = {entry.metric: entry for entry in evidence}
    values = {metric.name: weighed(metric, entries[metric.name]) for metric in analysis.metrics}
    failed = _failed_check(entries, analysis, values)
    if failed is not None:
        return failed
    if is_baked(evidence):
        return _judge_baked(entries, analysis, values)
    guards = _named(analysis, Role.GUARD)
    compared = _named(analysis, Role.COMPARISON)
    required = compared + _named(analysis, Role.CHECK)
    decision = rule.decide(
        guards=[values[name].rollback for name in guards],
        rollback=[values[name].rollback for name in compared],
        promote=[_required(values[name].promote) for name in required],
        alpha_r=analysis.false_rollback_rate,
        alpha_p=analysis.false_promotion_rate,
        exposure=rule.Exposure(candidate_requests, least_requests=analysis.min_requests),
    )
    named = guards if decision.reason == "GuardBroken" else required
    names = [named[i] for i in decision.at]
    doubt = _doubt(entries, analysis, decision.reason, names)
    if doubt is not None:
        return doubt
    blamed = names[0] if names else ""
    match decision.reason:
        case "GuardBroken" | "EvidenceRollsBack":
            message = entries[blamed].message
        case "RequestsMissing":
            least = analysis.min_requests
            message = f"{candidate_requests:.0f} of at least {least} requests seen"
        case reason:
            message = _so_far(reason, names, evidence)
    return Judgement(decision.verdict, decision.reason, message, metric=blamed)


def _so_far(reason: str, names: Sequence[str], evidence: Sequence[Evidence]) -> str:
    """Why it may be promoted, or what a verdict waits for."""
    if reason == "EvidencePromotes":
        return f"not worse than allowed: {summary(evidence)}"
    return f"no verdict yet from {', '.join(names)}"


def _doubt(
    entries: dict[str, Evidence], analysis: Analysis, reason: str, blamed: Sequence[str]
) -> Judgement | None:
    """Inconclusive where the blocks of a minute contradict what the counts say (statistics 2.4):
    all those that are blamed for a rollback, or any comparison before a promotion."""
    metrics = {metric.name: metric for metric in analysis.metrics}
    found: dict[str, str] = {}
    if reason == "EvidenceRollsBack":
        level = rollback_level(analysis)
        found = {
            name: bursts.rollback_doubt(metrics[name], state_of(entries[name]), level)
            for name in blamed
        }
        if not all(found.values()):
            return None
    elif reason == "EvidencePromotes":
        found = {
            name: bursts.promotion_doubt(metrics[name], state_of(entries[name]), analysis)
            for name in _named(analysis, Role.COMPARISON)
        }
    name = next((name for name, why in found.items() if why), None)
    if name is None:
        return None
    return Judgement("Inconclusive", OVERDISPERSED, found[name], metric=name)


def _failed_check(
    entries: dict[str, Evidence], analysis: Analysis, values: dict[str, LogE]
) -> Judgement | None:
    """A Value that was false often enough in a row."""
    for name in _named(analysis, Role.CHECK):
        if values[name].rollback > 0:
            return Judgement("Rollback", "GuardBroken", entries[name].message, metric=name)
    return None


def checks_hold(evidence: Sequence[Evidence], analysis: Analysis) -> bool:
    """Whether the condition of every Value held when it was last asked: while one does not, or was
    never asked, nothing is promoted."""
    entries = {entry.metric: entry for entry in evidence}
    checks = [metric for metric in analysis.metrics if role_of(metric) is Role.CHECK]
    return all((weighed(metric, entries[metric.name]).promote or 0.0) > 0.0 for metric in checks)


def _judge_baked(
    entries: dict[str, Evidence], analysis: Analysis, values: dict[str, LogE]
) -> Judgement:
    """After the promotion: guards and frozen limits each for themselves, labels together."""
    limits = [(name, guard_level(analysis)) for name in _named(analysis, Role.GUARD)]
    limits += [(name, baking_level(analysis)) for name in _named(analysis, Role.COMPARISON)]
    for name, level in limits:
        if values[name].rollback >= level:
            return Judgement("Rollback", "GuardBroken", entries[name].message, metric=name)
    late = _named(analysis, Role.LATE)
    if late:
        decision = rule.decide(
            rollback=[values[name].rollback for name in late],
            promote=[-math.inf],
            alpha_r=analysis.false_rollback_rate,
            alpha_p=analysis.false_promotion_rate,
            exposure=rule.Exposure(0.0),
        )
        if decision.verdict == "Rollback":
            name = late[decision.at[0]]
            return Judgement("Rollback", "EvidenceRollsBack", entries[name].message, metric=name)
    return Judgement("Continue", "Baking", summary(list(entries.values())))


def _required(promote: float | None) -> float:
    return -math.inf if promote is None else promote


def _named(analysis: Analysis, role: Role) -> list[str]:
    return [metric.name for metric in analysis.metrics if role_of(metric) is role]


def is_baked(evidence: Sequence[Evidence]) -> bool:
    """Whether the evidence was turned into limits by `baking.bake`."""
    return any("b" in state_of(entry) for entry in evidence)


def rollback_level(analysis: Analysis) -> float:
    """ln(2/alpha_R): what the mean of the comparisons' e-values must reach."""
    return rule.rollback_level(analysis.false_rollback_rate)


def guard_level(analysis: Analysis) -> float:
    """ln(2 G/alpha_R) for G guards: the other half of alpha_R, shared among them."""
    guards = len(_named(analysis, Role.GUARD))
    return rule.guard_level(analysis.false_rollback_rate, guards)


def baking_level(analysis: Analysis) -> float:
    """ln(4 M/alpha_R) for M frozen limits: one half of alpha_R is shared among them, and a half of
    each share is spent on stable's upper bound (`baking.bound_alpha`)."""
    compared = len(_named(analysis, Role.COMPARISON))
    return math.log(4.0 * max(1, compared) / analysis.false_rollback_rate)


def promote_level(analysis: Analysis) -> float:
    """ln(1/alpha_P): what every comparison must reach."""
    return rule.promote_level(analysis.false_promotion_rate)


def level_of(metric: Metric, state: State, analysis: Analysis) -> float:
    """What a metric's rollback evidence must reach by itself, in nats."""
    if "b" in state:
        return baking_level(analysis)
    if role_of(metric) is Role.GUARD:
        return guard_level(analysis)
    return rollback_level(analysis)


def summary(evidence: Sequence[Evidence]) -> str:
    """Every metric in one line."""
    return "; ".join(entry.message for entry in evidence)
