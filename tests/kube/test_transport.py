"""What goes over a real connection: headers, time limits, streams, TLS, and what silence means."""

from __future__ import annotations

import asyncio
import ssl
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from typing import TYPE_CHECKING

import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tidegate.errors import Forbidden, ServerUnavailable
from tidegate.kube.credentials import Acting, Credentials
from tidegate.kube.transport import HttpTransport, split_lines
from tidegate.testing.http import answering

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


async def ask(transport: HttpTransport, *, timeout: float = 5.0) -> int:
    try:
        response = await transport.request(
            "GET", "/x", params={}, headers={}, body=None, timeout=timeout
        )
        return response.status
    finally:
        await transport.close()


async def listen(transport: HttpTransport, *, timeout: float = 5.0) -> list[bytes]:
    try:
        async with transport.stream("/x", params={}, headers={}, timeout=timeout) as lines:
            return [line async for line in lines]
    finally:
        await transport.close()


async def ok(request: web.Request) -> web.StreamResponse:
    return web.json_response({})


async def test_a_token_is_sent_as_bearer() -> None:
    async with answering(ok) as server:
        assert await ask(HttpTransport(Credentials(server=server.url, token="secret"))) == 200

    assert server.requests[0].headers["Authorization"] == "Bearer secret"


async def test_a_token_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("from-file\n")

    async with answering(ok) as server:
        await ask(HttpTransport(Credentials(server=server.url, token_file=tmp_path / "token")))

    assert server.requests[0].headers["Authorization"] == "Bearer from-file"


async def test_whom_a_user_acts_as_is_said_with_all_groups() -> None:
    acting = Acting(user="carol", groups=("ml-leads", "all"))

    async with answering(ok) as server:
        credentials = Credentials(server=server.url, token="secret", acting=acting)
        assert await ask(HttpTransport(credentials)) == 200

    headers = server.requests[0].headers
    assert (headers["Impersonate-User"], headers["Authorization"]) == ("carol", "Bearer secret")
    assert headers.getall("Impersonate-Group") == ["ml-leads", "all"]


async def test_without_a_token_nothing_is_said() -> None:
    async with answering(ok) as server:
        await ask(HttpTransport(Credentials(server=server.url)))

    assert "Authorization" not in server.requests[0].headers


async def test_no_answer_in_time_is_an_unavailable_server() -> None:
    async def slow(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(5)
        return web.json_response({})

    async with answering(slow) as server:
        with pytest.raises(ServerUnavailable, match=r"no answer within 0\.1 s") as caught:
            await ask(HttpTransport(Credentials(server=server.url)), timeout=0.1)

    assert (caught.value.status, caught.value.reason) == (0, "Timeout")


async def test_nobody_listening_is_an_unavailable_server(unused_tcp_port: int) -> None:
    with pytest.raises(ServerUnavailable) as caught:
        await ask(HttpTransport(Credentials(server=f"http://127.0.0.1:{unused_tcp_port}")))

    assert caught.value.reason == "Unreachable"


async def test_a_stream_yields_lines_however_they_were_cut() -> None:
    async def pieces(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for piece in (b'{"a"', b":1}\n{", b'"b":2}\n\n', b'{"c":3}'):
            await response.write(piece)
            await asyncio.sleep(0.01)
        return response

    async with answering(pieces) as server:
        lines = await listen(HttpTransport(Credentials(server=server.url)))

    assert lines == [b'{"a":1}', b'{"b":2}', b'{"c":3}']


async def test_a_silent_stream_is_given_up() -> None:
    async def silent(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"one\n")
        await asyncio.sleep(5)
        return response

    async with answering(silent) as server:
        with pytest.raises(ServerUnavailable, match=r"silent for 0\.1 s"):
            await listen(HttpTransport(Credentials(server=server.url)), timeout=0.1)


async def test_a_stream_that_breaks_off_is_an_unavailable_server() -> None:
    async def broken(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"one\n")
        assert request.transport is not None
        request.transport.abort()
        return response

    async with answering(broken) as server:
        with pytest.raises(ServerUnavailable):
            await listen(HttpTransport(Credentials(server=server.url)))


async def test_a_refused_stream_raises_what_was_answered() -> None:
    async def refuse(request: web.Request) -> web.StreamResponse:
        status = {"kind": "Status", "reason": "Forbidden", "message": "not yours"}
        return web.json_response(status, status=403)

    async with answering(refuse) as server:
        with pytest.raises(Forbidden, match="not yours"):
            await listen(HttpTransport(Credentials(server=server.url)))


async def test_lines_of_any_length_are_put_together() -> None:
    async def many() -> AsyncIterator[bytes]:
        for _ in range(1000):
            yield b"x" * 1000
        yield b"\nshort"

    assert [len(line) async for line in split_lines(many())] == [1_000_000, 5]


class Pki:
    """A private authority with a key pair for 127.0.0.1 that serves as server and as client."""

    def __init__(self, folder: Path) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
        now = datetime.now(UTC)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(minutes=1))
            .not_valid_after(now + timedelta(hours=1))
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(
                x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]),
                critical=False,
            )
            .sign(key, hashes.SHA256())
        )
        self.certificate = certificate.public_bytes(serialization.Encoding.PEM).decode()
        self.key = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ).decode()
        self._pair = folder / "pair.pem"
        self._pair.write_text(self.certificate + self.key)

    def server(self, *, wants_certificate: bool) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self._pair)
        if wants_certificate:
            context.load_verify_locations(cadata=self.certificate)
            context.verify_mode = ssl.CERT_REQUIRED
        return context


async def test_a_server_with_the_right_authority_is_trusted(tmp_path: Path) -> None:
    pki = Pki(tmp_path)

    async with answering(ok, tls=pki.server(wants_certificate=False)) as server:
        known = Credentials(server=server.url, ca_pem=pki.certificate)
        assert await ask(HttpTransport(known)) == 200


async def test_a_server_with_another_authority_is_refused(tmp_path: Path) -> None:
    pki = Pki(tmp_path)

    async with answering(ok, tls=pki.server(wants_certificate=False)) as server:
        with pytest.raises(ServerUnavailable, match="certificate"):
            await ask(HttpTransport(Credentials(server=server.url)))


async def test_verification_is_off_only_where_the_kubeconfig_says_so(tmp_path: Path) -> None:
    pki = Pki(tmp_path)

    async with answering(ok, tls=pki.server(wants_certificate=False)) as server:
        assert await ask(HttpTransport(Credentials(server=server.url, insecure=True))) == 200


async def test_a_client_certificate_is_shown(tmp_path: Path) -> None:
    pki = Pki(tmp_path)

    async with answering(ok, tls=pki.server(wants_certificate=True)) as server:
        user = Credentials(
            server=server.url,
            ca_pem=pki.certificate,
            certificate_pem=pki.certificate,
            key_pem=pki.key,
        )
        assert await ask(HttpTransport(user)) == 200
