"""s3://, gs:// and azure:// artifacts: from moto's S3 server, and from stores in memory."""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import socket
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

import pytest
from tests.domain.test_model_signing import SIGNED, TREE, TREE_KEY

from tidegate.artifacts.azure import AZURE
from tidegate.artifacts.base import Limits, Resolved
from tidegate.artifacts.credentials import NO_CREDENTIALS, Credentials
from tidegate.artifacts.fetching import fetcher_for
from tidegate.artifacts.gs import GS
from tidegate.artifacts.objects import ObjectSource
from tidegate.artifacts.s3 import S3
from tidegate.artifacts.signed_tree import check_signed_tree
from tidegate.artifacts.tree import TreeFile, folder_digest, tree_digest
from tidegate.domain.signers import Signers
from tidegate.errors import Terminal, Unreachable
from tidegate.serving.cache import Wanted
from tidegate.serving.fetch import fetch
from tidegate.testing.buckets import Buckets

if TYPE_CHECKING:
    from collections.abc import Iterator

ENVIRONMENTS = Path(os.environ.get("TIDEGATE_ENVS", Path(__file__).parents[2] / ".tidegate/env"))
NOW = datetime(2026, 3, 1, tzinfo=UTC)
START_S = 40.0
BUCKET = "models"
SOURCES = {"s3": S3, "gs": GS, "azure": AZURE}
AUTHORIZATION = (
    "AWS4-HMAC-SHA256 Credential=writer/20260301/us-east-1/s3/aws4_request, SignedHeaders=host, "
    "Signature=none"
)
"""moto looks whether there is one, and not what it says."""
AZURE_KEY = "a2V5IG9mIHRoZSB0ZXN0"


class Writable(Protocol):
    def put(self, bucket: str, key: str, content: bytes) -> None: ...
    def remove(self, bucket: str, key: str) -> None: ...


@dataclass
class Moto:
    """The S3 server of moto, in a process of its own."""

    port: int

    def put(self, bucket: str, key: str, content: bytes) -> None:
        self.ask("PUT", f"/{bucket}/{key}", content)

    def remove(self, bucket: str, key: str) -> None:
        self.ask("DELETE", f"/{bucket}/{key}")

    def make(self, bucket: str, *, versioned: bool = False) -> None:
        self.ask("PUT", f"/{bucket}")
        if versioned:
            status = "<Status>Enabled</Status>"
            text = f"<VersioningConfiguration>{status}</VersioningConfiguration>"
            self.ask("PUT", f"/{bucket}?versioning", text.encode())

    def ask(self, method: str, path: str, body: bytes = b"") -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        connection.request(method, path, body, {"authorization": AUTHORIZATION})
        answer = connection.getresponse()
        assert answer.status < 300, answer.read()
        connection.close()

    @property
    def secret(self) -> dict[str, str]:
        return {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.port}",
            "AWS_ACCESS_KEY_ID": "reader",
            "AWS_SECRET_ACCESS_KEY": "s3cret",
        }


@contextmanager
def free_port() -> Iterator[int]:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


