"""Shows a scene while it happens: a live picture on a terminal, plain lines anywhere else.

Draws what it is given and decides nothing.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Protocol

from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import RenderableType

    from tidegate.demo.scene import Decision, Object, Scene
    from tidegate.demo.story import Row

REDRAW_EVERY_S = 0.5
SUMMARY_EVERY_S = 5.0
BAR_CELLS = 40
DECISIONS_SHOWN = 8
COLOURS = {"stable": "green", "candidate": "yellow"}


class View(Protocol):
    """Something that shows a scene until it is cancelled."""

    def note(self, text: str) -> None:
        """Say what the demo itself does now."""

    async def run(self, scene: Scene) -> None:
        """Draw until cancelled."""


def view_for(console: Console) -> View:
    """The live picture on a terminal, else plain lines."""
    return LiveView(console) if console.is_terminal else PlainView(console)


class PlainView:
    """One line for each thing that changes, and a summary every few seconds."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._began = time.monotonic()
        self._decisions = 0
        self._weights = ""
        self._summary_at = 0.0

    def note(self, text: str) -> None:
        """A line with the time since the start."""
        self._line(text)

    async def run(self, scene: Scene) -> None:
        """Print what is new, until cancelled."""
        while True:
            self.show(scene)
            await asyncio.sleep(REDRAW_EVERY_S)

    def show(self, scene: Scene) -> None:
        """Print what has changed since the last call."""
        for decision in scene.decisions[self._decisions :]:
            self._line(f"  decision: {decision_line(scene, decision)}")
        self._decisions = len(scene.decisions)
        weights = ", ".join(
            f"{arm.name} {scene.label(arm.revision)} {arm.weight} %" for arm in scene.arms
        )
        changed = weights != self._weights
        if changed:
            self._weights = weights
            self._line(f"  weights:  {weights}")
        now = time.monotonic()
        if changed or now >= self._summary_at:
            self._summary_at = now + SUMMARY_EVERY_S
            for line in summary_lines(scene):
                self._line(f"  {line}")

    def _line(self, text: str) -> None:
        line = f"{time.monotonic() - self._began:6.1f} s  {text}"
        self.console.print(line, markup=False, highlight=False, soft_wrap=True)


class LiveView:
    """A picture that is drawn over and over."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._notes: list[str] = []

    def note(self, text: str) -> None:
        """The demo's own line, above the picture."""
        self._notes.append(text)
        self.console.print(text, markup=False, highlight=False)

    async def run(self, scene: Scene) -> None:
        """Draw until cancelled; the last picture stays."""
        with Live(console=self.console, auto_refresh=False) as live:
            try:
                while True:
                    live.update(picture(scene), refresh=True)
                    await asyncio.sleep(REDRAW_EVERY_S)
            finally:
                live.update(picture(scene), refresh=True)


def picture(scene: Scene) -> RenderableType:
    """The whole picture of a moment."""
    return Group(
        Text(), *arm_lines(scene), traffic_line(scene), evidence_table(scene), *decisions(scene)
    )


def arm_lines(scene: Scene) -> list[Text]:
    """A bar for each arm."""
    lines = []
    for arm in scene.arms:
        filled = round(arm.weight / 100 * BAR_CELLS)
        line = Text(f"{arm.name:<10}")
        line.append("█" * filled, style=COLOURS.get(arm.name, ""))
        line.append("░" * (BAR_CELLS - filled), style="dim")
        line.append(f" {arm.weight:3d} %  {scene.label(arm.revision)}")
        lines.append(line)
    return lines


def traffic_line(scene: Scene) -> Text:
    """Requests served and failed."""
    ledger = scene.ledger
    own = sum(tally.failed for tally in ledger.revisions.values())
    text = Text(f"{'requests':<10}{ledger.total} answered")
    text.append(f", {own} failed by a version", style="red" if own else "")
    text.append(f", {len(ledger.ours)} by us", style="bold red" if ledger.ours else "")
    if scene.phase:
        text.append(f"    rollout: {scene.phase}", style="bold")
    hold = scene.rollout.get("status", {}).get("hold")
    if hold:
        text.append(f" ({hold.get('reason')})")
    return text


