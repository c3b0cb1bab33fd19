"""What a wandb:// URI names, and where a version's files are on a W&B server. Pure, for pods too.

A location is `wandb+https://server/artifacts/entity/project/name/v3/id/path`: addresses of files
are signed for a short time, so a pod asks for them anew with what stands there.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import quote, unquote

from tidegate.artifacts.tree import check_path
from tidegate.artifacts.uri import URI_INVALID, shown
from tidegate.errors import Terminal

SCHEME = "wandb"
PREFIX = "wandb+"
REGISTRY_PREFIX = "wandb-registry-"
"""How the projects of registries are called; their entity is an organization."""
VERSION = re.compile(r"v[0-9]{1,9}")
_BELOW = "/artifacts/"
_FORBIDDEN = frozenset("/\\#?%:@")
_LONGEST = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """`entity` (a user or team, of a registry an organization), `project`, `name` of the artifact,
    `alias` (or version, `v3`) and `path` in it: a file, a folder when it ends with a slash, or
    empty for all of it."""

    entity: str
    project: str
    name: str
    alias: str
    path: str = ""

    @property
    def is_version(self) -> bool:
        """Whether it can never mean anything else."""
        return VERSION.fullmatch(self.alias) is not None

    @property
    def is_registry(self) -> bool:
        """Whether it is in a registry, whose entity is named by its organization."""
        return self.project.startswith(REGISTRY_PREFIX)

    @property
    def shown(self) -> str:
        """For messages: as W&B writes it."""
        return f"{self.entity}/{self.project}/{self.name}:{self.alias}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A version on a server, or one file or folder of it: `url` of the server without a slash at
    its end, `version` like v3, `id` as the server names the artifact, `path` as in `Reference`."""

    url: str
    entity: str
    project: str
    name: str
    version: str
    id: str
    path: str = ""

    @property
    def location(self) -> str:
        """Where a pod fetches it."""
        named = (self.entity, self.project, self.name, self.version, self.id)
        parts = "/".join(quote(part, safe="") for part in named)
        return f"{PREFIX}{self.url}{_BELOW}{parts}/{quote(self.path)}"

    @property
    def is_folder(self) -> bool:
        """Whether it is a tree."""
        return not self.path or self.path.endswith("/")


def reference(uri: str) -> Reference:
    """Read `wandb://entity/project/name:alias[/path]`.

    :raises Terminal: UriInvalid, with what to write instead; UnsafePath.
    """
    parts = uri.partition("://")[2].split("/", 3)
    if len(parts) < 3:
        raise _wrong(uri, "it names no artifact")
    name, colon, alias = parts[2].partition(":")
    if not colon:
        raise _wrong(uri, "it names neither an alias nor a version")
    entity, project, name, alias = (unquote(part) for part in (parts[0], parts[1], name, alias))
    for part in (entity, project, name, alias):
        if not 0 < len(part) <= _LONGEST or not part.isprintable() or _FORBIDDEN & set(part):
            raise _wrong(uri, f"{part[:_LONGEST]!r} is no name in W&B")
    if "?" in uri or "#" in uri:
        raise _wrong(uri, "nothing comes behind ? or #")
    path = unquote(parts[3]) if len(parts) == 4 else ""
    if path.rstrip("/"):
        check_path(path.removesuffix("/"))
    elif path:
        raise _wrong(uri, "a path in an artifact begins with no slash")
    return Reference(entity=entity, project=project, name=name, alias=alias, path=path)


def placed(location: str) -> Place:
    """What a location names. :raises Terminal: UriInvalid: it is none of ours."""
    address = location.removeprefix(PREFIX)
    url, _, after = address.partition(_BELOW)
    parts = after.split("/", 5)
    if address == location or len(parts) < 6 or not all(parts[:5]):
        raise Terminal(URI_INVALID, f"{shown(location)} is no place on a W&B server: use wandb://")
    entity, project, name, version, id_, path = (unquote(part) for part in parts)
    return Place(
        url=url, entity=entity, project=project, name=name, version=version, id=id_, path=path
    )


def _wrong(uri: str, why: str) -> Terminal:
    return Terminal(
        URI_INVALID,
        f"{uri[:300]!r}: {why}; write wandb://entity/project/name:alias to follow an alias,"
        " wandb://entity/project/name:v3 for a version, and /path behind it for a file of it",
    )
