"""`tidegate replay`: an attempt's verdicts recomputed from its record, and compared with it.

Only reads and computes, with the engine's own functions. Exit codes: 0 the same verdicts came out
(with --set or --margin: it was computed), 1 another one did or the record cannot be read, 2 the
command line is wrong.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Group
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from tidegate.cli.explain import At
from tidegate.cli.finding import credentials, place
from tidegate.cli.options import Context, Form, Kubeconfig, Namespace, Output, write
from tidegate.cli.picture import console
from tidegate.cli.records import in_cluster, in_file
from tidegate.cli.whatif import changed
from tidegate.domain.record import replay as recompute

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import RenderableType

    from tidegate.cli.records import Record
    from tidegate.domain.record import Check, Replay
    from tidegate.kube.credentials import Credentials

_FILES = (".yaml", ".yml", ".json")

What = Annotated[
    str,
    typer.Argument(
        metavar="FILE|ROLLOUT|MODEL",
        help="A file exported by kubectl, or a Rollout (or Model) of the cluster.",
        show_default=False,
    ),
]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="NAME=VALUE",
        help="What if falseRollbackRate, falsePromotionRate or minRequests had been this?",
    ),
]
MarginOption = Annotated[
    list[str] | None,
    typer.Option(
        "--margin",
        metavar="METRIC.FIELD=VALUE",
        help="What if a metric's ratio, absolute or max had been this?",
    ),
]


def replay(
    what: What,
    *,
    at: At = None,
    set_: Set = None,
    margin: MarginOption = None,
    namespace: Namespace = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    output: Form = Output.TEXT,
) -> None:
    """Recompute every verdict of an attempt from its record, and compare.

    With --set or --margin: what the same traffic would have said with other settings.

    Exit codes: 0 the same verdicts, 1 another verdict or no record, 2 wrong usage.
    """
    change = changed(set_ or [], margin or [])
    path = Path(what)
    if path.is_file() or path.suffix in _FILES:
        record = in_file(path, at=at)
    else:
        record = asyncio.run(_read(credentials(kubeconfig, context), namespace, what, at))
    as_recorded = recompute(record.rows)
    other = recompute(record.rows, change=change) if change is not None else None
    if output is Output.TEXT:
        console().print(Group(*_told(record, as_recorded, other)), soft_wrap=True)
    else:
        write(_document(record, as_recorded, other), output)
    if not as_recorded.same:
        raise typer.Exit(1)


async def _read(
    found: Credentials, namespace: str | None, name: str, attempt: int | None
) -> Record:
    async with place(found, namespace) as where:
        return await in_cluster(where, name, at=attempt)


def _told(record: Record, found: Replay, other: Replay | None) -> Iterator[RenderableType]:
    head = f"Attempt {record.attempt} of Rollout {record.rollout}, {found.batches} batches"
    yield Text(head, style="bold")
    for problem in found.problems:
        yield Text(f"the record is not whole: {problem}", style="yellow")
    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading in ("at", "change of phase", "recorded", "recomputed", ""):
        table.add_column(heading)
    for check in found.checks:
        table.add_row(*(escape(cell) for cell in _cells(check)))
    yield table
    yield _sum(found)
    if other is not None:
        yield Text("\nWhat if", style="bold")
        yield from _firsts("as it was", found)
        yield from _firsts("with the change", other)


def _cells(check: Check) -> tuple[str, ...]:
    body = check.row.body
    same = "same" if check.exact else "same, nearly: batches before it are merged or missing"
    return (
        check.row.at,
        f"{body.get('from')} → {body.get('to')}, {body.get('reason')}",
        verdict_words(check.recorded),
        verdict_words(check.recomputed),
        f"DIFFERS: {check.problem}" if check.problem else same,
    )


def _sum(found: Replay) -> Text:
    exact = [check for check in found.checks if check.exact]
    differ = [check for check in exact if check.problem]
    near = len(found.checks) - len(exact)
    text = f"{len(exact)} changes of phase recomputed exactly, {len(differ)} differ"
    if near:
        text += f"; {near} only nearly"
    return Text(text, style="green" if found.same else "red")


def _firsts(when: str, found: Replay) -> Iterator[Text]:
    if not found.firsts:
        yield Text(f"  {when}: no verdict in {found.batches} batches")
    for first in found.firsts:
        about = f" ({first.metric})" if first.metric else ""
        yield Text(
            f"  {when}: {first.verdict} first at {first.at}, {first.reason}{about}, after"
            f" {first.requests:.0f} requests of the candidate"
        )


def verdict_words(verdict: dict[str, str] | None) -> str:
    """A verdict in a few words; a dash before there is any evidence."""
    if verdict is None:
        return "-"
    metric = f" ({verdict['metric']})" if verdict.get("metric") else ""
    return f"{verdict['verdict']}{metric}"


def _document(record: Record, found: Replay, other: Replay | None) -> dict[str, Any]:
    document: dict[str, Any] = {
        **record.about,
        "same": found.same,
        "batches": found.batches,
        "problems": list(found.problems),
        "checks": [
            {
                "at": check.row.at,
                "from": check.row.body.get("from"),
                "to": check.row.body.get("to"),
                "reason": check.row.body.get("reason"),
                "recorded": check.recorded,
                "recomputed": check.recomputed,
                "exact": check.exact,
                "problem": check.problem or None,
            }
            for check in found.checks
        ],
        "verdicts": _verdicts(found),
    }
    return document if other is None else {**document, "whatIf": _verdicts(other)}


def _verdicts(found: Replay) -> list[dict[str, Any]]:
    return [
        {
            "verdict": first.verdict,
            "reason": first.reason,
            "metric": first.metric or None,
            "at": first.at,
            "requests": first.requests,
        }
        for first in found.firsts
    ]
