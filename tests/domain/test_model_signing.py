"""Signatures of OpenSSF model signing: made by `model_signing` 1.1.1 (tests/domain/signed), and
made here with a key of the test."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tidegate.domain.model_signing import (
    Signed,
    check_digests,
    check_file,
    check_names,
    pae,
    signed,
)
from tidegate.domain.signers import Signers
from tidegate.errors import Terminal

if TYPE_CHECKING:
    from collections.abc import Mapping

SIGNED = Path(__file__).parent / "signed"
SHA256 = hashlib.sha256((SIGNED / "model.txt").read_bytes()).hexdigest()
P256, P384, P521, TREE_KEY, CA, OTHER_CA = (
    (SIGNED / name).read_text()
    for name in ("p256.pub", "p384.pub", "p521.pub", "tree.pub", "ca.pem", "other-ca.pem")
)
TREE = {
    "MLmodel": b"flavors: {onnx: {data: data/model.onnx}}\n",
    "data/model.onnx": b"weights\n",
    "empty.txt": b"",
    ".gitattributes": b"*.onnx filter=lfs\n",
}
"""The folder that the signatures called tree are about; git's file is in it and not signed."""
KEY = ec.generate_private_key(ec.SECP256R1())


def pem(key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey) -> str:
    made = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return made.decode()


def lay_tree(
    folder: Path,
    signature: str | None = "tree.sig",
    changed: Mapping[str, bytes | None] | None = None,
) -> Path:
    """The folder, with a signature in it; `changed` has other contents, None for no file."""
    contents: dict[str, bytes | None] = {**TREE, **(changed or {})}
    if signature is not None:
        contents["model.sig"] = (SIGNED / signature).read_bytes()
    for path, content in contents.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).unlink(missing_ok=True)
        if content is not None:
            (folder / path).write_bytes(content)
    return folder


def statement(**changes: Any) -> dict[str, Any]:
    """What `model_signing` says of the one file."""
    root = hashlib.sha256(bytes.fromhex(SHA256)).hexdigest()
    return {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": "model.txt", "digest": {"sha256": root}}],
        "predicateType": "https://model_signing/signature/v1.0",
        "predicate": {
            "serialization": {"method": "files", "hash_type": "sha256"},
            "resources": [{"name": ".", "algorithm": "sha256", "digest": SHA256}],
            **changes.pop("predicate", {}),
        },
        **changes,
    }


def bundle(said: Any, **envelope: Any) -> bytes:
    """A bundle that is signed by the test's own key."""
    payload = json.dumps(said).encode()
    signature = KEY.sign(pae(payload), ec.ECDSA(hashes.SHA256()))
    made = {
        "payload": base64.b64encode(payload).decode(),
        "payloadType": "application/vnd.in-toto+json",
        "signatures": [{"sig": base64.b64encode(signature).decode(), "keyid": ""}],
        **envelope,
    }
    return json.dumps({"dsseEnvelope": made}).encode()


@pytest.mark.parametrize(
    ("name", "keys"),
    [
        ("file.sig", [P256]),
        ("file.sig", [P384, P256]),
        ("folder.sig", [P256]),
        ("p384.sig", [P384]),
    ],
)
def test_what_model_signing_has_signed_is_signed(name: str, keys: list[str]) -> None:
    check_file(signed((SIGNED / name).read_bytes(), signers=Signers(keys)), sha256=SHA256)


def test_a_signature_made_by_the_same_rules_holds() -> None:
    check_file(signed(bundle(statement()), signers=Signers([pem(KEY)])), sha256=SHA256)


def refusal(made: bytes, *keys: str, sha256: str = SHA256) -> Terminal:
    with pytest.raises(Terminal) as refused:
        check_file(signed(made, signers=Signers(keys or [pem(KEY)])), sha256=sha256)
    return refused.value


def test_another_file_is_not_signed() -> None:
    found = refusal((SIGNED / "folder.sig").read_bytes(), P256, sha256="0" * 64)
    assert found.reason == "SigningInvalid"
    assert "it is about 2 other files" in found.message


def test_another_key_has_not_signed() -> None:
    assert "none of spec.artifact.signedBy.publicKeys" in refusal(bundle(statement()), P256).message
    assert refusal((SIGNED / "file.sig").read_bytes(), P384).reason == "SigningInvalid"


def test_a_changed_statement_is_not_signed() -> None:
    other = json.dumps(statement(subject=[])).encode()
    changed = bundle(statement(), payload=base64.b64encode(other).decode())
    assert "publicKeys made it" in refusal(changed).message


