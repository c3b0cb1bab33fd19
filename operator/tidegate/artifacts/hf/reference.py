"""What an hf:// URI names, and how its files are addressed on a hub. Pure, and for pods too."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

from tidegate.artifacts.tree import check_path
from tidegate.artifacts.uri import URI_INVALID, shown
from tidegate.errors import Terminal

if TYPE_CHECKING:
    from tidegate.artifacts.credentials import Credentials

PREFIX = "hf+"
COMMIT = re.compile(r"[0-9a-f]{40}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}")
_REVISION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """`repository` is `org/name`; `revision` a branch, a tag or a commit; `path` a file in it, or a
    folder when it ends with a slash; empty for all of it."""

    repository: str
    revision: str
    path: str = ""

    @property
    def is_commit(self) -> bool:
        """Whether the revision can never mean anything else."""
        return COMMIT.fullmatch(self.revision) is not None

    @property
    def is_folder(self) -> bool:
        """Whether it is a tree."""
        return not self.path or self.path.endswith("/")


def reference(uri: str) -> Reference:
    """Read `hf://org/name@revision[/path]`; without a revision it is `main`.

    :raises Terminal: UriInvalid, with what to write instead.
    """
    rest = unquote(uri.partition("://")[2])
    organization, _, rest = rest.partition("/")
    name, _, path = rest.partition("/")
    name, at, revision = name.partition("@")
    revision = revision if at else "main"
    if not (_NAME.fullmatch(organization) and _NAME.fullmatch(name)):
        raise _wrong(uri, "it names no repository")
    if not _REVISION.fullmatch(revision):
        raise _wrong(uri, "a revision is a commit, a tag, or a branch without / in its name")
    if path.rstrip("/"):
        check_path(path.rstrip("/"))
    return Reference(repository=f"{organization}/{name}", revision=revision, path=path)


def location_of(hub: str, named: Reference, commit: str) -> str:
    """Where the hub at an address has what is named, at a commit."""
    return f"{PREFIX}{hub}/{named.repository}/resolve/{commit}/{quote(named.path)}"


def address_of(location: str) -> str:
    """The http(s) address of a location. :raises Terminal: UriInvalid."""
    return located(location)[0]


def located(location: str) -> tuple[str, str, Reference]:
    """The http(s) address of a location, that of its hub, and what is named there, at its commit.

    :raises Terminal: UriInvalid: it is none of ours.
    """
    address = location.removeprefix(PREFIX)
    before, _, after = address.partition("/resolve/")
    hub, organization, name = (["", "", *before.rsplit("/", 2)])[-3:]
    commit, _, path = after.partition("/")
    if address == location or not hub or not COMMIT.fullmatch(commit):
        raise Terminal(URI_INVALID, f"{shown(location)} is no place on a hub: use hf://")
    named = Reference(repository=f"{organization}/{name}", revision=commit, path=unquote(path))
    return address, hub, named


def authorization(credentials: Credentials) -> dict[str, str]:
    """The header that a Secret's `HF_TOKEN` (or `token`) makes; none where there is none."""
    token = credentials.first("HF_TOKEN", "token")
    return {"authorization": f"Bearer {token}"} if token else {}


def _wrong(uri: str, why: str) -> Terminal:
    return Terminal(
        URI_INVALID,
        f"{shown(uri)!r}: {why}; write hf://org/name@revision, or hf://org/name@revision/path",
    )
