"""The Job that looks at a repository: check out a commit, find the output, read it, report it.

    python -m tidegate.artifacts.dvc.inspecting --repository URL --commit HEX --path P --report FILE

Every byte passes through MD5, which the repository knows, and SHA-256, which everything else here
goes by; nothing is kept. Ends with 0 and a report, or with 1 and the reason why there is none.
"""

from __future__ import annotations

import argparse
import hashlib
import logging
import os
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tidegate.artifacts.base import ARTIFACT_NOT_FOUND, too_large
from tidegate.artifacts.credentials import NO_CREDENTIALS, Credentials, mounted
from tidegate.artifacts.dvc.checkout import check_out
from tidegate.artifacts.dvc.fetcher import DvcFetcher
from tidegate.artifacts.dvc.place import Content, listed_files, spoilt
from tidegate.artifacts.dvc.report import Report, write, write_failure
from tidegate.artifacts.dvc.tracked import absent, find
from tidegate.artifacts.tree import MAX_FILES, TreeFile, tree_digest
from tidegate.artifacts.uri import shown
from tidegate.errors import Retryable, Terminal

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

log = logging.getLogger(__name__)

_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 10.0
_LIMIT_BYTES = 20 * 1024**3
_TIMEOUT_S = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """`deadline` is of time.monotonic()."""

    max_bytes: int
    max_files: int
    deadline: float


def inspect(
    repository: str, commit: str, path: str, *, credentials: Credentials, bounds: Bounds
) -> Report:
    """What is tracked at a path of a commit. :raises Terminal: as the modules beside this one."""
    with tempfile.TemporaryDirectory() as work:
        # DVC keeps what it notes below these; not in the home of whoever runs this.
        for name in ("DVC_SITE_CACHE_DIR", "DVC_GLOBAL_CONFIG_DIR", "DVC_SYSTEM_CONFIG_DIR"):
            os.environ[name] = f"{work}/{name.lower()}"
        os.environ["DVC_NO_ANALYTICS"] = "1"
        folder = Path(work).resolve() / "repository"
        folder.mkdir()

        def clone() -> None:
            check_out(repository, commit, folder, credentials=credentials, deadline=bounds.deadline)

        _retried(clone, deadline=bounds.deadline)
        log.info("checked out commit=%s", commit)
        tracked = find(folder, path, credentials=credentials)
    reader = _Reader(DvcFetcher(credentials), bounds)
    content, below = tracked.content, tracked.below
    if content.listed and below and not below.endswith("/"):
        content = reader.file_of(content, below)
    elif content.listed:
        content = Content(root=content.root, md5=content.md5, listed=True, below=below)
    found = reader.read(content)
    return Report(
        location=content.location,
        sha256=found.sha256,
        size=found.size,
        kind="tree" if content.listed else "file",
        datasets=tracked.datasets,
        metrics=tracked.metrics,
    )