@pytest.fixture(scope="module")
def moto() -> Iterator[Moto]:
    with free_port() as port:
        pass
    server = subprocess.Popen(
        [ENVIRONMENTS / "stores" / "bin" / "moto_server", "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    found = Moto(port)
    deadline = time.monotonic() + START_S
    while True:
        try:
            found.ask("GET", "/moto-api/")
            break
        except OSError:
            assert time.monotonic() < deadline, "moto did not start"
            time.sleep(0.1)
    found.make(BUCKET)
    found.make("versioned", versioned=True)
    yield found
    server.terminate()
    server.wait(timeout=10)


@dataclass
class Shop:
    """A store with what a Model needs to read it. `uri` is of its bucket."""

    scheme: str
    store: Writable
    credentials: Credentials

    def source(self, **limits: Any) -> ObjectSource:
        return ObjectSource(SOURCES[self.scheme], limits=Limits(**limits), clock=lambda: NOW)

    def uri(self, key: str, bucket: str = BUCKET) -> str:
        return f"{self.scheme}://{bucket}/{key}"

    def put(self, key: str, content: bytes) -> None:
        self.store.put(BUCKET, key, content)

    async def resolve(self, key: str, previous: Resolved | None = None, **pin: str) -> Resolved:
        return await self.source().resolve(
            self.uri(key),
            sha256=pin.get("sha256"),
            previous=previous,
            credentials=self.credentials,
        )

    def wanted(self, cache: Path, found: Resolved) -> Wanted:
        return Wanted(
            source=found.location,
            sha256=found.sha256,
            kind=found.kind,
            cache=cache,
            deadline=time.monotonic() + 20,
            credentials=self.credentials,
        )


def azure_secret(buckets: Buckets) -> dict[str, str]:
    return {
        "AZURE_STORAGE_ACCOUNT_NAME": buckets.account,
        "AZURE_STORAGE_ACCOUNT_KEY": AZURE_KEY,
        "AZURE_STORAGE_ENDPOINT": buckets.address,
    }


@pytest.fixture(params=["s3", "gs", "azure"])
def shop(request: pytest.FixtureRequest) -> Iterator[Shop]:
    if request.param == "s3":
        moto: Moto = request.getfixturevalue("moto")
        yield Shop("s3", moto, Credentials("reader", moto.secret))
        return
    with Buckets(request.param) as buckets:
        values = {"GCS_BASE_URL": buckets.address}
        if request.param == "azure":
            buckets.allows = lambda headers, query: headers.get("authorization", "").startswith(
                "SharedKey account:"
            )
            values = azure_secret(buckets)
        yield Shop(request.param, buckets, Credentials("reader", values))


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


async def refused(shop: Shop, uri: str, credentials: Credentials | None = None) -> Terminal:
    with pytest.raises(Terminal) as caught:
        await shop.source().resolve(
            uri, sha256=None, previous=None, credentials=credentials or shop.credentials
        )
    assert "s3cret" not in caught.value.message
    return caught.value


async def test_an_object_is_resolved_fetched_and_known_again(shop: Shop, tmp_path: Path) -> None:
    content = os.urandom(3_000_000)
    shop.put("one/model.skops", content)
    shop.put("one/profile.json", b"{}")
    found = await shop.resolve("one/model.skops")
    assert (found.sha256, found.size, found.kind) == (sha256(content), len(content), "file")
    assert (found.immutable, found.location) == (False, shop.uri("one/model.skops"))
    assert await shop.resolve("one/model.skops", found) is found
    path = fetch(shop.wanted(tmp_path, found))
    assert path.read_bytes() == content
    assert path.with_name(f"{found.sha256}.profile.json").read_bytes() == b"{}"
    shop.put("one/model.skops", b"another")
    changed = await shop.resolve("one/model.skops", found)
    assert (changed.sha256, changed.version != found.version) == (sha256(b"another"), True)


async def test_a_prefix_is_a_tree(shop: Shop, tmp_path: Path) -> None:
    files = {"MLmodel": b"flavors", "data/weights": b"w" * 2_000_000, "data/a b": b"", "é": b"1"}
    for path, content in files.items():
        shop.put(f"two/flight/{path}" if shop.scheme != "s3" else quoted(path), content)
    shop.put("two/flightless", b"not of it")
    found = await shop.resolve("two/flight/")
    expected = tree_digest(
        TreeFile(path=path, size=len(content), sha256=sha256(content))
        for path, content in files.items()
    )
    assert (found.sha256, found.kind, found.size) == (expected, "tree", 2_000_008)
    assert await shop.resolve("two/flight/", found) is found
    assert folder_digest(fetch(shop.wanted(tmp_path, found))) == expected
    shop.put("two/flight/more", b"")
    assert (await shop.resolve("two/flight/", found)).sha256 != expected


def quoted(path: str) -> str:
    return f"two/flight/{path}".replace(" ", "%20").replace("é", "%C3%A9")


async def test_a_transfer_goes_on_in_the_middle_and_notices_another_object(shop: Shop) -> None:
    shop.put("three", b"0123456789")
    fetcher = fetcher_for(shop.uri("three"), shop.credentials)
    with fetcher.open(shop.uri("three"), offset=4) as stream:
        assert (stream.offset, b"".join(stream.chunks)) == (4, b"456789")
    with fetcher.open(shop.uri("three"), offset=10) as stream:
        assert (stream.offset, b"".join(stream.chunks)) == (0, b"0123456789")


async def test_a_pinned_object_is_asked_for_once(shop: Shop) -> None:
    shop.put("four", b"pinned")
    found = await shop.resolve("four", sha256=sha256(b"pinned"))
    shop.store.remove(BUCKET, "four")
    assert await shop.resolve("four", found, sha256=sha256(b"pinned")) is found
    shop.put("four", b"pinned")
    with pytest.raises(Terminal, match="DigestMismatch"):
        await shop.resolve("four", sha256="0" * 64)
    with pytest.raises(Terminal, match="DigestMismatch"):
        await shop.resolve("four", found, sha256="0" * 64)


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        ("nothing", "ArtifactNotFound"),
        ("nothing/", "ArtifactNotFound"),
        ("a//b", "UriInvalid"),
        ("a/../b", "UriInvalid"),
        ("a?color=red", "UriInvalid"),
        ("a?versionId=", "UriInvalid"),
        ("a/?versionId=1", "UriInvalid"),
        ("a#b", "UriInvalid"),
    ],
)
async def test_what_is_not_there_or_cannot_be_is_told(shop: Shop, key: str, reason: str) -> None:
    assert (await refused(shop, shop.uri(key))).reason == reason


