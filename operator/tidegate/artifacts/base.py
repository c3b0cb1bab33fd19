"""The contract of an artifact source, and what is common to all: reasons, limits, the pin.

To add a scheme: one file with a class that has `resolve` (`ArtifactSource`, runs in the operator)
and one that has `open` and `files` (`fetching.Fetcher`, runs in the pod), a line in `registry.py`
and one in `fetching.py`, one test file. That file is imported in both environments: it must not
import what only the operator has (`tidegate.api`) but where it resolves.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal, Protocol

from tidegate.artifacts.credentials import NO_CREDENTIALS, Credentials
from tidegate.artifacts.tree import MAX_FILES
from tidegate.artifacts.uri import scheme_of, shown
from tidegate.errors import Terminal

if TYPE_CHECKING:
    from collections.abc import Callable

    from tidegate.api.origin import Origin

    type Clock = Callable[[], datetime]

type Kind = Literal["file", "tree"]
"""A tree is a folder of files; its digest is that of its manifest (`tree.py`)."""

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
    `size` is 0 where the source does not say. `immutable` says that `location` can never mean
    anything else (a version of an object, a commit, a digest): the artifact can be fetched again
    however long it is kept. Where it is not, a revision can be restarted only from the cache.
    """

    version: str
    location: str
    sha256: str
    size: int
    at: datetime
    origin: Origin | None = None
    kind: Kind = "file"
    immutable: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """`max_bytes` an artifact may have, `max_files` a tree; seconds for all of `resolve`, and for
    the next bytes."""

    max_bytes: int = 10 * 1024**3
    max_files: int = MAX_FILES
    total_s: float = 600.0
    idle_s: float = 30.0


class ArtifactSource(Protocol):
    """Resolves the URIs of one scheme. Idempotent, with no side effects outside itself.

    With `previous` (the last answer for the same URI) an unchanged artifact costs one cheap look
    and returns that same object, so that nothing is written because of a poll. `sha256` is the
    user's pin: anything else is refused, and a pinned artifact that was resolved before is not
    looked at again, because nothing can come of it. `credentials` never reach what is returned,
    raised or logged.

    :raises Terminal: ArtifactNotFound, ArtifactForbidden, DigestMismatch, TooLarge,
        FileOutsideRoot, UriInvalid, CredentialsInvalid, UnsafePath, TooManyFiles.
    :raises Retryable: Unreachable (no answer in time), ArtifactChanging (written to just now).
    """

    async def resolve(
        self,
        uri: str,
        *,
        sha256: str | None,
        previous: Resolved | None,
        credentials: Credentials = NO_CREDENTIALS,
    ) -> Resolved: ...

    async def close(self) -> None: ...


class Registry(Protocol):
    """Resolves the URIs of one registry: a name there to a version, that to its bytes.

    As `ArtifactSource`, but for `format` (of `spec.artifact.format`): a version may hold a folder
    of which a format is one file. What is returned has an `origin`.

    :raises Terminal: besides those of `ArtifactSource`: FormatMismatch, RegistryUnknown.
    """

    async def resolve(
        self,
        uri: str,
        *,
        format: str,
        sha256: str | None,
        previous: Resolved | None,
        credentials: Credentials = NO_CREDENTIALS,
    ) -> Resolved: ...

    async def close(self) -> None: ...


def utc_now() -> datetime:
    return datetime.now(UTC)


async def update(digest: Any, chunk: bytes) -> None:
    """Hash a chunk without keeping the event loop waiting.

    A megabyte takes about a millisecond, in which hashlib lets other threads run; small pieces are
    not worth a thread.
    """
    if len(chunk) < CHUNK // 4:
        digest.update(chunk)
    else:
        await asyncio.to_thread(digest.update, chunk)


def is_settled(previous: Resolved | None, *, location: str, sha256: str | None) -> bool:
    """Whether a pinned artifact was resolved before: it cannot become anything else."""
    return (
        previous is not None
        and sha256 is not None
        and previous.sha256 == sha256.lower()
        and previous.location == location
    )


_BACK = {
    "models": "ask for the version that is pinned, or point the alias back at it",
    "hf": "name the commit that is pinned in spec.artifact.uri",
    "dvc": "name the commit that is pinned in spec.artifact.uri (?rev=…)",
    "wandb": "name the version that is pinned, or point the alias back at it",
    "oci": "name the digest of what is pinned (oci://…@sha256:…), or push it again",
}
"""How what is pinned comes back, by scheme; of others the file is put back."""


def check_pin(uri: str, *, found: str, pinned: str | None, means: str = "") -> None:
    """Check a user's pin. `means` says what a registry understands by the URI now.

    :raises Terminal: DigestMismatch, when the artifact is not what the Model pins.
    """
    if pinned is None or found == pinned.lower():
        return
    named = f"{shown(uri)} ({means})" if means else shown(uri)
    back = _BACK.get(scheme_of(uri), "put the pinned file back")
    raise Terminal(
        DIGEST_MISMATCH,
        f"{named} has sha256 {found}, and spec.artifact.sha256 pins {pinned.lower()}: {back}; or "
        "set spec.artifact.sha256 to the new digest after looking at what changed; or take it out "
        "to follow whatever is there",
    )


def too_large(uri: str, *, limit: int) -> Terminal:
    return Terminal(
        TOO_LARGE,
        f"{shown(uri)} is larger than {limit} bytes, the limit for artifacts: make the model "
        "smaller, or raise the limit",
    )
