"""`tidegate explain`: why a delivery went as it did, told from its decision record.

Only asks and shows. Exit codes: 0 it was told, 1 there is no such record or the cluster does not
answer, 2 the command line is wrong.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Group
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from tidegate.cli.delivery import span
from tidegate.cli.finding import credentials, place
from tidegate.cli.options import Context, Form, Kubeconfig, Namespace, Output, write
from tidegate.cli.picture import console
from tidegate.cli.records import in_cluster
from tidegate.cli.story import story_of
from tidegate.demo.view import far
from tidegate.domain.times import moment, seconds_between

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import RenderableType

    from tidegate.cli.records import Record
    from tidegate.cli.story import Moment, Step, Story
    from tidegate.kube.credentials import Credentials

Name = Annotated[
    str,
    typer.Argument(
        metavar="ROLLOUT|MODEL",
        help="The Rollout, or the Model that it delivers; rollout/NAME and model/NAME say which.",
        show_default=False,
    ),
]
At = Annotated[
    int | None, typer.Option("--at", min=1, help="The number of an attempt; else the last one.")
]
_NEEDED = ("to roll back", "to promote (% of what is needed)")
ModelNamed = Annotated[bool, typer.Option("--model", help="The name is a Model's.")]


def explain(
    name: Name,
    *,
    at: At = None,
    model: ModelNamed = False,
    namespace: Namespace = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    output: Form = Output.TEXT,
) -> None:
    """Tell why an attempt went as it did: what each step saw, what decided, and by which rule.

    Exit codes: 0 it was told, 1 there is no such record, 2 wrong usage.
    """
    asked = f"model/{name}" if model and "/" not in name else name
    record = asyncio.run(_read(credentials(kubeconfig, context), namespace, asked, at))
    story = story_of(record.rows)
    if output is Output.TEXT:
        console().print(Group(*_told(record, story)), soft_wrap=True)
    else:
        write({**record.about, **story.document()}, output)


async def _read(
    found: Credentials, namespace: str | None, name: str, attempt: int | None
) -> Record:
    async with place(found, namespace) as where:
        return await in_cluster(where, name, at=attempt)


def _told(record: Record, story: Story) -> Iterator[RenderableType]:
    yield _heading(record, story)
    yield from _decision(story)
    for problem in story.problems:
        yield Text(f"The record is not whole: {problem}.", style="yellow")
    yield Text("\nWhat happened", style="bold")
    yield from _timeline(story.moments)
    if story.steps:
        yield Text("\nWhat each step saw", style="bold")
        yield _steps(story.steps)
    if story.evidence:
        yield Text("\nThe evidence at the end" if story.ended_at else "\nThe evidence so far",
                   style="bold")  # fmt: skip
        yield _metrics(story.evidence)


def _heading(record: Record, story: Story) -> Text:
    where = f"{record.namespace}/" if record.namespace else ""
    text = Text(f"Attempt {record.attempt} of Rollout {where}{record.rollout}", style="bold")
    text.append(f" of Model {record.model}: ", style="not bold")
    style = "yellow"
    if story.ended_at is not None:
        style = "green" if story.outcome.endswith("promoted") else "red"
    text.append(story.outcome, style=style)
    started = story.begin.get("startedAt")
    if started and story.ended_at:
        lasted = span(seconds_between(started, moment(story.ended_at)))
        text.append(f" ({lasted} after it began)", style="not bold")
    return text


def _decision(story: Story) -> Iterator[Text]:
    if story.decided is None:
        return
    line = Text("What decided: ").append(story.decided.reason, style="bold")
    yield line.append(f" at {story.decided.at}" + (f": {story.rule}." if story.rule else "."))


def _timeline(moments: tuple[Moment, ...]) -> Iterator[Text]:
    for each in moments:
        reason = f"{each.reason}" if each.kind == "transition" else each.kind
        yield Text(f"  {each.at:<25}{reason:<22}").append(each.text)


def _steps(steps: tuple[Step, ...]) -> Table:
    table = _table("step", "since", "counted", "candidate", "bad", "stable", "bad",
                   *_NEEDED)  # fmt: skip
    for step in steps:
        worst = max((found[0] or 0 for found in step.evidence.values()), default=None)
        least = min(
            (found[1] for found in step.evidence.values() if found[1] is not None), default=None
        )
        copies = " copies" if step.copies else ""
        cells = (
            step.name,
            step.since[11:19],
            span(step.seconds),
            f"{step.candidate[1]:.0f}{copies}",
            rate(*step.candidate),
            f"{step.stable[1]:.0f}",
            rate(*step.stable),
            far(worst),
            far(least),
        )
        table.add_row(*(escape(cell) for cell in cells))
    return table


def _metrics(evidence: dict[str, list[float | None]]) -> Table:
    table = _table("metric", "candidate", "stable", *_NEEDED)
    for metric, (against, for_it, bad, n, stable_bad, stable_n) in evidence.items():
        table.add_row(
            escape(metric),
            f"{rate(bad or 0, n or 0)} ({bad:.0f} of {n:.0f})",
            f"{rate(stable_bad or 0, stable_n or 0)} ({stable_bad:.0f} of {stable_n:.0f})",
            far(against),
            far(for_it),
        )
    return table


def _table(*headings: str, **more: Any) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim", **more)
    for heading in headings:
        table.add_column(heading)
    return table


def rate(bad: float, n: float) -> str:
    """A share in per cent, or a dash where there were no requests."""
    return f"{bad / n:.2%}" if n > 0 else "-"
