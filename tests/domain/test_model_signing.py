"""Signatures of OpenSSF model signing: made by `model_signing` 1.1.1 (tests/domain/signed), and
made here with a key of the test."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tidegate.domain.model_signing import check_signed, pae
from tidegate.errors import Terminal

SIGNED = Path(__file__).parent / "signed"
SHA256 = hashlib.sha256((SIGNED / "model.txt").read_bytes()).hexdigest()
P256, P384 = ((SIGNED / f"{curve}.pub").read_text() for curve in ("p256", "p384"))
KEY = ec.generate_private_key(ec.SECP256R1())


def pem(key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey) -> str:
    made = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return made.decode()


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
    check_signed((SIGNED / name).read_bytes(), public_keys=keys, sha256=SHA256)


def test_a_signature_made_by_the_same_rules_holds() -> None:
    check_signed(bundle(statement()), public_keys=[pem(KEY)], sha256=SHA256)


def refusal(made: bytes, *keys: str, sha256: str = SHA256) -> Terminal:
    with pytest.raises(Terminal) as refused:
        check_signed(made, public_keys=keys or [pem(KEY)], sha256=sha256)
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


WRONG = [
    (b"", "no Sigstore bundle"),
    (b"[]", "no Sigstore bundle"),
    (b'{"dsseEnvelope": 3}', "no Sigstore bundle"),
    (bundle(statement(), payloadType="text/plain"), "its payload is no application/vnd.in-toto"),
    (bundle(statement(), payload="%%"), "no Sigstore bundle"),
    (bundle(statement(), signatures=[]), "publicKeys made it"),
    (bundle([]), "its statement cannot be read"),
    (bundle(statement(predicateType="https://model_signing/Digests/v0.1")), "before 1.0"),
    (bundle(statement(subject=[])), "its statement cannot be read"),
    (bundle(statement(subject=[{"digest": {"sha256": "00"}}])), "its own root digest"),
    (
        bundle(statement(predicate={"serialization": {"method": "shards", "hash_type": "sha256"}})),
        "the SHA-256 of whole files",
    ),
]


@pytest.mark.parametrize(("made", "said"), WRONG)
def test_what_is_no_signature_of_files_is_refused(made: bytes, said: str) -> None:
    found = refusal(made)
    assert found.reason == "SigningInvalid"
    assert said in found.message


@pytest.mark.parametrize(
    "key",
    [
        "-----BEGIN PUBLIC KEY-----\nnone\n",
        pem(ed25519.Ed25519PrivateKey.generate()),
        pem(ec.generate_private_key(ec.SECP256K1())),
    ],
)
def test_a_key_of_another_kind_is_refused(key: str) -> None:
    assert refusal(bundle(statement()), key).reason == "SigningKeyInvalid"
