"""The options that commands for a cluster share, and how they write what programs read.

Decides nothing about any one command.
"""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer


class Output(StrEnum):
    """Ways to show what was found."""

    TEXT = "text"
    JSON = "json"
    YAML = "yaml"


Namespace = Annotated[
    str | None,
    typer.Option("-n", "--namespace", help="Its namespace; else that of the kubeconfig's context."),
]
Kubeconfig = Annotated[
    Path | None,
    typer.Option(help="A kubeconfig file; else that of KUBECONFIG, or ~/.kube/config."),
]
Context = Annotated[
    str | None, typer.Option(help="A context of the kubeconfig; else its current one.")
]
Form = Annotated[Output, typer.Option("-o", "--output", help="How to show it.")]


def write(document: dict[str, Any] | list[Any], output: Output) -> None:
    """Write a document as JSON or YAML to stdout."""
    if output is Output.JSON:
        typer.echo(orjson.dumps(document, option=orjson.OPT_INDENT_2).decode())
        return
    from ruamel.yaml import YAML

    yaml = YAML()
    yaml.default_flow_style = False
    yaml.dump(document, sys.stdout)
