"""http(s):// artifacts, from a real server on this machine."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from aiohttp import web
from tests.artifacts.authority import own_authority

from tidegate import listening
from tidegate.artifacts.base import Limits
from tidegate.artifacts.credentials import Credentials
from tidegate.artifacts.http import HttpFetcher, HttpSource
from tidegate.errors import Terminal, Unreachable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

NOW = datetime(2026, 3, 1, tzinfo=UTC)
CONTENT = b"model " * 200_000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@dataclass
class Site:
    """What the server says: `headers` go with the artifact, `sent` counts its bodies."""

    content: bytes = CONTENT
    headers: dict[str, str] = field(default_factory=dict)
    honours_conditions: bool = True
    chunked: bool = False
    status: int = 200
    location: str = ""
    delay_s: float = 0.0
    port: int = 0
    sent: int = 0
    asked: list[dict[str, str]] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/model"

    async def plain(self, request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(body=self.content)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append({name.lower(): value for name, value in request.headers.items()})
        await asyncio.sleep(self.delay_s)
        if request.path == "/away":
            return web.Response(status=302, headers={"location": self.location})
        if self.status != 200:
            return web.Response(status=self.status)
        etag, modified = self.headers.get("etag"), self.headers.get("last-modified")
        if self.honours_conditions and (
            (etag and request.headers.get("if-none-match") == etag)
            or (modified and request.headers.get("if-modified-since") == modified)
        ):
            return web.Response(status=304)
        self.sent += 1
        response = web.Response(body=self.content, headers=self.headers)
        if self.chunked:
            response.enable_chunked_encoding()
        return response


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    found = Site()
    app = web.Application()
    app.router.add_get("/{path:.*}", found.answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    listener = web.TCPSite(runner, "127.0.0.1", 0)
    await listener.start()
    found.port = runner.addresses[0][1]
    yield found
    await listening.end(runner)


@pytest.fixture
async def source() -> AsyncIterator[HttpSource]:
    limits = Limits(max_bytes=2_000_000, total_s=5.0, idle_s=0.5)
    found = HttpSource(limits=limits, clock=lambda: NOW)
    yield found
    await found.close()


async def refused(source: HttpSource, uri: str, sha256: str | None = None) -> str:
    with pytest.raises(Terminal) as caught:
        await source.resolve(uri, sha256=sha256, previous=None)
    return caught.value.reason


async def test_an_address_is_resolved_to_its_digest_and_size(
    site: Site, source: HttpSource
) -> None:
    site.headers = {"etag": '"v1"'}
    resolved = await source.resolve(site.url, sha256=None, previous=None)
    assert (resolved.sha256, resolved.size, resolved.at) == (SHA256, len(CONTENT), NOW)
    assert (resolved.location, resolved.version) == (site.url, 'etag:"v1"')


@pytest.mark.parametrize("honours", [True, False])
@pytest.mark.parametrize(
    "headers",
    [{"etag": '"v1"'}, {"etag": 'W/"v1"'}, {"last-modified": "Sun, 01 Mar 2026 10:00:00 GMT"}],
)
async def test_an_unchanged_artifact_is_the_same_answer_and_is_not_read_again(
    site: Site, source: HttpSource, headers: dict[str, str], honours: bool
) -> None:
    site.headers, site.honours_conditions = headers, honours
    first = await source.resolve(site.url, sha256=None, previous=None)
    site.content = b"something that the server's headers deny"
    site.content += b" " * (len(CONTENT) - len(site.content))
    assert await source.resolve(site.url, sha256=None, previous=first) is first
    assert len(site.asked) == 2
    assert site.sent == (1 if honours else 2)


async def test_a_changed_artifact_is_another_version(site: Site, source: HttpSource) -> None:
    site.headers = {"etag": '"v1"'}
    first = await source.resolve(site.url, sha256=None, previous=None)
    site.headers, site.content = {"etag": '"v2"'}, b"two"
    second = await source.resolve(site.url, sha256=None, previous=first)
    assert second.sha256 == hashlib.sha256(b"two").hexdigest()
    assert second.version != first.version


async def test_without_etag_and_date_it_is_read_anew_and_unchanged_content_is_no_news(
    site: Site, source: HttpSource
) -> None:
    first = await source.resolve(site.url, sha256=None, previous=None)
    assert await source.resolve(site.url, sha256=None, previous=first) is first
    assert site.sent == 2
    site.content = b"two"
    assert (await source.resolve(site.url, sha256=None, previous=first)).size == 3


async def test_another_address_does_not_take_over_what_was_known(
    site: Site, source: HttpSource
) -> None:
    site.headers = {"etag": '"v1"'}
    first = await source.resolve(site.url, sha256=None, previous=None)
    other = await source.resolve(f"{site.url}/other", sha256=None, previous=first)
    assert other.location == f"{site.url}/other"
    assert "if-none-match" not in site.asked[1]


async def test_a_pinned_artifact_is_read_once_and_must_be_the_pinned_one(
    site: Site, source: HttpSource
) -> None:
    first = await source.resolve(site.url, sha256=SHA256.upper(), previous=None)
    assert await source.resolve(site.url, sha256=SHA256, previous=first) is first
    assert len(site.asked) == 1
    assert await refused(source, site.url, sha256="0" * 64) == "DigestMismatch"


async def test_a_new_pin_is_checked_against_what_is_there_unchanged(
    site: Site, source: HttpSource
) -> None:
    site.headers = {"etag": '"v1"'}
    first = await source.resolve(site.url, sha256=None, previous=None)
    with pytest.raises(Terminal, match="DigestMismatch"):
        await source.resolve(site.url, sha256="0" * 64, previous=first)


@pytest.mark.parametrize(
    ("status", "reason"),
    [(404, "ArtifactNotFound"), (400, "ArtifactNotFound"), (401, "ArtifactForbidden")],
)
async def test_a_refusal_says_what_to_do(
    site: Site, source: HttpSource, status: int, reason: str
) -> None:
    site.status = status
    assert await refused(source, site.url) == reason


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_a_server_in_trouble_is_worth_another_try(
    site: Site, source: HttpSource, status: int
) -> None:
    site.status = status
    with pytest.raises(Unreachable, match=str(status)):
        await source.resolve(site.url, sha256=None, previous=None)


async def test_nobody_there_and_no_answer_are_unreachable(site: Site, source: HttpSource) -> None:
    with pytest.raises(Unreachable, match="cannot be reached"):
        await source.resolve("http://127.0.0.1:9/model", sha256=None, previous=None)
    site.delay_s = 2.0
    with pytest.raises(Unreachable):
        await source.resolve(site.url, sha256=None, previous=None)


async def test_an_answer_that_breaks_off_is_worth_another_try(source: HttpSource) -> None:
    async def half(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\nhalf of it")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(half, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(Unreachable, match="RemoteProtocolError"):
            await source.resolve(f"http://127.0.0.1:{port}/model", sha256=None, previous=None)


async def test_an_artifact_above_the_limit_is_refused_with_and_without_a_length(
    site: Site, source: HttpSource
) -> None:
    site.content = b" " * 2_000_001
    assert await refused(source, site.url) == "TooLarge"
    site.chunked = True
    assert await refused(source, site.url) == "TooLarge"


async def test_redirects_are_followed_a_few_times_and_only_to_http(
    site: Site, source: HttpSource
) -> None:
    away = site.url.replace("model", "away")
    site.location = "/model"
    assert (await source.resolve(away, sha256=None, previous=None)).sha256 == SHA256
    site.location = "/away"
    assert await refused(source, away) == "ArtifactNotFound"
    site.location = "file:///etc/passwd"
    assert await refused(source, away) == "ArtifactForbidden"


@pytest.mark.parametrize("uri", ["http://", "http:///model", "http://host:port/model"])
async def test_an_address_that_is_none_is_refused(source: HttpSource, uri: str) -> None:
    assert await refused(source, uri) == "UriInvalid"


async def test_no_message_shows_a_password_or_a_signed_query(
    site: Site, source: HttpSource
) -> None:
    site.status = 404
    secret = site.url.replace("http://", "http://user:s3cret@") + "?sig=s3cret"
    with pytest.raises(Terminal) as caught:
        await source.resolve(secret, sha256=None, previous=None)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("values", "sent"),
    [
        ({"token": "abc\n"}, "Bearer abc"),
        ({"username": "me", "password": "abc"}, "Basic bWU6YWJj"),
    ],
)
async def test_credentials_go_with_the_request_and_not_to_another_origin(
    site: Site, source: HttpSource, values: dict[str, str], sent: str
) -> None:
    site.headers = {"etag": '"v1"'}
    credentials = Credentials("reader", values)
    found = await source.resolve(site.url, sha256=None, previous=None, credentials=credentials)
    assert site.asked[0]["authorization"] == sent
    assert "abc" not in repr(found)
    assert "abc" not in repr(credentials)
    site.location = site.url.replace("127.0.0.1", "localhost")
    away = site.url.replace("model", "away")
    await source.resolve(away, sha256=None, previous=None, credentials=credentials)
    assert site.asked[1]["authorization"] == sent
    assert "authorization" not in site.asked[2]


async def test_a_session_that_a_server_begins_for_one_model_is_not_anothers(
    site: Site, source: HttpSource
) -> None:
    site.headers = {"set-cookie": "session=alice; Path=/"}
    one = Credentials("reader", {"token": "abc"})
    await source.resolve(site.url, sha256=None, previous=None, credentials=one)
    await source.resolve(site.url, sha256=None, previous=None)
    assert "cookie" not in site.asked[1]


async def test_refused_credentials_name_their_secret_and_what_to_do(
    site: Site, source: HttpSource
) -> None:
    site.status = 401
    with pytest.raises(Terminal, match="needs credentials"):
        await source.resolve(site.url, sha256=None, previous=None)
    with pytest.raises(Terminal) as caught:
        await source.resolve(
            site.url,
            sha256=None,
            previous=None,
            credentials=Credentials("reader", {"token": "abc"}),
        )
    assert caught.value.reason == "ArtifactForbidden"
    assert "'reader' are wrong, expired" in caught.value.message
    assert "abc" not in caught.value.message


@pytest.mark.parametrize("values", [{}, {"user": "me"}, {"username": "me"}, {"token": " \n"}])
async def test_a_secret_without_the_keys_is_told(
    site: Site, source: HttpSource, values: dict[str, str]
) -> None:
    with pytest.raises(Terminal) as caught:
        await source.resolve(
            site.url, sha256=None, previous=None, credentials=Credentials("reader", values)
        )
    assert caught.value.reason == "CredentialsInvalid"
    assert site.asked == []


async def test_an_authority_of_ones_own_is_trusted_where_a_secret_names_it(
    site: Site, source: HttpSource, tmp_path: Path
) -> None:
    tls, authority = own_authority(tmp_path)
    runner = web.ServerRunner(web.Server(site.plain))
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
        uri = f"https://127.0.0.1:{runner.addresses[0][1]}/model"
        with pytest.raises(Unreachable, match="certificate"):
            await source.resolve(uri, sha256=None, previous=None)
        own = Credentials("reader", {"ca.crt": authority})
        found = await source.resolve(uri, sha256=None, previous=None, credentials=own)
        assert found.sha256 == SHA256

        def fetched() -> bytes:
            with HttpFetcher(own).open(uri, offset=0) as stream:
                return b"".join(stream.chunks)

        assert await asyncio.to_thread(fetched) == CONTENT
    finally:
        await listening.end(runner)
    wrong = Credentials("reader", {"ca.crt": "no certificate"})
    with pytest.raises(Terminal, match="CredentialsInvalid"):
        await source.resolve(uri, sha256=None, previous=None, credentials=wrong)