def evidence_table(scene: Scene) -> Table:
    """The evidence per metric with its interval, as the Rollout's status has it."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading in ("metric", "stable", "candidate", "interval", "to roll back", "to promote"):
        table.add_column(heading)
    table.add_column("verdict", style="bold")
    for entry in scene.evidence:
        table.add_row(*(escape(cell) for cell in evidence_cells(entry)))
    return table


def evidence_cells(entry: Object) -> list[str]:
    """One metric in words: name, arms, interval, how far each way, verdict."""
    interval = entry.get("interval") or {}
    return [
        str(entry.get("metric")),
        arm_cell(entry.get("stable") or {}),
        arm_cell(entry.get("candidate") or {}),
        f"[{bound(interval.get('lower'))}, {bound(interval.get('upper'))}]"
        if interval
        else str(entry.get("message") or "–").removeprefix(f"{entry.get('metric')}: "),
        far(entry.get("rollback")),
        far(entry.get("promote")),
        str(entry.get("verdict")),
    ]


def arm_cell(arm: Object) -> str:
    """`12/480 (2.50 %)`."""
    n, bad = float(arm.get("n", 0)), float(arm.get("bad", 0))
    return f"{bad:.0f}/{n:.0f}" + (f" ({100 * bad / n:.2f} %)" if n else "")


def bound(value: float | None) -> str:
    """A bound of an interval of rates, in per cent."""
    return "…" if value is None else f"{100 * value:+.2f} %"


def far(percent: float | None) -> str:
    """How much of the evidence that a verdict needs is there: `enough` from 100 % on, and never
    rounded up to that."""
    if percent is None:
        return "–"
    return "enough" if percent >= 100 else f"{int(max(0.0, percent))} %"


def decision_line(scene: Scene, decision: Decision) -> str:
    """One decision in words."""
    of = f"{scene.label(decision.revision)}: " if decision.revision else ""
    because = f" ({decision.message})" if decision.message else ""
    return f"{of}{decision.before or 'new'} → {decision.after}, {decision.reason}{because}"


def decisions(scene: Scene) -> list[Text]:
    """The last decisions, newest last."""
    lines = [Text("decisions", style="dim")]
    lines.extend(
        Text(decision_line(scene, decision), overflow="ellipsis", no_wrap=True)
        for decision in scene.decisions[-DECISIONS_SHOWN:]
    )
    return lines


def summary_lines(scene: Scene) -> list[str]:
    """The picture's numbers as plain lines."""
    lines = [f"traffic:  {traffic_line(scene).plain.removeprefix('requests').strip()}"]
    for entry in scene.evidence:
        metric, stable, candidate, interval, back, forward, verdict = evidence_cells(entry)
        lines.append(
            f"evidence: {metric}: stable {stable}, candidate {candidate}, interval {interval},"
            f" to roll back {back}, to promote {forward}: {verdict}"
        )
    return lines


def story_table(rows: Sequence[Row], registry: Sequence[str]) -> Table:
    """The table at the end. `registry`: what MLflow says of each version."""
    table = Table(title="What became of each version", title_justify="left")
    table.add_column("version")
    table.add_column("decision")
    table.add_column("why", overflow="fold", max_width=60)
    table.add_column("requests exposed", justify="right")
    table.add_column("failed", justify="right")
    table.add_column("first bad answer to weight 0", justify="right")
    table.add_column("in MLflow")
    for row, words in zip(rows, registry, strict=True):
        seconds = "" if row.seconds is None else f"{row.seconds:.1f} s"
        style = "" if row.as_expected else "bold red"
        table.add_row(
            row.version, row.decision, escape(row.why), str(row.exposed), str(row.failed), seconds,
            words,
            style=style,
        )  # fmt: skip
    return table
