"""Whether a tree is what was signed, told by the operator without keeping a byte of it.

What is listed and what is signed give the tree's manifest between them: names and sizes, and the
SHA-256 of each. Where its digest is that of the tree that was resolved, which pods verify, every
file is as it was signed. Only what is not signed, an archive, and what a message names is read.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from tidegate.artifacts.archive import Bounds, unpacked
from tidegate.artifacts.base import ARTIFACT_CHANGING, Limits
from tidegate.artifacts.fetching import fetcher_for
from tidegate.artifacts.in_time import in_time
from tidegate.artifacts.inside import entries_of, within
from tidegate.artifacts.signature_file import LIMIT_BYTES, not_signed, read_if_there
from tidegate.artifacts.tree import TreeFile, tree_digest
from tidegate.artifacts.uri import scheme_of, shown
from tidegate.domain.model_signing import SIGNATURE, check_digests, check_names, signed
from tidegate.domain.signers import invalid
from tidegate.errors import Retryable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tidegate.artifacts.base import Resolved
    from tidegate.artifacts.credentials import Credentials
    from tidegate.artifacts.fetching import Entry, Fetcher
    from tidegate.domain.model_signing import Signed
    from tidegate.domain.signers import Signers

_LIMITS = Limits()
_BESIDE = ("file", "pvc", "s3", "gs", "az", "azure")
"""Schemes in which a folder has neighbours."""
_NAMING_BYTES = 64 * 1024 * 1024
"""How much is read at most to find which file was changed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _File:
    """A file as it is listed: where it is, None in an archive; size and sha256 where known."""

    place: str | None
    size: int | None
    sha256: str | None


async def check_signed_tree(found: Resolved, signers: Signers, credentials: Credentials) -> None:
    """Check that a tree is signed as a whole by one of the signers.

    :raises Terminal: SigningMissing, SigningInvalid, SigningKeyInvalid, or what the source says.
    :raises Retryable: no answer in time, or it is changing.
    """
    await within(
        lambda: _check(found, signers, credentials), found.location, total_s=_LIMITS.total_s
    )


def signature_of_folder(location: str, credentials: Credentials) -> bytes:
    """The signature beside a folder that holds none: `<folder>.sig`. Blocks.

    :raises Terminal: SigningMissing, or what the source says.
    """
    inside = f"{location.rstrip('/')}/{SIGNATURE}"
    if scheme_of(location) not in _BESIDE or not urlsplit(location).path.strip("/"):
        raise not_signed([inside])
    place = f"{location.rstrip('/')}.sig"
    read = read_if_there(place, credentials)
    if read is None:
        raise not_signed([inside, place])
    return read


def _check(found: Resolved, signers: Signers, credentials: Credentials) -> None:
    fetcher = fetcher_for(found.location, credentials)
    files, bundle = _listed(fetcher, found.location)
    inside = SIGNATURE if SIGNATURE in files else None
    if bundle is None and inside is not None:
        bundle = read_if_there(files[inside].place or "", credentials)
    if bundle is None:
        bundle = signature_of_folder(found.location, credentials)
    about = signed(bundle, signers=signers)
    check_names(about, files, signature=inside)
    check_digests(about, {path: one.sha256 for path, one in files.items() if one.sha256})
    whole = [_whole(fetcher, about, path, one) for path, one in files.items()]
    if tree_digest(whole) != found.sha256:
        _name_changed(fetcher, about, files)
        raise Retryable(
            f"{shown(found.location)} has changed since it was resolved", reason=ARTIFACT_CHANGING
        )


def _listed(fetcher: Fetcher, location: str) -> tuple[dict[str, _File], bytes | None]:
    """The files of a tree by path, and its signature where that lies in an archive."""
    files: dict[str, _File] = {}
    bundle = None
    for entry in entries_of(fetcher, location):
        if entry.archive is None:
            files[entry.path] = _File(place=entry.location, size=entry.size, sha256=entry.sha256)
            continue
        for path, one, content in _packed(fetcher, entry):
            files[path] = one
            if path == SIGNATURE:
                bundle = content
    return files, bundle


def _packed(fetcher: Fetcher, entry: Entry) -> Iterable[tuple[str, _File, bytes]]:
    """The files in an archive, hashed as they come; of a signature, its bytes too."""
    bounds = Bounds(
        max_bytes=_LIMITS.max_bytes, max_files=_LIMITS.max_files, name=shown(entry.location)
    )
    with fetcher.open(entry.location, offset=0) as stream:
        for name, chunks in unpacked(in_time(stream.chunks), bounds):
            path = f"{entry.path}/{name}" if entry.path else name
            digest, size, kept = hashlib.sha256(), 0, bytearray()
            for chunk in chunks:
                digest.update(chunk)
                size += len(chunk)
                if path == SIGNATURE and size <= LIMIT_BYTES:
                    kept += chunk
            yield path, _File(place=None, size=size, sha256=digest.hexdigest()), bytes(kept)


def _whole(fetcher: Fetcher, about: Signed, path: str, one: _File) -> TreeFile:
    """A file of the manifest: as it is signed, or as it is read where it is not signed or its size
    is not known."""
    sha256 = one.sha256 or about.digests.get(path)
    if sha256 is None or one.size is None:
        one = _read(fetcher, one)
        sha256 = sha256 or one.sha256
    assert sha256 is not None, "signed, listed or read"
    assert one.size is not None, "listed or read"
    return TreeFile(path=path, size=one.size, sha256=sha256)


def _read(fetcher: Fetcher, one: _File) -> _File:
    digest, size = hashlib.sha256(), 0
    with fetcher.open(one.place or "", offset=0) as stream:
        for chunk in in_time(stream.chunks):
            digest.update(chunk)
            size += len(chunk)
    return replace(one, size=size, sha256=digest.hexdigest())


def _name_changed(fetcher: Fetcher, about: Signed, files: dict[str, _File]) -> None:
    """Say which file is not as it was signed; small ones are looked at first.

    :raises Terminal: SigningInvalid; nothing where every file is as it was signed.
    """
    left = _NAMING_BYTES
    for path, one in sorted(files.items(), key=lambda item: item[1].size or 0):
        if one.sha256 is not None or path not in about.digests:
            continue
        left -= one.size or 0
        if left < 0:
            raise invalid("one of its files was changed; `model_signing verify` says which")
        read = _read(fetcher, one)
        check_digests(about, {path: str(read.sha256)})
