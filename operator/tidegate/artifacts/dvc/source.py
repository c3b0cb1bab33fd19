"""What an output at a commit is, as every other artifact is told: from the report of a Job. Pure.

The location is an MD5 in the remote, so it can never mean anything else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidegate.api.origin import Dataset, Measured, Origin
from tidegate.artifacts.base import Resolved
from tidegate.artifacts.dvc.place import content_of
from tidegate.artifacts.uri import file_path, path_below, scheme_of
from tidegate.errors import Terminal

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from tidegate.artifacts.dvc.reference import Reference
    from tidegate.artifacts.dvc.report import Metric, Report

REGISTRY = "dvc"
FORMAT_MISMATCH = "FormatMismatch"
_FOLDERS = ("mlflow", "custom")
_MOST_DATASETS, _MOST_METRICS = 20, 100


def check_format(named: Reference, format: str) -> None:
    """:raises Terminal: FormatMismatch: a folder is named, and the format is one file."""
    if named.is_folder and format not in _FOLDERS:
        raise Terminal(
            FORMAT_MISMATCH,
            f"{named.path} is a folder, and {format} is one file: name it in spec.artifact.uri",
        )


def resolved(
    named: Reference, report: Report, *, url: str, commit: str, at: datetime, root: Path | None
) -> Resolved:
    """The output at a commit of the repository at `url`. `root` is the folder below which files of
    this machine may be read, for remotes that are one.

    :raises Terminal: FileOutsideRoot; UriInvalid: the report names no place of a remote.
    """
    address = content_of(report.location).address
    if scheme_of(address) == "file":
        path_below(root, file_path(address))
    return Resolved(
        version=commit,
        location=report.location,
        sha256=report.sha256,
        size=report.size,
        at=at,
        kind="tree" if report.kind == "tree" else "file",
        immutable=True,
        origin=Origin(
            registry=REGISTRY,
            name=f"{named.host}/{named.repository}//{named.path}"[:256],
            version=commit,
            alias=None if named.is_commit else named.revision or None,
            git_commit=commit,
            git_repository=url[:1024],
            datasets=[
                Dataset(name=path[:256], digest=f"md5:{md5}"[:256])
                for path, md5 in list(report.datasets.items())[:_MOST_DATASETS]
            ],
            metrics=[_measured(metric) for metric in report.metrics[:_MOST_METRICS]],
        ),
    )


def _measured(metric: Metric) -> Measured:
    return Measured(
        metric=metric.name[:256],
        value=metric.value,
        dataset=metric.dataset[:256] if metric.dataset else None,
        digest=f"md5:{metric.md5}"[:256] if metric.md5 else None,
    )
