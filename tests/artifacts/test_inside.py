"""Looking into trees: what the operator sees of them, and what it leaves to the pod."""

from __future__ import annotations

import contextlib
import threading
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from tidegate.artifacts import inside
from tidegate.artifacts.base import Kind, Resolved
from tidegate.artifacts.credentials import NO_CREDENTIALS
from tidegate.artifacts.fetching import Entry, Stream, fetcher_for
from tidegate.artifacts.inside import check_no_pickle, entries_of, read, within
from tidegate.errors import Terminal, Unreachable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def found(location: str, *, kind: Kind = "tree") -> Resolved:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    return Resolved(version="1", location=location, sha256="0" * 64, size=1, at=at, kind=kind)


async def test_a_pickle_is_seen_in_the_folder_that_is_named(tmp_path: Path) -> None:
    (tmp_path / "MLmodel").write_text("flavors: {sklearn: {pickled_model: model.pkl}}")
    with pytest.raises(Terminal) as refused:
        await check_no_pickle(found(f"{tmp_path.as_uri()}/"), NO_CREDENTIALS)
    assert refused.value.reason == "FormatUnsafe"


async def test_a_folder_without_its_description_is_left_to_the_server(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_text("x")
    await check_no_pickle(found(f"{tmp_path.as_uri()}/"), NO_CREDENTIALS)


async def test_what_only_a_pod_can_see_is_left_to_it() -> None:
    await check_no_pickle(found("pvc://claim/folder/"), NO_CREDENTIALS)
    await check_no_pickle(found("https://models.example/m", kind="file"), NO_CREDENTIALS)


def test_a_file_larger_than_its_limit_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x" * 11)
    fetcher = fetcher_for(tmp_path.as_uri())
    (entry,) = entries_of(fetcher, f"{tmp_path.as_uri()}/")
    assert read(fetcher, entry.location, limit=11) == b"x" * 11
    with pytest.raises(Terminal, match="larger than 10 bytes"):
        read(fetcher, entry.location, limit=10)


async def test_a_source_that_does_not_answer_is_waited_for_no_longer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(inside, "TOTAL_S", 0.01)
    with pytest.raises(Unreachable, match="did not answer within"):
        await within(lambda: time.sleep(0.1), "s3://bucket/folder/")


class Trickle:
    """A source that delivers a byte now and then, without an end."""

    @contextlib.contextmanager
    def open(self, location: str, *, offset: int) -> Iterator[Stream]:
        def chunks() -> Iterator[bytes]:
            while True:
                time.sleep(0.005)
                yield b"x"

        yield Stream(offset, chunks())

    def files(self, location: str) -> list[Entry]:
        return []


async def test_a_source_that_never_ends_does_not_keep_its_thread() -> None:
    def look() -> bytes:
        try:
            return read(Trickle(), "https://models.example/m.sig", limit=1_000_000)
        finally:
            left.set()

    left = threading.Event()
    with pytest.raises(Unreachable):
        await within(look, "https://models.example/m.sig", total_s=0.05)
    assert left.wait(timeout=10)
