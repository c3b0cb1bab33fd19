"""`tidegate demo`: real flights, four versions of a model, and what becomes of each."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from tidegate.errors import Terminal

demo = typer.Typer(help="The whole story on real data, in minutes.", no_args_is_help=False)

PLAIN_WIDTH = 150
"""Where there is no terminal, nobody's window is too narrow."""

Rate = Annotated[float, typer.Option(min=1, max=1000, help="Requests a second.")]


@demo.callback(invoke_without_command=True)
def story(
    context: typer.Context,
    *,
    keep: Annotated[
        bool, typer.Option("--keep", help="Leave the cluster up, and say what to try on it.")
    ] = False,
    rate: Rate = 120,
    first_flight: Annotated[
        int, typer.Option(min=0, help="Where in the flights of July to October to begin.")
    ] = 80_000,
) -> None:
    """Replay later flights through four versions of one model, and watch each being judged."""
    if context.invoked_subcommand is not None:
        return
    # Imported here, as everywhere in this file: the overview of commands needs none of it.
    from tidegate.demo.run import Options, run_demo
    from tidegate.local.cluster.state import home

    console = Console()
    if not console.is_terminal:
        console.width = PLAIN_WIDTH
    options = Options(home=home(), keep=keep, rate=rate, first_flight=first_flight)
    raise typer.Exit(run_demo(options, console))


@demo.command()
def prepare(
    folder: Annotated[Path, typer.Argument(help="Folder that is made, below the file root.")],
) -> None:
    """Train the versions, and write the examples with the places they have on this machine."""
    from tidegate.demo.render import write_examples
    from tidegate.demo.trained import train
    from tidegate.local.cluster.state import home

    try:
        folder.mkdir(
            parents=True, exist_ok=True
        )  # before the work whose result would have no place
        trained = train(home() / "trained", say=typer.echo)
        port = write_examples(trained, folder, keep_port=True)
    except OSError as error:
        raise Terminal(
            "FolderUnwritable", f"{folder} cannot be written: {error}; name another folder"
        ) from error
    typer.echo(f"written: {folder}; its gateway listens on port {port}")


@demo.command()
def replay(
    folder: Annotated[Path, typer.Argument(help="Folder that `prepare` made.")],
    *,
    rate: Rate = 120,
    seconds: Annotated[float | None, typer.Option(min=1, help="How long; else until ^C.")] = None,
) -> None:
    """Replay flights through the gateway of a folder's examples, and count who answers."""
    from tidegate.demo.traffic import replay_for

    replay_for(folder, rate=rate, seconds=seconds, say=typer.echo)
