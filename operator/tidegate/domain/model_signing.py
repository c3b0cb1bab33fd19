"""What a signature made by OpenSSF model signing is about, and whether that is an artifact. Pure.

The format is that of `model_signing` 1.0 (https://github.com/sigstore/model-transparency): a
Sigstore bundle whose DSSE envelope holds an in-toto statement, which lists the digest of every
file. Runs in the operator, and in the init container where only that can see the files.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tidegate.domain.signers import Signers, check_signer, invalid

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

SIGNATURE = "model.sig"
"""How the signature of a folder is called in it."""
PAYLOAD_TYPE = "application/vnd.in-toto+json"
STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "https://model_signing/signature/v1.0"

_GIT_FILES = (".gitattributes", ".gitignore")
_GIT_FOLDERS = (".git/", ".github/")
"""What model_signing leaves out unless it is told otherwise: no part of a model."""
_NAMED = 5
"""How many files a message names."""
_MOST_SIGNATURES = 16


@dataclass(frozen=True)
class Signed:
    """What a signature is about: sha256 (64 hex digits) by path in the folder, `.` alone for a
    single file; and the paths that it says it leaves out, with all below them."""

    digests: Mapping[str, str]
    ignored: Collection[str]

    def leaves_out(self, path: str) -> bool:
        """Whether a file may be in the folder without being signed: it is of git, and the
        signature says so. What a model could be made of is never left out."""
        of_git = path in _GIT_FILES or path.startswith(_GIT_FOLDERS)
        return of_git and any(
            path == one or path.startswith(f"{one.rstrip('/')}/") for one in self.ignored
        )


def signed(bundle: bytes, *, signers: Signers) -> Signed:
    """What a bundle is about, which one of the signers has made.

    :raises Terminal: SigningKeyInvalid: a key of `signers` cannot be read. SigningInvalid: the
        bundle is none, was made by another, or was changed.
    """
    payload, signatures, material = _envelope(bundle)
    check_signer(signers, material=material, signatures=signatures, signed=pae(payload))
    return _statement(payload)


def check_file(about: Signed, *, sha256: str) -> None:
    """Check that a file with this digest is signed: alone, or within a folder.

    :raises Terminal: SigningInvalid: none of what is signed is it.
    """
    if sha256 not in about.digests.values():
        raise invalid(
            f"it is about {len(about.digests)} other file{'s' if len(about.digests) != 1 else ''}:"
            f" none has the artifact's sha256 {sha256}"
        )


def check_names(about: Signed, paths: Iterable[str], *, signature: str | None) -> None:
    """Check that a folder has all the files that are signed, and no others. `signature` is the path
    of the signature itself where it lies in the folder: it cannot be in what it signs.

    :raises Terminal: SigningInvalid, with the names.
    """
    there = {path for path in paths if path != signature}
    more = [path for path in there - about.digests.keys() if not about.leaves_out(path)]
    if more:
        raise invalid(
            f"it does not cover {_some(more)}: remove what is no part of the model, and sign all"
            " that is (without --ignore-paths)"
        )
    missing = about.digests.keys() - there
    if missing:
        raise invalid(f"{_some(missing)} that it covers is not there")


def check_digests(about: Signed, digests: Mapping[str, str]) -> None:
    """Check that files, by path, are as they were signed; those that are not signed are left to
    `check_names`.

    :raises Terminal: SigningInvalid, with the names.
    """
    changed = [
        path for path, digest in digests.items() if about.digests.get(path, digest) != digest
    ]
    if changed:
        raise invalid(f"{_some(changed)} was changed after it was signed")


def pae(payload: bytes) -> bytes:
    """What is signed: DSSE's pre-authentication encoding of a payload."""
    return f"DSSEv1 {len(PAYLOAD_TYPE)} {PAYLOAD_TYPE} {len(payload)} ".encode() + payload


def _envelope(bundle: bytes) -> tuple[bytes, list[bytes], dict[str, Any]]:
    """The payload of the bundle's envelope, its signatures, and what it says of who made them."""
    try:
        said = json.loads(bundle)
        envelope = said["dsseEnvelope"]
        if envelope["payloadType"] != PAYLOAD_TYPE:
            raise invalid(f"its payload is no {PAYLOAD_TYPE}")
        payload = base64.b64decode(envelope["payload"], validate=True)
        signatures = [base64.b64decode(one["sig"], validate=True) for one in envelope["signatures"]]
        if len(signatures) > _MOST_SIGNATURES:  # each is held against each key
            raise invalid(f"it has more than {_MOST_SIGNATURES} signatures")
        material = said.get("verificationMaterial") or {}
        return payload, signatures, dict(material)
    except (KeyError, TypeError, ValueError, RecursionError, binascii.Error):
        raise invalid("it is no Sigstore bundle with a DSSE envelope") from None


def _statement(payload: bytes) -> Signed:
    """What the signed statement says; each file was hashed as a whole."""
    try:
        statement = json.loads(payload)
        if statement["_type"] != STATEMENT_TYPE or statement["predicateType"] != PREDICATE_TYPE:
            raise invalid("it was made by a version before 1.0 of model_signing, or by another")
        (subject,) = statement["subject"]
        predicate: dict[str, Any] = statement["predicate"]
        how, resources = predicate["serialization"], predicate["resources"]
        if (how["method"], how["hash_type"]) != ("files", "sha256"):
            raise invalid(
                f"it is about {str(how['hash_type'])[:40]} of {str(how['method'])[:40]}, and only"
                " the SHA-256 of whole files is checked: sign as the command model_signing does"
            )
        listed = [(str(one["name"]), bytes.fromhex(str(one["digest"]))) for one in resources]
        root = hashlib.sha256(b"".join(digest for _, digest in listed)).hexdigest()
        if root != subject["digest"]["sha256"]:
            raise invalid("what it lists is not what its own root digest says")
        digests = {path: digest.hex() for path, digest in listed}
        if len(digests) != len(listed):
            raise invalid("it names a file twice")
        return Signed(digests, frozenset(str(path) for path in how.get("ignore_paths") or ()))
    except (KeyError, TypeError, ValueError, RecursionError):
        raise invalid("its statement cannot be read") from None


def _some(paths: Iterable[str]) -> str:
    named = sorted(paths)
    more = f" and {len(named) - _NAMED} more" if len(named) > _NAMED else ""
    return ", ".join(repr(path[:200]) for path in named[:_NAMED]) + more
