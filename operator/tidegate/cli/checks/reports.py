"""Shows findings: lines for people, JSON for programs, annotations for GitHub. Pure."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from tidegate.cli.checks.findings import Severity

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tidegate.cli.checks.findings import Finding

_COMMANDS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.NOTE: "notice"}


def lines(findings: Sequence[Finding]) -> Iterator[str]:
    """One line a finding, as compilers write them."""
    for one in findings:
        yield f"{one.spot}: {one.severity}: {one.text} [{one.rule}]"


def summary(findings: Sequence[Finding], *, files: int, objects: int) -> str:
    """What was looked at, and what it comes to."""
    count = Counter(one.severity for one in findings)
    said = [_counted(count[each], str(each)) for each in Severity if count[each]]
    looked = f"{_counted(files, 'file')}, {_counted(objects, 'object')} of tidegate.dev"
    return f"{looked}: {', '.join(said) or 'nothing to say'}"


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def document(findings: Sequence[Finding], *, files: int, objects: int) -> dict[str, Any]:
    """As programs read it."""
    count = Counter(one.severity for one in findings)
    return {
        "files": files,
        "objects": objects,
        "errors": count[Severity.ERROR],
        "warnings": count[Severity.WARNING],
        "notes": count[Severity.NOTE],
        "findings": [
            {
                "rule": one.rule,
                "severity": str(one.severity),
                "message": one.message,
                "file": one.spot.file,
                "line": one.spot.line,
                "column": one.spot.column,
                "object": one.about or None,
                "field": one.field or None,
            }
            for one in findings
        ],
    }


def workflow_commands(findings: Sequence[Finding]) -> Iterator[str]:
    """Annotations of GitHub Actions: it shows them at the lines of a pull request."""
    for one in findings:
        places = {
            "file": one.spot.file,
            "line": str(one.spot.line),
            "col": str(one.spot.column),
            "title": f"tidegate {one.rule}",
        }
        said = ",".join(f"{name}={_property(value)}" for name, value in places.items())
        yield f"::{_COMMANDS[one.severity]} {said}::{_escaped(one.text)}"


def _escaped(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _escaped(text).replace(":", "%3A").replace(",", "%2C")
