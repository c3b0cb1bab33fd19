"""A gate that is a container of the user's: its exit code decides, its report tells.

Pure: judges how the container ended. A report is the last line of what it left, as a JSON object
with any of `value` (a number), `bound` and `message`.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tidegate.api.base import format_duration
from tidegate.api.gate import GateResult
from tidegate.domain.gates.results import gate_hash

if TYPE_CHECKING:
    from tidegate.api.gate import Gate

_SHOWN = 300
"""Characters of a message that is no report."""


@dataclass(frozen=True)
class Ended:
    """How the container ended: its exit code, None where it did not exit by itself in time; and
    what it left: its termination message, or the end of its log where it failed without one."""

    exit_code: int | None
    left: str = ""
    """What it left."""


def judge(gate: Gate, ended: Ended, *, source: str) -> GateResult:
    """What the gate says. The result has no time yet."""
    assert gate.job is not None, "it is a gate with a job"
    report = _report(ended.left)
    told = str(report.get("message") or "") or ended.left.strip()[-_SHOWN:]
    if ended.exit_code is None:
        limit = format_duration(gate.job.timeout)
        reason, message = "JobTimedOut", f"it did not end within {limit}; give it more, or less"
    elif ended.exit_code == 0:
        reason, message = "Passed", told or "it ended with exit code 0"
    else:
        why = f": {told}" if told else ""
        reason, message = "JobFailed", f"it ended with exit code {ended.exit_code}{why}"
    return GateResult(
        name=gate.name,
        gate=gate_hash(gate),
        result="Passed" if reason == "Passed" else "Failed",
        reason=reason,
        value=_value(report),
        bound=str(report["bound"])[:64] if report.get("bound") is not None else None,
        source=source[:200],
        message=message[:1024],
    )


def lost(gate: Gate, *, tries: int, why: str, source: str) -> GateResult:
    """What is said of a gate whose container never came to its end: its pods were taken away."""
    message = (
        f"its pod was taken away {tries} times before it ended{why}; give it room, then have it"
        " judged again"
    )
    return GateResult(
        name=gate.name,
        gate=gate_hash(gate),
        result="Failed",
        reason="JobLost",
        source=source[:200],
        message=message[:1024],
    )


def _report(left: str) -> dict[str, Any]:
    """The last line as a JSON object; empty when it is none."""
    lines = left.strip().splitlines()
    try:
        found = json.loads(lines[-1]) if lines and lines[-1].startswith("{") else None
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _value(report: dict[str, Any]) -> float | None:
    """A finite number, or nothing: a status holds no other."""
    value = report.get("value")
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value) if math.isfinite(value) else None
    except OverflowError:
        return None
