"""Tar archives, read as they come: the files in them, and nothing that could leave a folder.

Needs nothing but the standard library: the operator hashes what the init container unpacks. Never
writes anything itself. Links, devices and pipes are refused, not skipped: what a model loads must
be what was hashed.
"""

from __future__ import annotations

import contextlib
import lzma
import tarfile
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from tidegate.artifacts.tree import UNSAFE_PATH, check_path, too_many
from tidegate.errors import Terminal, TidegateError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

ARCHIVE_INVALID = "ArchiveInvalid"
TOO_LARGE = "TooLarge"

_CHUNK = 1024 * 1024
_HEADER_BYTES = 1024 * 1024
_HEADERS_BYTES = 32 * 1024 * 1024
"""What headers that continue others may take: one, and all of an archive together."""
_RATIO = 200
_GRACE_BYTES = 256 * 1024**2
"""What may come out of an archive beyond `_RATIO` times what went in: models with many equal values
pack well, and a bomb packs better."""
_EXTENDED = (
    tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE, tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """How much may come out of an archive: bytes, and files and folders together. `name` is what
    messages call it."""

    max_bytes: int
    max_files: int
    name: str


def unpacked(chunks: Iterator[bytes], bounds: Bounds) -> Iterator[tuple[str, Iterator[bytes]]]:
    """The files of a tar archive of any compression, by path; each one's bytes must be taken before
    the next is asked for. All of `chunks` is read at the end, what follows the archive too.

    :raises Terminal: UnsafePath, TooManyFiles, TooLarge (a bomb, too), ArchiveInvalid.
    """
    source = _Source(chunks)
    meter = _Meter(source, bounds)
    with (
        _readable(bounds),
        tarfile.open(
            fileobj=cast("BinaryIO", source), mode="r|*", bufsize=65536, tarinfo=_Info
        ) as tar,
    ):
        for number, member in enumerate(tar):
            if number >= bounds.max_files:
                raise too_many(bounds.name, limit=bounds.max_files)
            # else it would keep every header
            tar.members = []  # type: ignore[attr-defined]
            path = member.name.removeprefix("./")
            if not member.isdir():
                yield _path_of(member, path), _content(tar, member, meter)
            elif path not in ("", "."):
                check_path(path)
    for _ in source.rest():
        pass


@contextlib.contextmanager
def _readable(bounds: Bounds) -> Iterator[None]:
    """Turns what tarfile raises within into Terminal(ArchiveInvalid)."""
    try:
        yield
    except TidegateError:
        raise
    except (
        tarfile.TarError,
        EOFError,
        zlib.error,
        lzma.LZMAError,
        ValueError,
        RecursionError,
    ) as error:
        raise Terminal(
            ARCHIVE_INVALID,
            f"{bounds.name} is no tar archive that can be read ({type(error).__name__}): it came "
            "truncated, or must be packed again (as .tar, .tar.gz, .tar.bz2 or .tar.xz)",
        ) from None


class _Info(tarfile.TarInfo):
    """A header. One that continues another is read into memory as a whole, and global ones are
    kept: not without limit. The map of a sparse file is read into memory too: there is none."""

    def _proc_member(self, tar: tarfile.TarFile) -> Any:
        if self.type == tarfile.GNUTYPE_SPARSE:
            raise _sparse()
        if self.type in _EXTENDED:
            held = getattr(tar, "held_bytes", 0) + self.size
            if self.size > _HEADER_BYTES or held > _HEADERS_BYTES:
                raise tarfile.ReadError("headers of excessive size")
            tar.held_bytes = held  # type: ignore[attr-defined]
        return super()._proc_member(tar)  # type: ignore[misc]

    def _proc_gnusparse_00(self, *_: Any) -> None:
        raise _sparse()

    def _proc_gnusparse_01(self, *_: Any) -> None:
        raise _sparse()

    def _proc_gnusparse_10(self, *_: Any) -> None:
        raise _sparse()


def _sparse() -> tarfile.ReadError:
    return tarfile.ReadError("a sparse file: pack it without --sparse")


class _Source:
    """What tarfile reads from: `read` alone, as it reads streams."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._held = b""
        self.consumed = 0

    def read(self, size: int) -> bytes:
        while len(self._held) < size:
            chunk = next(self._chunks, b"")
            if not chunk:
                break
            self._held += chunk
        given, self._held = self._held[:size], self._held[size:]
        self.consumed += len(given)
        return given

    def rest(self) -> Iterator[bytes]:
        """What is left; to be read for its digest's sake."""
        yield self._held
        yield from self._chunks


class _Meter:
    """Counts what comes out against what went in."""

    def __init__(self, source: _Source, bounds: Bounds) -> None:
        self._source = source
        self.bounds = bounds
        self._bytes = 0

    def count(self, size: int) -> None:
        """:raises Terminal: TooLarge."""
        self._bytes += size
        if self._bytes > self.bounds.max_bytes:
            raise Terminal(
                TOO_LARGE,
                f"{self.bounds.name} unpacks to more than {self.bounds.max_bytes} bytes, the "
                "limit for artifacts: make the model smaller, or raise the limit",
            )
        if self._bytes > _RATIO * self._source.consumed + _GRACE_BYTES:
            raise Terminal(
                TOO_LARGE,
                f"{self.bounds.name} unpacks to more than {_RATIO} times its size, as an archive "
                "made to fill disks does: push the model's files unpacked",
            )


def _path_of(member: tarfile.TarInfo, path: str) -> str:
    if not member.isreg():
        what = "a link" if member.issym() or member.islnk() else "no plain file"
        raise Terminal(
            UNSAFE_PATH,
            f"the archive holds {member.name[:200]!r}, which is {what}: pack the files themselves",
        )
    return check_path(path)


def _content(tar: tarfile.TarFile, member: tarfile.TarInfo, meter: _Meter) -> Iterator[bytes]:
    with _readable(meter.bounds):
        file = tar.extractfile(member)
        assert file is not None, "a plain file has content"
        while chunk := file.read(_CHUNK):
            meter.count(len(chunk))
            yield chunk
