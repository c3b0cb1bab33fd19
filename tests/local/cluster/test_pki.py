"""The private authority: a client that trusts it trusts the server, and nobody else does."""

from __future__ import annotations

import asyncio
import ssl
import stat
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from tidegate.local.cluster.pki import ensure_pki

if TYPE_CHECKING:
    from pathlib import Path

    from tidegate.local.cluster.pki import Pki


async def handshake(pki: Pki, trust: ssl.SSLContext) -> None:
    async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    server_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_side.load_cert_chain(pki.certificate, pki.key)
    server = await asyncio.start_server(hang_up, "127.0.0.1", 0, ssl=server_side)
    async with server:
        port = server.sockets[0].getsockname()[1]
        _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trust)
        writer.close()


async def test_the_server_is_trusted_through_the_authority_alone(tmp_path: Path) -> None:
    pki = ensure_pki(tmp_path)
    await handshake(pki, ssl.create_default_context(cafile=str(pki.authority)))
    with pytest.raises(ssl.SSLCertVerificationError):
        await handshake(pki, ssl.create_default_context())


def test_it_is_made_once_and_renewed_before_it_runs_out(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    pki = ensure_pki(tmp_path, now=now)
    authority, certificate = pki.authority.read_bytes(), pki.certificate.read_bytes()
    ensure_pki(tmp_path, now=now + timedelta(days=300))
    assert pki.certificate.read_bytes() == certificate
    ensure_pki(tmp_path, now=now + timedelta(days=340))
    assert pki.certificate.read_bytes() != certificate
    assert pki.authority.read_bytes() == authority


def test_keys_are_for_their_owner_only(tmp_path: Path) -> None:
    ensure_pki(tmp_path)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.glob("*.key")}
    assert modes == {"ca.key": 0o600, "server.key": 0o600}
