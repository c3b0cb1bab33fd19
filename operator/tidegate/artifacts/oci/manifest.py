"""What an OCI manifest says an artifact is made of: one file, or a tree of files and archives.

Pure. The layers are files where they have a title, as `oras push` gives it; a folder that `oras`
packed, or a layer without a title whose media type is a tar, is unpacked.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from tidegate.artifacts.tree import check_path
from tidegate.errors import Terminal

ARTIFACT_INVALID = "ArtifactInvalid"
MEDIA_TYPES = (
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
"""What a registry is asked for. An index, which stands for several artifacts, is refused."""
INDEXES = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
MAX_BYTES = 4 * 1024 * 1024
"""Bytes of a manifest; registries refuse larger ones."""

_TITLE = "org.opencontainers.image.title"
_UNPACK = "io.deis.oras.content.unpack"
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """A layer: its digest (`sha256:…`), its size in bytes, where its file goes (None: it has no
    name), and whether it is an archive to be unpacked instead."""

    digest: str
    size: int
    path: str | None
    archive: bool

    @property
    def sha256(self) -> str:
        return self.digest.removeprefix("sha256:")


@dataclass(frozen=True, slots=True)
class Manifest:
    """The layers of an artifact."""

    layers: tuple[Layer, ...]

    @property
    def is_file(self) -> bool:
        """Whether the artifact is one file, which needs no folder."""
        return len(self.layers) == 1 and not self.layers[0].archive


def parse_manifest(content: bytes, *, name: str) -> Manifest:
    """The manifest in what a registry answered. `name` is what messages call the artifact.

    :raises Terminal: ArtifactInvalid, UnsafePath.
    """
    try:
        said = json.loads(content)
        if said.get("mediaType") in INDEXES or "manifests" in said:
            raise _invalid(
                name,
                "an index of several artifacts: name one of them by its digest (`oras manifest "
                "fetch` lists them)",
            )
        layers = tuple(_layer(entry) for entry in said["layers"])
    except (ValueError, KeyError, TypeError, AttributeError):
        raise _invalid(name, "no manifest that can be read: push the artifact again") from None
    if not layers:
        raise _invalid(name, "an artifact without layers: push the model's files with it")
    if len(layers) > 1 and any(layer.path is None and not layer.archive for layer in layers):
        raise _invalid(
            name,
            f"an artifact with a file that has no name: give each layer the annotation {_TITLE}, "
            "as `oras push` does",
        )
    return Manifest(layers)


def _layer(entry: dict[str, Any]) -> Layer:
    digest, size = entry["digest"], entry["size"]
    if not _DIGEST.fullmatch(digest) or not isinstance(size, int) or size < 0:
        raise ValueError
    notes = entry.get("annotations") or {}
    title = notes.get(_TITLE)
    unpack = notes.get(_UNPACK) == "true"
    if title is not None and not unpack:
        return Layer(digest=digest, size=size, path=check_path(title), archive=False)
    packed = unpack or ".tar" in entry.get("mediaType", "")
    return Layer(digest=digest, size=size, path=None, archive=packed)


def _invalid(name: str, what: str) -> Terminal:
    return Terminal(ARTIFACT_INVALID, f"{name} is {what}")
