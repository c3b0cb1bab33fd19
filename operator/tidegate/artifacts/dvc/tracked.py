"""What DVC tracks at a path of a checked-out repository, as DVC itself reads its files.

Runs in the Job alone, which has the package `dvc`. It reads nothing of a remote but its address.
"""

from __future__ import annotations

import contextlib
import difflib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from tidegate.artifacts.base import ARTIFACT_NOT_FOUND
from tidegate.artifacts.dvc.access import (
    REMOTE_SCHEMES,
    REMOTE_UNSUPPORTED,
    check_endpoint,
    remote_credentials,
)
from tidegate.artifacts.dvc.measured import below, datasets_of, metrics_of
from tidegate.artifacts.dvc.place import Content, is_md5, root_of
from tidegate.artifacts.uri import scheme_of, shown
from tidegate.errors import Terminal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tidegate.artifacts.credentials import Credentials
    from tidegate.artifacts.dvc.report import Metric

NOT_TRACKED = "NotTracked"
REPOSITORY_INVALID = "RepositoryInvalid"
_WAYS = ("md5", "md5-dos2unix")
_SHOWN = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Tracked:
    """An output at its place in a remote. Of a folder, `below` is what is meant: a folder of it
    with a slash at its end, a file without, empty for all of it. `datasets` are the MD5s of the
    data that it was made of, by path; `metrics` what was measured of it."""

    content: Content
    below: str
    datasets: dict[str, str]
    metrics: list[Metric]


def find(folder: Path, path: str, *, credentials: Credentials) -> Tracked:
    """What is tracked at `path`, which ends with a slash if a folder is meant.

    :raises Terminal: NotTracked, RepositoryInvalid, RemoteUnsupported, ArtifactForbidden.
    """
    work = folder.parent
    folder, path = _project(folder, path)
    with _opened(folder, work=work) as repository:
        outputs = {
            below(folder, out.fs_path): out for out in repository.index.outs if out.is_in_repo
        }
        wanted = path.rstrip("/")
        around = [wanted, *(str(parent) for parent in Path(wanted).parents)]
        name = next((each for each in around if each in outputs), None)
        if name is None:
            raise _not_tracked(folder, wanted, sorted(outputs))
        out = outputs[name]
        _check(out, name)
        listed = bool(out.meta.isdir)
        _check_kind(name, path, listed=listed)
        remote = _remote(repository.config, out.remote, work, credentials)
        md5 = str(out.hash_info.value).removesuffix(".dir")
        return Tracked(
            content=Content(root=root_of(remote, out.hash_name), md5=md5, listed=listed),
            below=path[len(name) + 1 :],
            datasets=datasets_of(folder, out.stage, outputs),
            metrics=metrics_of(folder, name, outputs),
        )


def _project(folder: Path, path: str) -> tuple[Path, str]:
    """The innermost DVC project around a path (a repository may hold several), and the path in
    it."""
    for parent in Path(path).parents:
        if (folder / parent / ".dvc").is_dir():
            inside = PurePosixPath(path).relative_to(parent)
            return folder / parent, f"{inside}/" if path.endswith("/") else f"{inside}"
    raise Terminal(
        REPOSITORY_INVALID,
        "neither the repository nor a folder around the path has a .dvc folder at this commit: run"
        " `dvc init` there, or correct spec.artifact.uri",
    )


def _confined(work: Path) -> Any:
    """DVC's view of the files: none but those below `work` can be read. Files of the repository may
    name any other (`vars` of dvc.yaml), and so could have what this Job holds stand in what it
    says of them: its Secret."""
    from dvc.fs import LocalFileSystem

    files = LocalFileSystem()
    plain = files.open

    def open_below(path: Any, *arguments: Any, **options: Any) -> Any:
        if not Path(path).resolve().is_relative_to(work):
            raise Terminal(
                REPOSITORY_INVALID,
                f"a file of DVC's in the repository names {str(path)[:_SHOWN]}, which is outside of"
                " it: keep that file in the repository",
            )
        return plain(path, *arguments, **options)

    files.open = open_below
    return files


@contextlib.contextmanager
def _opened(folder: Path, *, work: Path) -> Iterator[Any]:
    """The repository; what DVC raises while it reads it is the repository's fault."""
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    try:
        with Repo(str(folder), fs=_confined(work)) as repository:
            yield repository
    except DvcException as error:
        raise Terminal(
            REPOSITORY_INVALID,
            f"DVC cannot read the repository at this commit: {str(error)[:_SHOWN]}",
        ) from None


