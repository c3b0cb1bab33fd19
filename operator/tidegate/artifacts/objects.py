"""What all object stores have in common: objects and prefixes, resolved and fetched by obstore.

An object is told by its version where the store keeps versions, else by its ETag; a URI that ends
with `/` is a tree of all objects below it. `s3.py`, `gs.py` and `azure.py` say how their store is
opened.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import obstore
from obstore.exceptions import GenericError, NotModifiedError

from tidegate.artifacts.base import (
    ARTIFACT_CHANGING,
    CHUNK,
    Limits,
    Resolved,
    check_pin,
    too_large,
    update,
    utc_now,
)
from tidegate.artifacts.credentials import NO_CREDENTIALS, Credentials
from tidegate.artifacts.fetching import Entry, Stream
from tidegate.artifacts.place import Place, place_of
from tidegate.artifacts.refusals import explained, status_of
from tidegate.artifacts.tree import TreeFile, check_path, too_many, tree_digest
from tidegate.errors import Retryable, Unreachable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from obstore import GetOptions, ObjectMeta
    from obstore.store import ObjectStore

    from tidegate.artifacts.base import Clock

_DEFAULT_LIMITS = Limits()


@dataclass(frozen=True, slots=True, kw_only=True)
class Store:
    """A kind of object store: how a bucket of it is opened, and whether a version that it tells of
    an object stays there after the object was written anew."""

    open: Callable[[str, Credentials], ObjectStore]
    keeps_versions: bool


class ObjectSource:
    """Resolves objects and prefixes of one kind of store."""

    def __init__(
        self, store: Store, *, limits: Limits = _DEFAULT_LIMITS, clock: Clock = utc_now
    ) -> None:
        self._store = store
        self._limits = limits
        self._clock = clock

    async def resolve(
        self,
        uri: str,
        *,
        sha256: str | None,
        previous: Resolved | None,
        credentials: Credentials = NO_CREDENTIALS,
    ) -> Resolved:
        place = place_of(uri)
        if previous is not None and not _same(place, previous.location):
            previous = None
        pinned = sha256.lower() if sha256 else None
        frozen = pinned is not None or place.version is not None
        if previous is not None and frozen and pinned in (None, previous.sha256):
            return previous  # it cannot become anything else
        store = self._store.open(place.bucket, credentials)
        resolve = self._tree if place.is_tree else self._object
        try:
            async with asyncio.timeout(self._limits.total_s):
                with explained(place.uri, credentials):
                    found = await resolve(store, place, previous)
        except TimeoutError:
            raise Unreachable(
                f"{place.uri} could not be read within {self._limits.total_s:.0f} seconds: check "
                "the store, and that the operator may reach it"
            ) from None
        check_pin(uri, found=found.sha256, pinned=pinned)
        return found

    async def close(self) -> None:
        """Nothing is held open."""

    async def _object(
        self, store: ObjectStore, place: Place, previous: Resolved | None
    ) -> Resolved:
        options: GetOptions = {}
        if place.version is not None:
            options["version"] = place.version
        elif previous is not None:
            options["if_none_match"] = previous.version
        try:
            result = await obstore.get_async(store, place.key, options=options)
        except NotModifiedError:
            assert previous is not None
            return previous
        meta = result.meta
        version = meta["e_tag"] or f"modified:{meta['last_modified']},size:{meta['size']}"
        if previous is not None and previous.version == version:
            return previous  # the store does not know conditions
        file = await self._hashed(place, result, name=place.key, left=self._limits.max_bytes)
        kept = meta["version"] if self._store.keeps_versions else None
        return Resolved(
            version=version,
            location=place.at(place.version or kept).uri,
            sha256=file.sha256,
            size=file.size,
            at=self._clock(),
            immutable=bool(place.version or kept),
        )

    async def _tree(self, store: ObjectStore, place: Place, previous: Resolved | None) -> Resolved:
        found: list[ObjectMeta] = []
        async for chunk in obstore.list(store, place.key or None):
            found += chunk
            if len(found) > 2 * self._limits.max_files:  # with a marker of a folder each
                raise too_many(place.uri, limit=self._limits.max_files)
        listed = _files(place, found)
        if len(listed) > self._limits.max_files:
            raise too_many(place.uri, limit=self._limits.max_files)
        state = hashlib.sha256(
            "".join(f"{meta['e_tag']} {meta['size']} {path}\n" for path, meta in listed).encode()
        )
        version = f"tree:{state.hexdigest()}"
        if previous is not None and previous.version == version:
            return previous
        files = []
        left = self._limits.max_bytes
        if sum(meta["size"] for _, meta in listed) > left:
            raise too_large(place.uri, limit=left)
        for path, meta in listed:
            result = await obstore.get_async(store, meta["path"])
            if _bare(result.meta["e_tag"]) != _bare(meta["e_tag"]):
                raise Retryable(
                    f"{place.below(path).uri} is being written to while it is read: write a new "
                    "version to a new folder",
                    reason=ARTIFACT_CHANGING,
                )
            files.append(await self._hashed(place, result, name=path, left=left))
            left -= files[-1].size
        return Resolved(
            version=version,
            location=place.uri,
            sha256=tree_digest(files),
            size=sum(file.size for file in files),
            at=self._clock(),
            kind="tree",
        )

    async def _hashed(self, place: Place, result: Any, *, name: str, left: int) -> TreeFile:
        """Read an object through a hash."""
        expected = result.meta["size"]
        if expected > left:
            raise too_large(place.uri, limit=self._limits.max_bytes)
        digest = hashlib.sha256()
        size = 0
        async for chunk in result.stream(min_chunk_size=CHUNK):
            size += len(chunk)
            await update(digest, chunk)
        if size != expected:
            raise Unreachable(
                f"{place.uri}: {size} bytes of {name!r} came, and it has {expected}: the answer "
                "broke off"
            )
        return TreeFile(path=name, size=size, sha256=digest.hexdigest())


class ObjectFetcher:
    """Fetches objects and prefixes of one kind of store."""

    def __init__(self, store: Store, credentials: Credentials) -> None:
        self._store = store
        self._credentials = credentials

    @contextlib.contextmanager
    def open(self, location: str, *, offset: int) -> Iterator[Stream]:
        place = place_of(location)
        store = self._store.open(place.bucket, self._credentials)
        options: GetOptions = {}
        if place.version is not None:
            options["version"] = place.version
        if offset:
            options["range"] = {"offset": offset}
        with explained(place.uri, self._credentials):
            try:
                result = obstore.get(store, place.key, options=options)
            except GenericError as error:
                if not offset or status_of(error) != 416:
                    raise
                # Nothing at that offset: what is there is another object, taken from its start.
                del options["range"]
                result = obstore.get(store, place.key, options=options)
        yield Stream(result.range[0], self._chunks(place, result))

    def files(self, location: str) -> Iterable[Entry]:
        place = place_of(location)
        store = self._store.open(place.bucket, self._credentials)
        with explained(place.uri, self._credentials):
            found = [meta for chunk in obstore.list(store, place.key or None) for meta in chunk]
        return [
            Entry(path=path, location=place.below(path).uri, size=meta["size"])
            for path, meta in _files(place, found)
        ]

    def _chunks(self, place: Place, result: Any) -> Iterator[bytes]:
        with explained(place.uri, self._credentials):
            for chunk in result.stream(min_chunk_size=CHUNK):
                yield bytes(chunk)


def _files(place: Place, found: Sequence[ObjectMeta]) -> list[tuple[str, ObjectMeta]]:
    """The files of a tree by their paths in it, in their order; markers of folders left out.

    :raises Terminal: UnsafePath.
    """
    paths = [meta["path"] for meta in found]
    folders = {path[:i] for path in paths for i in range(len(path)) if path[i] == "/"}
    files = []
    for meta in found:
        marker = meta["path"] in folders or f"{meta['path']}/" == place.key
        if marker and meta["size"] == 0:
            continue
        path = check_path(meta["path"].removeprefix(place.key))
        place_of(place.below(path).uri)
        files.append((path, meta))
    return sorted(files, key=lambda file: file[0].encode())


def _bare(etag: str | None) -> str | None:
    """Azure quotes an ETag in an answer and not in a list."""
    return etag.strip('"') if etag else None


def _same(place: Place, location: str) -> bool:
    """Whether an earlier answer was for this place, at its version or, where none is asked for, at
    whichever there was."""
    before = place_of(location)
    return before == place if place.version is not None else before.at(None) == place
