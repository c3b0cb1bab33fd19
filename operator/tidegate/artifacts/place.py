"""Where an object is: the URIs of object stores, `scheme://bucket/key`, read and written.

Keys stand in a URI as they are, not percent-encoded, as the stores' own tools write them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from urllib.parse import parse_qs, urlsplit

from tidegate.artifacts.uri import URI_INVALID, shown
from tidegate.errors import Terminal

VERSION = "versionId"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """An object, at one `version` of it if that is given; or, when `key` ends with `/` or is empty,
    all objects below it."""

    scheme: str
    bucket: str
    key: str
    version: str | None = None

    @property
    def is_tree(self) -> bool:
        return not self.key or self.key.endswith("/")

    @property
    def uri(self) -> str:
        query = f"?{VERSION}={self.version}" if self.version else ""
        return f"{self.scheme}://{self.bucket}/{self.key}{query}"

    def at(self, version: str | None) -> Place:
        """The same at a version, or, with None, at none."""
        return replace(self, version=version)

    def below(self, path: str) -> Place:
        """The object at a path of the tree."""
        return replace(self, key=f"{self.key}{path}", version=None)


def place_of(uri: str) -> Place:
    """The place that a URI names.

    :raises Terminal: UriInvalid.
    """
    wrong = Terminal(
        URI_INVALID,
        f"{shown(uri)} names no object: write scheme://bucket/key, scheme://bucket/folder/ for a "
        f"folder, or scheme://bucket/key?{VERSION}=… for one version",
    )
    try:
        parts = urlsplit(uri)
        query = parse_qs(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
    except ValueError:
        raise wrong from None
    version = query.pop(VERSION, [None])[0]
    key = parts.path.removeprefix("/")
    place = Place(scheme=parts.scheme.lower(), bucket=parts.netloc, key=key, version=version)
    unusual = query or parts.fragment or "@" in parts.netloc or not parts.netloc
    if unusual or version == "" or (version and place.is_tree):
        raise wrong
    return place
