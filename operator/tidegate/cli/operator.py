"""`tidegate operator`: runs the operator until it is told to stop."""

from __future__ import annotations

import asyncio

import typer

from tidegate.app import build
from tidegate.errors import TidegateError
from tidegate.runtime.logs import configure
from tidegate.runtime.process import run
from tidegate.settings import from_environment


def operator() -> None:
    """Run the operator against the cluster of KUBECONFIG, or of the pod it runs in.

    Settings are environment variables TIDEGATE_…; docs/settings.md lists them.

    Exit codes: 0 it was asked to end, 1 it cannot go on, 2 wrong usage.
    """
    try:
        settings = from_environment()
        configure(settings.log_level)
        asyncio.run(run(settings, build))
    except TidegateError as error:
        typer.echo(f"tidegate operator: {error}", err=True)
        raise typer.Exit(1) from error
