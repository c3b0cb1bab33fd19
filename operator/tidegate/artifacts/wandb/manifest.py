"""The manifest of a W&B artifact, version 1: which files it has, and their digests. Pure.

`contents` maps paths to a digest in base64, a size, and `ref` where the file is not with W&B. A
digest is an MD5, or, where `extra` says so, an XXH128.
"""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

from tidegate.artifacts.base import ARTIFACT_NOT_FOUND
from tidegate.artifacts.tree import MAX_FILES, check_paths, too_many
from tidegate.artifacts.uri import shown
from tidegate.errors import Terminal

if TYPE_CHECKING:
    from collections.abc import Sequence

    type Algorithm = Literal["MD5", "XXH128"]

ARTIFACT_INVALID = "ArtifactInvalid"
FORMAT_MISMATCH = "FormatMismatch"
REFERENCE_UNSUPPORTED = "ReferenceUnsupported"
MAX_BYTES = 32 * 1024**2
"""Of a manifest; a file takes about 200 bytes of it."""
_WHOLE = ("mlflow", "custom")
"""Formats that may be a folder."""
_SHOWN = 5


class Digest(Protocol):
    """What hashes in the manner of `hashlib`."""

    def update(self, chunk: bytes, /) -> None: ...

    def hexdigest(self) -> str: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedFile:
    """A file: its path in the artifact, size in bytes (None where it is not said), digest in hex
    and how that was computed. With `ref` it lies at that address and not with W&B."""

    path: str
    size: int | None
    digest: str = ""
    algorithm: Algorithm = "MD5"
    ref: str | None = None

    def hasher(self) -> Digest:
        """What its content is checked with."""
        if self.algorithm == "XXH128":
            import xxhash  # late: few artifacts are told by it, and pods have no use for it

            found: Digest = xxhash.xxh128()
            return found
        return hashlib.md5(usedforsecurity=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """What of an artifact is meant: one file, or (`is_tree`) the files below a folder, `path` with
    a slash at its end, or empty for all."""

    files: Sequence[ListedFile]
    path: str
    is_tree: bool


def parse_manifest(content: bytes, *, what: str) -> list[ListedFile]:
    """The files of an artifact, in the order of their paths.

    :raises Terminal: ArtifactInvalid: not a manifest of version 1; UnsafePath, TooManyFiles.
    """
    try:
        said = json.loads(content)
        contents: dict[str, Any] = said["contents"]
        if said["version"] != 1:
            raise ValueError
        found = [_listed(path, entry) for path, entry in sorted(contents.items())]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise Terminal(
            ARTIFACT_INVALID,
            f"the list of files of {what} is no manifest of version 1: log the artifact anew with"
            " the package wandb",
        ) from None
    if len(found) > MAX_FILES:
        raise too_many(what, limit=MAX_FILES)
    check_paths(contents)
    return found


def _listed(path: str, entry: dict[str, Any]) -> ListedFile:
    """:raises ValueError, KeyError, TypeError: it is no entry of a manifest."""
    size = entry.get("size")
    if size is not None and (not isinstance(size, int) or size < 0):
        raise ValueError
    if entry.get("ref") is not None:
        return ListedFile(path=path, size=size, ref=str(entry["ref"]))
    digest = base64.b64decode(entry["digest"], validate=True).hex()
    named = (entry.get("extra") or {}).get("alg", "MD5")
    if len(digest) != 32 or named not in ("MD5", "XXH128"):
        raise ValueError
    return ListedFile(path=path, size=size, digest=digest, algorithm=named)


def choose(files: Sequence[ListedFile], *, path: str, format: str, what: str) -> Chosen:
    """The files that a path in an artifact means, for a format that is one file or a folder.

    :raises Terminal: ArtifactNotFound, FormatMismatch; ReferenceUnsupported: one of them is not
        with W&B.
    """
    folder = not path or path.endswith("/")
    found = [
        file for file in files if (file.path.startswith(path) if folder else file.path == path)
    ]
    if not found:
        listed = _named(files) or "no files"
        raise Terminal(
            ARTIFACT_NOT_FOUND,
            f"{what} has no {path or 'files'}: it holds {listed}; correct spec.artifact.uri (a"
            " folder ends with /)",
        )
    if folder and format not in _WHOLE and len(found) > 1:
        raise Terminal(
            FORMAT_MISMATCH,
            f"{what} holds {_named(found)}, and {format} is one file: name it in"
            f" spec.artifact.uri, like wandb://{what}/{found[0].path}",
        )
    for file in found:
        if file.ref is not None:
            raise Terminal(
                REFERENCE_UNSUPPORTED,
                f"{file.path!r} of {what} is a reference to {shown(file.ref)[:300]}, which W&B does"
                " not hold: log the file itself (add_file, add_dir), or name that address in"
                " spec.artifact.uri",
            )
    tree = folder and format in _WHOLE
    return Chosen(files=found, path=path if tree else found[0].path, is_tree=tree)


def _named(files: Sequence[ListedFile]) -> str:
    more = f" and {len(files) - _SHOWN} more" if len(files) > _SHOWN else ""
    return ", ".join(file.path for file in files[:_SHOWN]) + more
