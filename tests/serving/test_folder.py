"""Trees into the cache: whole, verified, continued, and never half."""

from __future__ import annotations

import contextlib
import hashlib
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from tidegate.artifacts.fetching import Entry, Stream
from tidegate.artifacts.tree import TreeFile, folder_digest, tree_digest
from tidegate.errors import Retryable, Terminal, Unreachable
from tidegate.serving.cache import Wanted, is_whole, locked
from tidegate.serving.fetch import fetch
from tidegate.serving.folder import fetch_tree
from tidegate.serving.settings import profile_beside

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FILES = {"MLmodel": b"flavors", "data/weights": b"w" * 100_000, "z": b""}


@dataclass
class Shelf:
    """A source of trees in memory: `breaks` are the bytes after which the next answers break off;
    `opened` is what was asked for, with the offsets."""

    files_: dict[str, bytes] = field(default_factory=lambda: dict(FILES))
    breaks: dict[str, list[int]] = field(default_factory=dict)
    opened: list[tuple[str, int]] = field(default_factory=list)
    tells_sizes: bool = True

    def files(self, location: str) -> list[Entry]:
        return [
            Entry(path=path, location=path, size=len(content) if self.tells_sizes else None)
            for path, content in self.files_.items()
        ]

    @contextlib.contextmanager
    def open(self, location: str, *, offset: int) -> Iterator[Stream]:
        self.opened.append((location, offset))
        yield Stream(offset, self._chunks(location, offset))

    def _chunks(self, path: str, offset: int) -> Iterator[bytes]:
        content = self.files_[path][offset:]
        limit = self.breaks[path].pop(0) if self.breaks.get(path) else None
        yield content[:limit]
        if limit is not None:
            raise Unreachable("the connection broke")


def digest_of(files: dict[str, bytes]) -> str:
    return tree_digest(
        TreeFile(path=path, size=len(content), sha256=hashlib.sha256(content).hexdigest())
        for path, content in files.items()
    )


def wanted(tmp_path: Path, files: dict[str, bytes] | None = None, **changed: Any) -> Wanted:
    given: dict[str, Any] = {
        "source": "s3://bucket/model/",
        "sha256": digest_of(FILES if files is None else files),
        "cache": tmp_path / "cache",
        "deadline": time.monotonic() + 20,
        "kind": "tree",
    }
    return Wanted(**given | changed)


def bring(want: Wanted, shelf: Shelf) -> int:
    with locked(want):
        return fetch_tree(want, shelf)


def test_a_tree_is_a_folder_in_the_cache_with_nothing_beside_it(tmp_path: Path) -> None:
    want = wanted(tmp_path)
    assert bring(want, Shelf()) == sum(map(len, FILES.values()))
    assert folder_digest(want.target) == want.sha256
    assert is_whole(want)
    assert {path.name for path in want.target.parent.iterdir()} == {
        want.sha256, f".{want.sha256}.ok", f".{want.sha256}.lock",
    }  # fmt: skip


@pytest.mark.parametrize("tells_sizes", [True, False])
def test_an_interrupted_tree_goes_on_in_the_middle_of_a_file(
    tmp_path: Path, tells_sizes: bool
) -> None:
    shelf = Shelf(breaks={"data/weights": [70_000]}, tells_sizes=tells_sizes)
    want = wanted(tmp_path)
    with pytest.raises(Retryable):
        bring(want, shelf)
    assert not want.target.exists()
    bring(want, shelf)
    assert shelf.opened == [("MLmodel", 0), ("data/weights", 0), ("data/weights", 70_000), ("z", 0)]
    assert folder_digest(want.target) == want.sha256


def test_what_changed_between_two_tries_is_started_over(tmp_path: Path) -> None:
    shelf = Shelf(breaks={"data/weights": [70_000]})
    shelf.files_["MLmodel"] = b"FLAVORS"
    want = wanted(tmp_path)
    with pytest.raises(Retryable):
        bring(want, shelf)
    shelf.files_["MLmodel"] = FILES["MLmodel"]
    with pytest.raises(Retryable, match="started over"):
        bring(want, shelf)
    bring(want, shelf)
    assert folder_digest(want.target) == want.sha256


def test_a_file_that_went_from_the_source_does_not_stay_in_the_tree(tmp_path: Path) -> None:
    shelf = Shelf(breaks={"z": [0]})
    shelf.files_ = {"data/old": b"old", **FILES}
    want = wanted(tmp_path)
    with pytest.raises(Retryable):
        bring(want, shelf)
    shelf.files_ = dict(FILES)
    bring(want, shelf)
    assert folder_digest(want.target) == want.sha256


@pytest.mark.parametrize(
    ("changed", "limits", "reason"),
    [
        ({"MLmodel": b"FLAVORS"}, {}, "DigestMismatch"),
        ({"more": b""}, {}, "DigestMismatch"),
        ({"../outside": b""}, {}, "UnsafePath"),
        ({"z/below": b""}, {}, "UnsafePath"),
        ({}, {"max_files": 2}, "TooManyFiles"),
        ({}, {"max_bytes": 99_999}, "TooLarge"),
    ],
)
def test_what_is_not_the_tree_that_is_wanted_is_refused(
    tmp_path: Path, changed: dict[str, bytes], limits: dict[str, Any], reason: str
) -> None:
    shelf = Shelf(files_={**FILES, **changed})
    want = wanted(tmp_path, **limits)
    with pytest.raises(Terminal) as caught:
        bring(want, shelf)
    assert caught.value.reason == reason
    assert not want.target.exists()
    assert not (tmp_path / "outside").exists()


def test_a_listing_that_says_another_size_is_tried_again(tmp_path: Path) -> None:
    shelf = Shelf()
    listed = shelf.files("")
    shelf.files_["data/weights"] = b"w" * 50
    shelf.files = lambda location: listed  # type: ignore[method-assign]
    with pytest.raises(Unreachable, match="came truncated"):
        bring(wanted(tmp_path), shelf)


def test_a_tree_that_was_changed_in_the_cache_is_fetched_again(tmp_path: Path) -> None:
    source = tmp_path / "model"
    source.mkdir()
    (source / "MLmodel").write_bytes(b"flavors")
    (source / "profile.json").write_bytes(b"{}")
    want = wanted(tmp_path, source=f"{source.as_uri()}/", sha256=folder_digest(source))
    assert fetch(want) == want.target
    assert profile_beside(want.target).read_bytes() == b"{}"
    (want.target / "more").write_bytes(b"not of it")
    assert not is_whole(want)
    fetch(want)
    assert folder_digest(want.target) == want.sha256
