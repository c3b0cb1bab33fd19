"""`tidegate demo`: real flights, four versions of a model, and what becomes of each."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console


def demo(
    keep: Annotated[
        bool, typer.Option("--keep", help="Leave the cluster up, and say what to try on it.")
    ] = False,
    rate: Annotated[float, typer.Option(min=100, max=1000, help="Requests a second.")] = 120,
    first_flight: Annotated[
        int, typer.Option(min=0, help="Where in the flights of July to October to begin.")
    ] = 0,
    prepare: Annotated[
        Path | None,
        typer.Option(
            help="Only train the versions, and write the examples to this folder with the places"
            " they have on this machine."
        ),
    ] = None,
) -> None:
    """Replay later flights through four versions of one model, and watch Tidegate judge them."""
    # Imported here: everything else that the command line can do starts quicker without it.
    from tidegate.demo.run import Options, run_demo

    home = Path(os.environ.get("TIDEGATE_HOME") or Path.home() / ".tidegate")
    options = Options(home=home, keep=keep, rate=rate, first_flight=first_flight)
    raise typer.Exit(run_demo(options, Console()))
