"""What a Model asks for while its artifact's source refuses or is silent.

A poll that found nothing has found nothing newer: what was found last for the present spec is still
what is asked for, and a Model that serves it is Ready. A source that named another version, which
cannot be had, has said what is asked for: that is not served. Pure; from the condition `Resolved`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidegate.domain.conditions import Said, find

if TYPE_CHECKING:
    from tidegate.api.model_status import ModelStatus

NOTHING_NEWER = frozenset(
    {"ArtifactForbidden", "ArtifactNotFound", "CredentialsForbidden", "CredentialsInvalid",
     "CredentialsMissing", "GitUnknown", "HostForbidden", "RegistryUnknown", "Unreachable"}
)  # fmt: skip
"""Reasons of sources that do not say, or have nothing there: none of them is about a version."""


def still_asked(status: ModelStatus, reason: str, *, generation: int) -> bool:
    """Whether what was found last is still asked for, though the source failed for a reason."""
    return reason in NOTHING_NEWER and status.resolved_generation == generation


def missing(status: ModelStatus, *, generation: int) -> Said | None:
    """Why there is no revision of what is asked for now, as the Model controller said it; None
    where there is one, or it has not looked yet."""
    failed = _failed(status, generation)
    if failed is None or still_asked(status, failed.reason, generation=generation):
        return None
    return failed


def unanswered(status: ModelStatus, *, generation: int) -> Said | None:
    """Why the source does not say whether something newer is asked for; None where it does."""
    failed = _failed(status, generation)
    if failed is None or not still_asked(status, failed.reason, generation=generation):
        return None
    return failed


def undecided(type_: str, problem: Said) -> Said:
    """A condition about the latest revision while it is not known which that is: what was said of
    an earlier one says nothing of it."""
    message = f"which revision is asked for is not known yet: {problem.message}"
    return Said(type_, "Unknown", problem.reason, message)


def _failed(status: ModelStatus, generation: int) -> Said | None:
    resolved = find(status.conditions, "Resolved")
    if resolved is None or resolved.status == "True":
        return None
    if (resolved.observed_generation or 0) < generation:
        return None
    return Said("Resolved", resolved.status, resolved.reason, resolved.message)
