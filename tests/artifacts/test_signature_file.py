"""The file that signs an artifact: where it is looked for, and what is none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tidegate.artifacts import signature_file
from tidegate.artifacts.credentials import NO_CREDENTIALS, Credentials
from tidegate.artifacts.hf.source import HfSource
from tidegate.artifacts.signature_file import read_signature
from tidegate.artifacts.wandb.source import WandbSource
from tidegate.errors import Terminal
from tidegate.testing.hub import FakeHub
from tidegate.testing.wandb import FakeWandb

if TYPE_CHECKING:
    from pathlib import Path


async def test_it_is_beside_the_artifact_under_its_name_or_as_model_sig(tmp_path: Path) -> None:
    artifact = tmp_path / "v1.onnx"
    (tmp_path / "model.sig").write_bytes(b"of the folder")
    assert await read_signature(artifact.as_uri(), NO_CREDENTIALS) == b"of the folder"
    (tmp_path / "v1.onnx.sig").write_bytes(b"of the file")
    assert await read_signature(artifact.as_uri(), NO_CREDENTIALS) == b"of the file"


async def test_where_there_is_none_both_places_are_named(tmp_path: Path) -> None:
    with pytest.raises(Terminal) as refused:
        await read_signature((tmp_path / "v1.onnx").as_uri(), NO_CREDENTIALS)
    assert refused.value.reason == "SigningMissing"
    assert "v1.onnx.sig nor" in refused.value.message
    assert "model.sig; sign it" in refused.value.message


@pytest.mark.parametrize("location", ["oci://r/m:1", "s3://bucket/folder/"])
async def test_what_cannot_be_signed_here_is_refused(location: str) -> None:
    with pytest.raises(Terminal) as refused:
        await read_signature(location, NO_CREDENTIALS)
    assert refused.value.reason == "SigningUnsupported"


async def test_a_file_without_end_is_no_signature(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signature_file, "LIMIT_BYTES", 10)
    (tmp_path / "v1.onnx.sig").write_bytes(b"x" * 11)
    with pytest.raises(Terminal) as refused:
        await read_signature((tmp_path / "v1.onnx").as_uri(), NO_CREDENTIALS)
    assert "larger than 10 bytes" in refused.value.message


async def test_a_file_of_a_hub_is_signed_in_its_repository() -> None:
    async with FakeHub.start() as hub:
        hub.commit("main", {"sub/model.onnx": b"weights", "sub/model.onnx.sig": b"signature"})
        secret = Credentials("hub", {"HF_ENDPOINT": hub.url})
        source = HfSource()
        found = await source.resolve(
            "hf://acme/fraud@main/sub/model.onnx",
            format="onnx", sha256=None, previous=None, credentials=secret,
        )  # fmt: skip
        await source.close()
        assert await read_signature(found.location, secret) == b"signature"


async def test_a_file_of_weights_and_biases_is_signed_in_its_artifact() -> None:
    async with FakeWandb.start() as server:
        server.log({"model.onnx": b"weights", "model.onnx.sig": b"signature"}, "signed")
        server.log({"model.onnx": b"weights"}, "unsigned")
        secret = Credentials("wandb", {"WANDB_BASE_URL": server.url})
        source = WandbSource()
        places = [
            (
                await source.resolve(
                    f"wandb://acme/fraud/model:{alias}/model.onnx",
                    format="onnx", sha256=None, previous=None, credentials=secret,
                )
            ).location
            for alias in ("signed", "unsigned")
        ]  # fmt: skip
        await source.close()
        assert await read_signature(places[0], secret) == b"signature"
        with pytest.raises(Terminal, match="SigningMissing"):
            await read_signature(places[1], secret)
