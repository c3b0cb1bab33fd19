"""Into the cache, whole and verified, from files and from web servers that misbehave."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tidegate.artifacts.tree import folder_digest
from tidegate.errors import Terminal
from tidegate.serving.cache import Wanted
from tidegate.serving.fetch import fetch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parents[2]
CONTENT = os.urandom(3_000_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@dataclass
class Site:
    """A web server. `fail_after`: bytes after which each of the next answers breaks off.

    `statuses` are answered first, one a request. `redirects` maps paths to locations.
    `profile` is what lies beside the artifact; requests for it are not noted.
    """

    content: bytes = CONTENT
    ranges: bool = True
    fail_after: list[int] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    redirects: dict[str, str] = field(default_factory=dict)
    requests: list[tuple[str, str]] = field(default_factory=list)
    delay_s: float = 0
    profile: bytes | None = None
    token: str | None = None
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/model.skops"

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        if request.path == "/profile.json":
            return self._beside(request)
        asked = request.headers.get("range", "")
        self.requests.append((request.path, asked))
        time.sleep(self.delay_s)
        if self.token and request.headers.get("authorization") != f"Bearer {self.token}":
            return self._plain(request, 401)
        if request.path in self.redirects:
            return self._plain(request, 302, location=self.redirects[request.path])
        if self.statuses:
            return self._plain(request, self.statuses.pop(0))
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked and self.ranges else 0
        if start > len(self.content):
            return self._plain(request, 416)
        request.send_response(206 if start else 200)
        if start:
            last = len(self.content) - 1
            request.send_header("content-range", f"bytes {start}-{last}/{len(self.content)}")
        body = self.content[start:]
        request.send_header("content-length", str(len(body)))
        request.end_headers()
        request.wfile.write(body[: self.fail_after.pop(0)] if self.fail_after else body)
        return None

    def _beside(self, request: BaseHTTPRequestHandler) -> None:
        if self.profile is None:
            return self._plain(request, 404)
        request.send_response(200)
        request.send_header("content-length", str(len(self.profile)))
        request.end_headers()
        request.wfile.write(self.profile)
        return None

    def _plain(self, request: BaseHTTPRequestHandler, status: int, **headers: str) -> None:
        request.send_response(status)
        for name, value in headers.items():
            request.send_header(name, value)
        request.send_header("content-length", "0")
        request.end_headers()


@pytest.fixture
def site() -> Iterator[Site]:
    found = Site()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.close_connection = True
            found.answer(self)

        def log_message(self, format: str, *args: Any) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    found.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield found
    server.shutdown()
    server.server_close()
    thread.join(timeout=5)


@pytest.fixture
def wanted(tmp_path: Path) -> Callable[..., Wanted]:
    def make(source: str, *, timeout: float = 20.0, **changed: Any) -> Wanted:
        given: dict[str, Any] = {"sha256": SHA256, "cache": tmp_path / "cache"} | changed
        return Wanted(source=source, deadline=time.monotonic() + timeout, **given)

    return make


def refused(wanted: Wanted) -> Terminal:
    with pytest.raises(Terminal) as caught:
        fetch(wanted)
    assert not wanted.target.exists()
    return caught.value


def visible(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))


def test_a_file_is_copied_under_its_digest(tmp_path: Path, wanted: Any) -> None:
    source = tmp_path / "ein modell.skops"
    source.write_bytes(CONTENT)
    path = fetch(wanted(source.as_uri()))
    assert path == tmp_path / "cache" / "sha256" / SHA256
    assert path.read_bytes() == CONTENT
    assert visible(path.parent) == [SHA256]
    source.unlink()
    assert fetch(wanted(source.as_uri())) == path


def test_an_address_is_streamed(site: Site, wanted: Any) -> None:
    assert fetch(wanted(site.url)).read_bytes() == CONTENT
    assert site.requests == [("/model.skops", "")]


def test_what_is_in_the_cache_is_not_asked_for_again(site: Site, wanted: Any) -> None:
    fetch(wanted(site.url))
    fetch(wanted(site.url))
    assert len(site.requests) == 1


def test_what_was_changed_in_the_cache_is_fetched_again(site: Site, wanted: Any) -> None:
    path = fetch(wanted(site.url))
    path.chmod(0o644)
    path.write_bytes(CONTENT[:-1] + b"x")
    assert fetch(wanted(site.url)).read_bytes() == CONTENT
    assert len(site.requests) == 2


def test_an_interrupted_transfer_goes_on_where_it_broke_off(site: Site, wanted: Any) -> None:
    site.fail_after = [1_000_000, 500_000]
    assert fetch(wanted(site.url)).read_bytes() == CONTENT
    assert [asked for _, asked in site.requests] == ["", "bytes=1000000-", "bytes=1500000-"]


def test_a_server_without_ranges_is_started_over(site: Site, wanted: Any) -> None:
    site.ranges = False
    site.fail_after = [1_000_000]
    assert fetch(wanted(site.url)).read_bytes() == CONTENT


def test_what_another_pod_left_behind_is_continued(site: Site, wanted: Any) -> None:
    want = wanted(site.url)
    want.target.parent.mkdir(parents=True)
    want.beside("partial").write_bytes(CONTENT[:2_000_000])
    assert fetch(want).read_bytes() == CONTENT
    assert site.requests == [("/model.skops", "bytes=2000000-")]


@pytest.mark.parametrize("left", [b"something else entirely", CONTENT + b"and more", CONTENT])
def test_what_was_left_behind_does_not_spoil_the_result(
    site: Site, wanted: Any, left: bytes
) -> None:
    want = wanted(site.url)
    want.target.parent.mkdir(parents=True)
    want.beside("partial").write_bytes(left)
    assert fetch(want).read_bytes() == CONTENT


def test_a_server_in_trouble_is_asked_again(site: Site, wanted: Any) -> None:
    site.statuses = [503, 429]
    assert fetch(wanted(site.url)).read_bytes() == CONTENT


def test_concurrent_fetches_of_one_digest_are_one(site: Site, wanted: Any) -> None:
    site.delay_s = 0.3
    with ThreadPoolExecutor(5) as pool:
        paths = list(pool.map(lambda _: fetch(wanted(site.url)), range(5)))
    assert {path.read_bytes() for path in paths} == {CONTENT}
    assert len(site.requests) == 1


def test_another_digest_is_refused_and_not_kept(site: Site, wanted: Any, tmp_path: Path) -> None:
    failure = refused(wanted(site.url, sha256="0" * 64))
    assert failure.reason == "DigestMismatch"
    assert SHA256 in failure.message
    assert not list((tmp_path / "cache" / "sha256").glob("*partial"))


@pytest.mark.parametrize(
    ("status", "reason"),
    [(404, "ArtifactNotFound"), (410, "ArtifactNotFound"), (403, "ArtifactForbidden")],
)
def test_what_cannot_be_had_is_not_tried_twice(
    site: Site, wanted: Any, status: int, reason: str
) -> None:
    site.statuses = [status]
    assert refused(wanted(site.url)).reason == reason
    assert len(site.requests) == 1


def test_an_unreachable_server_is_given_up_at_the_deadline(wanted: Any) -> None:
    failure = refused(wanted("http://127.0.0.1:9/model", timeout=1.0))
    assert failure.reason == "Unreachable"
    assert "ConnectError" in failure.message


def test_an_artifact_above_the_limit_is_refused_on_the_way(site: Site, wanted: Any) -> None:
    assert refused(wanted(site.url, max_bytes=1_000_000)).reason == "TooLarge"


def test_redirects_are_followed_a_few_times(site: Site, wanted: Any) -> None:
    site.redirects = {"/a": "/b", "/b": site.url}
    assert fetch(wanted(site.url.replace("model.skops", "a"))).read_bytes() == CONTENT
    site.redirects = {"/loop": "/loop"}
    loop = wanted(site.url.replace("model.skops", "loop"), sha256="1" * 64)
    assert "redirects more than" in refused(loop).message


def test_a_redirect_out_of_http_is_refused(site: Site, wanted: Any) -> None:
    site.redirects = {"/model.skops": "file:///etc/passwd"}
    assert refused(wanted(site.url)).reason in ("ArtifactForbidden", "ArtifactNotFound")


def test_no_message_shows_a_password_or_a_signed_query(site: Site, wanted: Any) -> None:
    site.statuses = [404]
    secret = site.url.replace("http://", "http://user:s3cret@") + "?X-Signature=s3cret"
    assert "s3cret" not in refused(wanted(secret)).message


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("file:///nowhere/model", "ArtifactNotFound"),
        ("file:///tmp", "ArtifactNotFound"),
        ("ftp://host/model", "SchemeUnsupported"),
        ("model.skops", "SchemeUnsupported"),
    ],
)
def test_a_source_that_is_none_is_refused(wanted: Any, source: str, reason: str) -> None:
    assert refused(wanted(source)).reason == reason


def test_a_profile_beside_the_artifact_comes_along(site: Site, wanted: Any, tmp_path: Path) -> None:
    site.profile = b'{"version": 1}'
    path = fetch(wanted(f"{site.url}?signature=secret"))
    beside = path.with_name(f"{SHA256}.profile.json")
    assert beside.read_bytes() == site.profile
    site.profile = b"another"
    fetch(wanted(site.url))
    assert beside.read_bytes() == b'{"version": 1}'


def test_a_profile_beside_a_file_comes_along(tmp_path: Path, wanted: Any) -> None:
    source = tmp_path / "v1" / "model.skops"
    source.parent.mkdir()
    source.write_bytes(CONTENT)
    source.with_name("profile.json").write_bytes(b"{}")
    path = fetch(wanted(source.as_uri()))
    assert visible(path.parent) == [SHA256, f"{SHA256}.profile.json"]


@pytest.mark.parametrize("profile", [None, b" " * (1024 * 1024 + 1)])
def test_a_profile_that_is_not_there_or_too_large_is_no_reason_to_fail(
    site: Site, wanted: Any, profile: bytes | None
) -> None:
    site.profile = profile
    path = fetch(wanted(site.url))
    assert path.read_bytes() == CONTENT
    assert visible(path.parent) == [SHA256]


def test_a_file_outside_the_root_is_refused(
    tmp_path: Path, wanted: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "outside").write_bytes(CONTENT)
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "link").symlink_to(tmp_path / "outside")
    monkeypatch.setenv("TIDEGATE_FILE_ROOT", str(tmp_path / "root"))
    for path in (tmp_path / "outside", tmp_path / "root" / "link"):
        assert refused(wanted(path.as_uri())).reason == "FileOutsideRoot"


def test_a_cache_that_cannot_be_written_says_so(tmp_path: Path, wanted: Any) -> None:
    (tmp_path / "cache").write_text("a file, not a folder")
    with pytest.raises(Terminal) as caught:
        fetch(wanted("file:///nowhere"))
    assert caught.value.reason == "CacheUnusable"


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    environments = Path(os.environ.get("TIDEGATE_ENVS", ROOT / ".tidegate" / "env"))
    return subprocess.run(
        [environments / "v2" / "bin" / "python", "-m", "tidegate.serving.fetch", *arguments],
        env={"PYTHONPATH": str(ROOT / "operator"), "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def test_the_init_container_ends_with_zero_or_with_one_and_a_json_line(tmp_path: Path) -> None:
    source = tmp_path / "model"
    source.write_bytes(CONTENT)
    place = ("--source", source.as_uri(), "--cache", str(tmp_path / "cache"))
    assert run(*place, "--sha256", SHA256).returncode == 0
    wrong = run(*place, "--sha256", "0" * 64)
    assert wrong.returncode == 1
    said = json.loads(wrong.stderr.strip().splitlines()[-1])
    assert said["reason"] == "DigestMismatch"
    assert "spec.artifact.sha256" in said["message"]


def test_a_mounted_secret_is_sent_and_never_shown(site: Site, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    (secret / "..data").mkdir(parents=True)
    (secret / "..data" / "token").write_text("s3cret\n")
    (secret / "token").symlink_to("..data/token")
    site.token = "s3cret"
    place = ["--source", site.url, "--cache", str(tmp_path / "cache"), "--secret", "reader"]
    place += ["--sha256", SHA256, "--credentials", str(secret)]
    done = run(*place)
    assert (done.returncode, "s3cret" in done.stdout + done.stderr) == (0, False)
    site.token = "another"
    (tmp_path / "cache" / "sha256" / SHA256).unlink()
    refused = json.loads(run(*place).stderr.strip().splitlines()[-1])
    assert refused["reason"] == "ArtifactForbidden"
    assert "Secret 'reader'" in refused["message"]


MEASURED = """
import re, sys
from pathlib import Path
from tidegate.serving.fetch import main
code = main(sys.argv[1:])
sys.stdout.write(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1])
sys.exit(code)
"""
"""The most memory, in kB, that a fetch ever had."""


def test_a_large_artifact_is_fetched_in_little_memory(tmp_path: Path) -> None:
    source = tmp_path / "large"
    with source.open("wb") as file:
        file.truncate(400 * 1024 * 1024)
    digest = hashlib.sha256()
    for _ in range(400):
        digest.update(bytes(1024 * 1024))
    place = ("--source", source.as_uri(), "--cache", str(tmp_path / "cache"))
    measured = subprocess.run(
        [sys.executable, "-c", MEASURED, *place, "--sha256", digest.hexdigest()],
        env={"PYTHONPATH": str(ROOT / "operator"), "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        timeout=50,
        check=True,
    )
    assert int(measured.stdout) < 100 * 1024  # the interpreter alone takes 40,000


@pytest.mark.parametrize(("form", "ended"), [("cloudpickle", 1), ("skops", 0)])
def test_a_pickle_of_mlflow_ends_the_init_container_before_a_server_can_load_it(
    tmp_path: Path, form: str, ended: int
) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    flavor = f"{{pickled_model: model.bin, serialization_format: {form}}}"
    (folder / "MLmodel").write_text(f"flavors: {{sklearn: {flavor}}}")
    given = [
        "--source", f"{folder.as_uri()}/", "--kind", "tree", "--sha256", folder_digest(folder),
        "--cache", str(tmp_path / "cache"), "--no-pickle",
    ]  # fmt: skip
    for _ in range(2):  # fetched, and found in the cache
        done = run(*given)
        assert done.returncode == ended
        if ended:
            assert json.loads(done.stderr.splitlines()[-1])["reason"] == "FormatUnsafe"
