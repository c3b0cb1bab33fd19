"""The contract of an artifact source, and what is common to all: reasons, limits, the pin.

To add a scheme: one file with a class that has `resolve`, one line in `registry.py`, one test file.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol

from tidegate.artifacts.uri import shown
from tidegate.errors import Terminal

if TYPE_CHECKING:
    from collections.abc import Callable

    from tidegate.api.origin import Origin

    type Clock = Callable[[], datetime]

ARTIFACT_CHANGING = "ArtifactChanging"
ARTIFACT_FORBIDDEN = "ArtifactForbidden"
ARTIFACT_NOT_FOUND = "ArtifactNotFound"
DIGEST_MISMATCH = "DigestMismatch"
SCHEME_UNSUPPORTED = "SchemeUnsupported"
TOO_LARGE = "TooLarge"

CHUNK = 1024 * 1024
"""Bytes held in memory at a time while an artifact is hashed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    """What a URI meant when it was asked.

    `version` is what the source calls this state of the artifact (opaque; equal means unchanged),
    `location` the URI to fetch it from, `sha256` 64 hex digits, `size` in bytes, `at` when it was
    read (aware, UTC). `origin` is what a registry knows about this version, None where none does.
    """

    version: str
    location: str
    sha256: str
    size: int
    at: datetime
    origin: Origin | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """`max_bytes` an artifact may have; seconds for all of `resolve`, and for the next bytes."""

    max_bytes: int = 10 * 1024**3
    total_s: float = 600.0
    idle_s: float = 30.0


class ArtifactSource(Protocol):
    """Resolves the URIs of one scheme. Idempotent, with no side effects outside itself.

    With `previous` (the last answer for the same URI) an unchanged artifact costs one cheap look
    and returns that same object, so that nothing is written because of a poll. `sha256` is the
    user's pin: anything else is refused, and a pinned artifact that was resolved before is not
    looked at again, because nothing can come of it.

    :raises Terminal: ArtifactNotFound, ArtifactForbidden, DigestMismatch, TooLarge,
        FileOutsideRoot, UriInvalid.
    :raises Retryable: Unreachable (no answer in time), ArtifactChanging (written to just now).
    """

    async def resolve(
        self, uri: str, *, sha256: str | None, previous: Resolved | None
    ) -> Resolved: ...

    async def close(self) -> None: ...


def utc_now() -> datetime:
    return datetime.now(UTC)


def is_settled(previous: Resolved | None, *, location: str, sha256: str | None) -> bool:
    """Whether a pinned artifact was resolved before: it cannot become anything else."""
    return (
        previous is not None
        and sha256 is not None
        and previous.sha256 == sha256.lower()
        and previous.location == location
    )


def check_pin(uri: str, *, found: str, pinned: str | None) -> None:
    """:raises Terminal: DigestMismatch, when the artifact is not what the Model pins."""
    if pinned is not None and found != pinned.lower():
        raise Terminal(
            DIGEST_MISMATCH,
            f"{shown(uri)} has sha256 {found}, and spec.artifact.sha256 pins {pinned.lower()}: put "
            "the pinned file back, or set sha256 to the new digest after looking at what changed",
        )


def too_large(uri: str, *, limit: int) -> Terminal:
    return Terminal(
        TOO_LARGE,
        f"{shown(uri)} is larger than {limit} bytes, the limit for artifacts: make the model "
        "smaller, or raise the limit",
    )
