"""`tidegate validate`: checks manifests without a cluster, for pull requests.

Exit codes: 0 no errors, 1 errors were found, 2 it could not be checked (a file that is not there,
kustomize failed, the registry does not answer, a wrong command line).
"""

from __future__ import annotations

import asyncio
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import orjson
import typer

from tidegate.cli.checks import reports
from tidegate.cli.checks.annotations import check_annotations
from tidegate.cli.checks.bundles import Bundle, gathered
from tidegate.cli.checks.findings import Finding, Severity
from tidegate.cli.checks.references import check_references
from tidegate.cli.checks.registry import ask_mlflow, without_registry
from tidegate.cli.checks.sarif import sarif
from tidegate.cli.checks.schema import check, is_ours
from tidegate.errors import Retryable, Terminal

ERRORS = 1
UNCHECKED = 2


class Report(StrEnum):
    """Ways to show findings."""

    TEXT = "text"
    JSON = "json"
    SARIF = "sarif"
    GITHUB = "github"


Paths = Annotated[
    list[Path],
    typer.Argument(
        help="Files, folders (with all below; one with a kustomization is rendered by kustomize),"
        " or - for stdin.",
        show_default=False,
    ),
]
Form = Annotated[Report, typer.Option("-o", "--output", help="How to show the findings.")]
Default = Annotated[
    str, typer.Option("-n", "--namespace", help="The namespace of manifests that name none.")
]
Registry = Annotated[
    str | None,
    typer.Option(
        "--registry",
        help="An MLflow server to ask whether versions, and the metrics that gates name, are"
        " there. MLFLOW_TRACKING_TOKEN, or …_USERNAME and …_PASSWORD, say who asks.",
    ),
]
Strict = Annotated[bool, typer.Option("--strict", help="Count warnings as errors.")]


def validate(
    paths: Paths,
    *,
    namespace: Default = "",
    registry: Registry = None,
    strict: Strict = False,
    output: Form = Report.TEXT,
) -> None:
    """Check manifests without a cluster: fields, bounds and rules as an API server checks them, and
    what the manifests say of each other.

    Exit codes: 0 no errors, 1 errors were found, 2 it could not be checked.
    """
    findings: list[Finding] = []
    objects = 0
    try:
        bundles = gathered(paths)
        for bundle in bundles:
            found, count = _checked(bundle, namespace, registry)
            findings += found
            objects += count
    except (Terminal, Retryable) as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(UNCHECKED) from error
    files = sum(bundle.files for bundle in bundles)
    order = [*Severity]
    findings.sort(key=lambda one: (one.spot, order.index(one.severity), one.rule, one.message))
    _show(findings, output, files=files, objects=objects)
    failing = (Severity.ERROR, Severity.WARNING) if strict else (Severity.ERROR,)
    if any(one.severity in failing for one in findings):
        raise typer.Exit(ERRORS)


def _checked(bundle: Bundle, namespace: str, registry: str | None) -> tuple[list[Finding], int]:
    """Everything that is found in a bundle, and how many objects of ours it has."""
    ours = [check(document) for document in bundle.documents if is_ours(document)]
    others = [document for document in bundle.documents if not is_ours(document)]
    found = [*bundle.findings, *(finding for one in ours for finding in one.findings)]
    found += [*check_references(ours, others, namespace=namespace), *without_registry(ours)]
    found += check_annotations(ours, others, namespace=namespace)
    if registry is not None:
        found += asyncio.run(ask_mlflow(ours, registry))
    return found, len(ours)


def _show(findings: list[Finding], output: Report, *, files: int, objects: int) -> None:
    match output:
        case Report.TEXT:
            for line in reports.lines(findings):
                typer.echo(line)
            typer.echo(reports.summary(findings, files=files, objects=objects), err=True)
        case Report.GITHUB:
            for line in reports.workflow_commands(findings):
                typer.echo(line)
            typer.echo(reports.summary(findings, files=files, objects=objects))
        case Report.JSON:
            _json(reports.document(findings, files=files, objects=objects))
        case Report.SARIF:
            _json(sarif(findings))


def _json(document: object) -> None:
    typer.echo(orjson.dumps(document, option=orjson.OPT_INDENT_2).decode())