async def test_a_bucket_is_needed_and_no_user(shop: Shop) -> None:
    assert (await refused(shop, f"{shop.scheme}:///key")).reason == "UriInvalid"
    assert (await refused(shop, f"{shop.scheme}://me@bucket/key")).reason == "UriInvalid"


async def test_limits_hold_for_objects_and_trees(shop: Shop) -> None:
    shop.put("five/a", b"12345")
    shop.put("five/b", b"12345")

    async def reason(key: str, **limits: int) -> str:
        with pytest.raises(Terminal) as caught:
            await shop.source(**limits).resolve(
                shop.uri(key), sha256=None, previous=None, credentials=shop.credentials
            )
        return caught.value.reason

    assert await reason("five/a", max_bytes=4) == "TooLarge"
    assert await reason("five/", max_bytes=9) == "TooLarge"
    assert await reason("five/", max_files=1) == "TooManyFiles"


async def test_a_store_that_is_away_is_worth_another_try(shop: Shop) -> None:
    address = {"s3": "AWS_ENDPOINT_URL", "gs": "GCS_BASE_URL", "azure": "AZURE_STORAGE_ENDPOINT"}
    values = {**shop.credentials.values, address[shop.scheme]: "http://127.0.0.1:9"}
    with pytest.raises(Unreachable, match="cannot be reached"):
        await shop.source().resolve(
            shop.uri("one"), sha256=None, previous=None, credentials=Credentials("reader", values)
        )


async def test_ten_pods_that_share_a_cache_fetch_a_tree_once(tmp_path: Path) -> None:
    files = {f"part-{number}": os.urandom(1000) for number in range(5)}
    with Buckets("gs", delay_s=0.01) as buckets:
        shop = Shop("gs", buckets, Credentials("reader", {"GCS_BASE_URL": buckets.address}))
        for path, content in files.items():
            shop.put(f"flight/{path}", content)
        found = await shop.resolve("flight/")
        del buckets.asked[:]
        with ThreadPoolExecutor(10) as pods:
            paths = list(pods.map(lambda _: fetch(shop.wanted(tmp_path, found)), range(10)))
        assert {folder_digest(path) for path in paths} == {found.sha256}
        read = [line for line in buckets.asked if "part" in line]
        assert len(read) == len(files)


