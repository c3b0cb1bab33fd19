"""A server's certificate, signed by an authority that nobody else knows."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

from tidegate.local.cluster.pki import ensure_pki

if TYPE_CHECKING:
    from pathlib import Path


def own_authority(folder: Path) -> tuple[ssl.SSLContext, str]:
    """What a server on 127.0.0.1 listens with, and the certificate of its authority."""
    pki = ensure_pki(folder)
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(pki.certificate, pki.key)
    return tls, pki.authority.read_text()
