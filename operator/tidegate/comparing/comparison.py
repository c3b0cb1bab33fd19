"""Whether both arms' answers to one request agree, and by how much single numbers differ. Pure.

Numbers agree within an absolute tolerance, element by element; NaN agrees with NaN alone, an
infinity with itself alone; texts and bools agree when they are equal. Another set of outputs,
another datatype or shape is a disagreement. A failed request has no outputs to compare: where
either arm failed there is no verdict, only whose failure it was.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from tidegate.serving.records import OK

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tidegate.serving.records import Record, Tensor


class Outcome(StrEnum):
    """What a pair of answers is."""

    AGREE = "agree"
    DISAGREE = "disagree"
    STABLE_FAILED = "stable"
    CANDIDATE_FAILED = "candidate"
    BOTH_FAILED = "both"


@dataclass(frozen=True, slots=True)
class Compared:
    """`differences` are candidate − stable of each output that is one number in both, where its
    square is finite."""

    outcome: Outcome
    differences: Mapping[str, float] = field(default_factory=dict)


def compare(stable: Record, candidate: Record, *, tolerance: float) -> Compared:
    """Compare the answers to one request; `tolerance` >= 0 is in the outputs' own unit."""
    failed = (stable.status != OK, candidate.status != OK)
    if any(failed):
        if all(failed):
            return Compared(Outcome.BOTH_FAILED)
        return Compared(Outcome.STABLE_FAILED if failed[0] else Outcome.CANDIDATE_FAILED)
    ours = {tensor.name: tensor for tensor in stable.outputs}
    theirs = {tensor.name: tensor for tensor in candidate.outputs}
    agree = ours.keys() == theirs.keys() and all(
        _agree(ours[name], theirs[name], tolerance=tolerance) for name in ours
    )
    differences = {
        name: difference
        for name in ours.keys() & theirs.keys()
        if (difference := _difference(ours[name], theirs[name])) is not None
    }
    return Compared(Outcome.AGREE if agree else Outcome.DISAGREE, differences)


def _agree(one: Tensor, other: Tensor, *, tolerance: float) -> bool:
    if (one.datatype, one.shape) != (other.datatype, other.shape):
        return False
    if len(one.data) != len(other.data):
        return False
    if one.datatype in ("BYTES", "BOOL"):
        return one.data == other.data
    return all(_near(a, b, tolerance=tolerance) for a, b in zip(one.data, other.data, strict=True))


def _near(a: Any, b: Any, *, tolerance: float) -> bool:
    if a == b:  # infinities too, whose difference is NaN
        return True
    if a != a or b != b:
        return bool(a != a and b != b)
    return bool(abs(a - b) <= tolerance)


def _difference(stable: Tensor, candidate: Tensor) -> float | None:
    """candidate − stable, where both are one number; bools and texts are none."""
    if {"BYTES", "BOOL"} & {stable.datatype, candidate.datatype}:
        return None
    if len(stable.data) != 1 or len(candidate.data) != 1:
        return None
    difference = float(candidate.data[0]) - float(stable.data[0])
    return difference if math.isfinite(difference * difference) else None