@pytest.mark.parametrize("scheme", ["gs", "azure"])
async def test_a_broken_answer_is_continued_and_a_slow_store_given_up(
    scheme: Literal["gs", "azure"], tmp_path: Path
) -> None:
    content = os.urandom(300_000)
    with Buckets(scheme) as buckets:
        values = azure_secret(buckets) | {"GCS_BASE_URL": buckets.address}
        shop = Shop(scheme, buckets, Credentials("reader", values))
        shop.put("model", content)
        buckets.breaks = [100_000, 50_000]
        found = await shop.resolve("model")
        assert found.sha256 == sha256(content)
        buckets.breaks = [100_000, 50_000, 0]
        assert fetch(shop.wanted(tmp_path, found)).read_bytes() == content
        buckets.delay_s = 0.5
        with pytest.raises(Unreachable, match="could not be read within"):
            await shop.source(total_s=0.1).resolve(
                shop.uri("model"), sha256=None, previous=None, credentials=shop.credentials
            )


async def test_a_version_of_an_s3_object_is_an_immutable_location(
    moto: Moto, tmp_path: Path
) -> None:
    shop = Shop("s3", moto, Credentials("reader", moto.secret))
    uri = shop.uri("model", "versioned")

    async def resolve(uri: str, previous: Resolved | None) -> Resolved:
        return await shop.source().resolve(
            uri, sha256=None, previous=previous, credentials=shop.credentials
        )

    moto.put("versioned", "model", b"one")
    first = await resolve(uri, None)
    assert first.immutable
    assert first.location.startswith(f"{uri}?versionId=")
    moto.put("versioned", "model", b"two")
    second = await resolve(uri, first)
    assert second.sha256 == sha256(b"two")
    assert second.location != first.location
    assert fetch(shop.wanted(tmp_path, first)).read_bytes() == b"one"
    asked_for = await resolve(first.location, None)
    assert (asked_for.sha256, asked_for.location) == (sha256(b"one"), first.location)
    assert asked_for.immutable
    assert await resolve(first.location, asked_for) is asked_for
    assert (await refused(shop, f"{uri}?versionId=none")).reason == "ArtifactNotFound"


async def test_a_version_of_a_blob_is_one_and_a_generation_is_not() -> None:
    for scheme, immutable in (("azure", True), ("gs", False)):
        with Buckets(scheme, versioned=True) as buckets:  # type: ignore[arg-type]
            values = azure_secret(buckets) | {"GCS_BASE_URL": buckets.address}
            shop = Shop(scheme, buckets, Credentials("reader", values))
            shop.put("model", b"one")
            found = await shop.resolve("model")
            assert found.immutable == immutable
            assert found.location == shop.uri("model") + ("?versionId=1" if immutable else "")


async def test_a_signed_prefix_is_known_without_its_files_being_read(shop: Shop) -> None:
    for path, content in TREE.items():
        shop.put(f"signed/{path}", content)
    found = await shop.resolve("signed/")
    with pytest.raises(Terminal) as caught:
        await check_signed_tree(found, Signers([TREE_KEY]), shop.credentials)
    assert caught.value.reason == "SigningMissing"
    shop.put("signed.sig", (SIGNED / "tree-beside.sig").read_bytes())
    await check_signed_tree(found, Signers([TREE_KEY]), shop.credentials)
    shop.put("signed/data/evil.pkl", b"x")
    with pytest.raises(Terminal, match=r"does not cover 'data/evil\.pkl'"):
        await check_signed_tree(
            await shop.resolve("signed/"), Signers([TREE_KEY]), shop.credentials
        )


async def test_markers_of_folders_are_no_files(moto: Moto) -> None:
    shop = Shop("s3", moto, Credentials("reader", moto.secret))
    for key in ("six/", "six/data/", "six/data/weights"):
        shop.put(key, b"w" if key.endswith("s") else b"")
    found = await shop.resolve("six/")
    weights = TreeFile(path="data/weights", size=1, sha256=sha256(b"w"))
    assert found.sha256 == tree_digest([weights])
    shop.put("seven/a%3Fb", b"")
    assert (await refused(shop, shop.uri("seven/"))).reason == "UriInvalid"


