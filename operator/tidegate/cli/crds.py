"""`tidegate crds`: writes the CustomResourceDefinitions, or checks the written ones."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Annotated

import typer
from ruamel.yaml import YAML

from tidegate.api.crd import KINDS, definition

_HEADER = "# Generated from operator/tidegate/api by `make crds`. Do not edit.\n"


def rendered() -> dict[str, str]:
    """File name → YAML text of every CustomResourceDefinition."""
    yaml = YAML()
    yaml.default_flow_style = False
    yaml.width = 120
    files = {}
    for kind in KINDS:
        crd = definition(kind)
        stream = io.StringIO()
        yaml.dump(crd, stream)
        files[f"{crd['metadata']['name']}.yaml"] = _HEADER + stream.getvalue()
    return files


def crds(
    directory: Annotated[Path, typer.Argument(help="Folder of the YAML files.")] = Path("crds"),
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; exit 1 when a file is out of date.")
    ] = False,
) -> None:
    """Write the CustomResourceDefinitions as YAML files.

    Exit codes: 0 done or up to date, 1 with --check: a file is out of date, 2 wrong usage.
    """
    stale = []
    for name, text in rendered().items():
        path = directory / name
        if path.exists() and path.read_text() == text:
            continue
        stale.append(name)
        if not check:
            directory.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
    for name in stale:
        typer.echo(f"{'out of date' if check else 'written'}: {directory / name}", err=check)
    if check and stale:
        typer.echo("run `make crds` and commit the result", err=True)
        raise typer.Exit(1)
