"""Who has signed: keys, and certificates that an authority vouches for."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from tests.domain.test_model_signing import CA, OTHER_CA, P256, SIGNED, pem

from tidegate.domain.model_signing import signed
from tidegate.domain.signers import Signers, check_signer
from tidegate.errors import Terminal

BY_CERTIFICATE = (SIGNED / "tree-cert.sig").read_bytes()
"""Made by `model_signing sign certificate`, with an intermediate in it."""
START = datetime(2026, 1, 1, tzinfo=UTC)
SAID = b"what is signed"


def reason(signers: Signers, made: bytes = BY_CERTIFICATE) -> Terminal:
    with pytest.raises(Terminal) as refused:
        signed(made, signers=signers)
    return refused.value


def test_a_certificate_that_an_authority_vouches_for_has_signed() -> None:
    assert "MLmodel" in signed(BY_CERTIFICATE, signers=Signers(authorities=[CA])).digests
    assert signed(BY_CERTIFICATE, signers=Signers([P256], [OTHER_CA, CA])).digests


def test_another_authority_does_not_vouch_for_it() -> None:
    found = reason(Signers(authorities=[OTHER_CA]))
    assert found.reason == "SigningInvalid"
    assert "certificateAuthorities vouches for its certificate (CN=release)" in found.message


def test_without_an_authority_it_is_said_which_field_is_missing() -> None:
    assert "names no certificateAuthorities" in reason(Signers([P256])).message
    by_key = (SIGNED / "tree.sig").read_bytes()
    assert "names no publicKeys" in reason(Signers(authorities=[CA]), by_key).message


def test_a_statement_that_was_changed_was_not_made_by_the_certificate() -> None:
    said = json.loads(BY_CERTIFICATE)
    payload = base64.b64decode(said["dsseEnvelope"]["payload"]).replace(b"MLmodel", b"MLmodem")
    said["dsseEnvelope"]["payload"] = base64.b64encode(payload).decode()
    found = reason(Signers(authorities=[CA]), json.dumps(said).encode())
    assert "not made by the key of the certificate" in found.message


@pytest.mark.parametrize(
    "material",
    [{"certificate": {"rawBytes": ""}}, {"x509CertificateChain": {}, "tlogEntries": [{"a": 1}]}],
)
def test_a_keyless_signature_is_refused_with_what_to_use(material: dict[str, Any]) -> None:
    said = {**json.loads(BY_CERTIFICATE), "verificationMaterial": material}
    found = reason(Signers([P256], [CA]), json.dumps(said).encode())
    assert "keyless" in found.message
    assert "`model_signing sign key`" in found.message


@pytest.mark.parametrize(
    "chain", [{}, {"certificates": []}, {"certificates": [{"rawBytes": "AAAA"}]}, [], "x"]
)
def test_certificates_that_cannot_be_read_are_refused(chain: Any) -> None:
    said = json.loads(BY_CERTIFICATE)
    said["verificationMaterial"] = {"x509CertificateChain": chain}
    found = reason(Signers(authorities=[CA]), json.dumps(said).encode())
    assert "the certificates in it cannot be read" in found.message


@pytest.mark.parametrize(
    "key",
    [
        "-----BEGIN PUBLIC KEY-----\nnone\n",
        pem(ed25519.Ed25519PrivateKey.generate()),
        pem(ec.generate_private_key(ec.SECP256K1())),
    ],
)
def test_a_key_of_another_kind_is_refused(key: str) -> None:
    assert reason(Signers([key])).reason == "SigningKeyInvalid"


def test_an_authority_that_is_no_certificate_is_refused() -> None:
    assert reason(Signers(authorities=["-----BEGIN CERTIFICATE-----\nAA\n"])).reason == (
        "SigningKeyInvalid"
    )


# -- chains that model_signing would not have made -------------------------------------------------


class Party:
    """Somebody with a key and a certificate."""

    def __init__(
        self,
        name: str,
        issuer: Party | None = None,
        *,
        ca: bool = False,
        length: int | None = None,
        usages: tuple[x509.ObjectIdentifier, ...] = (),
        signs: bool = True,
        start: datetime = START,
        days: int = 30,
    ) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        by = issuer or self
        usage = dict.fromkeys(
            ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
             "crl_sign", "encipher_only", "decipher_only"), False,
        )  # fmt: skip
        builder = (
            x509.CertificateBuilder()
            .subject_name(self.name)
            .issuer_name(by.name)
            .public_key(self.key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(start)
            .not_valid_after(start + timedelta(days=days))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=length), critical=True)
            .add_extension(
                x509.KeyUsage(digital_signature=signs, key_cert_sign=ca, **usage), critical=True
            )
        )
        if usages:
            builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        self.certificate = builder.sign(by.key, hashes.SHA256())

    @property
    def pem(self) -> str:
        return self.certificate.public_bytes(Encoding.PEM).decode()


ROOT = Party("root", ca=True)
MIDDLE = Party("middle", ROOT, ca=True, length=0)
LOWER = Party("lower", MIDDLE, ca=True)
NO_CA = Party("no-ca", ROOT)


def check(signer: Party, *chain: Party) -> None:
    made = signer.key.sign(SAID, ec.ECDSA(hashes.SHA256()))
    listed = [
        {"rawBytes": base64.b64encode(one.certificate.public_bytes(Encoding.DER)).decode()}
        for one in (signer, *chain)
    ]
    check_signer(
        Signers(authorities=[ROOT.pem]),
        material={"x509CertificateChain": {"certificates": listed}},
        signatures=[made],
        signed=SAID,
    )


def test_a_chain_is_followed_to_its_authority() -> None:
    check(Party("a", ROOT))
    check(Party("a", MIDDLE, usages=(ExtendedKeyUsageOID.CODE_SIGNING,)), MIDDLE)
    check(Party("a", MIDDLE), NO_CA, MIDDLE, ROOT)


def test_a_certificate_that_has_expired_since_it_signed_holds() -> None:
    check(Party("a", ROOT, days=1))


WEB = (ExtendedKeyUsageOID.SERVER_AUTH,)
BROKEN = [
    ([Party("self")], "vouches for"),
    ([Party("a", MIDDLE)], "vouches for"),
    ([Party("a", NO_CA), NO_CA], "vouches for"),
    ([Party("a", LOWER), LOWER, MIDDLE], "vouches for"),
    ([Party("a", ROOT, start=START + timedelta(days=40))], "vouches for"),
    ([Party("web", ROOT, usages=WEB)], "is for something else"),
    ([Party("a", ROOT, signs=False)], "is for something else"),
]


@pytest.mark.parametrize(("chain", "said"), BROKEN)
def test_a_chain_that_no_authority_stands_for_is_refused(chain: list[Party], said: str) -> None:
    with pytest.raises(Terminal) as refused:
        check(*chain)
    assert refused.value.reason == "SigningInvalid"
    assert said in refused.value.message
