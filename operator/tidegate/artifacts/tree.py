"""Trees: folders of files as one artifact, told by the SHA-256 of their canonical manifest.

The manifest has one line a file, `sha256  size  path` (two spaces between), sorted by the bytes of
the path, each line ended by a line feed; the digest of that text is the digest of the tree. Needs
nothing but the standard library: the operator, the init container and the server compute the same.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tidegate.errors import Terminal

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

ARTIFACT_NOT_FOUND = "ArtifactNotFound"
TOO_MANY_FILES = "TooManyFiles"
UNSAFE_PATH = "UnsafePath"

MAX_FILES = 10_000
_MAX_PATH_BYTES = 1024
_MAX_NAME_BYTES = 255
_CHUNK = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeFile:
    """A file of a tree: its path in it (`/` between), size in bytes, and sha256 (64 hex digits)."""

    path: str
    size: int
    sha256: str


def manifest(files: Iterable[TreeFile]) -> bytes:
    """The canonical manifest of a tree.

    :raises Terminal: UnsafePath; ArtifactNotFound for a tree without files.
    """
    found = sorted(files, key=lambda file: file.path.encode())
    if not found:
        raise Terminal(
            ARTIFACT_NOT_FOUND, "the folder holds no files: correct spec.artifact.uri, or fill it"
        )
    check_paths(file.path for file in found)
    return "".join(f"{file.sha256}  {file.size}  {file.path}\n" for file in found).encode()


def tree_digest(files: Iterable[TreeFile]) -> str:
    """SHA-256, in hex, of the canonical manifest. Raises as `manifest`."""
    return hashlib.sha256(manifest(files)).hexdigest()


def check_path(path: str) -> str:
    """`path` itself, when it is safe to be made below a folder.

    Relative, `/` between names, no empty name, `.` or `..`, no backslash, nothing unprintable.

    :raises Terminal: UnsafePath.
    """
    names = path.split("/")
    try:
        encoded = path.encode()
        sound = (
            path.isprintable()
            and "\\" not in path
            and len(encoded) <= _MAX_PATH_BYTES
            and all(0 < len(name.encode()) <= _MAX_NAME_BYTES for name in names)
            and not {".", ".."} & set(names)
        )
    except UnicodeEncodeError:
        sound = False
    if not sound:
        raise Terminal(
            UNSAFE_PATH,
            f"the artifact holds a file at {path[:200]!r}, which is no plain path below its "
            "folder: pack it again without absolute paths, `..`, empty or unprintable names",
        )
    return path


def check_paths(paths: Iterable[str]) -> None:
    """Every path is safe, there is none twice, and none is a folder of another as well.

    :raises Terminal: UnsafePath.
    """
    files = set()
    folders: set[str] = set()
    for path in paths:
        check_path(path)
        if path in files:
            raise _twice(path)
        files.add(path)
        folder = path
        while folder := folder.rpartition("/")[0]:
            folders.add(folder)
    for path in files & folders:
        raise _twice(path)


def _twice(path: str) -> Terminal:
    return Terminal(
        UNSAFE_PATH,
        f"the artifact holds {path[:200]!r} twice, or as a file and a folder: pack it again",
    )


def too_many(shown: str, *, limit: int) -> Terminal:
    return Terminal(
        TOO_MANY_FILES,
        f"{shown} holds more than {limit} files, the limit for artifacts: point "
        "spec.artifact.uri at the model's own folder, or pack it into fewer files",
    )


def folder_digest(folder: Path, *, max_files: int = MAX_FILES) -> str:
    """The digest of a tree that lies in a folder, every file read.

    :raises Terminal: UnsafePath (a link, or no plain file, too), TooManyFiles, ArtifactNotFound.
    :raises OSError: it cannot be read.
    """
    return tree_digest(hashed_files(folder, max_files=max_files))


def hashed_files(folder: Path, *, max_files: int = MAX_FILES) -> list[TreeFile]:
    """The files of a tree that lies in a folder, each one read.

    :raises Terminal: UnsafePath, TooManyFiles. :raises OSError: it cannot be read.
    """
    found = []
    for path in plain_files(folder, max_files=max_files):
        digest = hashlib.sha256()
        size = 0
        with (folder / path).open("rb") as file:
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
                size += len(chunk)
        found.append(TreeFile(path=path, size=size, sha256=digest.hexdigest()))
    return found


def plain_files(folder: Path, *, max_files: int = MAX_FILES) -> list[str]:
    """The paths of all files below a folder, sorted by their bytes. Links are refused: they could
    lead out of it, and what they lead to is no content of it.

    :raises Terminal: UnsafePath, TooManyFiles. :raises OSError: it cannot be read.
    """
    found: list[str] = []
    waiting = [""]
    while waiting:
        below = waiting.pop()
        with os.scandir(folder / below) as entries:
            for entry in entries:
                path = check_path(f"{below}/{entry.name}" if below else entry.name)
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(path)
                    continue
                if not entry.is_file(follow_symlinks=False):
                    raise Terminal(
                        UNSAFE_PATH,
                        f"{path!r} in the folder is a link or no plain file: put the file itself "
                        "there",
                    )
                found.append(path)
                if len(found) > max_files:
                    raise too_many(str(folder), limit=max_files)
    return sorted(found, key=str.encode)
