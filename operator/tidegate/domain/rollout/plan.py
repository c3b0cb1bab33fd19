"""The stages that a strategy goes through before a promotion: what each asks of traffic and people.

Owns the translation from the strategies to one list of stages, so that everything else walks
stages and knows no strategy. Pure arithmetic on the spec; where an attempt stands is in
`status.step`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Literal

from tidegate.domain.route import NO_DETOURS, Detours, Mirror, Preview, Sticky

if TYPE_CHECKING:
    from tidegate.api.ab_test import AbTest
    from tidegate.api.contest_status import Contest
    from tidegate.api.strategy import BlueGreen, Canary, Strategy

Verb = Literal["weight", "shadow", "approval", "adaptive", "check", "contest", "trial"]


@dataclass(frozen=True)
class Stage:
    """One stage of an attempt.

    `weight` is the candidate's share of requests in it and `mirror` the share of those copied to
    it, both in per cent. It lasts at least `duration` and `min_requests` requests of the candidate
    (copies while mirroring, whatever they are else). `endless` stages end by a person, a verdict or
    a newer revision alone.
    """

    verb: Verb
    weight: int = 0
    mirror: int = 0
    duration: timedelta = timedelta(0)
    min_requests: int = 0
    endless: bool = False

    @property
    def load(self) -> int:
        """Per cent of the requests that the candidate's pods have to bear, copies included."""
        return max(self.weight, self.mirror)

    @property
    def words(self) -> str:
        """What the stage is, for people."""
        match self.verb:
            case "shadow":
                return f"shadow {self.mirror} %"
            case "approval":
                return f"approval at weight {self.weight}"
            case "check":
                return "checks before the switch"
            case "adaptive":
                return f"adaptive from weight {self.weight}"
            case "contest":
                return "test of the arms"
            case "trial":
                return f"twin of stable at weight {self.weight}"
        return f"weight {self.weight}"


def stages(strategy: Strategy) -> tuple[Stage, ...]:
    """The stages of a strategy, in order; at least one."""
    if strategy.canary is not None:
        return _canary(strategy.canary)
    if strategy.adaptive is not None:
        adaptive = strategy.adaptive
        return (Stage("adaptive", weight=adaptive.min_weight, duration=adaptive.min_duration),)
    if strategy.blue_green is not None:
        return _blue_green(strategy.blue_green)
    if strategy.ab_test is not None:
        return (_contest(strategy.ab_test),)
    if strategy.aa is not None:
        return (Stage("trial", weight=strategy.aa.weight, endless=True),)
    shadow = strategy.shadow
    assert shadow is not None, "the schema requires a strategy"
    return (Stage("shadow", mirror=shadow.percent, endless=True),)


def _canary(canary: Canary) -> tuple[Stage, ...]:
    found: list[Stage] = []
    weight = 0
    for step in canary.steps:
        duration = step.duration or timedelta(0)
        least = step.min_requests or 0
        if step.weight is not None:
            weight = step.weight
            found.append(Stage("weight", weight=weight, duration=duration, min_requests=least))
        elif step.shadow is not None:
            copies = step.shadow.percent
            found.append(Stage("shadow", mirror=copies, duration=duration, min_requests=least))
        else:
            found.append(Stage("approval", weight=weight))
    return tuple(found)


def _contest(test: AbTest) -> Stage:
    """All arms at once: each challenger must be able to carry an even share."""
    return Stage("contest", weight=100 // len(test.arms), duration=test.min_duration)


def _blue_green(spec: BlueGreen) -> tuple[Stage, ...]:
    check = Stage(
        "check",
        mirror=spec.shadow.percent if spec.shadow else 0,
        duration=spec.duration,
        min_requests=spec.min_requests,
    )
    return (check, Stage("approval")) if spec.approval is not None else (check,)


def detours_at(strategy: Strategy, stage: Stage | None, *, candidate: str) -> Detours:
    """What the route does for the candidate besides its weight; `stage` is None before the first
    one and after the last."""
    if stage is None:
        return NO_DETOURS
    mirror = Mirror(candidate, stage.mirror) if stage.mirror else None
    preview = None
    if strategy.blue_green is not None and strategy.blue_green.preview is not None:
        header = strategy.blue_green.preview
        preview = Preview(header.header, header.value, candidate)
    return Detours(mirror=mirror, preview=preview)


def sticky_detours(test: AbTest, contest: Contest) -> Detours:
    """How callers keep to the arms of a test: those that have a weight. One without ready pods has
    none, and its callers go to the others rather than nowhere."""
    if test.sticky_by is None:
        return NO_DETOURS
    by: Literal["cookie", "header"] = "cookie" if test.sticky_by.cookie else "header"
    name = test.sticky_by.cookie or test.sticky_by.header or ""
    arms = tuple((arm.name, arm.revision) for arm in contest.arms if arm.weight > 0)
    return Detours(sticky=Sticky(by, name, arms))
