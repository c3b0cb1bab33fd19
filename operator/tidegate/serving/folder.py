"""A tree, brought file by file into a folder beside the cache's, and verified as a whole.

What has arrived is noted entry by entry, so that the next try, or the next pod, goes on after it.
The digest of the manifest decides: where something was continued and it does not fit, all of it
is fetched anew.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tidegate.artifacts import archive as archives
from tidegate.artifacts.archive import unpacked
from tidegate.artifacts.tree import (
    UNSAFE_PATH,
    TreeFile,
    check_path,
    check_paths,
    too_many,
    tree_digest,
)
from tidegate.artifacts.uri import shown
from tidegate.errors import Terminal, Unreachable
from tidegate.serving import failure
from tidegate.serving.cache import Wanted, publish, remove, sync_folder
from tidegate.serving.download import Bounds, download

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tidegate.artifacts.fetching import Entry, Fetcher

_CHUNK = 1024 * 1024


def fetch_tree(wanted: Wanted, fetcher: Fetcher) -> int:
    """Bring a tree into the cache; the number of its bytes.

    :raises Terminal: DigestMismatch, TooLarge, TooManyFiles, UnsafePath, or what the source says.
    :raises Retryable: try again; what has arrived is kept.
    """
    staging = Staging(wanted.beside("tree"))
    entries = _listed(wanted, fetcher)
    continued = False
    found: list[TreeFile] = []
    for entry in entries:
        files = staging.noted(entry)
        continued = continued or files is not None
        if files is None:
            left = wanted.max_bytes - sum(file.size for file in found)
            bounds = Bounds(
                left=left,
                limit=wanted.max_bytes,
                deadline=wanted.deadline,
                max_files=wanted.max_files,
            )
            files, began = staging.bring(entry, fetcher, bounds=bounds)
            continued = continued or began
        found += files
    digest = tree_digest(found)
    if digest != wanted.sha256:
        remove(staging.folder)
        if continued:
            raise Unreachable("what was continued does not fit its beginning; it is started over")
        raise Terminal(
            failure.DIGEST_MISMATCH,
            f"the manifest of {shown(wanted.source)} has sha256 {digest}, wanted is "
            f"{wanted.sha256}: a file there was changed, added or removed. Put the right ones "
            "back, or set spec.artifact.sha256 to the new digest",
        )
    staging.keep_only({file.path for file in found})
    publish(wanted, staging.files)
    remove(staging.folder)
    return sum(file.size for file in found)


def _listed(wanted: Wanted, fetcher: Fetcher) -> list[Entry]:
    """The entries of the tree, in the order of their paths, within the limits."""
    entries = []
    for entry in fetcher.files(wanted.source):
        entries.append(entry)
        if len(entries) > wanted.max_files:
            raise too_many(shown(wanted.source), limit=wanted.max_files)
    check_paths(entry.path for entry in entries if entry.archive is None)
    return sorted(entries, key=lambda entry: entry.path.encode())


@dataclass(frozen=True, slots=True)
class Staging:
    """The folder where a tree is gathered: `files/` of it, and a note of each that is whole."""

    folder: Path

    @property
    def files(self) -> Path:
        return self.folder / "files"

    def noted(self, entry: Entry) -> list[TreeFile] | None:
        """What an entry became in an earlier try; None when it is to be fetched."""
        try:
            said = json.loads(self._note(entry).read_bytes())
            files = [TreeFile(**one) for one in said["files"]]
            there = all((self.files / one.path).stat().st_size == one.size for one in files)
        except (OSError, ValueError, KeyError, TypeError):
            return None
        same = said.get("location") == entry.location and entry.size in (None, said.get("size"))
        return files if there and same else None

    def bring(
        self, entry: Entry, fetcher: Fetcher, *, bounds: Bounds
    ) -> tuple[list[TreeFile], bool]:
        """Fetch one entry and note it; its files, and whether a part of it was there before."""
        self.files.mkdir(parents=True, exist_ok=True)
        partial = self._note(entry).with_suffix(".partial")
        got = download(
            fetcher, entry.location, partial, bounds=bounds, sha256=entry.sha256, size=entry.size
        )
        if entry.size not in (None, got.size) or entry.sha256 not in (None, got.sha256):
            remove(partial)
            raise Unreachable(
                f"{shown(entry.location)} has {got.size} bytes and is not what was listed: it is "
                "changing, or came truncated"
            )
        if entry.archive is not None:
            files = self._unpack(entry, partial, bounds=bounds)
            remove(partial)
        else:
            target = self.files / check_path(entry.path)
            target.parent.mkdir(parents=True, exist_ok=True)
            partial.rename(target)
            sync_folder(target.parent)
            files = [TreeFile(path=entry.path, size=got.size, sha256=got.sha256)]
        self._write(entry, files, size=got.size)
        return files, got.continued > 0

    def _unpack(self, entry: Entry, archive: Path, *, bounds: Bounds) -> list[TreeFile]:
        """Unpack a whole archive below the entry's path."""
        limits = archives.Bounds(
            max_bytes=bounds.left, max_files=bounds.max_files, name=shown(entry.location)
        )
        found = []
        try:
            with archive.open("rb") as packed:
                for name, chunks in unpacked(iter(lambda: packed.read(_CHUNK), b""), limits):
                    path = check_path(f"{entry.path}/{name}" if entry.path else name)
                    target = self.files / path
                    target.parent.mkdir(parents=True, exist_ok=True)
                    found.append(_written(target, path, chunks))
        except (FileExistsError, IsADirectoryError, NotADirectoryError):
            remove(self.folder)
            raise Terminal(
                UNSAFE_PATH,
                f"{limits.name} holds a file where another has a folder: pack it again",
            ) from None
        return found

    def keep_only(self, paths: set[str]) -> None:
        """Drop what an earlier try left that is no part of the tree any more."""
        for path in sorted(self.files.rglob("*"), reverse=True):
            name = path.relative_to(self.files).as_posix()
            if path.is_dir() and not path.is_symlink():
                if not any(path.iterdir()):
                    path.rmdir()
            elif name not in paths:
                path.unlink()

    def _write(self, entry: Entry, files: list[TreeFile], *, size: int) -> None:
        said = {
            "location": entry.location,
            "size": size,
            "files": [{"path": one.path, "size": one.size, "sha256": one.sha256} for one in files],
        }
        self._note(entry).write_text(json.dumps(said))

    def _note(self, entry: Entry) -> Path:
        name = f"{entry.path} {entry.location if entry.archive else ''}"
        return self.folder / f"{hashlib.sha256(name.encode()).hexdigest()[:32]}.json"


def _written(target: Path, path: str, chunks: Iterator[bytes]) -> TreeFile:
    """Write a file and bring it to the disk."""
    digest = hashlib.sha256()
    with target.open("wb") as file:
        for chunk in chunks:
            file.write(chunk)
            digest.update(chunk)
        size = file.tell()
        file.flush()
        os.fsync(file.fileno())
    return TreeFile(path=path, size=size, sha256=digest.hexdigest())
