"""What the Job that looks at a repository says when it ends: one line of JSON. Pure.

Small enough for a termination message, from which the operator reads it, and without credentials.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import asdict, dataclass, field
from typing import Any

from tidegate.errors import Terminal

_SHA256 = re.compile(r"[0-9a-f]{64}")
_BYTES = 3800
"""The kubelet keeps the last 4096 of a message."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """A finite number that was measured of an output, on the data set of this path and MD5."""

    name: str
    value: float
    dataset: str | None = None
    md5: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """An output at a commit. `size` is in bytes; `kind` is `file` or `tree`, and `sha256` that of
    the file or of the tree's manifest; `datasets` are MD5s of what it was made of, by path."""

    location: str
    sha256: str
    size: int
    kind: str
    datasets: dict[str, str]
    metrics: list[Metric] = field(default_factory=list)


def write(report: Report) -> str:
    """The line of a report; metrics and data sets that do not fit are left out, the last first."""
    told = asdict(report)
    told["metrics"] = [[one.name, one.value, one.dataset, one.md5] for one in report.metrics]
    while len((line := json.dumps(told)).encode()) > _BYTES:
        if len(told["metrics"]) > len(told["datasets"]):
            told["metrics"].pop()
        elif told["datasets"]:
            told["datasets"].popitem()
        else:
            break
    return line


def write_failure(failure: Terminal) -> str:
    """The line of why there is no report; a long message is cut."""
    message = failure.message[:_BYTES]
    while (
        len((line := json.dumps({"reason": failure.reason, "message": message})).encode()) > _BYTES
    ):
        message = f"{message[: len(message) * 3 // 4]}…"
    return line


def read(text: str) -> Report | Terminal | None:
    """What a line says; None where it is none of these."""
    lines = text.strip().splitlines()
    try:
        told: Any = json.loads(lines[-1]) if lines else None
    except (ValueError, RecursionError):
        return None
    if not isinstance(told, dict):
        return None
    if "reason" in told:
        return Terminal(str(told["reason"]), str(told.get("message", "")))
    try:
        if not _SHA256.fullmatch(told["sha256"]):
            return None
        return Report(
            location=str(told["location"]),
            sha256=str(told["sha256"]),
            size=int(told["size"]),
            kind=str(told["kind"]),
            datasets={str(path): str(md5) for path, md5 in told["datasets"].items()},
            metrics=[_metric(*entry) for entry in told["metrics"]],
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        return None


def _metric(name: object, value: object, dataset: object, md5: object) -> Metric:
    number = float(str(value))
    if not math.isfinite(number):
        raise ValueError(value)
    return Metric(
        name=str(name), value=number,
        dataset=None if dataset is None else str(dataset),
        md5=None if md5 is None else str(md5),
    )  # fmt: skip
