"""The half of an artifact source that runs in a model pod's init container: bytes, streamed.

`Fetcher` is the contract; one class a scheme implements it, in the file that resolves the scheme
too. What it delivers is verified, resumed and put into the cache by `tidegate.serving`. Knows
nothing of the operator, and imports a scheme's library only when that scheme is asked for.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

from tidegate.artifacts.credentials import NO_CREDENTIALS, Credentials
from tidegate.artifacts.uri import scheme_of, shown
from tidegate.errors import Terminal

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from contextlib import AbstractContextManager

    type Archive = Literal["tar"]

SCHEME_UNSUPPORTED = "SchemeUnsupported"
CHUNK = 1024 * 1024
"""Bytes that a stream delivers at a time, at most."""

FETCHERS = {
    "az": "tidegate.artifacts.azure:AzureFetcher",
    "azure": "tidegate.artifacts.azure:AzureFetcher",
    **dict.fromkeys(
        ("dvc+azure", "dvc+file", "dvc+gs", "dvc+http", "dvc+https", "dvc+s3"),
        "tidegate.artifacts.dvc.fetcher:DvcFetcher",
    ),
    "file": "tidegate.artifacts.file:FileFetcher",
    "gs": "tidegate.artifacts.gs:GsFetcher",
    "hf+http": "tidegate.artifacts.hf.fetcher:HfFetcher",
    "hf+https": "tidegate.artifacts.hf.fetcher:HfFetcher",
    "http": "tidegate.artifacts.http:HttpFetcher",
    "https": "tidegate.artifacts.http:HttpFetcher",
    "oci": "tidegate.artifacts.oci.source:OciFetcher",
    "pvc": "tidegate.artifacts.pvc:PvcFetcher",
    "s3": "tidegate.artifacts.s3:S3Fetcher",
    "mlflow+http": "tidegate.artifacts.mlflow.fetcher:MlflowFetcher",
    "mlflow+https": "tidegate.artifacts.mlflow.fetcher:MlflowFetcher",
    "wandb+http": "tidegate.artifacts.wandb.fetcher:WandbFetcher",
    "wandb+https": "tidegate.artifacts.wandb.fetcher:WandbFetcher",
}
"""Which class fetches a scheme, as `module:class`; it is made with the credentials alone."""


@dataclass(frozen=True, slots=True)
class Stream:
    """Bytes of a file from `offset` on: 0 when the source cannot begin in the middle."""

    offset: int
    chunks: Iterator[bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A file of a tree: where in the tree it goes, and where it is fetched from.

    `size` is in bytes and `sha256` in hex, None where the source does not say. With `archive` it is
    no file but an archive (a tar of any compression) whose files go below `path`, "" for the tree's
    own folder.
    """

    path: str
    location: str
    size: int | None = None
    sha256: str | None = None
    archive: Archive | None = None


class Fetcher(Protocol):
    """Fetches what a `Resolved.location` of its schemes names. Blocks; one thread uses it.

    :raises Terminal: ArtifactNotFound, ArtifactForbidden, CredentialsInvalid, UriInvalid,
        FileOutsideRoot.
    :raises Unreachable: no answer, a broken connection, or a server in trouble. It is asked again
        with what has arrived as `offset`.
    """

    def open(self, location: str, *, offset: int) -> AbstractContextManager[Stream]:
        """The bytes of a file, from `offset` on if the source can do that."""
        ...

    def files(self, location: str) -> Iterable[Entry]:
        """The files of a tree, in any order; `open` takes their locations."""
        ...


def fetcher_for(location: str, credentials: Credentials = NO_CREDENTIALS) -> Fetcher:
    """What fetches a location.

    :raises Terminal: SchemeUnsupported.
    """
    scheme = scheme_of(location)
    if scheme not in FETCHERS:
        known = ", ".join(f"{name}://" for name in sorted(FETCHERS))
        raise Terminal(
            SCHEME_UNSUPPORTED,
            f"{scheme or 'no scheme'} in {shown(location)!r}: use one of {known}",
        )
    module, _, name = FETCHERS[scheme].partition(":")
    made: Fetcher = getattr(importlib.import_module(module), name)(credentials)
    return made


def no_tree(location: str) -> Terminal:
    """Why a scheme without folders delivers none."""
    return Terminal(
        SCHEME_UNSUPPORTED,
        f"{scheme_of(location)}:// delivers single files, and {shown(location)} is wanted as a "
        "folder: use another scheme for it",
    )