async def test_credentials_that_are_refused_name_their_secret(moto: Moto) -> None:
    shop = Shop("s3", moto, Credentials("reader", moto.secret))
    shop.put("private", b"one")
    endpoint = {"AWS_ENDPOINT_URL": moto.secret["AWS_ENDPOINT_URL"]}
    said = await refused(shop, shop.uri("private"), Credentials("other", endpoint))
    assert said.reason == "ArtifactForbidden"
    assert "Secret 'other'" in said.message
    half = Credentials("reader", endpoint | {"AWS_ACCESS_KEY_ID": "reader"})
    assert (await refused(shop, shop.uri("private"), half)).reason == "CredentialsInvalid"
    odd = Credentials("reader", moto.secret | {"ca.crt": "s3cret, and no certificate"})
    assert (await refused(shop, shop.uri("private"), odd)).reason == "CredentialsInvalid"


async def test_azure_needs_an_account_and_takes_a_signature_in_the_query() -> None:
    with Buckets("azure") as buckets:
        shop = Shop("azure", buckets, Credentials("reader", azure_secret(buckets)))
        shop.put("model", b"one")
        buckets.allows = lambda headers, query: query.get("sig") == "s3cret"
        said = await refused(shop, shop.uri("model"))
        assert said.reason == "ArtifactForbidden"
        values = azure_secret(buckets) | {"AZURE_STORAGE_SAS_TOKEN": "sv=2022&sig=s3cret"}
        del values["AZURE_STORAGE_ACCOUNT_KEY"]
        signed = Credentials("reader", values)
        found = await shop.source().resolve(
            shop.uri("model"), sha256=None, previous=None, credentials=signed
        )
        assert found.sha256 == sha256(b"one")
        assert (await refused(shop, shop.uri("absent"), signed)).reason == "ArtifactNotFound"
        with pytest.raises(Terminal, match="AZURE_STORAGE_ACCOUNT_NAME"):
            await shop.source().resolve(
                shop.uri("model"), sha256=None, previous=None, credentials=NO_CREDENTIALS
            )


@pytest.mark.parametrize(
    "account",
    [
        "no JSON",
        "[]",
        '{"type": "external_account", "credential_source": {"file": "/etc/passwd"}}',
        '{"type": "service_account"}',
    ],
)
async def test_only_a_key_file_of_a_service_account_is_taken(account: str) -> None:
    with Buckets("gs") as buckets:
        values = {"GCS_BASE_URL": buckets.address, "service-account.json": account}
        shop = Shop("gs", buckets, Credentials("reader", values))
        assert (await refused(shop, shop.uri("model"))).reason == "CredentialsInvalid"
        assert buckets.asked == []


def test_a_dvc_remote_in_a_bucket_is_fetched_by_md5(moto: Moto, tmp_path: Path) -> None:
    files = {"MLmodel": b"flavors", "sub/model.bin": b"weights"}

    def put(content: bytes, ending: str = "") -> str:
        name = hashlib.md5(content, usedforsecurity=False).hexdigest()
        moto.put("dvc", f"cache/files/md5/{name[:2]}/{name[2:]}{ending}", content)
        return name

    moto.make("dvc")
    listed = [{"md5": put(content), "relpath": path} for path, content in files.items()]
    name = put(json.dumps(listed).encode(), ".dir")
    tree = tree_digest(
        TreeFile(path=path, size=len(content), sha256=hashlib.sha256(content).hexdigest())
        for path, content in files.items()
    )
    wanted = Wanted(
        source=f"dvc+s3://dvc/cache/files/md5/{name[:2]}/{name[2:]}.dir",
        sha256=tree, cache=tmp_path, deadline=time.monotonic() + 30, kind="tree",
        credentials=Credentials("reader", {**moto.secret, "token": "of the repository"}),
    )  # fmt: skip
    assert folder_digest(fetch(wanted)) == tree