def _not_tracked(folder: Path, wanted: str, tracked: list[str]) -> Terminal:
    if (folder / wanted).exists():
        return Terminal(
            NOT_TRACKED,
            f"{wanted} is kept in git itself at this commit, not by DVC: `dvc add` it, or take it"
            " from the repository's own address with https://",
        )
    near = difflib.get_close_matches(wanted, tracked, n=3, cutoff=0.4) or tracked[:3]
    known = f"; DVC tracks {', '.join(near)}"[:_SHOWN] if near else "; DVC tracks nothing there"
    return Terminal(
        NOT_TRACKED, f"DVC does not track {wanted} at this commit{known}: correct spec.artifact.uri"
    )


def _check(out: Any, name: str) -> None:
    """:raises Terminal: NotTracked: there is no content of it in a remote."""
    if not out.use_cache:
        why = "is kept in git itself (cache: false), not in a remote: let DVC keep it"
    elif not out.hash_info:
        why = "was never made: run `dvc repro`, commit dvc.lock and `dvc push`"
    elif out.hash_name not in _WAYS or not is_md5(str(out.hash_info.value).removesuffix(".dir")):
        why = f"is told by {out.hash_name}, not by MD5, as outputs outside of a repository are"
    elif out.files is not None:
        why = "is kept by a remote that knows versions itself, file by file: use its own scheme"
    else:
        return
    raise Terminal(NOT_TRACKED, f"{name} {why}")


def _check_kind(name: str, path: str, *, listed: bool) -> None:
    if path == name and listed:
        raise Terminal(
            NOT_TRACKED, f"{name} is a folder: write / at the end of its path in the URI"
        )
    if path != name and not listed:
        raise Terminal(NOT_TRACKED, f"{name} is a file: end its path in the URI with its name")


def _remote(config: Any, name: str | None, work: Path, credentials: Credentials) -> str:
    """The address of a remote, as URIs name it; `work` is where the repository was cloned to.

    :raises Terminal: RemoteUnsupported; ArtifactForbidden: credentials are not for it.
    """
    from dvc.fs import get_fs_config

    name = name or config["core"].get("remote")
    if not name:
        raise Terminal(
            REMOTE_UNSUPPORTED, "the repository names no default remote: run `dvc remote default`"
        )
    remote = get_fs_config(config, name=name)
    if remote.get("version_aware") or remote.get("worktree"):
        raise Terminal(
            REMOTE_UNSUPPORTED,
            f"the remote {name} keeps versions itself (version_aware, worktree), and is not"
            " addressed by content: name the object in the URI, like s3://bucket/key?versionId=…",
        )
    address = str(remote["url"])
    if address.startswith("/"):
        if Path(address).is_relative_to(work):
            raise _no_remote(name, "a path beside the repository, on the machine of who pushed")
        address = f"file://{quote(address)}"
    if scheme_of(address) not in REMOTE_SCHEMES:
        raise _no_remote(name, f"{scheme_of(address) or 'no'}://")
    parts = urlsplit(address)
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise Terminal(
            REMOTE_UNSUPPORTED,
            f"the address of the remote {name} has more in it than a place ({shown(address)}), and"
            " may be seen by whoever sees the Model: take name, password and query out of it, and"
            " put the login into the Secret of spec.artifact.credentialsRef",
        )
    if scheme_of(address) == "s3":
        check_endpoint(remote.get("endpointurl"), credentials)
    remote_credentials(address, credentials)
    return address


def _no_remote(name: str, what: str) -> Terminal:
    known = ", ".join(f"{scheme}://" for scheme in REMOTE_SCHEMES)
    return Terminal(
        REMOTE_UNSUPPORTED,
        f"the remote {name} is {what}, which cannot be read from pods: push to one of {known}",
    )


def absent(location: str) -> Terminal:
    """Why a remote lacks what the repository says that it has."""
    return Terminal(
        ARTIFACT_NOT_FOUND,
        f"the remote has nothing at {shown(location)}: `dvc push` it (what `dvc import` brought is"
        " not pushed: name the repository that it came from)",
    )
