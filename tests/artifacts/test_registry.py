"""Which schemes there are."""

from __future__ import annotations

import hashlib
import os
import subprocess
from pathlib import Path

import pytest

from tidegate.api.artifact import SCHEMES
from tidegate.artifacts.fetching import FETCHERS
from tidegate.artifacts.registry import default_sources
from tidegate.errors import Terminal

ROOT = Path(__file__).parents[2]


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


async def test_what_a_model_may_name_has_a_source_and_a_fetcher(tmp_path: Path) -> None:
    sources = default_sources(file_root=tmp_path)
    for scheme in set(SCHEMES) - {"dvc"}:  # that is asked in a Job
        with pytest.raises(Terminal) as caught:
            await sources.resolve(f"{scheme}:///", sha256=None, previous=None)
        assert caught.value.reason != "SchemeUnsupported", scheme
        assert {scheme, f"{scheme}+https"} & set(FETCHERS)  # a registry leads to places of its own
    await sources.close()


EVERY_FETCHER = """
from tidegate.artifacts.fetching import FETCHERS, fetcher_for
for scheme in FETCHERS:
    fetcher_for(f"{scheme}://host/path")
"""


def test_every_fetcher_works_with_what_the_init_container_has() -> None:
    environments = Path(os.environ.get("TIDEGATE_ENVS", ROOT / ".tidegate" / "env"))
    subprocess.run(
        [environments / "v2" / "bin" / "python", "-c", EVERY_FETCHER],
        env={"PYTHONPATH": str(ROOT / "operator"), "PATH": os.environ["PATH"]},
        timeout=30,
        check=True,
    )
