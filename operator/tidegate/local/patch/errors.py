"""How a patch is refused: the answer the API server gives for it."""

from __future__ import annotations

from tidegate.errors import TidegateError

REJECTED = "the server rejected our request due to an error in our request"
"""The text of a patch that is well-formed and cannot be applied."""


class PatchProblem(TidegateError):
    """The patch cannot be applied. `status` and `reason` are those of the `Status` to answer."""

    def __init__(self, message: str, *, status: int, reason: str) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.reason = reason

    @classmethod
    def malformed(cls, detail: str) -> PatchProblem:
        """400: what was sent is no patch."""
        return cls(detail, status=400, reason="BadRequest")

    @classmethod
    def rejected(cls) -> PatchProblem:
        """422: a test failed, or a path does not exist."""
        return cls(REJECTED, status=422, reason="Invalid")
