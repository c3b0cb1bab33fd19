"""oci:// artifacts: from Debian's registry, and from one that wants tokens or answers nonsense."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import shutil
import socket
import subprocess
import tarfile
import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from tests.domain.test_model_signing import SIGNED, TREE, TREE_KEY

from tidegate.artifacts.base import Limits, Resolved
from tidegate.artifacts.credentials import NO_CREDENTIALS, Credentials
from tidegate.artifacts.oci.access import base_url
from tidegate.artifacts.oci.manifest import parse_manifest
from tidegate.artifacts.oci.reference import reference_of
from tidegate.artifacts.oci.source import OciSource
from tidegate.artifacts.signed_tree import check_signed_tree
from tidegate.artifacts.tree import TreeFile, folder_digest, tree_digest
from tidegate.domain.signers import Signers
from tidegate.errors import Terminal, Unreachable
from tidegate.serving.cache import Wanted
from tidegate.serving.fetch import fetch

if TYPE_CHECKING:
    from collections.abc import Iterator

STATE = Path(__file__).parents[2] / ".tidegate"
NOW = datetime(2026, 3, 1, tzinfo=UTC)
START_S = 30.0
LOGIN = "reader:$2b$05$vb7fSQtm9rh6yqffZlbRPeYmb424fFP9dLZpJbBbxnwB6Yv9isom.\n"
"""What lets `reader` in with the password `s3cret`."""
CREDENTIALS = Credentials("puller", {"username": "reader", "password": "s3cret"})
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
TITLE, UNPACK = "org.opencontainers.image.title", "io.deis.oras.content.unpack"
TAR = "application/vnd.oci.image.layer.v1.tar+gzip"


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def packed(files: dict[str, bytes], *links: str) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for path, content in files.items():
            info = tarfile.TarInfo(path)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
        for link in links:
            info = tarfile.TarInfo(link)
            info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
            tar.addfile(info)
    return buffer.getvalue()


def tree_of(files: dict[str, bytes]) -> str:
    return tree_digest(
        TreeFile(path=path, size=len(content), sha256=sha256(content))
        for path, content in files.items()
    )


@dataclass(frozen=True)
class Layer:
    """A layer to push, as `oras push` makes it: a titled file unless it says otherwise."""

    content: bytes
    title: str | None = None
    media_type: str = "application/octet-stream"
    unpack: bool = False

    @property
    def entry(self) -> dict[str, Any]:
        notes = {TITLE: self.title} if self.title else {}
        return {
            "mediaType": self.media_type,
            "digest": f"sha256:{sha256(self.content)}",
            "size": len(self.content),
            "annotations": notes | ({UNPACK: "true"} if self.unpack else {}),
        }


@dataclass(frozen=True)
class Registry:
    """A running registry."""

    address: str

    def uri(self, name: str) -> str:
        return f"oci://{self.address}/{name}"

    def push(self, repository: str, tag: str, *layers: Layer, **more: Any) -> str:
        """Push an artifact; its digest."""
        with httpx.Client(
            base_url=f"http://{self.address}/v2/{repository}/", auth=("reader", "s3cret")
        ) as client:
            for layer in (*layers, Layer(b"{}")):
                upload = client.post("blobs/uploads/").headers["location"]
                digest = f"sha256:{sha256(layer.content)}"
                put = client.put(f"{upload}&digest={digest}", content=layer.content)
                assert put.status_code == 201, put.text
            manifest = {
                "schemaVersion": 2,
                "mediaType": MANIFEST,
                "config": Layer(b"{}", media_type="application/vnd.example+json").entry,
                "layers": [layer.entry for layer in layers],
                **more,
            }
            content = json.dumps(manifest).encode()
            put = client.put(
                f"manifests/{tag}", content=content, headers={"content-type": MANIFEST}
            )
            assert put.status_code == 201, put.text
        return f"sha256:{sha256(content)}"


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    folder = tmp_path_factory.mktemp("registry")
    (folder / "logins").write_text(LOGIN)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    (folder / "config.yml").write_text(
        json.dumps(
            {
                "version": "0.1",
                "log": {"level": "error", "accesslog": {"disabled": True}},
                "storage": {"filesystem": {"rootdirectory": str(folder / "data")}},
                "http": {"addr": f"127.0.0.1:{port}"},
                "auth": {"htpasswd": {"realm": "tests", "path": str(folder / "logins")}},
            }
        )
    )
    program = shutil.which("docker-registry") or str(STATE / "bin" / "docker-registry")
    server = subprocess.Popen(
        [program, "serve", str(folder / "config.yml")],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + START_S
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            break
        except OSError:
            assert time.monotonic() < deadline, "the registry did not start"
            time.sleep(0.05)
    yield Registry(f"127.0.0.1:{port}")
    server.terminate()
    server.wait(timeout=10)


async def resolve(
    uri: str,
    previous: Resolved | None = None,
    *,
    sha256: str | None = None,
    credentials: Credentials = CREDENTIALS,
    **limits: Any,
) -> Resolved:
    source = OciSource(limits=Limits(**limits), clock=lambda: NOW)
    return await source.resolve(uri, sha256=sha256, previous=previous, credentials=credentials)


async def refused(uri: str, credentials: Credentials = CREDENTIALS, **limits: Any) -> Terminal:
    with pytest.raises(Terminal) as caught:
        await resolve(uri, credentials=credentials, **limits)
    assert "s3cret" not in caught.value.message
    return caught.value


def wanted(cache: Path, found: Resolved, credentials: Credentials = CREDENTIALS) -> Wanted:
    return Wanted(
        source=found.location,
        sha256=found.sha256,
        kind=found.kind,
        cache=cache,
        deadline=time.monotonic() + 20,
        credentials=credentials,
    )


async def test_one_layer_is_a_file_followed_by_its_tag(registry: Registry, tmp_path: Path) -> None:
    content = os.urandom(2_000_000)
    digest = registry.push("one/flight", "v1", Layer(content, "model.skops"))
    uri = registry.uri("one/flight:v1")
    found = await resolve(uri)
    assert (found.sha256, found.size, found.kind) == (sha256(content), len(content), "file")
    assert (found.version, found.location) == (digest, registry.uri(f"one/flight@{digest}"))
    assert found.immutable
    assert await resolve(uri, found) is found
    assert fetch(wanted(tmp_path, found)).read_bytes() == content
    registry.push("one/flight", "v1", Layer(b"two", "model.skops"))
    second = await resolve(uri, found)
    assert second.sha256 == sha256(b"two")
    assert await resolve(found.location, found) is found
    assert (await resolve(found.location)).sha256 == found.sha256


async def test_several_layers_are_a_tree_that_needs_no_reading(
    registry: Registry, tmp_path: Path
) -> None:
    files = {"MLmodel": b"flavors", "data/weights": os.urandom(100_000)}
    registry.push("two", "v1", *(Layer(content, path) for path, content in files.items()))
    found = await resolve(registry.uri("two:v1"))
    assert (found.kind, found.sha256, found.size) == ("tree", tree_of(files), 100_007)
    assert folder_digest(fetch(wanted(tmp_path, found))) == found.sha256


@pytest.mark.parametrize(
    "layer",
    [
        Layer(packed({"a": b"1", "b/c": b"2"}), "model", unpack=True),
        Layer(packed({"a": b"1", "b/c": b"2"}), media_type=TAR),
    ],
)
async def test_archives_are_unpacked(registry: Registry, tmp_path: Path, layer: Layer) -> None:
    registry.push("three", "v1", layer, Layer(b"3", "d"))
    found = await resolve(registry.uri("three:v1"))
    assert (found.kind, found.sha256) == ("tree", tree_of({"a": b"1", "b/c": b"2", "d": b"3"}))
    path = fetch(wanted(tmp_path, found))
    assert folder_digest(path) == found.sha256
    assert (path / "b" / "c").read_bytes() == b"2"


@pytest.mark.parametrize(
    ("layer", "reason"),
    [
        (Layer(packed({"../x": b"1"}), media_type=TAR), "UnsafePath"),
        (Layer(packed({"a": b"1"}, "link"), media_type=TAR), "UnsafePath"),
        (Layer(packed({"a": bytes(3_000_000)}), media_type=TAR), "TooLarge"),
        (Layer(b"no archive", media_type=TAR), "ArchiveInvalid"),
        (Layer(b"1" * 1_000_001, "model"), "TooLarge"),
        (Layer(b"1", "../model"), "UnsafePath"),
    ],
)
async def test_a_layer_that_could_do_harm_is_refused(
    registry: Registry, layer: Layer, reason: str
) -> None:
    registry.push("four", "v1", layer)
    assert (await refused(registry.uri("four:v1"), max_bytes=1_000_000)).reason == reason


async def test_what_is_not_there_or_not_allowed_is_told(registry: Registry) -> None:
    registry.push("five", "v1", Layer(b"1", "model"))
    absent = await refused(registry.uri("five:v2"))
    assert (absent.reason, "five:v2" in absent.message) == ("ArtifactNotFound", True)
    assert (await refused(registry.uri("nothing:v1"))).reason == "ArtifactNotFound"
    nobody = await refused(registry.uri("five:v1"), NO_CREDENTIALS)
    assert (nobody.reason, "credentialsRef" in nobody.message) == ("ArtifactForbidden", True)
    wrong = Credentials("puller", {"username": "reader", "password": "s3crets"})
    expired = await refused(registry.uri("five:v1"), wrong)
    assert (expired.reason, "Secret 'puller'" in expired.message) == ("ArtifactForbidden", True)
    with pytest.raises(Terminal, match="DigestMismatch"):
        await resolve(registry.uri("five:v1"), sha256="0" * 64)
    with pytest.raises(Unreachable):
        await resolve("oci://127.0.0.1:9/five:v1")


async def test_a_secret_that_pulls_images_will_do(registry: Registry) -> None:
    registry.push("six", "v1", Layer(b"1", "model"))
    auth = base64.b64encode(b"reader:s3cret").decode()
    for login in ({"auth": auth}, {"username": "reader", "password": "s3cret"}):
        config = json.dumps({"auths": {registry.address: login}})
        docker = Credentials("puller", {".dockerconfigjson": config})
        assert (await resolve(registry.uri("six:v1"), credentials=docker)).size == 1
    for config in ("no JSON", "{}", '{"auths": {"elsewhere": {}}}'):
        docker = Credentials("puller", {".dockerconfigjson": config})
        assert (await refused(registry.uri("six:v1"), docker)).reason == "CredentialsInvalid"


@dataclass
class TokenRegistry:
    """A registry that wants a token of a server of its own, and may answer what it should not."""

    content: bytes = b"model"
    manifest: bytes = b""
    realm: str = ""
    blob: bytes | None = None
    asked: list[str] = field(default_factory=list)
    port: int = 0

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        token = request.headers.get("authorization", "")
        self.asked.append(f"{request.path.partition('?')[0]} {token.partition(' ')[0]}")
        if request.path.startswith("/token"):
            basic = base64.b64encode(b"reader:s3cret").decode()
            given = {"token": "t0ken"} if token == f"Basic {basic}" else {}
            return self._send(request, 200 if given else 401, json.dumps(given).encode())
        if token != "Bearer t0ken":
            realm = self.realm or f"http://127.0.0.1:{self.port}/token"
            told = f'Bearer realm="{realm}",service="tests",scope="repository:m:pull"'
            return self._send(request, 401, b"", {"www-authenticate": told})
        blob = self.content if self.blob is None else self.blob
        return self._send(request, 200, self.manifest if "manifests" in request.path else blob)

    def _send(
        self,
        request: BaseHTTPRequestHandler,
        status: int,
        body: bytes,
        headers: dict[str, str] | None = None,
    ) -> None:
        request.send_response(status)
        for name, value in (headers or {}).items():
            request.send_header(name, value)
        request.send_header("content-length", str(len(body)))
        request.end_headers()
        if request.command != "HEAD":
            request.wfile.write(body)


@pytest.fixture
def tokens() -> Iterator[TokenRegistry]:
    found = TokenRegistry()
    found.manifest = json.dumps({"layers": [Layer(found.content, "model").entry]}).encode()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found.answer(self)

        do_HEAD = do_GET

        def log_message(self, format: str, *args: Any) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    yield found
    server.shutdown()
    server.server_close()


async def test_a_token_is_asked_for_with_the_login_and_sent_from_then_on(
    tokens: TokenRegistry, tmp_path: Path
) -> None:
    uri = f"oci://127.0.0.1:{tokens.port}/m:v1"
    found = await resolve(uri)
    assert tokens.asked == ["/v2/m/manifests/v1 ", "/token Basic", "/v2/m/manifests/v1 Bearer"]
    assert fetch(wanted(tmp_path, found)).read_bytes() == b"model"
    assert tokens.asked[-1].endswith(" Bearer")
    assert await resolve(uri, found) is found  # although it does not tell the digest of a tag
    assert (await refused(uri, NO_CREDENTIALS)).reason == "ArtifactForbidden"


async def test_what_comes_instead_of_a_layer_is_not_kept(
    tokens: TokenRegistry, tmp_path: Path
) -> None:
    archive = packed({"a": b"1"})
    tokens.manifest = json.dumps({"layers": [Layer(archive, media_type=TAR).entry]}).encode()
    tokens.blob = packed({"a": b"2"})
    with pytest.raises(Unreachable, match="damaged"):
        await resolve(f"oci://127.0.0.1:{tokens.port}/m:v1")
    with pytest.raises(Terminal, match="DigestMismatch"):
        await resolve(f"oci://127.0.0.1:{tokens.port}/m@sha256:{'0' * 64}")


@pytest.mark.parametrize(
    "uri",
    ["oci://host/Model:v1", "oci:///model", "oci://host/", "oci://host/m@sha256:12", "oci://host/m@",
     "oci://me@host/m:v1", "oci://host/m:v1?x=1", "oci://host/../m:v1", "oci://host/m:v1#x"],
)  # fmt: skip
def test_a_uri_that_names_no_artifact_is_refused(uri: str) -> None:
    with pytest.raises(Terminal) as caught:
        reference_of(uri)
    assert caught.value.reason == "UriInvalid"


async def test_a_signed_folder_is_known_in_layers_and_in_a_packed_one(registry: Registry) -> None:
    files = {**TREE, "model.sig": (SIGNED / "tree.sig").read_bytes()}
    titled = [Layer(content, title=path) for path, content in files.items()]
    archive = packed({f"model/{path}": content for path, content in files.items()})
    registry.push("signed", "titled", *titled)
    registry.push("signed", "packed", Layer(packed(files), media_type=TAR))
    registry.push("signed", "changed", Layer(packed({**files, "MLmodel": b"x"}), media_type=TAR))
    registry.push("signed", "more", *titled, Layer(archive, media_type=TAR))
    signers = Signers([TREE_KEY])
    for tag in ("titled", "packed"):
        await check_signed_tree(await resolve(registry.uri(f"signed:{tag}")), signers, CREDENTIALS)
    for tag, said in (("changed", "'MLmodel' was changed"), ("more", "does not cover 'model/")):
        found = await resolve(registry.uri(f"signed:{tag}"))
        with pytest.raises(Terminal, match=said):
            await check_signed_tree(found, signers, CREDENTIALS)


@pytest.mark.parametrize(
    ("uri", "again", "url"),
    [
        ("oci://host:5000/a/b:v1", "oci://host:5000/a/b:v1", "https://host:5000/v2/a/b"),
        ("oci://docker.io/library/m", "oci://docker.io/library/m:latest",
         "https://registry-1.docker.io/v2/library/m"),
        ("oci://localhost:5000/m:v1", "oci://localhost:5000/m:v1", "http://localhost:5000/v2/m"),
    ],
)  # fmt: skip
def test_a_reference_is_read_and_written(uri: str, again: str, url: str) -> None:
    found = reference_of(uri)
    assert found.uri == again
    assert base_url(found, NO_CREDENTIALS) == url
    plain = Credentials("puller", {"plain-http": "true"})
    assert base_url(found, plain) == url.replace("https", "http")
    assert reference_of(found.at(f"sha256:{'0' * 64}").of(f"sha256:{'1' * 64}").uri).layer


@pytest.mark.parametrize(
    "content",
    [
        b"no JSON", b"[]", b"{}", b'{"layers": []}', b'{"layers": [{}]}', b'{"manifests": []}',
        json.dumps({"layers": [Layer(b"1").entry, Layer(b"2").entry]}).encode(),
        json.dumps({"layers": [{**Layer(b"1").entry, "digest": "md5:1"}]}).encode(),
        json.dumps({"layers": [{**Layer(b"1").entry, "size": -1}]}).encode(),
    ],
)  # fmt: skip
def test_a_manifest_that_says_nothing_of_use_is_refused(content: bytes) -> None:
    with pytest.raises(Terminal) as caught:
        parse_manifest(content, name="oci://host/m:v1")
    assert caught.value.reason == "ArtifactInvalid"
    assert caught.value.message.startswith("oci://host/m:v1 is ")
