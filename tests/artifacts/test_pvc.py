"""pvc:// artifacts: pinned by the Model, read where the claim is mounted."""

from __future__ import annotations

import hashlib
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from tidegate.artifacts.credentials import NO_CREDENTIALS
from tidegate.artifacts.pvc import PvcFetcher, PvcSource
from tidegate.artifacts.tree import folder_digest
from tidegate.errors import Terminal
from tidegate.serving.cache import Wanted, locked
from tidegate.serving.folder import fetch_tree

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime(2026, 3, 1, tzinfo=UTC)
PIN = hashlib.sha256(b"one").hexdigest()


async def reason(uri: str, sha256: str | None = PIN) -> str:
    with pytest.raises(Terminal) as caught:
        await PvcSource().resolve(uri, sha256=sha256, previous=None)
    return caught.value.reason


async def test_the_pin_is_what_it_resolves_to() -> None:
    source = PvcSource(clock=lambda: NOW)
    found = await source.resolve("pvc://models/v1/model", sha256=PIN.upper(), previous=None)
    assert (found.sha256, found.kind, found.immutable) == (PIN, "file", False)
    assert found.location == "pvc://models/v1/model"
    assert await source.resolve("pvc://models/v1/model", sha256=PIN, previous=found) is found
    tree = await source.resolve("pvc://models/v1/", sha256=PIN, previous=found)
    assert tree.kind == "tree"


async def test_without_a_pin_it_says_that_one_is_needed() -> None:
    assert await reason("pvc://models/v1", sha256=None) == "PinRequired"


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("pvc:///v1", "UriInvalid"),
        ("pvc://Models/v1", "UriInvalid"),
        ("pvc://me@models/v1", "UriInvalid"),
        ("pvc://models/v1?x=1", "UriInvalid"),
        ("pvc://models/../v1", "UnsafePath"),
        ("pvc://models/%2e%2e/v1", "UnsafePath"),
        ("pvc://models//v1", "UnsafePath"),
    ],
)
async def test_a_uri_that_leads_elsewhere_is_refused(uri: str, expected: str) -> None:
    assert await reason(uri) == expected


def mounted(claim: Path, monkeypatch: pytest.MonkeyPatch) -> PvcFetcher:
    monkeypatch.setenv("TIDEGATE_CLAIM", str(claim))
    return PvcFetcher(NO_CREDENTIALS)


def test_files_and_folders_are_read_from_the_mounted_claim(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim = tmp_path / "claim"
    (claim / "v 1" / "data").mkdir(parents=True)
    (claim / "v 1" / "data" / "weights").write_bytes(b"one")
    (claim / "v 1" / "MLmodel").write_bytes(b"two")
    fetcher = mounted(claim, monkeypatch)
    with fetcher.open("pvc://models/v%201/data/weights", offset=1) as stream:
        assert b"".join(stream.chunks) == b"ne"
    want = Wanted(
        source="pvc://models/v%201/",
        sha256=folder_digest(claim / "v 1"),
        kind="tree",
        cache=tmp_path / "cache",
        deadline=time.monotonic() + 10,
    )
    with locked(want):
        fetch_tree(want, fetcher)
    assert folder_digest(want.target) == want.sha256


def test_a_link_out_of_the_claim_and_what_is_not_there_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim = tmp_path / "claim"
    claim.mkdir()
    (claim / "link").symlink_to("/etc/passwd")
    fetcher = mounted(claim, monkeypatch)
    for name, expected in (("link", "FileOutsideRoot"), ("absent", "ArtifactNotFound")):
        with (
            pytest.raises(Terminal) as caught,
            fetcher.open(f"pvc://models/{name}", offset=0),
        ):
            pass
        assert caught.value.reason == expected
