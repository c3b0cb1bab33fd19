"""Signatures of what lies on a claim, as the init container checks them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.domain.test_model_signing import CA, P256, SHA256, SIGNED, TREE_KEY, lay_tree

from tidegate.artifacts.tree import folder_digest
from tidegate.errors import Terminal
from tidegate.serving.cache import Wanted
from tidegate.serving.fetch import fetch
from tidegate.serving.signed import check_signed

ROOT = Path(__file__).parents[2]


@pytest.fixture
def claim(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "claim"
    folder.mkdir()
    monkeypatch.setenv("TIDEGATE_CLAIM", str(folder))
    return folder


def keys(*given: str) -> str:
    return json.dumps({"publicKeys": list(given), "certificateAuthorities": []})


def wanted(tmp_path: Path, path: str, sha256: str) -> Wanted:
    return Wanted(
        source=f"pvc://models/{path}",
        sha256=sha256,
        cache=tmp_path / "cache",
        deadline=float("inf"),
        kind="tree" if path.endswith("/") else "file",
    )


def of_folder(tmp_path: Path, folder: Path) -> Wanted:
    found = wanted(tmp_path, f"{folder.name}/", folder_digest(folder))
    fetch(found)
    return found


def test_a_folder_on_a_claim_is_checked_as_it_lies_in_the_cache(
    tmp_path: Path, claim: Path
) -> None:
    found = of_folder(tmp_path, lay_tree(claim / "v1"))
    check_signed(found, keys(TREE_KEY))
    with pytest.raises(Terminal, match="publicKeys made it"):
        check_signed(found, keys(P256))


def test_a_signature_beside_the_folder_is_read_from_the_claim(tmp_path: Path, claim: Path) -> None:
    found = of_folder(tmp_path, lay_tree(claim / "v1", None))
    with pytest.raises(Terminal) as refused:
        check_signed(found, keys(TREE_KEY))
    assert refused.value.reason == "SigningMissing"
    (claim / "v1.sig").write_bytes((SIGNED / "tree-beside.sig").read_bytes())
    check_signed(found, keys(TREE_KEY))


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"data/evil.pkl": b"x"}, "does not cover 'data/evil.pkl'"),
        ({"empty.txt": b"x"}, "'empty.txt' was changed"),
        ({"MLmodel": None}, "'MLmodel' that it covers is not there"),
    ],
)
def test_a_folder_that_is_not_as_it_was_signed_is_refused_by_name(
    tmp_path: Path, claim: Path, changed: dict[str, bytes | None], said: str
) -> None:
    found = of_folder(tmp_path, lay_tree(claim / "v1", changed=changed))
    with pytest.raises(Terminal, match=said) as refused:
        check_signed(found, keys(TREE_KEY))
    assert refused.value.reason == "SigningInvalid"


def test_a_certificate_of_an_authority_is_enough(tmp_path: Path, claim: Path) -> None:
    found = of_folder(tmp_path, lay_tree(claim / "v1", "tree-cert.sig"))
    check_signed(found, json.dumps({"certificateAuthorities": [CA]}))


def test_a_single_file_is_signed_beside_it(tmp_path: Path, claim: Path) -> None:
    (claim / "model.txt").write_bytes((SIGNED / "model.txt").read_bytes())
    (claim / "model.txt.sig").write_bytes((SIGNED / "file.sig").read_bytes())
    file = wanted(tmp_path, "model.txt", SHA256)
    check_signed(file, keys(P256))
    with pytest.raises(Terminal, match="publicKeys made it"):
        check_signed(file, keys(TREE_KEY))


@pytest.mark.parametrize("said", ["", "[]", "{", '{"publicKeys": 3}'])
def test_signers_that_are_no_object_are_refused(tmp_path: Path, said: str) -> None:
    with pytest.raises(Terminal) as refused:
        check_signed(wanted(tmp_path, "v1/", "0" * 64), said)
    assert refused.value.reason == "SettingsInvalid"


@pytest.mark.parametrize(("key", "ended"), [(TREE_KEY, 0), (P256, 1)])
def test_the_init_container_ends_before_a_server_can_start(
    tmp_path: Path, claim: Path, key: str, ended: int
) -> None:
    folder = lay_tree(claim / "v1")
    given = [
        "--source", "pvc://models/v1/", "--kind", "tree", "--sha256", folder_digest(folder),
        "--cache", str(tmp_path / "cache"), "--no-pickle",
    ]  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-m", "tidegate.serving.fetch", *given],
        cwd=ROOT / "operator",
        env={**os.environ, "TIDEGATE_SIGNED_BY": keys(key)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == ended, done.stderr
    if ended:
        assert json.loads(done.stderr.splitlines()[-1])["reason"] == "SigningInvalid"