class _Reader:
    """Reads contents of a remote through both hashes, within limits."""

    def __init__(self, fetcher: DvcFetcher, bounds: Bounds) -> None:
        self._fetcher = fetcher
        self._bounds = bounds
        self._left = bounds.max_bytes

    def read(self, content: Content) -> TreeFile:
        """Size and SHA-256 of a file, or of a folder."""
        if not content.listed:
            return self._file("", content)
        files = [self._file(path, file) for path, file in self._files(content).items()]
        size = sum(file.size for file in files)
        return TreeFile(path="", size=size, sha256=tree_digest(files))

    def file_of(self, folder: Content, path: str) -> Content:
        """The content of one file in a folder. :raises Terminal: ArtifactNotFound."""
        found = self._files(folder).get(path)
        if found is None:
            raise Terminal(
                ARTIFACT_NOT_FOUND, f"the folder has no file {path}: correct spec.artifact.uri"
            )
        return found

    def _files(self, folder: Content) -> dict[str, Content]:
        text = self._had(folder, lambda: self._fetcher.list_of(folder))
        return listed_files(text, folder, most=self._bounds.max_files)

    def _file(self, path: str, content: Content) -> TreeFile:
        digests = _Digests()
        self._had(content, lambda: self._receive(content, digests))
        if digests.md5.hexdigest() != content.md5:
            raise spoilt(content)
        self._left -= digests.size
        return TreeFile(path=path, size=digests.size, sha256=digests.sha256.hexdigest())

    def _receive(self, content: Content, digests: _Digests) -> None:
        """Go on where the last try broke off."""
        with self._fetcher.open(content.location, offset=digests.size) as stream:
            if stream.offset != digests.size:
                digests.start_over()
            for chunk in stream.chunks:
                digests.update(chunk)
                if digests.size > self._left:
                    raise too_large(content.location, limit=self._bounds.max_bytes)
                _check_time(content.location, self._bounds.deadline)

    def _had[T](self, content: Content, get: Callable[[], T]) -> T:
        try:
            return _retried(get, deadline=self._bounds.deadline)
        except Terminal as error:
            raise (
                absent(content.location) if error.reason == ARTIFACT_NOT_FOUND else error
            ) from None


class _Digests:
    """Both hashes of what has come so far."""

    def __init__(self) -> None:
        self.start_over()

    def start_over(self) -> None:
        self.md5: Any = hashlib.md5(usedforsecurity=False)
        self.sha256: Any = hashlib.sha256()
        self.size = 0

    def update(self, chunk: bytes) -> None:
        self.md5.update(chunk)
        self.sha256.update(chunk)
        self.size += len(chunk)


def _retried[T](do: Callable[[], T], *, deadline: float) -> T:
    """Try until it works, the deadline passes, or trying again cannot help."""
    pause = _FIRST_PAUSE_S
    while True:
        try:
            return do()
        except Retryable as error:
            if deadline - time.monotonic() <= pause:
                raise Terminal(error.reason, error.message) from None
            log.warning("trying again seconds=%.1f because=%s", pause, error.message)
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_S)


def _check_time(location: str, deadline: float) -> None:
    if time.monotonic() > deadline:
        raise Terminal("Unreachable", f"{shown(location)} did not arrive in time: move it nearer")


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="tidegate.artifacts.dvc.inspecting", description=__doc__)
    parser.add_argument("--repository", required=True, help="address of the git repository")
    parser.add_argument("--commit", required=True, help="40 hex digits")
    parser.add_argument("--path", required=True, help="of the output; a folder's ends with /")
    parser.add_argument("--report", required=True, type=Path, help="file for the report")
    parser.add_argument("--credentials", type=Path, help="folder where their Secret is mounted")
    parser.add_argument("--secret", default="", help="name of that Secret, for messages")
    parser.add_argument("--max-bytes", type=int, default=_LIMIT_BYTES, help="size limit")
    parser.add_argument("--max-files", type=int, default=MAX_FILES, help="limit of a folder")
    parser.add_argument("--timeout", type=float, default=_TIMEOUT_S, help="seconds in all")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Look at what the arguments name; the exit code."""
    logging.basicConfig(
        stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s"
    )
    given = _arguments(arguments)
    bounds = Bounds(
        max_bytes=given.max_bytes,
        max_files=given.max_files,
        deadline=time.monotonic() + given.timeout,
    )
    try:
        credentials = NO_CREDENTIALS
        if given.credentials is not None:
            credentials = mounted(given.credentials, name=given.secret)
        report = inspect(
            given.repository, given.commit, given.path, credentials=credentials, bounds=bounds
        )
    except Terminal as error:
        log.warning("%s: %s", error.reason, error.message)
        given.report.write_text(write_failure(error))
        return 1
    given.report.write_text(write(report))
    log.info("resolved sha256=%s bytes=%d", report.sha256, report.size)
    return 0


if __name__ == "__main__":
    sys.exit(main())
