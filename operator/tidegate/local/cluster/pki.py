"""The cluster's private certificate authority and the API server's certificate.

Made at the first start and kept; the server's certificate is made anew when it runs out soon.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tidegate.local.cluster.state import write_private

if TYPE_CHECKING:
    from pathlib import Path

_AUTHORITY_DAYS = 3650
_SERVER_DAYS = 365
_RENEW_BEFORE = timedelta(days=30)
_NAMES = ("localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc")


@dataclass(frozen=True)
class Pki:
    """PEM files: the authority's certificate, the server's certificate and its key."""

    authority: Path
    certificate: Path
    key: Path


def ensure_pki(folder: Path, *, now: datetime | None = None) -> Pki:
    """The files in `folder`, made or renewed as needed. Keys are readable by their owner only."""
    now = now or datetime.now(UTC)
    found = Pki(folder / "ca.crt", folder / "server.crt", folder / "server.key")
    key_path = folder / "ca.key"
    if not (found.authority.exists() and key_path.exists()):
        key = ec.generate_private_key(ec.SECP256R1())
        write_private(key_path, _pem(key))
        write_private(found.authority, _certificate_pem(_authority(key, now=now)))
        found.certificate.unlink(missing_ok=True)
    if not _lasts(found.certificate, now=now):
        issuer_key = serialization.load_pem_private_key(key_path.read_bytes(), password=None)
        if not isinstance(issuer_key, ec.EllipticCurvePrivateKey):
            raise TypeError(f"{key_path} holds no elliptic-curve key")
        issuer = x509.load_pem_x509_certificate(found.authority.read_bytes())
        server_key = ec.generate_private_key(ec.SECP256R1())
        write_private(found.key, _pem(server_key))
        signed = _server(server_key, issuer=issuer, issuer_key=issuer_key, now=now)
        write_private(found.certificate, _certificate_pem(signed))
    return found


def _lasts(path: Path, *, now: datetime) -> bool:
    if not path.exists():
        return False
    certificate = x509.load_pem_x509_certificate(path.read_bytes())
    return certificate.not_valid_after_utc > now + _RENEW_BEFORE


def _authority(key: ec.EllipticCurvePrivateKey, *, now: datetime) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "tidegate-local")])
    builder = _builder(name, issuer=name, key=key, now=now, days=_AUTHORITY_DAYS)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    builder = builder.add_extension(_usage(sign=True), critical=True)
    return builder.sign(key, hashes.SHA256())


def _server(
    key: ec.EllipticCurvePrivateKey,
    *,
    issuer: x509.Certificate,
    issuer_key: ec.EllipticCurvePrivateKey,
    now: datetime,
) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "kube-apiserver")])
    builder = _builder(name, issuer=issuer.subject, key=key, now=now, days=_SERVER_DAYS)
    alternatives: list[x509.GeneralName] = [x509.DNSName(each) for each in _NAMES]
    alternatives.append(x509.IPAddress(ip_address("127.0.0.1")))
    builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
    builder = builder.add_extension(
        x509.BasicConstraints(ca=False, path_length=None), critical=True
    )
    builder = builder.add_extension(_usage(sign=False), critical=True)
    builder = builder.add_extension(
        x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False
    )
    authority_id = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key())
    builder = builder.add_extension(authority_id, critical=False)
    return builder.sign(issuer_key, hashes.SHA256())


def _builder(
    name: x509.Name,
    *,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    now: datetime,
    days: int,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _usage(*, sign: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=sign,
        crl_sign=sign,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _certificate_pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)
