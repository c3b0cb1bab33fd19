"""Draws a delivery for people, by rich: with colours on a terminal, plain lines anywhere else.

Draws what it is given and decides nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console, Group
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from tidegate.cli.comparisons import comparisons
from tidegate.cli.delivery import HISTORY_SHOWN, Delivery, span, waits_for
from tidegate.demo.view import COLOURS, evidence_cells
from tidegate.domain.times import moment, seconds_between

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.console import RenderableType

    from tidegate.api.rollout_status import CommandResult, RolloutStatus

PLAIN_WIDTH = 200
"""Where there is no terminal, nobody's window is too narrow."""
_BAR_CELLS = 20
_GOOD = ("Healthy",)
_BAD = ("Degraded", "RollingBack")
_VERDICTS = {"Passed": "green", "Failed": "red", "Pending": "yellow"}
_AT_REST = ("Healthy", "Degraded", "Pending")


def console() -> Console:
    """Where pictures are drawn: as wide as the terminal, or wide enough for a log."""
    found = Console(highlight=False)
    if not found.is_terminal:
        found.width = PLAIN_WIDTH
    return found


def picture(delivery: Delivery) -> RenderableType:
    """The whole picture of one delivery."""
    return Group(*_parts(delivery))


def overview(deliveries: Sequence[Delivery]) -> Table:
    """One line for each delivery."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("ROLLOUT", "MODEL", "PHASE", "STABLE", "CANDIDATE", "WEIGHT", "WAITS FOR"):
        table.add_column(heading)
    for each in deliveries:
        status = each.rollout.status if each.rollout is not None else None
        candidate = (
            next((a for a in status.arms if a.name == "candidate"), None) if status else None
        )
        cells = (
            each.name if each.rollout is not None else "-",
            each.model_name,
            (status.phase if status else None) or "-",
            each.stable or "-",
            candidate.revision if candidate else "-",
            f"{candidate.weight} %" if candidate else "-",
            "; ".join(waits_for(each)),
        )
        table.add_row(*(escape(cell) for cell in cells))
    return table


def _parts(delivery: Delivery) -> Iterator[RenderableType]:
    yield _heading(delivery)
    rollout = delivery.rollout
    if rollout is None:
        yield _line("stable", delivery.stable or "none yet")
    else:
        yield from _standing(delivery, rollout.status)
    yield from _asked(delivery)
    yield from _waits(delivery)
    if rollout is None:
        return
    if any(entry.candidate.n or entry.stable.n for entry in rollout.status.evidence) or (
        rollout.status.evidence and rollout.status.phase not in _AT_REST
    ):
        yield Text()
        yield _evidence(rollout.status)
    yield from comparisons(rollout)
    yield from _past(delivery, rollout.status)


def _heading(delivery: Delivery) -> Text:
    rollout = delivery.rollout
    text = Text()
    if rollout is None:
        text.append(f"Model {delivery.namespace}/{delivery.name}", style="bold")
        return text.append(" without a Rollout")
    text.append(f"Rollout {delivery.namespace}/{delivery.name}", style="bold")
    text.append(f" of Model {delivery.model_name}: ")
    phase = rollout.status.phase or "unknown"
    style = "green" if phase in _GOOD else "red" if phase in _BAD else "yellow"
    text.append(phase, style=f"bold {style}")
    if rollout.status.phase_since is not None:
        text.append(f" for {span(seconds_between(rollout.status.phase_since, delivery.now))}")
    return text


def _standing(delivery: Delivery, status: RolloutStatus) -> Iterator[Text]:
    """Arms with weights, attempt, step, hold, pauses, command."""
    for arm in status.arms:
        filled = round(arm.weight / 100 * _BAR_CELLS)
        line = Text(f"{arm.name:<11}")
        line.append("█" * filled, style=COLOURS.get(arm.name, ""))
        line.append("░" * (_BAR_CELLS - filled), style="dim")
        pods = "pod" if arm.ready == 1 else "pods"
        yield line.append(f" {arm.weight:3d} %  {arm.revision} ({arm.ready} {pods} ready)")
    attempt, step = status.attempt, status.step
    if attempt is not None:
        yield _line("attempt", f"{attempt.number}, {attempt.revision}, since {attempt.started_at}")
    if step is not None:
        of = f" of {delivery.steps}" if delivery.steps else ""
        counted = f"{span(step.observed_duration)} and {step.requests:.0f} requests counted"
        yield _line("step", f"{step.index + 1}{of}, {counted}")
    if status.hold is not None:
        hold = f"{status.hold.reason} since {status.hold.since}: {status.hold.message}"
        yield _line("hold", hold, style="yellow")
    if status.pauses:
        yield _line("paused", ", ".join(status.pauses), style="yellow")
    last = status.last_command
    if last is not None and not _is_over(last, status):
        by = f" by {last.by}" if last.by else ""
        yield _line("command", f"{last.verb}{by} at {last.at}: {last.result}")


def _asked(delivery: Delivery) -> Iterator[Text]:
    """How the revision that is asked for stands with its gates, until it serves."""
    entry = delivery.asked
    if entry is None or entry.admission is None:
        return
    decided = entry.admission
    yield _line("asked for", f"{entry.name}: {decided.result}, {decided.reason}")
    for gate in entry.gates:
        colour = _VERDICTS.get(gate.result, "")
        yield _line("gate", f"{gate.name}: {gate.result}, {gate.message}", style=colour)


def _is_over(command: CommandResult, status: RolloutStatus) -> bool:
    """Whether a command is of before the rest that the delivery has come to."""
    since = status.phase_since
    at_rest = status.phase in _AT_REST and since is not None
    return at_rest and moment(command.at) < moment(since or "")


def _waits(delivery: Delivery) -> Iterator[Text]:
    for index, what in enumerate(waits_for(delivery) or ["nothing"]):
        yield _line("waits for" if index == 0 else "", what)


def _evidence(status: RolloutStatus) -> Table:
    """Each metric with its interval, and the evidence in per cent of what is needed."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading in ("metric", "stable", "candidate", "interval", "to roll back", "to promote"):
        table.add_column(heading)
    table.add_column("verdict", style="bold")
    for entry in status.evidence:
        table.add_row(*(escape(cell) for cell in evidence_cells(entry.wire())))
    return table


def _past(delivery: Delivery, status: RolloutStatus) -> Iterator[Text]:
    if not status.history:
        return
    yield Text("\nlast transitions, newest first", style="dim")
    for entry in status.history[:HISTORY_SHOWN]:
        ago = span(seconds_between(entry.at, delivery.now))
        yield Text(f"{ago + ' ago':<13}{entry.from_} → {entry.to}, {entry.reason}: {entry.message}")


def _line(label: str, text: str, *, style: str = "") -> Text:
    return Text(f"{label:<11}").append(text, style=style)
