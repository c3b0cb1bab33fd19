"""Draws what an abTest and A/A trials have shown: arms, pairs, and what they mean.

Draws what it is given and decides nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.markup import escape
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import RenderableType

    from tidegate.api.contest_status import Contest, ContestArm, Trials
    from tidegate.api.rollout import Rollout

_UNITS = {"Users": "new callers", "Requests": "requests", "Events": "counted events"}


def comparisons(rollout: Rollout) -> Iterator[RenderableType]:
    """The last test, or the last trials, of a Rollout that declares such a strategy."""
    status, strategy = rollout.status, rollout.spec.strategy
    if status.contest is not None and strategy.ab_test is not None:
        yield Text()
        yield _arms(status.contest)
        yield from _state(status.contest)
    if status.aa is not None and strategy.aa is not None:
        yield Text()
        yield _trials(status.aa)


def _arms(contest: Contest) -> Table:
    """Each arm with what it showed, and the least evidence against any of the others."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    unit = _UNITS[contest.unit]
    for heading in ("arm", "revision", "weight", f"failed of {unit}", "rate", "to win", "best"):
        table.add_column(heading)
    for arm in contest.arms:
        table.add_row(*(escape(cell) for cell in _cells(contest, arm)))
    return table


def _cells(contest: Contest, arm: ContestArm) -> tuple[str, ...]:
    against = [pair.evidence for pair in contest.pairs if pair.arm == arm.name]
    won = " (won)" if arm.name == contest.winner else ""
    left = f" ({arm.left})" if arm.left is not None else ""
    return (
        f"{arm.name}{won}{left}",
        arm.revision,
        f"{arm.weight} %",
        f"{arm.bad:.0f} of {arm.n:.0f}",
        "-" if arm.estimate is None else f"{arm.estimate:.2%}",
        f"{min(against):.0f} %" if against else "-",
        "-" if arm.best_chance is None else f"{arm.best_chance:.0%}",
    )


def _state(contest: Contest) -> Iterator[Text]:
    if contest.mismatch is not None:
        yield Text(f"shares: {contest.mismatch:.0f} % of what would say that they are not kept")
    if contest.ended is not None:
        yield Text(f"the test is over: {contest.ended}: {contest.message}")


def _trials(trials: Trials) -> Text:
    over = f", over: {trials.ended}" if trials.ended is not None else ""
    blamed = ", ".join(f"{entry.metric} {entry.false_alarms}" for entry in trials.by_metric)
    text = Text(f"A/A trials of {trials.stable}: {trials.done} done{over}, ")
    text.append(f"{trials.false_alarms} false alarms", style="red" if trials.false_alarms else "")
    if blamed:
        text.append(f" ({blamed})")
    return text.append(f", {trials.promotions} promotions\n{trials.message}")
