"""Where an artifact is in a registry: `oci://registry/repository:tag`, or `…@sha256:digest`."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from urllib.parse import parse_qs, urlsplit

from tidegate.artifacts.uri import URI_INVALID, shown
from tidegate.errors import Terminal

_REPOSITORY = re.compile(r"[a-z0-9]+([._-]+[a-z0-9]+)*(/[a-z0-9]+([._-]+[a-z0-9]+)*)*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_REGISTRY = re.compile(r"(\[[0-9a-f:]+\]|[A-Za-z0-9.-]+)(:[0-9]{1,5})?")
_LAYER = "layer"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """An artifact in a registry, by `tag` or by `digest`; `layer` is one of its layers, that of a
    file to be fetched."""

    registry: str
    repository: str
    tag: str | None = None
    digest: str | None = None
    layer: str | None = None

    @property
    def version(self) -> str:
        """What the registry is asked for: the digest if there is one."""
        return self.digest or self.tag or "latest"

    @property
    def uri(self) -> str:
        name = f"oci://{self.registry}/{self.repository}"
        at = f"@{self.digest}" if self.digest else f":{self.tag or 'latest'}"
        return f"{name}{at}{f'?{_LAYER}={self.layer}' if self.layer else ''}"

    def at(self, digest: str) -> Reference:
        """The same artifact at a digest, which can never mean another."""
        return replace(self, tag=None, digest=digest)

    def of(self, layer: str) -> Reference:
        """One layer of it."""
        return replace(self, layer=layer)


def reference_of(uri: str) -> Reference:
    """The artifact that a URI names.

    :raises Terminal: UriInvalid.
    """
    try:
        parts = urlsplit(uri)
        query = parse_qs(parts.query, strict_parsing=bool(parts.query))
    except ValueError:
        raise _wrong(uri) from None
    layer = query.pop(_LAYER, [None])[0]
    name, _, digest = parts.path.removeprefix("/").partition("@")
    repository, _, tag = name.partition(":")
    sound = (
        _REGISTRY.fullmatch(parts.netloc)
        and _REPOSITORY.fullmatch(repository)
        and (not tag or _TAG.fullmatch(tag))
        and (not digest or _DIGEST.fullmatch(digest))
        and (layer is None or _DIGEST.fullmatch(layer))
        and not query
        and not parts.fragment
        and ("@" in parts.path) == bool(digest)
    )
    if not sound:
        raise _wrong(uri)
    return Reference(
        registry=parts.netloc,
        repository=repository,
        tag=tag or None,
        digest=digest or None,
        layer=layer,
    )


def _wrong(uri: str) -> Terminal:
    return Terminal(
        URI_INVALID,
        f"{shown(uri)} names no artifact of a registry: write oci://registry/repository:tag or "
        "oci://registry/repository@sha256:digest",
    )
