"""Folders that `model_signing` has signed, as the operator finds them on disks and on a hub.

Buckets and container registries are in the tests of their sources.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.domain.test_model_signing import CA, P256, P521, SIGNED, TREE, TREE_KEY, lay_tree

from tidegate.artifacts import signed_tree
from tidegate.artifacts.credentials import NO_CREDENTIALS, Credentials
from tidegate.artifacts.file import FileSource
from tidegate.artifacts.hf.source import HfSource
from tidegate.artifacts.signed_tree import check_signed_tree
from tidegate.artifacts.wandb.source import WandbSource
from tidegate.domain.signers import Signers
from tidegate.errors import Retryable, Terminal
from tidegate.testing.hub import FakeHub
from tidegate.testing.wandb import FakeWandb

if TYPE_CHECKING:
    from pathlib import Path

    from tidegate.artifacts.base import Resolved

KEY = Signers([TREE_KEY])


async def resolved(folder: Path) -> Resolved:
    source = FileSource(root=folder.parent)
    return await source.resolve(f"{folder.as_uri()}/", sha256=None, previous=None)


async def check(folder: Path, signers: Signers = KEY) -> None:
    await check_signed_tree(await resolved(folder), signers, NO_CREDENTIALS)


async def refusal(folder: Path, signers: Signers = KEY) -> Terminal:
    with pytest.raises(Terminal) as refused:
        await check(folder, signers)
    return refused.value


@pytest.mark.parametrize(
    ("signature", "signers"),
    [
        ("tree.sig", KEY),
        ("tree.sig", Signers([P521, TREE_KEY])),
        ("tree-p521.sig", Signers([P521])),
        ("tree-cert.sig", Signers(authorities=[CA])),
    ],
)
async def test_a_folder_that_was_signed_with_its_signature_in_it_holds(
    tmp_path: Path, signature: str, signers: Signers
) -> None:
    await check(lay_tree(tmp_path / "model", signature), signers)


async def test_the_signature_may_lie_beside_the_folder(tmp_path: Path) -> None:
    folder = lay_tree(tmp_path / "model", None)
    missing = await refusal(folder)
    assert missing.reason == "SigningMissing"
    assert "neither" in missing.message
    assert "model/model.sig nor" in missing.message
    assert "model.sig; sign it" in missing.message
    (tmp_path / "model.sig").write_bytes((SIGNED / "tree-beside.sig").read_bytes())
    await check(folder)


CHANGED = [
    ({"empty.txt": b"more"}, "'empty.txt' was changed after it was signed"),
    ({"data/model.onnx": b"poisons\n"}, "'data/model.onnx' was changed after it was signed"),
    ({"data/evil.pkl": b"x"}, "it does not cover 'data/evil.pkl'"),
    ({"data/model.onnx": None}, "'data/model.onnx' that it covers is not there"),
]


@pytest.mark.parametrize(("changed", "said"), CHANGED)
async def test_what_is_extra_missing_or_changed_is_refused_by_name(
    tmp_path: Path, changed: dict[str, bytes | None], said: str
) -> None:
    found = await refusal(lay_tree(tmp_path / "model", changed=changed))
    assert found.reason == "SigningInvalid"
    assert said in found.message


async def test_another_key_has_not_signed_the_folder(tmp_path: Path) -> None:
    assert "publicKeys made it" in (await refusal(lay_tree(tmp_path), Signers([P256]))).message


async def test_which_of_many_bytes_were_changed_is_left_to_the_tool(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signed_tree, "_NAMING_BYTES", 4)
    changed: dict[str, bytes | None] = {"data/model.onnx": b"poisons\n"}
    found = await refusal(lay_tree(tmp_path, changed=changed))
    assert "`model_signing verify` says which" in found.message


async def test_a_folder_that_changed_since_it_was_resolved_is_looked_at_again(
    tmp_path: Path,
) -> None:
    unsigned: dict[str, bytes | None] = {".gitattributes": b"before\n"}
    folder = lay_tree(tmp_path / "model", changed=unsigned)
    before = await resolved(folder)
    lay_tree(folder)
    with pytest.raises(Retryable, match="has changed since it was resolved"):
        await check_signed_tree(before, KEY, NO_CREDENTIALS)


async def test_a_repository_of_a_hub_is_signed_but_for_what_is_of_git() -> None:
    async with FakeHub.start() as hub:
        hub.commit("main", {**TREE, "model.sig": (SIGNED / "tree.sig").read_bytes()})
        secret = Credentials("hub", {"HF_ENDPOINT": hub.url})
        source = HfSource()
        found = await source.resolve(
            "hf://acme/fraud@main", format="mlflow", sha256=None, previous=None, credentials=secret
        )
        await source.close()
        await check_signed_tree(found, KEY, secret)
        with pytest.raises(Terminal, match="publicKeys made it"):
            await check_signed_tree(found, Signers([P256]), secret)


async def test_an_artifact_of_weights_and_biases_is_signed_in_it() -> None:
    async with FakeWandb.start() as server:
        server.log({**TREE, "model.sig": (SIGNED / "tree.sig").read_bytes()}, "prod")
        secret = Credentials("wandb", {"WANDB_BASE_URL": server.url})
        source = WandbSource()
        found = await source.resolve(
            "wandb://acme/fraud/model:prod",
            format="mlflow", sha256=None, previous=None, credentials=secret,
        )  # fmt: skip
        await source.close()
        await check_signed_tree(found, KEY, secret)
