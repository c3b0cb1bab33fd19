"""How an apply is refused, worded as the API server words it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidegate.errors import TidegateError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tidegate.local.apply.fields import Path
    from tidegate.local.schema.causes import Cause


class ApplyRefused(TidegateError):
    """The configuration cannot be applied. `status` and `reason` are those of the `Status`."""

    def __init__(self, message: str, *, status: int, reason: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.reason = reason


class ApplyConflict(ApplyRefused):
    """Other managers own fields that this configuration would change; `causes` name them."""

    def __init__(self, message: str, causes: Sequence[Cause], paths: frozenset[Path]) -> None:
        super().__init__(message, status=409, reason="Conflict")
        self.causes = list(causes)
        self.paths = paths
        """The fields."""
