"""dvc:// against a repository that git serves and DVC itself filled, and its remote."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tidegate.artifacts.credentials import NO_CREDENTIALS, Credentials
from tidegate.artifacts.dvc.access import check_endpoint, git_authorization, remote_credentials
from tidegate.artifacts.dvc.advertised import Advertised, commit_in, parse
from tidegate.artifacts.dvc.checkout import check_out
from tidegate.artifacts.dvc.place import Content, content_of, listed_files
from tidegate.artifacts.dvc.reference import Reference, reference
from tidegate.artifacts.dvc.report import Metric, Report, read, write, write_failure
from tidegate.artifacts.tree import TreeFile, tree_digest
from tidegate.errors import Terminal, Unreachable
from tidegate.serving.cache import Wanted
from tidegate.serving.fetch import fetch
from tidegate.testing.forge import Forge, forge

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).parent
ENVIRONMENTS = Path(os.environ.get("TIDEGATE_ENVS", HERE.parents[1] / ".tidegate/env"))
PYTHON = ENVIRONMENTS / "dvc" / "bin" / "python"
EACH = """
import json, sys
from pathlib import Path
from tidegate.artifacts.dvc.inspecting import main
for at, arguments in enumerate(json.load(sys.stdin)):
    code = main([*arguments, "--report", f"{sys.argv[1]}/{at}", "--timeout", "20"])
    print(code, Path(f"{sys.argv[1]}/{at}").read_text())
