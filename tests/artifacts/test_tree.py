"""Manifests of trees: one digest for one content, and no path that leads out of a folder."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.artifacts.tree import TreeFile, check_path, folder_digest, manifest, tree_digest
from tidegate.errors import Terminal

if TYPE_CHECKING:
    from pathlib import Path


def file(path: str, content: bytes = b"") -> TreeFile:
    return TreeFile(path=path, size=len(content), sha256=hashlib.sha256(content).hexdigest())


def reason(*paths: str) -> str:
    with pytest.raises(Terminal) as caught:
        manifest([file(path) for path in paths])
    return caught.value.reason


def test_the_manifest_has_a_line_a_file_in_the_order_of_their_bytes() -> None:
    text = manifest([file("b", b"one"), file("a/é", b""), file("a-b", b"")]).decode()
    empty = hashlib.sha256(b"").hexdigest()
    assert text.splitlines() == [
        f"{empty}  0  a-b",
        f"{empty}  0  a/é",
        f"{hashlib.sha256(b'one').hexdigest()}  3  b",
    ]


@pytest.mark.parametrize(
    "path",
    ["", "/etc/passwd", "../x", "a/../b", "a//b", "a/", "./a", "a\\b", "a\nb", "a\0b", "x" * 256,
     "/".join(["x" * 200] * 6), "\udcff", "a\u2028b"],
)  # fmt: skip
def test_a_path_that_is_not_plainly_below_its_folder_is_refused(path: str) -> None:
    with pytest.raises(Terminal) as caught:
        check_path(path)
    assert caught.value.reason == "UnsafePath"


def test_a_path_may_not_come_twice_nor_be_a_folder_of_another() -> None:
    assert reason("a", "a") == "UnsafePath"
    assert reason("a/b/c", "a/b") == "UnsafePath"
    assert reason() == "ArtifactNotFound"


names = st.text("ab.é -", min_size=1, max_size=3).filter(lambda name: name not in (".", ".."))
paths = st.lists(names, min_size=1, max_size=3).map("/".join)


@given(st.dictionaries(paths, st.binary(max_size=3), min_size=1, max_size=6), st.randoms())
def test_a_digest_tells_the_content_and_not_the_order(
    tree: dict[str, bytes], random: st.DataObject
) -> None:
    files = [file(path, content) for path, content in tree.items()]
    try:
        digest = tree_digest(files)
    except Terminal:
        return  # a file that is a folder as well
    random.shuffle(files)  # type: ignore[attr-defined]
    assert tree_digest(files) == digest
    changed = [file(files[0].path, tree[files[0].path] + b"x"), *files[1:]]
    assert tree_digest(changed) != digest


def test_a_folder_on_disk_has_the_digest_of_its_manifest(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b").write_bytes(b"one")
    (tmp_path / "c").write_bytes(b"two")
    assert folder_digest(tmp_path) == tree_digest([file("c", b"two"), file("a/b", b"one")])
    (tmp_path / "link").symlink_to(tmp_path / "c")
    with pytest.raises(Terminal, match="link"):
        folder_digest(tmp_path)
