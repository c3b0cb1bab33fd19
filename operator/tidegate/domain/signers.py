"""Who may have signed an artifact: keys, and authorities that vouch for a signer's key. Pure.

What model_signing can sign with by a file: a key on one of three curves, alone or with a
certificate (https://github.com/sigstore/model-transparency). A signature does not say when it was
made, so certificates are held, as model_signing does, to the time from which the signer's is valid:
that it has expired since says nothing. An authority that is taken away counts no more.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from cryptography.x509.oid import ExtendedKeyUsageOID
from cryptography.x509.verification import (
    Criticality,
    ExtensionPolicy,
    PolicyBuilder,
    Store,
    VerificationError,
)

from tidegate.errors import Terminal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cryptography.x509.verification import Policy

SIGNING_INVALID = "SigningInvalid"
SIGNING_KEY_INVALID = "SigningKeyInvalid"

_HASHES: dict[str, type[hashes.HashAlgorithm]] = {
    "secp256r1": hashes.SHA256, "secp384r1": hashes.SHA384, "secp521r1": hashes.SHA512,
}  # fmt: skip
"""By the key's curve: P-256, P-384, P-521."""


@dataclass(frozen=True)
class Signers:
    """Public keys, and certificates of authorities, each in PEM: one of them is enough."""

    public_keys: Sequence[str] = ()
    authorities: Sequence[str] = ()


def check_signer(
    signers: Signers, *, material: Mapping[str, Any], signatures: Sequence[bytes], signed: bytes
) -> None:
    """Check that one of the signers has made one of the signatures of `signed`. `material` is what
    the bundle says of who signed it.

    :raises Terminal: SigningKeyInvalid: a key or an authority cannot be read. SigningInvalid: it
        was made by another, without a key (Sigstore), or by one that no authority vouches for.
    """
    keys = [_key(text) for text in signers.public_keys]
    authorities = [_authority(text) for text in signers.authorities]
    if any(_made(key, one, signed) for key in keys for one in signatures):
        return
    if "certificate" in material or material.get("tlogEntries"):
        raise invalid(
            "it was made keyless (by Sigstore), which is not checked here: sign with a key"
            " (`model_signing sign key`) or a certificate (`model_signing sign certificate`)"
        )
    if "x509CertificateChain" not in material or not authorities:
        raise invalid(_nobody(signers, material))
    key = _vouched_for(_chain(material), authorities)
    if not any(_made(key, one, signed) for one in signatures):
        raise invalid("it was not made by the key of the certificate that comes with it")


def invalid(why: str) -> Terminal:
    """Why a signature does not hold."""
    return Terminal(
        SIGNING_INVALID,
        f"the signature of the artifact does not hold: {why}. Sign the artifact anew, or correct"
        " spec.artifact.signedBy",
    )


def _nobody(signers: Signers, material: Mapping[str, Any]) -> str:
    if "x509CertificateChain" in material:
        return (
            "it was made with a certificate, and spec.artifact.signedBy names no"
            " certificateAuthorities, nor its key"
        )
    if not signers.public_keys:
        return "it was made with a key alone, and spec.artifact.signedBy names no publicKeys"
    return "none of spec.artifact.signedBy.publicKeys made it"


def _key(text: str) -> ec.EllipticCurvePublicKey:
    try:
        key = load_pem_public_key(text.encode())
    except (ValueError, UnsupportedAlgorithm) as error:
        raise Terminal(
            SIGNING_KEY_INVALID, f"spec.artifact.signedBy has a key that is no PEM: {error}"
        ) from None
    return _on_a_curve(key, "spec.artifact.signedBy has a key")


def _on_a_curve(key: object, what: str) -> ec.EllipticCurvePublicKey:
    if not isinstance(key, ec.EllipticCurvePublicKey) or key.curve.name not in _HASHES:
        raise Terminal(
            SIGNING_KEY_INVALID,
            f"{what} of another kind: use one on the curve P-256, P-384 or P-521, as model_signing"
            " does",
        )
    return key


def _authority(text: str) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(text.encode())
    except ValueError as error:
        raise Terminal(
            SIGNING_KEY_INVALID,
            "spec.artifact.signedBy.certificateAuthorities has one that is no certificate:"
            f" {error}",
        ) from None


def _made(key: ec.EllipticCurvePublicKey, signature: bytes, signed: bytes) -> bool:
    try:
        key.verify(signature, signed, ec.ECDSA(_HASHES[key.curve.name]()))
    except InvalidSignature:
        return False
    return True


def _chain(material: Mapping[str, Any]) -> list[x509.Certificate]:
    """The signer's certificate, and those that lead from it to an authority."""
    try:
        said = material["x509CertificateChain"]["certificates"]
        found = [
            x509.load_der_x509_certificate(base64.b64decode(one["rawBytes"], validate=True))
            for one in said
        ]
    except (KeyError, TypeError, ValueError):
        found = []
    if not found:
        raise invalid("the certificates in it cannot be read")
    return found


def _vouched_for(
    chain: Sequence[x509.Certificate], authorities: Sequence[x509.Certificate]
) -> ec.EllipticCurvePublicKey:
    """The key of a certificate that is for signing, and that an authority vouches for."""
    signer = chain[0]
    name = signer.subject.rfc4514_string()[:200]
    builder = PolicyBuilder().store(Store(list(authorities))).time(signer.not_valid_before_utc)
    verifier = builder.extension_policies(
        ca_policy=_of_authorities(), ee_policy=ExtensionPolicy.permit_all()
    ).build_client_verifier()
    try:
        verifier.verify(signer, list(chain[1:]))
        for_signing = _is_for_signing(signer)
    except (VerificationError, ValueError, UnsupportedAlgorithm) as error:
        raise invalid(
            "none of spec.artifact.signedBy.certificateAuthorities vouches for its certificate"
            f" ({name}): {str(error)[:200]}"
        ) from None
    if not for_signing:
        raise invalid(
            f"its certificate ({name}) is for something else: it needs the key usage"
            " digitalSignature, and where it has extended usages, codeSigning among them"
        )
    return _on_a_curve(signer.public_key(), f"the certificate {name} that signed it has a key")


def _of_authorities() -> ExtensionPolicy:
    """What makes a certificate one of an authority."""

    def is_authority(_: Policy, __: x509.Certificate, basic: x509.BasicConstraints) -> None:
        if not basic.ca:
            raise ValueError("a certificate in the chain is none of an authority")

    def may_certify(_: Policy, __: x509.Certificate, usage: x509.KeyUsage | None) -> None:
        if usage is not None and not usage.key_cert_sign:
            raise ValueError("an authority in the chain may not sign certificates")

    return (
        ExtensionPolicy.permit_all()
        .require_present(x509.BasicConstraints, Criticality.AGNOSTIC, is_authority)
        .may_be_present(x509.KeyUsage, Criticality.AGNOSTIC, may_certify)
    )


def _is_for_signing(signer: x509.Certificate) -> bool:
    """Stricter than model_signing in one thing: a certificate of a web server is none."""
    usage = _extension(signer, x509.KeyUsage)
    extended = _extension(signer, x509.ExtendedKeyUsage)
    if extended is not None and ExtendedKeyUsageOID.CODE_SIGNING not in extended:
        return False
    return extended is not None if usage is None else usage.digital_signature


def _extension[T: x509.ExtensionType](signer: x509.Certificate, kind: type[T]) -> T | None:
    try:
        return signer.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None
