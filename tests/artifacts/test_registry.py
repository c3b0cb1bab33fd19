"""Which schemes there are."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest

from tidegate.artifacts.registry import default_sources
from tidegate.errors import Terminal

if TYPE_CHECKING:
    from pathlib import Path


async def test_a_uri_goes_to_the_source_of_its_scheme(tmp_path: Path) -> None:
    path = tmp_path / "model"
    path.write_bytes(b"one")
    sources = default_sources(file_root=tmp_path)
    resolved = await sources.resolve(path.as_uri(), sha256=None, previous=None)
    assert resolved.sha256 == hashlib.sha256(b"one").hexdigest()
    await sources.close()


@pytest.mark.parametrize("uri", ["ftp://host/model", "model", "", "C:/model"])
async def test_an_unknown_scheme_is_answered_with_those_there_are(tmp_path: Path, uri: str) -> None:
    sources = default_sources(file_root=tmp_path)
    with pytest.raises(Terminal) as caught:
        await sources.resolve(uri, sha256=None, previous=None)
    assert caught.value.reason == "SchemeUnsupported"
    assert "file://, gs://, http://, https://, oci://, pvc://, s3://" in caught.value.message
    await sources.close()


async def test_files_are_refused_without_a_root(tmp_path: Path) -> None:
    sources = default_sources(file_root=None)
    with pytest.raises(Terminal) as caught:
        await sources.resolve(tmp_path.as_uri(), sha256=None, previous=None)
    assert caught.value.reason == "FileOutsideRoot"
    await sources.close()
