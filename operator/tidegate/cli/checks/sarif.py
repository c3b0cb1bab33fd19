"""Findings as SARIF 2.1.0 (OASIS), the form that code scanning reads. Pure.

Lines and columns count from 1, columns in code points, as the YAML reader counts them.
"""

from __future__ import annotations

import hashlib
from pathlib import PurePath
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from tidegate import __version__
from tidegate.cli.checks.findings import RULES, Severity

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tidegate.cli.checks.findings import Finding

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.NOTE: "note"}


def sarif(findings: Sequence[Finding]) -> dict[str, Any]:
    """One run with the rules that were broken, and every finding."""
    rules = list(dict.fromkeys(one.rule for one in findings))
    run = {
        "tool": {
            "driver": {
                "name": "tidegate validate",
                "semanticVersion": __version__,
                "rules": [_rule(rule) for rule in rules],
            }
        },
        "columnKind": "unicodeCodePoints",
        "results": [_result(one, rules.index(one.rule)) for one in findings],
    }
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def _rule(rule: str) -> dict[str, Any]:
    text = RULES[rule]
    return {"id": rule, "shortDescription": {"text": text}, "fullDescription": {"text": text}}


def _result(one: Finding, index: int) -> dict[str, Any]:
    place: dict[str, Any] = {
        "physicalLocation": {
            "artifactLocation": _location(one.spot.file),
            "region": {"startLine": one.spot.line, "startColumn": one.spot.column},
        }
    }
    if one.about:
        name = f"{one.about} {one.field}".rstrip()
        place["logicalLocations"] = [{"fullyQualifiedName": name, "kind": "resource"}]
    # Lines move with every edit; what is wrong with which field of which object does not.
    parts = (one.rule, one.spot.file, one.about, one.field, one.message)
    fingerprint = hashlib.sha256("\0".join(parts).encode()).hexdigest()
    return {
        "ruleId": one.rule,
        "ruleIndex": index,
        "level": _LEVELS[one.severity],
        "message": {"text": one.text},
        "locations": [place],
        "partialFingerprints": {"tidegateFinding/v1": fingerprint},
    }


def _location(file: str) -> dict[str, str]:
    path = PurePath(file)
    if path.is_absolute():
        return {"uri": path.as_uri()}
    return {"uri": quote(path.as_posix()), "uriBaseId": "%SRCROOT%"}
