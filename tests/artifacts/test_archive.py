"""Archives: what is in them comes out as it was packed; what could do harm does not come out."""

from __future__ import annotations

import io
import os
import tarfile
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.artifacts.archive import Bounds, unpacked
from tidegate.errors import Terminal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LIMITS = Bounds(max_bytes=10**6, max_files=10, name="the layer")
FILES = {"MLmodel": b"flavors", "data/weights": os.urandom(100_000), "empty": b""}


def packed(files: dict[str, bytes], mode: str = "w:gz", *more: tarfile.TarInfo) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as tar:  # type: ignore[call-overload]
        for path, content in files.items():
            info = tarfile.TarInfo(path)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
        for info in more:
            tar.addfile(info)
    return buffer.getvalue()


def special(path: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(path)
    info.type, info.linkname = kind, target
    return info


def unpack(archive: bytes, bounds: Bounds = LIMITS, *, chunk: int = 1000) -> dict[str, bytes]:
    chunks = (archive[i : i + chunk] for i in range(0, len(archive), chunk))
    return {path: b"".join(content) for path, content in unpacked(chunks, bounds)}


def reason(archive: bytes, bounds: Bounds = LIMITS) -> str:
    with pytest.raises(Terminal) as caught:
        unpack(archive, bounds)
    return caught.value.reason


def outcome(archive: bytes, *, chunk: int = 1000) -> str | set[str]:
    """The paths that come out, or the reason why none do."""
    try:
        return set(unpack(archive, chunk=chunk))
    except Terminal as error:
        return error.reason


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_files_come_out_as_they_were_packed(mode: str) -> None:
    folder = special("data", tarfile.DIRTYPE)
    assert unpack(packed(FILES, mode, folder)) == FILES
    assert unpack(packed({f"./{path}": FILES[path] for path in FILES}, mode)) == FILES


@pytest.mark.parametrize(
    "path", ["../x", "/etc/passwd", "a/../../x", "a/./b", "a\\..\\x", "a\nb", "a//b"]
)
def test_a_path_that_leaves_the_folder_is_refused(path: str) -> None:
    assert reason(packed({path: b"x"})) == "UnsafePath"
    assert reason(packed({}, "w", special(path, tarfile.DIRTYPE))) == "UnsafePath"


@pytest.mark.parametrize(
    "member",
    [
        special("link", tarfile.SYMTYPE, "/etc/passwd"),
        special("link", tarfile.SYMTYPE, "../../x"),
        special("link", tarfile.SYMTYPE, "MLmodel"),
        special("link", tarfile.LNKTYPE, "MLmodel"),
        special("pipe", tarfile.FIFOTYPE),
        special("device", tarfile.CHRTYPE),
    ],
    ids=lambda member: f"{member.name}-{member.linkname}",
)
def test_links_and_devices_are_refused(member: tarfile.TarInfo) -> None:
    assert reason(packed(FILES, "w:gz", member)) == "UnsafePath"


def test_a_bomb_is_refused_before_it_goes_off(monkeypatch: pytest.MonkeyPatch) -> None:
    bomb = packed({"zeros": bytes(5_000_000)})
    assert len(bomb) < 10_000
    assert reason(bomb) == "TooLarge"
    monkeypatch.setattr("tidegate.artifacts.archive._GRACE_BYTES", 1_000_000)
    roomy = Bounds(max_bytes=10**12, max_files=10, name="the layer")
    assert reason(bomb, roomy) == "TooLarge"
    assert unpack(packed({"noise": os.urandom(3_000_000)}), roomy)


def test_many_files_are_refused() -> None:
    assert reason(packed({f"f{number}": b"" for number in range(11)})) == "TooManyFiles"


def test_a_header_that_would_fill_the_memory_is_refused() -> None:
    huge = tarfile.TarInfo("pax")
    huge.type, huge.size = tarfile.XHDTYPE, 2 * 1024 * 1024
    archive = huge.tobuf() + bytes(huge.size) + bytes(1024)
    assert reason(archive, Bounds(max_bytes=10**9, max_files=10, name="x")) == "ArchiveInvalid"


def test_headers_that_would_fill_the_memory_together_are_refused() -> None:
    """Global ones are kept for all that follows, and all but the first pack to nothing."""
    archive = bytearray()
    for number in range(40):
        archive += tarfile.TarInfo.create_pax_global_header({f"k{number}": "x" * 1_000_000})
        archive += tarfile.TarInfo(f"f{number}").tobuf()
    assert reason(bytes(archive), Bounds(max_bytes=10**9, max_files=99, name="x")) == (
        "ArchiveInvalid"
    )


def test_headers_that_follow_headers_without_end_are_refused() -> None:
    archive = tarfile.TarInfo.create_pax_global_header({"k": "x"}) * 3000
    assert reason(archive + tarfile.TarInfo("f").tobuf()) == "ArchiveInvalid"


@pytest.mark.parametrize("minor", ["0", "1"])
def test_sparse_files_are_refused_because_their_maps_are_read_into_memory(minor: str) -> None:
    """A map of a million pieces packs to some kilobytes, and no limit of bytes counts it."""
    content = b"1\n0\n0\n".ljust(512, b"\0")
    info = tarfile.TarInfo("weights")
    info.size = len(content)
    info.pax_headers = {
        "GNU.sparse.major": {"0": "1", "1": "0"}[minor], "GNU.sparse.minor": minor,
        "GNU.sparse.name": "weights", "GNU.sparse.realsize": "0", "GNU.sparse.map": "0,0",
    }  # fmt: skip
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        tar.addfile(info, io.BytesIO(content))
    assert reason(buffer.getvalue()) == "ArchiveInvalid"
    assert reason(packed({}, "w", special("old", tarfile.GNUTYPE_SPARSE))) == "ArchiveInvalid"


@pytest.mark.parametrize(
    "broken",
    [
        lambda archive: archive[: len(archive) // 2],
        lambda archive: b"",
        lambda archive: b"no archive at all" * 100,
        lambda archive: archive[:50_000] + b"\xff" * 100 + archive[50_100:],
    ],
)
@pytest.mark.parametrize("mode", ["w", "w:gz"])
def test_what_is_no_whole_archive_is_refused(broken: Callable[[bytes], bytes], mode: str) -> None:
    # Where bytes of a file were changed only a digest can tell.
    assert outcome(broken(packed(FILES, mode))) in ("ArchiveInvalid", set(FILES))


def test_all_of_the_stream_is_read() -> None:
    taken: list[bytes] = []

    def chunks() -> Iterator[bytes]:
        for part in (packed(FILES), b"after the end", b"and more"):
            taken.append(part)
            yield part

    assert {path: b"".join(content) for path, content in unpacked(chunks(), LIMITS)} == FILES
    assert len(taken) == 3


@given(st.binary(max_size=2000), st.integers(1, 600))
def test_nonsense_never_raises_anything_else(content: bytes, chunk: int) -> None:
    assert outcome(content, chunk=chunk) in (
        "ArchiveInvalid", "UnsafePath", "TooLarge", "TooManyFiles", set(),
    )  # fmt: skip
