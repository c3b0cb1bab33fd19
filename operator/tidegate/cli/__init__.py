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
from tidegate.errors import KubeError, ServerUnavailable, TidegateError, Unauthorized

_DENIED = re.compile(
    r"ValidatingAdmissionPolicy '(?P<policy>[^']+)' with binding '[^']+' denied request: "
    r"(?P<said>.+)",
    re.DOTALL,
)

_CODES = "Exit codes: 0 done, 1 refused or failed, 2 wrong usage."
"""Of the commands of a group."""


@dataclass(frozen=True)
class Command:
    """Where a command lives (`module:attribute`), what the overview says of it, and lines that a
    user may type, without the word tidegate."""

    target: str
    help: str
    examples: tuple[str, ...]

    @property
    def epilog(self) -> str:
        """What stands below its help; an empty line keeps two lines apart there."""
        return "\n\n".join(["Examples:", *(f"tidegate {line}" for line in self.examples)])


COMMANDS = {
    "local": Command(
        "tidegate.cli.local:app",
        "The embedded cluster on this machine.",
        ("local up", "local status", "local logs -f", "local down --delete"),
    ),
    "demo": Command(
        "tidegate.cli.demo:demo",
        "The whole story on real data, in minutes.",
        ("demo --keep", "demo prepare flights", "demo replay flights --seconds 60"),
    ),
    "status": Command(
        "tidegate.cli.status:status",
        "Where a delivery stands, and why.",
        ("status", "status flight-delay -w", "status -o json"),
    ),
    "plan": Command(
        "tidegate.cli.plan:plan",
        "What the operator would do now; writes nothing.",
        ("plan", "plan -f model.yaml -f rollout.yaml"),
    ),
    "validate": Command(
        "tidegate.cli.validate:validate",
        "Check manifests without a cluster, for pull requests.",
        ("validate deploy/ --strict", "validate model.yaml -o github"),
    ),
    "explain": Command(
        "tidegate.cli.explain:explain",
        "Why an attempt went as it did.",
        ("explain flight-delay", "explain flight-delay --at 3 -o yaml"),
    ),
    "replay": Command(
        "tidegate.cli.replay:replay",
        "Recompute an attempt's verdicts offline.",
        ("replay flight-delay", "replay flight-delay --set falseRollbackRate=0.05"),
    ),
    "abort": Command(
        "tidegate.cli.verbs:abort",
        "Take the candidate back now.",
        ("abort flight-delay",),
    ),
    "promote": Command(
        "tidegate.cli.verbs:promote",
        "Promote the candidate now.",
        ("promote flight-delay", "promote flight-delay --force"),
    ),
    "retry": Command(
        "tidegate.cli.verbs:retry",
        "Try again what was rejected.",
        ("retry flight-delay",),
    ),
    "pause": Command(
        "tidegate.cli.verbs:pause",
        "Freeze the weight where it is.",
        ("pause flight-delay",),
    ),
    "resume": Command(
        "tidegate.cli.verbs:resume",
        "Go on after a pause.",
        ("resume flight-delay",),
    ),
    "approve": Command(
        "tidegate.cli.approve:approve",
        "Say yes to a version or a step that waits for a person.",
        ("approve flight-delay", "approve model/flight-delay --print"),
    ),
    "skip": Command(
        "tidegate.cli.verbs:skip",
        "End the step that is under way.",
        ("skip flight-delay",),
    ),
    "lineage": Command(
        "tidegate.cli.lineage:lineage",
        "Where what serves comes from.",
        ("lineage flight-delay", "lineage flight-delay --all -o mermaid"),
    ),
    "retrain": Command(
        "tidegate.cli.retrain:retrain",
        "Train a new version of a Model now.",
        ("retrain flight-delay", "retrain flight-delay --no-wait"),
    ),
    "crds": Command(
        "tidegate.cli.crds:crds",
        "Write the CustomResourceDefinitions, or check them.",
        ("crds", "crds --check"),
    ),
    "operator": Command(
        "tidegate.cli.operator:operator",
        "Run the operator (in its pod).",
        ("operator",),
    ),
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
            words = f"{command.help}\n\n{_CODES}" if name == wanted else command.help
            app.add_typer(loaded, name=name, help=words, epilog=command.epilog)
        else:
            said = None if name == wanted else command.help
            app.command(name, help=said, epilog=command.epilog)(loaded)
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
    """An error in one line, with the mend; of a refusal by an admission policy what the policy
    says, and which."""
    if isinstance(error, ServerUnavailable) and error.status == 0:
        return (
            f"the API server does not answer ({error}): is the cluster up, and the one that the"
            " kubeconfig's context names? For the cluster on this machine: tidegate local status"
        )
    if isinstance(error, Unauthorized):
        return (
            f"the API server does not know you ({error}): log in anew, or give another kubeconfig"
        )
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
