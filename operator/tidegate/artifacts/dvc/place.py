"""Where a DVC remote keeps a content: `dvc+s3://bucket/prefix/files/md5/ab/cdef…`. Pure.

A remote is addressed by MD5: the first two digits are a folder, the rest the name. A folder's is a
list of its files with their MD5s, and has `.dir` behind it; a fragment is the part of it that is
meant. Old remotes (DVC 2) have the folders at their root.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from urllib.parse import quote, unquote

from tidegate.artifacts.base import ARTIFACT_NOT_FOUND, DIGEST_MISMATCH
from tidegate.artifacts.tree import MAX_FILES, check_paths, too_many
from tidegate.artifacts.uri import URI_INVALID, shown
from tidegate.errors import Terminal

PREFIX = "dvc+"
LIST_BYTES = 8 * 1024 * 1024
"""Of the list of a folder; a file takes about 100 bytes of it."""
LISTED = ".dir"
_LAYOUTS = {"md5": "files/md5/", "md5-dos2unix": ""}
"""By how DVC names the way in which an output was hashed."""
_MD5 = re.compile(r"[0-9a-f]{32}")
_END = re.compile(r"([0-9a-f]{2})/([0-9a-f]{30})(\.dir)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """A content of a remote: `root` is below what MD5s are, with a slash at its end. With `listed`
    it is a folder, of which `below` is meant (with a slash at its end; empty for all of it)."""

    root: str
    md5: str
    listed: bool = False
    below: str = ""

    @property
    def address(self) -> str:
        """Where its bytes are; of a folder, those of the list."""
        return f"{self.root}{self.md5[:2]}/{self.md5[2:]}{LISTED if self.listed else ''}"

    @property
    def location(self) -> str:
        """The same, and what of it is meant, as a location for pods."""
        return f"{PREFIX}{self.address}{f'#{quote(self.below)}' if self.below else ''}"

    def file(self, md5: str) -> Content:
        """The content of one of its files."""
        return Content(root=self.root, md5=md5)


def root_of(remote: str, hashed_by: str) -> str:
    """Below which address a remote keeps what was hashed in one of DVC's ways.

    :raises Terminal: RemoteUnsupported: DVC has a new one.
    """
    return f"{remote.rstrip('/')}/{_LAYOUTS[hashed_by]}"


def content_of(location: str) -> Content:
    """What a location names. :raises Terminal: UriInvalid: it is none of ours."""
    address, _, below = location.removeprefix(PREFIX).partition("#")
    found = _END.fullmatch("/".join(address.rsplit("/", 2)[-2:]))
    if found is None or not location.startswith(PREFIX):
        raise Terminal(URI_INVALID, f"{shown(location)} is no content of a DVC remote: use dvc://")
    return Content(
        root=address.removesuffix(found[0]),
        md5=found[1] + found[2],
        listed=found[3] is not None,
        below=unquote(below),
    )


def spoilt(content: Content) -> Terminal:
    """Why what lies in a remote is not what the repository tracks."""
    return Terminal(
        DIGEST_MISMATCH,
        f"what is at {shown(content.location)} has another MD5 than the repository says: it was"
        " changed or cut in the remote, or is a text that DVC 2 hashed in its own way; remove it"
        " there and `dvc push` it again (for the latter after `dvc commit -f` with DVC 3)",
    )


def is_md5(text: str) -> bool:
    return _MD5.fullmatch(text) is not None


def listed_files(text: bytes, folder: Content, *, most: int = MAX_FILES) -> dict[str, Content]:
    """The files of a folder by their paths in what is meant of it, from its list.

    :raises Terminal: ArtifactNotFound: nothing is below; UnsafePath, TooManyFiles; UriInvalid: it
        is no list; DigestMismatch: it is not the one that the folder is told by.
    """
    if hashlib.md5(text, usedforsecurity=False).hexdigest() != folder.md5:
        raise spoilt(folder)
    try:
        entries = [(str(entry["relpath"]), str(entry["md5"])) for entry in json.loads(text)]
    except (ValueError, TypeError, KeyError, RecursionError):
        entries = [("", "")]
    if not all(is_md5(md5) for _, md5 in entries):
        raise Terminal(URI_INVALID, f"{shown(folder.location)} is no list of a folder's files")
    found = {
        path.removeprefix(folder.below): folder.file(md5)
        for path, md5 in entries
        if path.startswith(folder.below)
    }
    if not found:
        raise Terminal(
            ARTIFACT_NOT_FOUND,
            f"the folder has nothing below {folder.below or 'it'}: correct the path",
        )
    if len(found) > most:
        raise too_many(shown(folder.location), limit=most)
    check_paths(found)
    return found
