"""What a decision would change, and what an edited manifest would mean for an attempt. Pure.

The decision itself is the engine's own (`rollout.decide`); here it is only compared with how things
are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tidegate.domain.edits import differences
from tidegate.domain.record.recording import newer
from tidegate.domain.rollout import key_of
from tidegate.domain.rollout.transitions import ACTIVE
from tidegate.domain.route import NO_DETOURS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tidegate.api.rollout_status import Transition
    from tidegate.domain.edits import Change
    from tidegate.domain.rollout.facts import Decision, Declared, Facts

KEY_FIELDS = (
    "strategy", "analysis.metrics", "analysis.falseRollbackRate", "analysis.falsePromotionRate",
)  # fmt: skip
"""What an attempt is about: an edit of these starts over."""
IDENTITY_FIELDS = ("artifact", "runtime", "signature", "backend")
"""What a revision is made of: an edit of these may make a new one."""


@dataclass(frozen=True)
class Plan:
    """What the next look would do: changes only, each as (now, then).

    `transitions` are oldest first. `weights` and `pods` are by revision, `delivery` by field of the
    Model's `status.delivery`. `waits` is what is waited for, `hold` why.
    """

    phase: Change
    transitions: tuple[Transition, ...]
    weights: Mapping[str, Change]
    detours: Change | None
    pods: Mapping[str, Change]
    delivery: Mapping[str, Change]
    command: str
    hold: str
    waits: str
    after_s: float | None

    @property
    def changes(self) -> bool:
        """Whether anything is to be done: counting and waiting are nothing."""
        moved = self.transitions or self.phase[0] != self.phase[1] or self.command
        return bool(moved or self.weights or self.detours or self.pods or self.delivery)

    @property
    def reason(self) -> str:
        """The last thing that would be decided; empty when nothing is."""
        return self.transitions[-1].reason if self.transitions else ""


def plan_of(declared: Declared | None, facts: Facts, decision: Decision) -> Plan:
    """What a decision changes of what was found."""
    before = declared.status if declared is not None else None
    after = decision.rollout
    hold = after.hold if after is not None else None
    routing, seen = decision.routing, facts.route
    detours = None
    if routing is not None and facts.route_wanted and routing.detours != seen.detours:
        detours = (None if seen.detours == NO_DETOURS else seen.detours, routing.detours)
    return Plan(
        phase=(before.phase if before else None, after.phase if after else None),
        transitions=_made(before.history if before else [], after.history if after else []),
        weights=_weights(facts, decision),
        detours=detours,
        pods=_pods(facts, decision),
        delivery=_fields(facts.delivery.wire(), decision.delivery.wire()),
        command=_command(before, after),
        hold=f"{hold.reason}: {hold.message}" if hold is not None else "",
        waits=decision.why,
        after_s=decision.after.total_seconds() if decision.after is not None else None,
    )


def _made(before: list[Transition], after: list[Transition]) -> tuple[Transition, ...]:
    return tuple(reversed(newer(before, after)))


def _weights(facts: Facts, decision: Decision) -> dict[str, Change]:
    """Weights that the route is to say and does not."""
    wanted = decision.weights
    if wanted is None or not facts.route_wanted or decision.delivery.stable is None:
        return {}
    live = facts.route.weights or {}
    return {
        name: (live.get(name), wanted.get(name))
        for name in sorted({*live, *wanted})
        if live.get(name) != wanted.get(name)
    }


def _pods(facts: Facts, decision: Decision) -> dict[str, Change]:
    """Sizes that would be set. An autoscaler may keep more than a floor."""
    elastic = facts.scaling.max_replicas > facts.scaling.min_replicas
    found = {}
    for name, floor in decision.floors.items():
        now = facts.arm(name).desired
        if facts.arm(name).exists and (now < floor or (now > floor and not elastic)):
            found[name] = (now, floor)
    return found


def _fields(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Change]:
    names = ("stable", "previous", "candidate", "rejected", "draining")
    return {
        name: (before.get(name), after.get(name))
        for name in names
        if (before.get(name) or None) != (after.get(name) or None)
    }


def _command(before: Any, after: Any) -> str:
    last = after.last_command if after is not None else None
    old = before.last_command if before is not None else None
    if last is None or (old is not None and old.id == last.id):
        return ""
    by = f" by {last.by}" if last.by else ""
    return f"{last.verb}{by}: {last.result}"


# -- edited manifests ----------------------------------------------------------------------------


@dataclass(frozen=True)
class Effect:
    """What an edit of one field means."""

    field: str
    change: Change
    meaning: str


def rollout_effects(
    live: Mapping[str, Any], declared: Declared, *, stands: bool
) -> tuple[Effect, ...]:
    """What each edited field of a Rollout's spec means. `stands`: an object of that name exists."""
    if not stands:
        return (Effect("spec", (None, "new"), "created: the next revision is delivered by it"),)
    attempt, phase = declared.status.attempt, declared.status.phase
    under_way = attempt is not None and phase in ACTIVE
    found = []
    for field, change in differences(live, declared.spec.wire()):
        if field.startswith("modelRef"):
            meaning = "another Model is delivered; the one before keeps what serves"
        elif not _is_of(field, KEY_FIELDS):
            meaning = "applied in place; the evidence is kept"
        elif attempt is None or not under_way:
            meaning = "part of the attempt's key: counts from the next attempt on"
        elif attempt.key == key_of(attempt.digest, declared.spec):
            meaning = "says the same as before; the evidence is kept"
        else:
            meaning = (
                f"part of the attempt's key: attempt {attempt.number} is taken back, its evidence"
                " is dropped, and another one begins"
            )
        found.append(Effect(field, change, meaning))
    return tuple(found)


def model_effects(
    live: Mapping[str, Any], wanted: Mapping[str, Any], *, stands: bool, revision: str
) -> tuple[Effect, ...]:
    """What each edited field of a Model's spec means. `revision` says what becomes of the
    revision, in words."""
    if not stands:
        return (Effect("spec", (None, "new"), "created: its first revision takes all traffic"),)
    return tuple(
        Effect(
            field,
            change,
            revision if _is_of(field, IDENTITY_FIELDS) else "applied in place; no new revision",
        )
        for field, change in differences(live, wanted)
        if field != "artifact.pollInterval"
    )


def _is_of(field: str, fields: tuple[str, ...]) -> bool:
    return any(field == each or field.startswith((f"{each}.", f"{each}[")) for each in fields)