TWICE = [{"name": "a", "algorithm": "sha256", "digest": SHA256}] * 2
TWICE_ROOT = hashlib.sha256(bytes.fromhex(SHA256) * 2).hexdigest()
WRONG = [
    (b"", "no Sigstore bundle"),
    (b"[]", "no Sigstore bundle"),
    (b'{"dsseEnvelope": 3}', "no Sigstore bundle"),
    (b"[" * 100_000, "no Sigstore bundle"),
    (bundle(statement(), payloadType="text/plain"), "its payload is no application/vnd.in-toto"),
    (bundle(statement(), payload="%%"), "no Sigstore bundle"),
    (bundle(statement(), signatures=[]), "publicKeys made it"),
    (bundle(statement(), signatures=[{"sig": "MAA="}] * 17), "more than 16 signatures"),
    (bundle([]), "its statement cannot be read"),
    (bundle(statement(predicateType="https://model_signing/Digests/v0.1")), "before 1.0"),
    (bundle(statement(subject=[])), "its statement cannot be read"),
    (bundle(statement(subject=[{"digest": {"sha256": "00"}}])), "its own root digest"),
    (
        bundle(
            statement(subject=[{"digest": {"sha256": TWICE_ROOT}}], predicate={"resources": TWICE})
        ),
        "it names a file twice",
    ),
    (
        bundle(statement(predicate={"serialization": {"method": "files", "hash_type": "blake3"}})),
        "blake3 of files, and only the SHA-256 of whole files is checked",
    ),
]


@pytest.mark.parametrize(("made", "said"), WRONG)
def test_what_is_no_signature_of_files_is_refused(made: bytes, said: str) -> None:
    found = refusal(made)
    assert found.reason == "SigningInvalid"
    assert said in found.message


def test_a_signature_of_shards_says_how_to_sign_instead() -> None:
    said = refusal((SIGNED / "tree-shards.sig").read_bytes(), TREE_KEY).message
    assert "sha256 of shards" in said
    assert "sign as the command model_signing does" in said


# -- folders ---------------------------------------------------------------------------------------


def about(name: str = "tree.sig") -> Signed:
    return signed((SIGNED / name).read_bytes(), signers=Signers([TREE_KEY, P521]))


@pytest.mark.parametrize("name", ["tree.sig", "tree-beside.sig", "tree-p521.sig"])
def test_a_folder_that_was_signed_as_it_is_holds(name: str) -> None:
    found = about(name)
    check_names(found, TREE, signature=None)
    check_digests(found, {path: hashlib.sha256(TREE[path]).hexdigest() for path in TREE})


def test_the_signature_in_the_folder_is_no_file_of_what_it_signs() -> None:
    check_names(about(), [*TREE, "model.sig"], signature="model.sig")
    with pytest.raises(Terminal, match=r"does not cover 'model\.sig'"):
        check_names(about(), [*TREE, "model.sig"], signature=None)


NOT_COVERED = ["evil.py", "data/evil.pkl", "data/.gitattributes", ".gitmodules", ".git2/x", ".git"]


@pytest.mark.parametrize("path", NOT_COVERED)
def test_a_file_that_is_not_signed_is_refused_by_name(path: str) -> None:
    with pytest.raises(Terminal) as refused:
        check_names(about(), [*TREE, path], signature=None)
    assert refused.value.reason == "SigningInvalid"
    assert f"does not cover {path!r}: remove" in refused.value.message


def test_of_git_only_what_the_signature_says_it_leaves_out_may_be_there() -> None:
    check_names(about(), [*TREE, ".git/config", ".github/a", ".gitignore"], signature=None)
    without = Signed(about().digests, frozenset({"model.sig"}))
    with pytest.raises(Terminal, match=r"does not cover '\.gitattributes'"):
        check_names(without, TREE, signature=None)


def test_what_a_signature_leaves_out_of_the_model_is_not_taken_on_its_word() -> None:
    with pytest.raises(Terminal, match=r"does not cover 'data/model\.onnx'.*--ignore-paths"):
        check_names(about("tree-ignoring.sig"), TREE, signature=None)


def test_a_file_that_is_missing_or_changed_is_refused_by_name() -> None:
    with pytest.raises(Terminal, match=r"'data/model\.onnx', 'empty\.txt' that it covers is not"):
        check_names(about(), ["MLmodel"], signature=None)
    with pytest.raises(Terminal, match=r"'empty\.txt' was changed after it was signed"):
        check_digests(about(), {"empty.txt": "0" * 64, "MLmodel": about().digests["MLmodel"]})


def test_a_message_names_a_few_of_many() -> None:
    with pytest.raises(Terminal, match=r"'x0', 'x1', 'x2', 'x3', 'x4' and 4 more"):
        check_names(about(), [*TREE, *(f"x{n}" for n in range(9))], signature=None)


def sign_folder(folder: Path) -> None:
    """Put `model.sig` into a folder, as `model_signing sign key` would, with the test's own key."""
    files = {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "model.sig"
    }
    root = hashlib.sha256(b"".join(bytes.fromhex(one) for one in files.values())).hexdigest()
    said = statement(
        subject=[{"name": folder.name, "digest": {"sha256": root}}],
        predicate={
            "resources": [
                {"name": path, "algorithm": "sha256", "digest": one} for path, one in files.items()
            ]
        },
    )
    (folder / "model.sig").write_bytes(bundle(said))


def test_a_folder_that_is_signed_by_the_same_rules_holds(tmp_path: Path) -> None:
    lay_tree(tmp_path, None)
    sign_folder(tmp_path)
    found = signed((tmp_path / "model.sig").read_bytes(), signers=Signers([pem(KEY)]))
    assert set(found.digests) == set(TREE)