"""
TOKEN = {"token": "s3cret"}
TREE = {"MLmodel": b"flavors", "sub/model.bin": b"weights"}


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def tree_of(files: dict[str, bytes]) -> str:
    return tree_digest(
        TreeFile(path=path, size=len(content), sha256=sha256(content))
        for path, content in files.items()
    )


def environment(home: Path) -> dict[str, str]:
    return {"PATH": f"{PYTHON.parent}:/usr/bin:/bin", "HOME": str(home)}


@dataclass(frozen=True)
class Site:
    """A git server with the repository `flights.git`, and its DVC remote at `remote`."""

    forge: Forge
    remote: Path
    scratch: Path

    @property
    def url(self) -> str:
        return f"http://{self.forge.host}/flights.git"

    def git(self, *arguments: str) -> str:
        done = subprocess.run(
            ["git", "-C", str(self.forge.folder / "flights.git"), *arguments],
            check=True, capture_output=True, text=True,
        )  # fmt: skip
        return done.stdout.strip()

    def commit(self, revision: str) -> str:
        return self.git("rev-parse", f"{revision}^{{commit}}")

    def inspect(
        self,
        *paths: str,
        revision: str = "main",
        url: str = "",
        secret: dict[str, str] | None = None,
    ) -> list[Report | Terminal]:
        """What the Job says of each path."""
        commit = revision if len(revision) == 40 else self.commit(revision)
        arguments = ["--repository", url or self.url, "--commit", commit]
        if secret is not None:
            folder = self.scratch / "secret"
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            for key, value in secret.items():
                (folder / key).write_text(value)
            arguments += ["--credentials", str(folder), "--secret", "reader"]
        done = subprocess.run(
            [PYTHON, "-c", EACH, str(self.scratch)],
            input=json.dumps([[*arguments, f"--path={path}"] for path in paths]),
            capture_output=True,
            text=True,
            env={**environment(self.scratch), "PYTHONPATH": str(HERE.parents[1] / "operator")},
            timeout=90,
            check=True,
        )  # fmt: skip
        said = [read(line.partition(" ")[2]) for line in done.stdout.splitlines()]
        assert None not in said
        assert "s3cret" not in done.stdout + done.stderr
        return [one for one in said if one is not None]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("dvc")
    remote = folder / "remote"
    subprocess.run(
        [PYTHON, HERE / "dvc_repository.py", folder / "flights", remote],
        check=True, capture_output=True, timeout=90,
        env=environment(folder),
    )  # fmt: skip
    with forge(folder) as served:
        yield Site(served, remote, tmp_path_factory.mktemp("scratch"))


@pytest.fixture(autouse=True)
def _open(site: Site) -> Iterator[None]:
    yield
    site.forge.password, site.forge.down = "", False


NAMED = [
    ("dvc://git.example/acme/flights//models/a.skops", "", "models/a.skops"),
    ("dvc://git.example/acme/flights//models/a.skops?rev=team/next", "team/next", "models/a.skops"),
    ("dvc://git.example/acme/flights//a?rev=flight@v1.0.0", "flight@v1.0.0", "a"),
    ("dvc://git.example/acme/flights//a?rev=flight%23prod%231", "flight#prod#1", "a"),
    ("dvc://git.example/acme/flights//tree/?rev=v1", "v1", "tree/"),
]


@pytest.mark.parametrize(("uri", "revision", "path"), NAMED)
def test_a_uri_names_a_repository_an_output_and_a_revision(
    uri: str, revision: str, path: str
) -> None:
    assert reference(uri) == Reference(
        host="git.example", repository="acme/flights", path=path, revision=revision
    )


@pytest.mark.parametrize(
    ("uri", "why"),
    [
        ("dvc://git.example/acme/flights/models/a", "it names no output"),
        ("dvc://git.example/acme/flights//", "it names no output"),
        ("dvc://git.example//models/a", "it names no repository"),
        ("dvc://ann:s3cret@git.example/acme/flights//a", "a name or password goes into the Secret"),
        ("dvc://git.example/acme/flights//a?ref=main", "?rev= alone"),
        ("dvc://git.example/acme/flights//a?rev=a#b", "?rev= alone"),
        ("dvc://git.example/acme/flights//a?rev=a..b", "the revision is no branch"),
        ("dvc://git.example/acme/flights//a?rev=--upload-pack=x", "the revision is no branch"),
        ("dvc://git.example/acme/flights//a?rev=", "the revision is no branch"),
        ("dvc://git.example/acme/flights//../a", "no plain path"),
        ("dvc://git.example/acme/../flights//a", "it names no repository"),
    ],
)
def test_what_names_no_output_is_refused_with_what_to_write(uri: str, why: str) -> None:
    with pytest.raises(Terminal) as refused:
        reference(uri)
    assert refused.value.reason in ("UriInvalid", "UnsafePath")
    assert why in refused.value.message
    assert "s3cret" not in refused.value.message


def test_a_repository_is_asked_over_tls_but_on_this_machine() -> None:
    secret = Credentials("s", {"plain-http": "true"})
    named = reference("dvc://git.example/acme/flights.git//a")
    assert named.url(NO_CREDENTIALS) == "https://git.example/acme/flights.git"
    assert named.url(secret) == "http://git.example/acme/flights.git"
    assert reference("dvc://127.0.0.1:8080/f.git//a").url(NO_CREDENTIALS).startswith("http://")
    assert reference("dvc://127.example/f.git//a").url(NO_CREDENTIALS).startswith("https://")


async def test_a_branch_a_tag_and_the_main_branch_cost_one_request_a_commit_none(
    site: Site,
) -> None:
    advertised = Advertised()
    begin = f"dvc://{site.forge.host}/flights.git//models/flight.skops"
    for revision, means in [("main", "main"), ("v1", "v1"), ("team/next", "v1"), ("", "main")]:
        site.forge.asked.clear()
        named = reference(f"{begin}?rev={revision}" if revision else begin)
        assert await advertised.commit(named, NO_CREDENTIALS) == site.commit(means)
        assert site.forge.asked == ["/flights.git/info/refs?service=git-upload-pack"]
    site.forge.asked.clear()
    commit = "0123456789" * 4
    assert await advertised.commit(reference(f"{begin}?rev={commit}"), NO_CREDENTIALS) == commit
    assert site.forge.asked == []
    await advertised.close()


@pytest.mark.parametrize(
    ("path", "revision", "reason", "said"),
    [
        ("flights.git", "gone", "ArtifactNotFound", "has no gone: correct ?rev="),
        ("flights.git", "052a08b", "ArtifactNotFound", "all of its 40 digits"),
        ("other.git", "main", "ArtifactNotFound", "there is no such repository, or it is private"),
        ("remote", "main", "ArtifactNotFound", "answers 404"),
    ],
)
async def test_an_unknown_revision_or_repository_is_named(
    site: Site, path: str, revision: str, reason: str, said: str
) -> None:
    advertised = Advertised()
    with pytest.raises(Terminal) as refused:
        await advertised.commit(
            reference(f"dvc://{site.forge.host}/{path}//a?rev={revision}"), NO_CREDENTIALS
        )
    await advertised.close()
    assert refused.value.reason == reason
    assert said in refused.value.message


async def test_a_private_repository_takes_a_token_or_a_name_and_password(site: Site) -> None:
    site.forge.password = "s3cret"
    advertised = Advertised()
    named = reference(f"dvc://{site.forge.host}/flights.git//a")
    for values in ({"token": "s3cret\n"}, {"username": "ann", "password": "s3cret"}):
        assert await advertised.commit(named, Credentials("s", values)) == site.commit("main")
    with pytest.raises(Terminal) as refused:
        await advertised.commit(named, Credentials("reader", {"token": "other-s3cret"}))
    assert refused.value.reason == "ArtifactForbidden"
    assert "Secret 'reader'" in refused.value.message
    assert "other" not in refused.value.message
    site.forge.down = True
    with pytest.raises(Unreachable):
        await advertised.commit(named, NO_CREDENTIALS)
    await advertised.close()


def packets(*lines: str) -> bytes:
    return b"".join(f"{len(line) + 4:04x}{line}".encode() if line else b"0000" for line in lines)


def test_an_annotated_tag_is_the_commit_that_it_is_on_and_goes_before_a_branch() -> None:
    one, two, three = "1" * 40, "2" * 40, "3" * 40
    answer = packets(
        "# service=git-upload-pack\n", "", f"{one} HEAD\0symref=HEAD:refs/heads/x agent=git\n",
        f"{one} refs/heads/x\n", f"{two} refs/tags/x\n", f"{three} refs/tags/x^{{}}\n", "",
    )  # fmt: skip
    refs = parse(answer, url="u")
    assert commit_in(refs, "x") == three
    assert commit_in(refs, "") == one
    assert commit_in(refs, "heads/x") is None


@pytest.mark.parametrize("text", [b"<html>", b"zzzz", b"0010abc"])
def test_an_answer_that_is_none_of_gits_is_refused(text: bytes) -> None:
    with pytest.raises((Terminal, Unreachable)):
        parse(text, url="u")


def test_an_output_is_found_read_and_hashed_at_its_commit(site: Site) -> None:
    root = f"dvc+file://{site.remote}/files/md5/"

    def place(content: bytes) -> str:
        return f"{root}{md5(content)[:2]}/{md5(content)[2:]}"

    flight, made, inside, whole, part = site.inspect(
        "models/flight.skops", "models/made.bin", "models/tree/sub/model.bin", "models/tree/",
        "models/tree/sub/",
    )  # fmt: skip
    assert flight == Report(
        location=place(b"second"), sha256=sha256(b"second"), size=6, kind="file", datasets={}
    )
    assert isinstance(made, Report)
    assert (made.location, made.datasets) == (place(b"1,2\n"), {"data.csv": md5(b"1,2\n")})
    held = {"dataset": "holdout.csv", "md5": md5(b"3,4\n")}
    assert made.metrics == [
        Metric(name="test.auc", value=0.81, **held), Metric(name="test.n", value=50.0, **held),
    ]  # fmt: skip
    assert isinstance(inside, Report)
    assert (inside.location, inside.kind) == (place(b"weights"), "file")
    assert isinstance(whole, Report)
    assert isinstance(part, Report)
    assert (whole.sha256, whole.size, whole.kind) == (tree_of(TREE), 14, "tree")
    assert (part.sha256, part.location) == (
        tree_of({"model.bin": b"weights"}), f"{whole.location}#sub/",
    )  # fmt: skip
    (project,) = site.inspect("ml/inner")
    assert isinstance(project, Report)
    assert project.location == place(b"inner")
    (before,) = site.inspect("models/flight.skops", revision="v1")
    assert isinstance(before, Report)
    assert before.sha256 == sha256(b"first")


def test_what_cannot_be_had_says_why_and_what_to_do(site: Site) -> None:
    wrong = {
        "models/flights.skops": ("NotTracked", "DVC tracks models/flight.skops"),
        "README.md": ("NotTracked", "is kept in git itself at this commit"),
        "models/kept.txt": ("NotTracked", "cache: false"),
        "models/unmade.bin": ("NotTracked", "run `dvc repro`"),
        "models/tree": ("NotTracked", "write / at the end"),
        "models/flight.skops/": ("NotTracked", "is a file"),
        "models/tree/other": ("ArtifactNotFound", "the folder has no file other"),
        "models/tree/other/": ("ArtifactNotFound", "has nothing below other/"),
    }
    said = site.inspect(*wrong)
    for failure, (path, (reason, message)) in zip(said, wrong.items(), strict=True):
        assert isinstance(failure, Terminal), path
        assert failure.reason == reason, path
        assert message in failure.message, path


def test_a_remote_that_lacks_or_spoilt_a_content_is_named(site: Site) -> None:
    digest = md5(b"second")
    kept = site.remote / "files/md5" / digest[:2] / digest[2:]
    aside = kept.rename(kept.with_suffix(".aside"))
    (lost,) = site.inspect("models/flight.skops")
    kept.write_bytes(b"secone")
    (spoilt,) = site.inspect("models/flight.skops")
    kept.unlink()
    aside.rename(kept)
    assert isinstance(lost, Terminal)
    assert (lost.reason, "`dvc push` it" in lost.message) == ("ArtifactNotFound", True)
    assert isinstance(spoilt, Terminal)
    assert (spoilt.reason, "another MD5" in spoilt.message) == ("DigestMismatch", True)


def test_a_commit_or_repository_that_is_gone_and_one_that_is_private_are_told_apart(
    site: Site,
) -> None:
    (gone,) = site.inspect("a", revision="0123456789" * 4)
    (absent,) = site.inspect("a", url=f"http://{site.forge.host}/other.git")
    site.forge.password = "s3cret"
    (private,) = site.inspect("models/flight.skops")
    (let_in,) = site.inspect("models/flight.skops", secret=TOKEN)
    assert isinstance(gone, Terminal)
    assert (gone.reason, "no such commit" in gone.message) == ("ArtifactNotFound", True)
    assert isinstance(absent, Terminal)
    assert (absent.reason, "no repository at" in absent.message) == ("ArtifactNotFound", True)
    assert isinstance(private, Terminal)
    assert private.reason == "ArtifactForbidden"
    assert isinstance(let_in, Report)


def test_a_login_does_not_follow_where_a_repository_is_led(site: Site) -> None:
    with forge(site.forge.folder) as other:
        site.forge.moved = {
            "/moved.git/": f"http://{other.host}/flights.git/", "/flights/": "/flights.git/",
        }  # fmt: skip
        site.forge.password = "s3cret"
        here = f"http://{site.forge.host}"
        (moved,) = site.inspect("models/flight.skops", url=f"{here}/moved.git", secret=TOKEN)
        (short,) = site.inspect("models/flight.skops", url=f"{here}/flights", secret=TOKEN)
        assert other.asked == []
    site.forge.moved = {}
    assert isinstance(moved, Terminal)
    assert "leads to another address" in moved.message
    assert isinstance(short, Report)


def test_an_image_without_git_and_a_server_that_is_down_are_named(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: dict[str, Any] = {"credentials": NO_CREDENTIALS, "deadline": time.monotonic() + 20}
    site.forge.down = True
    with pytest.raises(Unreachable, match="cannot be cloned"):
        check_out(site.url, site.commit("main"), tmp_path, **asked)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Terminal, match="GitMissing"):
        check_out(site.url, "0" * 40, tmp_path, **asked)


def test_a_remote_over_http_gets_its_own_login_and_never_that_of_the_repository(
    site: Site,
) -> None:
    url = f"http://{site.forge.host}/remote"
    work = site.forge.folder / "flights"
    config = work / ".dvc/config"
    before = config.read_text()
    config.write_text(before.replace(str(site.remote), url))
    push(site, work, "web")
    site.forge.password = "s3cret"
    login = {"DVC_REMOTE_USER": "ann", "DVC_REMOTE_PASSWORD": "pw-s3cret"}
    (elsewhere,) = site.inspect("models/flight.skops", revision="web", secret={**TOKEN, **login})
    site.forge.logins.clear()
    (found,) = site.inspect(
        "models/flight.skops", revision="web",
        secret={**TOKEN, **login, "DVC_REMOTE_URL": f"http://{site.forge.host}/"},
    )  # fmt: skip
    (anonymous,) = site.inspect("models/flight.skops", revision="web", secret=TOKEN)
    for name, text in (("endpoint", "s3://bucket/prefix\n    endpointurl = http://evil.example"),
                       ("ssh", "ssh://host/path"), ("relative", "../store")):  # fmt: skip
        config.write_text(before.replace(str(site.remote), text))
        push(site, work, name)
    (endpoint,) = site.inspect("models/flight.skops", revision="endpoint", secret=TOKEN)
    (ssh,) = site.inspect("models/flight.skops", revision="ssh", secret=TOKEN)
    (relative,) = site.inspect("models/flight.skops", revision="relative", secret=TOKEN)
    assert isinstance(elsewhere, Terminal)
    assert (elsewhere.reason, "DVC_REMOTE_URL" in elsewhere.message) == ("ArtifactForbidden", True)
    assert isinstance(found, Report)
    assert isinstance(anonymous, Report)
    assert found.location.startswith(f"dvc+{url}/files/md5/")
    assert site.forge.logins == [
        git_authorization(Credentials("", {"username": "ann", "password": "pw-s3cret"})), None,
    ]  # fmt: skip
    assert isinstance(endpoint, Terminal)
    assert "AWS_ENDPOINT_URL" in endpoint.message
    for one in (ssh, relative):
        assert isinstance(one, Terminal)
        assert one.reason == "RemoteUnsupported"


def push(site: Site, work: Path, branch: str) -> None:
    """What lies in the work tree, as a branch of its own."""
    git = ["git", "-C", str(work)]
    for arguments in (
        ["checkout", "--quiet", "-B", branch],
        ["commit", "--quiet", "--all", "--message", branch],
        ["push", "--quiet", "--force", str(site.forge.folder / "flights.git"), branch],
    ):
        subprocess.run([*git, *arguments], check=True, capture_output=True, timeout=30)


def test_a_repository_has_nothing_told_of_what_the_job_holds(site: Site) -> None:
    work = site.forge.folder / "flights"
    config, stages, token = work / ".dvc/config", work / "dvc.yaml", site.scratch / "secret/token"
    secret = {**TOKEN, "token.json": '{"login": "s3cret"}'}
    before, made = site.git("show", "main:.dvc/config"), site.git("show", "main:dvc.yaml")
    config.unlink()
    config.symlink_to(token)
    push(site, work, "link")
    config.unlink()
    config.write_text(before)
    stages.write_text(f"vars: [{token}.json]\nstages: {{x: {{cmd: 'true', outs: ['${{login}}']}}}}")
    push(site, work, "named")
    stages.write_text(made)
    config.write_text(before.replace(str(site.remote), "https://ann:s3cret@git.example/x"))
    push(site, work, "address")
    config.write_text(before)
    wanted = [
        ("link", "RepositoryInvalid", "cannot read"), ("named", "RepositoryInvalid", "outside of"),
        ("address", "RemoteUnsupported", "https://git.example/x"),
    ]  # fmt: skip
    for branch, reason, words in wanted:
        (said,) = site.inspect("models/flight.skops", revision=branch, secret=secret)
        assert isinstance(said, Terminal)
        assert (said.reason, words in said.message) == (reason, True), said.message


def test_a_pod_fetches_what_was_found_with_neither_git_nor_dvc(site: Site, tmp_path: Path) -> None:
    one, whole, part = site.inspect("models/flight.skops", "models/tree/", "models/tree/sub/")
    for report in (one, whole, part):
        assert isinstance(report, Report)
        wanted = Wanted(
            source=report.location, sha256=report.sha256, cache=tmp_path, deadline=1e12,
            kind="tree" if report.kind == "tree" else "file",
        )  # fmt: skip
        assert fetch(wanted).exists()
    assert isinstance(whole, Report)
    folder = tmp_path / "sha256" / whole.sha256
    assert {path: (folder / path).read_bytes() for path in TREE} == TREE


def test_a_location_is_read_as_it_was_written() -> None:
    folder = Content(root="s3://b/p/files/md5/", md5="ab" * 16, listed=True, below="a b/")
    assert content_of(folder.location) == folder
    assert folder.location == f"dvc+s3://b/p/files/md5/ab/{'ab' * 15}.dir#a%20b/"
    old = Content(root="https://h/cache/", md5="cd" * 16)
    assert content_of(old.location) == old
    with pytest.raises(Terminal, match="UriInvalid"):
        content_of("dvc+s3://b/p/models/a.skops")


@pytest.mark.parametrize(
    ("entries", "reason"),
    [
        ([{"md5": "a" * 32, "relpath": "../x"}], "UnsafePath"),
        ([{"md5": "a" * 32, "relpath": "x"}, {"md5": "b" * 32, "relpath": "x/y"}], "UnsafePath"),
        ([{"md5": "a" * 32, "relpath": str(at)} for at in range(3)], "TooManyFiles"),
        ([{"md5": "../../etc", "relpath": "x"}], "UriInvalid"),
        ([{"relpath": "x"}], "UriInvalid"),
        ({}, "ArtifactNotFound"),
        (1, "UriInvalid"),
    ],
)
def test_a_list_that_leads_out_of_its_folder_is_refused(entries: object, reason: str) -> None:
    text = json.dumps(entries).encode()
    with pytest.raises(Terminal) as refused:
        listed_files(text, Content(root="s3://b/", md5=md5(text), listed=True), most=2)
    assert refused.value.reason == reason


def test_a_list_that_was_changed_in_the_remote_is_not_read() -> None:
    folder = Content(root="s3://b/", md5=md5(b"[]"), listed=True)
    with pytest.raises(Terminal, match="DigestMismatch"):
        listed_files(b'[{"md5": "x", "relpath": "y"}]', folder)


def test_what_is_for_the_repository_never_reaches_a_store_and_the_other_way_round() -> None:
    secret = Credentials("s", {
        "token": "git", "AWS_ACCESS_KEY_ID": "k", "ca.crt": "c", "DVC_REMOTE_TOKEN": "web",
        "DVC_REMOTE_URL": "https://dvc.example/a",
    })  # fmt: skip
    stored = remote_credentials("s3://bucket/x", secret).values
    assert stored["AWS_ACCESS_KEY_ID"] == "k"
    assert "token" not in stored
    assert remote_credentials("https://dvc.example/a/b", secret).values["token"] == "web"
    for other in ("https://dvc.example/ab", "http://dvc.example/a", "https://evil.example/a"):
        with pytest.raises(Terminal, match="ArtifactForbidden"):
            remote_credentials(other, secret)
    with pytest.raises(Terminal, match="AWS_ENDPOINT_URL"):
        check_endpoint("http://evil.example", secret)
    check_endpoint(None, secret)
    check_endpoint("http://m/", Credentials("s", {"AWS_ENDPOINT_URL": "http://m"}))


def test_a_report_fits_a_termination_message_and_nonsense_is_none() -> None:
    report = Report(
        location="dvc+s3://b/ab/cd", sha256="a" * 64, size=1, kind="file",
        datasets={f"data/{at}.csv": "b" * 32 for at in range(200)},
        metrics=[Metric(name=f"m{at}", value=0.1) for at in range(100)],
    )  # fmt: skip
    line = write(report)
    assert len(line.encode()) <= 4096
    back = read(f"a warning\n{line}\n")
    assert isinstance(back, Report)
    assert (back.sha256, 20 < len(back.datasets) < 200) == (report.sha256, True)
    assert back.metrics == report.metrics[: len(back.metrics)] != []
    failure = read(write_failure(Terminal("NotTracked", "é" * 9000)))
    assert isinstance(failure, Terminal)
    assert failure.reason == "NotTracked"
    for text in ("", "killed", "[1]", '{"sha256": 1}', '{"a":' * 5000):
        assert read(text) is None
