"""`tidegate approve`: says yes to a version of a Model, or to a step of a Rollout: to what waits.

Shows what of a Model is approved before anything is written. Exit codes: 0 it counts (with
--no-wait: stored), 1 it was refused or failed, 2 the command line is wrong, 124 nobody answered in
time.
"""

from __future__ import annotations

import asyncio
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Group
from rich.text import Text

from tidegate.cli.approving import answer, check_person, give, waits, wanted
from tidegate.cli.finding import credentials, find_model, find_rollout, place, split, who_am_i
from tidegate.cli.options import Context, Form, Kubeconfig, Namespace, Output, write
from tidegate.cli.picture import console
from tidegate.cli.verbs import TIMED_OUT, Asked, Timeout, Wait
from tidegate.domain.approval import ANNOTATION, written
from tidegate.domain.rollout.waiting import APPROVAL
from tidegate.errors import Terminal
from tidegate.kube.objects import name_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import RenderableType

    from tidegate.cli.approving import Given, Wanted
    from tidegate.cli.finding import Place
    from tidegate.kube.credentials import Credentials

_TIMEOUT_S = 30.0
_FIELD_WIDTH = 10

Name = Annotated[
    str,
    typer.Argument(
        metavar="MODEL|ROLLOUT",
        help="A Model whose version waits, or a Rollout whose step waits; model/NAME and"
        " rollout/NAME say which.",
        show_default=False,
    ),
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask: it was looked at already.")]
Evidence = Annotated[
    str | None,
    typer.Option(help="Approve only this evidence (12 or more of its characters); does not ask."),
]
Print = Annotated[
    bool, typer.Option("--print", help="Write nothing; print the annotation, for Git.")
]


def approve(
    name: Name,
    *,
    namespace: Namespace = None,
    yes: Yes = False,
    evidence: Evidence = None,
    show: Print = False,
    wait: Wait = True,
    timeout: Timeout = _TIMEOUT_S,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    output: Form = Output.TEXT,
) -> None:
    """Approve what waits for a person: a version of a Model, or a step of a Rollout.

    Of a Model it shows first what is approved: the revision's digest, what its gates said, where it
    comes from.

    Exit codes: 0 done, 1 refused or failed, 2 wrong usage, 124 no answer within --timeout.
    """
    if evidence is not None and len(evidence) < 12:
        raise typer.BadParameter("--evidence takes at least 12 characters")
    found = credentials(kubeconfig, context)
    if not asyncio.run(_is_model(found, namespace, name)):
        Asked("approve", name, namespace, kubeconfig, context, wait, timeout, output).run()
        return
    run = _Run(split(name)[1], yes=yes, evidence=evidence, show=show, wait=wait, timeout=timeout)
    given = asyncio.run(run.approve(found, namespace, output))
    if given is None:
        return
    if output is not Output.TEXT:
        write(given.document(), output)
    elif given.result is not None:
        typer.echo(f"{given.model}: {given.message}", err=not given.done)
    elif not wait:
        typer.echo(f"{given.model}: the approval of {given.revision} is stored")
    if wait and given.result is None:
        text = f"nobody answered within {timeout:g} s; the approval stays, and counts if it may"
        typer.echo(text, err=True)
        raise typer.Exit(TIMED_OUT)
    if wait and not given.done:
        raise typer.Exit(1)


async def _is_model(found: Credentials, namespace: str | None, name: str) -> bool:
    """Whether a Model's approval is meant: by the kind that is named, or because it waits.

    Raises Terminal(NameAmbiguous) where a Model and the step of a Rollout wait.
    """
    kind, bare = split(name)
    async with place(found, namespace) as where:
        rollout = await _step_waits(where, name)
        model = await find_model(where, bare) if kind != "rollout" else None
        version = model is not None and waits(model)
        if version and rollout is not None and kind == "":
            raise Terminal(
                "NameAmbiguous",
                f"a version of Model {bare} waits, and so does a step of Rollout {rollout}; say"
                f" model/{bare} or rollout/{rollout}",
            )
        # What waits for nobody is told best by what was named.
        asks = kind == "model" or (model is not None and "approval" in model["spec"])
        return version or (rollout is None and asks)


async def _step_waits(where: Place, name: str) -> str | None:
    """The Rollout that a name means, if it waits at a step of approval."""
    try:
        found = await find_rollout(where, name)
    except Terminal:
        return None
    pauses: list[Any] = found.get("status", {}).get("pauses", [])
    return name_of(found) if APPROVAL in pauses else None


@dataclass(frozen=True)
class _Run:
    """One approval of a Model, with the options that it came with."""

    name: str
    yes: bool
    evidence: str | None
    show: bool
    wait: bool
    timeout: float

    async def approve(
        self, found: Credentials, namespace: str | None, output: Output
    ) -> Given | None:
        """Show it, ask, store, wait. None where nothing was to be written."""
        async with place(found, namespace) as where:
            asked = await wanted(where, self.name)
            by = await who_am_i(where)
            if self.evidence is not None and not asked.evidence.startswith(self.evidence):
                text = f"what waits has the evidence {asked.evidence}: look at it again"
                raise Terminal("EvidenceChanged", text)
            if self.show:
                check_person(asked, by)
                text = written(asked.entry.name, asked.evidence, by).replace("'", "''")
                typer.echo(f"{ANNOTATION}: '{text}'")
                return None
            if output is Output.TEXT:
                console().print(Group(*_shown(asked, where.namespace)), soft_wrap=True)
            self._confirm(by)
            given = await give(where, asked, by=by)
            if not self.wait:
                return given
            return await answer(where, given, asked.condition, timeout=self.timeout)

    def _confirm(self, by: str) -> None:
        if self.yes or self.evidence is not None:
            return
        if not sys.stdin.isatty():
            raise Terminal(
                "NotConfirmed", "nobody is there to be asked: give --yes, or --evidence HASH"
            )
        typer.confirm(f"Approve it as {by}?", abort=True)


def _shown(asked: Wanted, namespace: str) -> Iterator[RenderableType]:
    """What is approved, for people."""
    entry, model, origin = asked.entry, asked.model, asked.origin
    yield Text(f"Model {namespace}/{name_of(asked.obj)}, revision {entry.name}", style="bold")
    yield _line("digest", entry.digest)
    resolved = model.status.resolved
    if resolved is not None:
        yield _line("artifact", f"{model.spec.artifact.uri}: sha256 {resolved.sha256}")
    if origin is not None:
        parts = [f"{origin.registry} {origin.name} version {origin.version}"]
        parts += [f"by {origin.author}"] if origin.author else []
        parts += [f"registered {origin.created}"] if origin.created else []
        parts += [f"run {origin.run}"] if origin.run else []
        parts += [f"commit {origin.git_commit}"] if origin.git_commit else []
        yield _line("origin", ", ".join(parts))
    elif asked.unread:
        yield _line("origin", f"not shown: {asked.unread}", style="yellow")
    for gate in entry.gates:
        yield _line("gate", f"{gate.name}: {gate.result}: {gate.message or gate.reason}")
    if not entry.gates:
        yield _line("gates", "none are declared")
    stable = model.status.delivery.stable if model.status.delivery else None
    yield _line("serves", stable or "nothing yet")
    yield _line("now", asked.condition.message)
    yield _line("evidence", asked.evidence)


def _line(field: str, text: str, *, style: str = "") -> Text:
    style = f"not dim {style}".rstrip()
    return Text(f"  {field:<{_FIELD_WIDTH}} ", style="dim").append(text, style=style)
