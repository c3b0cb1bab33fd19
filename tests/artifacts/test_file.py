"""file:// artifacts: hashed once, looked at cheaply afterwards."""

from __future__ import annotations

import asyncio
import hashlib
import os
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from tidegate.artifacts.base import Limits
from tidegate.artifacts.file import FileSource
from tidegate.artifacts.tree import folder_digest
from tidegate.errors import Retryable, Terminal

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def source(root: Path, **changed: Any) -> FileSource:
    return FileSource(root=root, clock=lambda: NOW, **changed)


def replace(path: Path, content: bytes) -> None:
    new = path.with_name("new")
    new.write_bytes(content)
    new.rename(path)


def rewrite(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def remove(path: Path) -> None:
    path.unlink()


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "model.skops"
    path.write_bytes(b"one")
    return path


async def test_a_file_is_resolved_to_its_digest_size_and_place(tmp_path: Path, model: Path) -> None:
    resolved = await source(tmp_path).resolve(model.as_uri(), sha256=None, previous=None)
    assert (resolved.sha256, resolved.size, resolved.at) == (sha256(b"one"), 3, NOW)
    assert resolved.location == model.as_uri()


async def test_an_unchanged_file_is_the_same_answer_and_is_not_read(
    tmp_path: Path, model: Path
) -> None:
    files = source(tmp_path)
    first = await files.resolve(model.as_uri(), sha256=None, previous=None)
    before = os.stat(model)
    with model.open("r+b") as file:
        file.write(b"two")  # unnoticed, because everything that is looked at is put back
    os.utime(model, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert await files.resolve(model.as_uri(), sha256=None, previous=first) is first


@pytest.mark.parametrize("how", ["rewritten", "replaced", "same size and time, another file"])
async def test_a_changed_file_is_another_version(tmp_path: Path, model: Path, how: str) -> None:
    files = source(tmp_path)
    first = await files.resolve(model.as_uri(), sha256=None, previous=None)
    before = os.stat(model)
    if how == "rewritten":
        rewrite(model, b"two")
    else:
        replace(model, b"two")
    if how.startswith("same"):
        os.utime(model, ns=(before.st_atime_ns, before.st_mtime_ns))
    second = await files.resolve(model.as_uri(), sha256=None, previous=first)
    assert second.sha256 == sha256(b"two")
    assert second.version != first.version


async def test_a_link_is_resolved_to_what_it_points_to(tmp_path: Path, model: Path) -> None:
    link = tmp_path / "current"
    link.symlink_to(model.name)
    files = source(tmp_path)
    first = await files.resolve(link.as_uri(), sha256=None, previous=None)
    assert first.location == model.as_uri()
    (tmp_path / "v2").write_bytes(b"two")
    link.unlink()
    link.symlink_to("v2")
    second = await files.resolve(link.as_uri(), sha256=None, previous=first)
    assert (second.location, second.sha256) == ((tmp_path / "v2").as_uri(), sha256(b"two"))


async def test_a_link_out_of_the_root_is_refused(tmp_path: Path, model: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (root / "link").symlink_to(model)
    for uri in ((root / "link").as_uri(), model.as_uri(), f"{root.as_uri()}/../model.skops"):
        with pytest.raises(Terminal) as caught:
            await source(root).resolve(uri, sha256=None, previous=None)
        assert caught.value.reason == "FileOutsideRoot"


async def test_the_pin_decides(tmp_path: Path, model: Path) -> None:
    files = source(tmp_path)
    pinned = await files.resolve(model.as_uri(), sha256=sha256(b"one").upper(), previous=None)
    assert pinned.sha256 == sha256(b"one")
    for previous in (None, pinned):
        with pytest.raises(Terminal) as caught:
            await files.resolve(model.as_uri(), sha256="0" * 64, previous=previous)
        assert caught.value.reason == "DigestMismatch"
        assert sha256(b"one") in caught.value.message


async def test_a_pinned_file_that_was_resolved_once_may_go(tmp_path: Path, model: Path) -> None:
    files = source(tmp_path)
    digest = sha256(b"one")
    first = await files.resolve(model.as_uri(), sha256=digest, previous=None)
    remove(model)
    assert await files.resolve(model.as_uri(), sha256=digest, previous=first) is first


async def test_what_is_no_readable_file_is_not_found(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    for name in ("absent", "folder", "pipe"):
        with pytest.raises(Terminal) as caught:
            await source(tmp_path).resolve((tmp_path / name).as_uri(), sha256=None, previous=None)
        assert caught.value.reason == "ArtifactNotFound"


async def test_a_file_above_the_limit_is_refused(tmp_path: Path, model: Path) -> None:
    with pytest.raises(Terminal) as caught:
        await source(tmp_path, limits=Limits(max_bytes=2)).resolve(
            model.as_uri(), sha256=None, previous=None
        )
    assert caught.value.reason == "TooLarge"


async def test_a_file_that_grows_while_it_is_read_is_tried_later(tmp_path: Path) -> None:
    path = tmp_path / "large"
    with path.open("wb") as file:
        file.truncate(300 * 1024 * 1024)
    os.utime(path, (1, 1))
    resolving = asyncio.create_task(
        source(tmp_path).resolve(path.as_uri(), sha256=None, previous=None)
    )
    await asyncio.sleep(0.05)
    with path.open("ab") as file:
        file.write(b"more")
    with pytest.raises(Retryable) as caught:
        await resolving
    assert caught.value.reason == "ArtifactChanging"


async def test_the_loop_goes_on_while_a_large_file_is_hashed(tmp_path: Path) -> None:
    path = tmp_path / "large"
    with path.open("wb") as file:
        file.truncate(300 * 1024 * 1024)
    resolving = asyncio.create_task(
        source(tmp_path).resolve(path.as_uri(), sha256=None, previous=None)
    )
    longest = 0.0
    while not resolving.done():
        began = time.perf_counter()
        await asyncio.sleep(0.002)
        longest = max(longest, time.perf_counter() - began)
    assert (await resolving).size == 300 * 1024 * 1024
    assert longest < 0.5  # hashing takes a second or two


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "model"
    (path / "data").mkdir(parents=True)
    (path / "MLmodel").write_bytes(b"flavors")
    (path / "data" / "weights").write_bytes(b"one")
    return path


async def test_a_folder_is_a_tree_when_its_uri_ends_with_a_slash(
    tmp_path: Path, folder: Path
) -> None:
    resolved = await source(tmp_path).resolve(f"{folder.as_uri()}/", sha256=None, previous=None)
    manifest = f"{sha256(b'flavors')}  7  MLmodel\n{sha256(b'one')}  3  data/weights\n"
    assert (resolved.kind, resolved.size) == ("tree", 10)
    assert resolved.sha256 == sha256(manifest.encode()) == folder_digest(folder)
    assert resolved.location == f"{folder.as_uri()}/"


async def test_an_unchanged_tree_is_the_same_answer_and_any_change_another(
    tmp_path: Path, folder: Path
) -> None:
    files, uri = source(tmp_path), f"{folder.as_uri()}/"
    known = await files.resolve(uri, sha256=None, previous=None)
    assert await files.resolve(uri, sha256=None, previous=known) is known
    for change in (
        lambda: (folder / "data" / "weights").write_bytes(b"two"),
        lambda: (folder / "more").write_bytes(b""),
        lambda: (folder / "more").rename(folder / "data" / "more"),
    ):
        change()
        changed = await files.resolve(uri, sha256=None, previous=known)
        assert changed.sha256 != known.sha256
        known = changed


async def test_a_tree_is_held_to_its_limits_and_may_hold_no_links(
    tmp_path: Path, folder: Path
) -> None:
    async def refused(uri: str, **limits: int) -> str:
        with pytest.raises(Terminal) as caught:
            await source(tmp_path, limits=Limits(**limits)).resolve(uri, sha256=None, previous=None)
        return caught.value.reason

    uri = f"{folder.as_uri()}/"
    assert await refused(uri, max_bytes=9) == "TooLarge"
    assert await refused(uri, max_files=1) == "TooManyFiles"
    (folder / "link").symlink_to("/etc/passwd")
    assert await refused(uri) == "UnsafePath"
    assert await refused(f"{folder.as_uri()}-absent/") == "ArtifactNotFound"
    (tmp_path / "empty").mkdir()
    assert await refused(f"{(tmp_path / 'empty').as_uri()}/") == "ArtifactNotFound"
