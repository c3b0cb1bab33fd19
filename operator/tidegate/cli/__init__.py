"""The command line `tidegate`: which commands there are. Each is imported only when it is called.

Errors that Tidegate raises on purpose become one line on stderr and exit code 1.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import typer

from tidegate import __version__
from tidegate.errors import KubeError, TidegateError

_DENIED = re.compile(
    r"ValidatingAdmissionPolicy '(?P<policy>[^']+)' with binding '[^']+' denied request: "
    r"(?P<said>.+)",
    re.DOTALL,
)


@dataclass(frozen=True)
class Command:
    """Where a command lives (`module:attribute`), and what the overview says of it."""

    target: str
    help: str


COMMANDS = {
    "local": Command("tidegate.cli.local:app", "The embedded cluster on this machine."),
    "demo": Command("tidegate.cli.demo:demo", "The whole story on real data, in minutes."),
    "status": Command("tidegate.cli.status:status", "Where a delivery stands, and why."),
    "plan": Command("tidegate.cli.plan:plan", "What the operator would do now; writes nothing."),
    "validate": Command(
        "tidegate.cli.validate:validate", "Check manifests without a cluster, for pull requests."
    ),
    "explain": Command("tidegate.cli.explain:explain", "Why an attempt went as it did."),
    "replay": Command("tidegate.cli.replay:replay", "Recompute an attempt's verdicts offline."),
    "abort": Command("tidegate.cli.verbs:abort", "Take the candidate back now."),
    "promote": Command("tidegate.cli.verbs:promote", "Promote the candidate now."),
    "retry": Command("tidegate.cli.verbs:retry", "Try again what was rejected."),
    "pause": Command("tidegate.cli.verbs:pause", "Freeze the weight where it is."),
    "resume": Command("tidegate.cli.verbs:resume", "Go on after a pause."),
    "approve": Command(
        "tidegate.cli.approve:approve", "Say yes to a version or a step that waits for a person."
    ),
    "skip": Command("tidegate.cli.verbs:skip", "End the step that is under way."),
    "lineage": Command("tidegate.cli.lineage:lineage", "Where what serves comes from."),
    "retrain": Command("tidegate.cli.retrain:retrain", "Train a new version of a Model now."),
    "crds": Command(
        "tidegate.cli.crds:crds", "Write the CustomResourceDefinitions, or check them."
    ),
    "operator": Command("tidegate.cli.operator:operator", "Run the operator (in its pod)."),
}


def build(wanted: str | None) -> typer.Typer:
    """The application with the wanted command imported and the others only named."""
    app = typer.Typer(
        name="tidegate",
        help="Delivers machine-learning models on Kubernetes, on evidence.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        add_completion=False,
    )
    app.callback()(_options)
    for name, command in COMMANDS.items():
        loaded = _load(command) if name == wanted else _not_loaded
        if isinstance(loaded, typer.Typer):
            app.add_typer(loaded, name=name, help=command.help)
        else:
            app.command(name, help=None if name == wanted else command.help)(loaded)
    return app


def _load(command: Command) -> Any:
    module, _, attribute = command.target.partition(":")
    return getattr(import_module(module), attribute)


def _not_loaded() -> None:
    raise AssertionError("only the command that was asked for is run")


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"tidegate {__version__}")
        raise typer.Exit


def _options(
    version: bool = typer.Option(
        False, "--version", help="Show the version.", callback=_print_version, is_eager=True
    ),
) -> None:
    pass


def _words(error: TidegateError) -> str:
    """An error in one line; of a refusal by an admission policy what the policy says, and which."""
    denied = _DENIED.search(str(error)) if isinstance(error, KubeError) else None
    if denied is None:
        return str(error)
    return f"Refused: {denied['said']} (admission policy {denied['policy']})"


def main() -> None:
    """Run the command that the arguments name."""
    wanted = next((word for word in sys.argv[1:] if not word.startswith("-")), None)
    try:
        build(wanted)()
    except TidegateError as error:
        typer.echo(f"error: {_words(error)}", err=True)
        sys.exit(1)
