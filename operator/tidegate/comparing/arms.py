"""The two arms of a comparison."""

from __future__ import annotations

from enum import StrEnum


class Arm(StrEnum):
    """Stable answers the caller; candidate answers the mirrored copy."""

    STABLE = "stable"
    CANDIDATE = "candidate"

    @property
    def other(self) -> Arm:
        """The arm that this one is compared with."""
        return Arm.CANDIDATE if self is Arm.STABLE else Arm.STABLE
