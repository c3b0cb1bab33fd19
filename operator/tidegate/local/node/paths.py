"""Rewrites the paths that a container was told to the folders that stand for them. Pure.

A container's volumes are folders somewhere on this machine. Its command, arguments and environment
name them by mount path, so those are replaced; what the program itself has written inside, or reads
from its own configuration, is not.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True, slots=True)
class Mount:
    """The folder or file `folder` stands for `mount_path`."""

    mount_path: str
    folder: str
    read_only: bool = False


class PathRewriter:
    """Replaces mount paths in texts; the longest one that fits wins."""

    def __init__(self, mounts: Iterable[Mount]) -> None:
        self._folders = {
            mount.mount_path.rstrip("/"): mount.folder
            for mount in mounts
            if mount.mount_path.rstrip("/")
        }
        longest_first = sorted(self._folders, key=len, reverse=True)
        paths = "|".join(re.escape(path) for path in longest_first)
        # A mount path begins a path (not inside a longer one, unless a URI's authority is empty)
        # and ends at a path's border: `/data` is in `--to=/data/x` but not in `/mydata`, `/data2`.
        pattern = rf"(?:(?<![\w./-])|(?<=://))(?:{paths})(?![\w.-])"
        self._pattern = re.compile(pattern) if paths else None

    def rewrite(self, text: str) -> str:
        """Return `text` with every mount path replaced."""
        if self._pattern is None:
            return text
        return self._pattern.sub(lambda found: self._folders[found.group()], text)
