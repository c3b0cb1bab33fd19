"""Whether a signature made by OpenSSF model signing, with a key, is about an artifact. Pure.

The format is that of `model_signing` 1.0 (https://github.com/sigstore/model-transparency): a
Sigstore bundle whose DSSE envelope holds an in-toto statement, which lists the digest of every
file. Only its mode with a key of one's own is read here: no certificates, no transparency log.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from typing import TYPE_CHECKING, Any

import orjson
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from tidegate.errors import Terminal

if TYPE_CHECKING:
    from collections.abc import Sequence

SIGNING_INVALID = "SigningInvalid"
SIGNING_KEY_INVALID = "SigningKeyInvalid"
PAYLOAD_TYPE = "application/vnd.in-toto+json"
STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "https://model_signing/signature/v1.0"

_HASHES: dict[str, type[hashes.HashAlgorithm]] = {
    "secp256r1": hashes.SHA256, "secp384r1": hashes.SHA384, "secp521r1": hashes.SHA512,
}  # fmt: skip
"""By the key's curve: P-256, P-384, P-521."""


def check_signed(bundle: bytes, *, public_keys: Sequence[str], sha256: str) -> None:
    """Check that one of the keys has signed a file with this digest: alone, or within a folder.

    :raises Terminal: SigningKeyInvalid: a public key cannot be read. SigningInvalid: the bundle is
        none, was made by another key, was changed, or is about other files.
    """
    keys = [_key(text) for text in public_keys]
    payload, signatures = _envelope(bundle)
    signed = pae(payload)
    if not any(_made(key, one, signed) for key in keys for one in signatures):
        raise _invalid("none of spec.artifact.signedBy.publicKeys made it")
    digests = _digests(payload)
    if sha256 not in digests:
        raise _invalid(
            f"it is about {len(digests)} other file{'s' if len(digests) != 1 else ''}: none has the"
            f" artifact's sha256 {sha256}"
        )


def pae(payload: bytes) -> bytes:
    """What is signed: DSSE's pre-authentication encoding of a payload."""
    return f"DSSEv1 {len(PAYLOAD_TYPE)} {PAYLOAD_TYPE} {len(payload)} ".encode() + payload


def _key(text: str) -> ec.EllipticCurvePublicKey:
    try:
        key = load_pem_public_key(text.encode())
    except (ValueError, UnsupportedAlgorithm) as error:
        raise Terminal(
            SIGNING_KEY_INVALID, f"spec.artifact.signedBy has a key that is no PEM: {error}"
        ) from None
    if not isinstance(key, ec.EllipticCurvePublicKey) or key.curve.name not in _HASHES:
        raise Terminal(
            SIGNING_KEY_INVALID,
            "spec.artifact.signedBy has a key of another kind: use one on the curve P-256, P-384 or"
            " P-521, as model_signing does",
        )
    return key


def _envelope(bundle: bytes) -> tuple[bytes, list[bytes]]:
    """The payload of the bundle's envelope, and its signatures."""
    try:
        envelope = orjson.loads(bundle)["dsseEnvelope"]
        if envelope["payloadType"] != PAYLOAD_TYPE:
            raise _invalid(f"its payload is no {PAYLOAD_TYPE}")
        payload = base64.b64decode(envelope["payload"], validate=True)
        signatures = [base64.b64decode(one["sig"], validate=True) for one in envelope["signatures"]]
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError, binascii.Error):
        raise _invalid("it is no Sigstore bundle with a DSSE envelope") from None
    return payload, signatures


def _made(key: ec.EllipticCurvePublicKey, signature: bytes, signed: bytes) -> bool:
    try:
        key.verify(signature, signed, ec.ECDSA(_HASHES[key.curve.name]()))
    except InvalidSignature:
        return False
    return True


def _digests(payload: bytes) -> list[str]:
    """SHA-256 of every file that the statement is about; each was hashed as a whole."""
    try:
        statement = orjson.loads(payload)
        if statement["_type"] != STATEMENT_TYPE or statement["predicateType"] != PREDICATE_TYPE:
            raise _invalid("it was made by a version before 1.0 of model_signing, or by another")
        (subject,) = statement["subject"]
        predicate: dict[str, Any] = statement["predicate"]
        how = predicate["serialization"]
        if (how["method"], how["hash_type"]) != ("files", "sha256"):
            raise _invalid("it is not about the SHA-256 of whole files: sign with these defaults")
        digests = [str(one["digest"]) for one in predicate["resources"]]
        root = hashlib.sha256(b"".join(bytes.fromhex(one) for one in digests)).hexdigest()
        if root != subject["digest"]["sha256"]:
            raise _invalid("what it lists is not what its own root digest says")
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError):
        raise _invalid("its statement cannot be read") from None
    return digests


def _invalid(why: str) -> Terminal:
    return Terminal(
        SIGNING_INVALID,
        f"the signature beside the artifact does not hold: {why}. Sign the artifact anew, or"
        " correct spec.artifact.signedBy",
    )
