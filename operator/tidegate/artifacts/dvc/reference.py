"""What a dvc:// URI names: an output in a git repository, at a revision. Pure.

A repository's address has any number of parts and so has the path in it, so `//` stands between
the two. A revision may have slashes (branches) and `@` (tags of versions), so it comes last.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from tidegate.artifacts.tree import check_path
from tidegate.artifacts.uri import URI_INVALID, is_this_machine, shown
from tidegate.errors import Terminal

if TYPE_CHECKING:
    from tidegate.artifacts.credentials import Credentials

SCHEME = "dvc"
COMMIT = re.compile(r"[0-9a-f]{40}")
_HOST = re.compile(r"(\[[0-9a-f:]+\]|[A-Za-z0-9.-]+)(:[0-9]{1,5})?")
_REPOSITORY = re.compile(r"[A-Za-z0-9_~][A-Za-z0-9._~-]*(/[A-Za-z0-9_~][A-Za-z0-9._~-]*)*")
_REVISION = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._/@#+=-]{0,199}")
_QUERY = "rev="


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """`host` may have a port; `repository` is the path of its address; `path` the output in it, of
    a folder with a slash at its end; `revision` a branch, a tag or a commit, empty for the branch
    that the repository itself takes for the main one."""

    host: str
    repository: str
    path: str
    revision: str = ""

    @property
    def is_commit(self) -> bool:
        """Whether the revision can never mean anything else."""
        return COMMIT.fullmatch(self.revision) is not None

    @property
    def is_folder(self) -> bool:
        """Whether it is a tree."""
        return self.path.endswith("/")

    @property
    def asked(self) -> str:
        """The revision in words."""
        return self.revision or "the main branch"

    def url(self, credentials: Credentials) -> str:
        """The repository's address: https, but http on this machine, or where the Secret says
        `plain-http: "true"`."""
        name = urlsplit(f"//{self.host}").hostname or ""
        plain = is_this_machine(name) or credentials.get("plain-http") == "true"
        return f"{'http' if plain else 'https'}://{self.host}/{self.repository}"


def reference(uri: str) -> Reference:
    """Read `dvc://host/repository//path[?rev=revision]`.

    :raises Terminal: UriInvalid, with what to write instead; UnsafePath.
    """
    try:
        parts = urlsplit(uri)
    except ValueError:
        raise _wrong(uri, "it is no URI") from None
    repository, _, path = unquote(parts.path).removeprefix("/").partition("//")
    revision = unquote(parts.query.removeprefix(_QUERY))
    if "@" in parts.netloc:
        raise _wrong(uri, "a name or password goes into the Secret of spec.artifact.credentialsRef")
    if not _HOST.fullmatch(parts.netloc) or not _REPOSITORY.fullmatch(repository):
        raise _wrong(uri, "it names no repository")
    if not path.rstrip("/"):
        raise _wrong(uri, "it names no output: put // and its path behind the repository")
    if parts.fragment or (parts.query and not parts.query.startswith(_QUERY)):
        raise _wrong(uri, "behind the path comes ?rev= alone; in a revision, # is written %23")
    if parts.query and not _is_revision(revision):
        raise _wrong(uri, "the revision is no branch, tag or commit")
    check_path(path.removesuffix("/"))
    return Reference(host=parts.netloc, repository=repository, path=path, revision=revision)


def _is_revision(text: str) -> bool:
    sound = _REVISION.fullmatch(text) is not None
    return (
        sound and ".." not in text and "//" not in text and not text.endswith(("/", ".", ".lock"))
    )


def _wrong(uri: str, why: str) -> Terminal:
    return Terminal(
        URI_INVALID,
        f"{shown(uri)}: {why}; write dvc://host/owner/repository//path/of/output?rev=revision, and"
        " a folder's path with / at its end",
    )
