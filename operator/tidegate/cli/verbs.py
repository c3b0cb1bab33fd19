"""`tidegate abort | promote | retry | pause | resume | skip`: a verb sent to a Rollout.

Only asks, sends and shows; `sending.py` knows how, and the engine decides. Exit codes: 0 it was
done (with --no-wait: stored), 1 it was refused or failed, 2 the command line is wrong, 124 nobody
answered in time.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tidegate.cli.finding import credentials, place
from tidegate.cli.options import Context, Form, Kubeconfig, Namespace, Output, write
from tidegate.cli.sending import Sent, answer, send

if TYPE_CHECKING:
    from collections.abc import Callable

    from tidegate.kube.credentials import Credentials

TIMED_OUT = 124
"""The exit code that timeout(1) has made known for this."""
_TIMEOUT_S = 30.0
_EXIT_CODES = (
    "Exit codes: 0 done, 1 refused or failed, 2 wrong usage, 124 no answer within --timeout."
)

Name = Annotated[
    str,
    typer.Argument(
        metavar="ROLLOUT|MODEL",
        help="The Rollout, or the Model that it delivers; rollout/NAME and model/NAME say which.",
        show_default=False,
    ),
]
Wait = Annotated[
    bool, typer.Option("--wait/--no-wait", help="Wait until the operator has answered.")
]
Timeout = Annotated[float, typer.Option(min=0.1, max=86400, help="How long to wait, in seconds.")]
Force = Annotated[
    bool, typer.Option("--force", help="Even when the evidence is against the candidate.")
]


@dataclass(frozen=True)
class Asked:
    """A verb and the options that it came with."""

    verb: str
    name: str
    namespace: str | None
    kubeconfig: Path | None
    context: str | None
    wait: bool
    timeout: float
    output: Output
    force: bool = False

    def run(self) -> None:
        """Send it, show what came of it, and exit with the code that says the same."""
        sent = asyncio.run(self._send(credentials(self.kubeconfig, self.context)))
        if self.output is Output.TEXT:
            typer.echo(in_words(sent), err=self.wait and not sent.done)
        else:
            write(sent.document(), self.output)
        if not self.wait or sent.done:
            return
        if sent.result is not None:
            raise typer.Exit(1)
        typer.echo(
            f"error: Timeout: no answer within {self.timeout:g} s. The command stays and will be"
            " carried out when the operator comes to it; look whether it runs",
            err=True,
        )
        raise typer.Exit(TIMED_OUT)

    async def _send(self, found: Credentials) -> Sent:
        async with place(found, self.namespace) as where:
            sent = await send(where, self.name, self.verb, force=self.force)
            return await answer(where, sent, timeout=self.timeout) if self.wait else sent


def in_words(sent: Sent) -> str:
    """What was sent and what came of it, in one line."""
    command = sent.command
    about = f"attempt {command['attempt']}, " if "attempt" in command else ""
    about += f"revision {command['revision']}" if "revision" in command else ""
    what = f"{sent.rollout}: {command['verb']}" + (f" ({about})" if about else "")
    if sent.result is None:
        return f"{what} is sent as {command['id']} and not answered yet"
    if sent.done:
        return f"{what}: Done; phase {sent.phase}"
    return f"{what}: {sent.result}"


def _plain(verb: str, help_: str) -> Callable[..., None]:
    """The command of a verb without options of its own."""

    def command(
        name: Name,
        *,
        namespace: Namespace = None,
        wait: Wait = True,
        timeout: Timeout = _TIMEOUT_S,
        kubeconfig: Kubeconfig = None,
        context: Context = None,
        output: Form = Output.TEXT,
    ) -> None:
        Asked(verb, name, namespace, kubeconfig, context, wait, timeout, output).run()

    command.__doc__ = f"{help_}\n\n{_EXIT_CODES}"
    return command


def promote(
    name: Name,
    *,
    namespace: Namespace = None,
    force: Force = False,
    wait: Wait = True,
    timeout: Timeout = _TIMEOUT_S,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    output: Form = Output.TEXT,
) -> None:
    """Promote the candidate now, whatever evidence is still short.

    Refused when the evidence is against it, unless --force is given.

    Exit codes: 0 done, 1 refused or failed, 2 wrong usage, 124 no answer within --timeout.
    """
    Asked("promote", name, namespace, kubeconfig, context, wait, timeout, output, force).run()


abort = _plain(
    "abort",
    "Take the candidate back now.\n\nIts weight goes to 0 at once; the same revision is not tried"
    " again until somebody sends retry.",
)
retry = _plain(
    "retry",
    "Try the Model's latest revision again, which was rejected.\n\nA new attempt begins from"
    " nothing: no evidence is carried over.",
)
pause = _plain(
    "pause",
    "Freeze the weight where it is.\n\nCrashed pods and evidence against the candidate still take"
    " it back.",
)
resume = _plain(
    "resume",
    "Go on after a pause.\n\nAfter a deadline without a verdict it grants the same time again.",
)
skip = _plain(
    "skip",
    "End the step that is under way.\n\nThe next one begins as soon as ready pods carry its"
    " weight; after the last one the evidence decides.",
)
