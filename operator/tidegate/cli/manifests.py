"""Reads manifests of Models and Rollouts from files, as `kubectl apply -f` would be given them.

They are checked as `tidegate validate` checks each alone; the first errors end it. Other kinds are
left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tidegate.cli.checks.bundles import gathered
from tidegate.cli.checks.findings import Severity
from tidegate.cli.checks.schema import check, is_ours
from tidegate.errors import Terminal
from tidegate.kube.resources import MODELS, ROLLOUTS, Resource

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tidegate.cli.checks.findings import Finding
    from tidegate.cli.checks.schema import Checked
    from tidegate.kube.objects import Object

_RESOURCES = {"Model": MODELS, "Rollout": ROLLOUTS}


@dataclass(frozen=True)
class Manifest:
    """One object as somebody wants it. `unknown` are fields that no kind of ours has."""

    resource: Resource
    obj: Object
    namespace: str | None
    unknown: tuple[str, ...] = ()


def read_manifests(paths: Sequence[Path]) -> list[Manifest]:
    """The Models and Rollouts in files and folders; `-` is stdin.

    Raises Terminal: FileUnreadable, ManifestInvalid with everything that is wrong.
    """
    bundles = gathered(paths, recursive=False)
    broken = [finding for bundle in bundles for finding in bundle.findings]
    if broken:
        raise Terminal("FileUnreadable", _listed(broken))
    checked = [check(d) for bundle in bundles for d in bundle.documents if is_ours(d)]
    wrong = [
        finding
        for one in checked
        for finding in one.findings
        if finding.severity is Severity.ERROR and finding.rule != "UnknownField"
    ]
    if wrong:
        raise Terminal("ManifestInvalid", _listed(wrong))
    return [_manifest(one) for one in checked]


def _listed(findings: Sequence[Finding]) -> str:
    return "\n  ".join(f"{finding.spot}: {finding.text}" for finding in findings)


def _manifest(one: Checked) -> Manifest:
    return Manifest(
        resource=_RESOURCES[one.kind],
        obj={"metadata": dict(one.obj["metadata"]), "spec": one.obj["spec"]},
        namespace=one.namespace,
        unknown=one.unknown,
    )
