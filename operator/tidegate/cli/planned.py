"""Shows plans: for people by rich, for programs as documents. Pure."""

from __future__ import annotations

import json
from itertools import groupby
from typing import TYPE_CHECKING, Any

from rich.text import Text

from tidegate.cli.delivery import span
from tidegate.domain.route import NO_DETOURS
from tidegate.kube.objects import name_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.console import RenderableType

    from tidegate.controllers.planning import Planned
    from tidegate.domain.edits import Change
    from tidegate.domain.plan import Effect, Plan

_FIELD_WIDTH = 11
_VALUE_LIMIT = 60
_SIGN_STYLES = {"+": "green", "-": "red", "~": "yellow"}


def told(planned: Sequence[Planned], notes: Sequence[str]) -> Iterator[RenderableType]:
    """All plans, and in one line what they come to."""
    for note in notes:
        yield Text(note, style="yellow")
    for each in planned:
        yield from _one(each)
        yield Text()
    changing = sum(1 for each in planned if each.changes)
    if changing:
        yield Text(f"Plan: {changing} of {len(planned)} deliveries would change.", style="bold")
    else:
        yield Text("Nothing is to be done.", style="bold green")


def document(planned: Planned) -> dict[str, Any]:
    """A plan as programs read it."""
    plan = planned.plan
    return {
        "namespace": planned.gathered.namespace,
        "model": planned.gathered.name,
        "rollout": _rollout(planned),
        "changes": planned.changes,
        "phase": _pair(plan.phase),
        "reason": plan.reason or None,
        "transitions": [entry.wire() for entry in plan.transitions],
        "weights": {name: _pair(change) for name, change in plan.weights.items()},
        "pods": {name: _pair(change) for name, change in plan.pods.items()},
        "delivery": {name: _pair(change) for name, change in plan.delivery.items()},
        "command": plan.command or None,
        "hold": plan.hold or None,
        "heldBack": _held_back(planned),
        "waitsFor": plan.waits,
        "nextLookSeconds": plan.after_s,
        "manifests": [
            {"field": e.field, **_pair(e.change), "meaning": e.meaning} for e in planned.effects
        ],
        "revision": planned.revision or None,
        "notAsked": planned.unasked or None,
    }


def _pair(change: Change) -> dict[str, Any]:
    return {"now": change[0], "then": change[1]}


def _rollout(planned: Planned) -> str | None:
    found = planned.gathered.rollout
    return name_of(found) if found is not None else None


def _held_back(planned: Planned) -> dict[str, str] | None:
    found = planned.gathered.facts.held_back
    return {"reason": found.reason, "message": found.message} if found is not None else None


def _one(planned: Planned) -> Iterator[Text]:
    where, plan = planned.gathered, planned.plan
    heading = Text(f"Model {where.namespace}/{where.name}", style="bold")
    rollout = _rollout(planned)
    heading.append(f", Rollout {rollout}" if rollout else ", without a Rollout", style="not bold")
    yield heading
    for meaning, effects in groupby(planned.effects, lambda effect: effect.meaning):
        yield from _edits(list(effects), meaning)
    yield from _decided(plan)
    for name, change in plan.weights.items():
        yield _line("weight", f"{name}: {_weight(change[0])} → {_weight(change[1])}")
    if plan.detours is not None:
        now, then = (one.words if one else NO_DETOURS.words for one in plan.detours)
        yield _line("route", f"{now} → {then}")
    for name, change in plan.pods.items():
        yield _line("pods", f"{name}: {change[0]} → {change[1]}")
    for name, change in plan.delivery.items():
        if not isinstance(change[0], list) and not isinstance(change[1], list):
            yield _line(name, f"{change[0] or 'none'} → {change[1] or 'none'}")
    if plan.hold:
        yield _line("hold", plan.hold, style="yellow")
    held = planned.gathered.facts.held_back
    if held is not None:
        yield _line("waits", held.message, style="yellow")
    if planned.unasked:
        text = f"{planned.unasked} was not looked at: give --prometheus URL"
        yield _line("not asked", text, style="yellow")
    yield _line("then", _next(plan))


def _edits(effects: Sequence[Effect], meaning: str) -> Iterator[Text]:
    """Edits that mean the same: one in a line, more below what they mean."""
    if len(effects) == 1:
        (effect,) = effects
        now, then = (_value(value) for value in effect.change)
        yield _line("edit", f"{effect.field}: {now} → {then}: {meaning}", style="cyan")
        return
    yield _line("edit", meaning, style="cyan")
    for effect in effects:
        now, then = (_value(value) for value in effect.change)
        sign, shown = "~", f"{now} → {then}"
        if effect.change[0] is None:
            sign, shown = "+", then
        elif effect.change[1] is None:
            sign, shown = "-", now
        yield _line("", f"{sign} {effect.field}: {shown}", style=_SIGN_STYLES[sign])


def _decided(plan: Plan) -> Iterator[Text]:
    if plan.command:
        yield _line("command", plan.command)
    for entry in plan.transitions:
        yield _line("decision", f"{entry.from_} → {entry.to}, {entry.reason}: {entry.message}")
    if not plan.transitions:
        phase = plan.phase[1] or plan.phase[0]
        yield _line("decision", f"stays {phase}" if phase else "nothing moves")


def _next(plan: Plan) -> str:
    if plan.after_s is None:
        return f"nothing until something changes: {plan.waits}"
    when = "at once" if plan.after_s < 1 else f"in {span(plan.after_s)}"
    return f"looks again {when}: {plan.waits}"


def _weight(value: Any) -> str:
    return "-" if value is None else f"{value} %"


def _value(value: Any) -> str:
    """One value as a manifest would write it, shortened."""
    if value is None:
        return "nothing"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _VALUE_LIMIT else f"{text[: _VALUE_LIMIT - 1]}…"


def _line(label: str, text: str, *, style: str = "") -> Text:
    return Text(f"  {label:<{_FIELD_WIDTH}}").append(text, style=style)
