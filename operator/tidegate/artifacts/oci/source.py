"""Resolves and fetches artifacts of a container registry, over its published HTTP interface (v2).

A tag is followed: a poll asks for its digest alone. The digest of what is resolved is immutable.
The registry tells the SHA-256 of each layer, so files need not be read to know a tree's digest;
only archives are.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import time
from typing import TYPE_CHECKING

from tidegate.artifacts.archive import Bounds, unpacked
from tidegate.artifacts.base import (
    DIGEST_MISMATCH,
    Limits,
    Resolved,
    check_pin,
    too_large,
    utc_now,
)
from tidegate.artifacts.credentials import NO_CREDENTIALS, Credentials
from tidegate.artifacts.fetching import Entry
from tidegate.artifacts.oci.access import RegistryAuth, base_url, login
from tidegate.artifacts.oci.manifest import INDEXES, MAX_BYTES, MEDIA_TYPES, parse_manifest
from tidegate.artifacts.oci.reference import Reference, reference_of
from tidegate.artifacts.tree import TreeFile, tree_digest
from tidegate.artifacts.web import check_status, explained, new_client, open_url
from tidegate.errors import Terminal, Unreachable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import httpx

    from tidegate.artifacts.base import Clock
    from tidegate.artifacts.fetching import Stream
    from tidegate.artifacts.oci.manifest import Layer, Manifest

_DEFAULT_LIMITS = Limits()
_ACCEPT = {"accept": ", ".join((*MEDIA_TYPES, *INDEXES))}


class Repository:
    """One repository of a registry, as one user sees it. Blocks; close it."""

    def __init__(self, reference: Reference, credentials: Credentials) -> None:
        self._credentials = credentials
        self._url = base_url(reference, credentials)
        self._auth = RegistryAuth(login(reference, credentials))
        self._client = new_client(credentials=credentials)

    def close(self) -> None:
        self._client.close()

    def digest(self, reference: Reference) -> str | None:
        """What a tag means now, if the registry says so; one small request."""
        told: str | None = self._ask("HEAD", reference).headers.get("docker-content-digest")
        return told

    def manifest(self, reference: Reference) -> tuple[str, Manifest]:
        """The manifest of an artifact, and its digest (`sha256:…`).

        :raises Terminal: DigestMismatch, ArtifactInvalid, UnsafePath.
        """
        content = self._ask("GET", reference).content
        if len(content) > MAX_BYTES:
            raise too_large(reference.uri, limit=MAX_BYTES)
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        if reference.digest not in (None, digest):
            raise Terminal(
                DIGEST_MISMATCH,
                f"the registry answers {digest} for {reference.uri}: it is broken, or something "
                "between changes what it says",
            )
        return digest, parse_manifest(content, name=reference.uri)

    @contextlib.contextmanager
    def blob(self, reference: Reference, layer: str, *, offset: int) -> Iterator[Stream]:
        """The bytes of a layer. The manifest must have been asked for before."""
        headers = {"authorization": self._auth.header} if self._auth.header else {}
        with open_url(
            f"{self._url}/blobs/{layer}",
            offset=offset,
            client=self._client,
            headers=headers,
            credentials=self._credentials,
        ) as stream:
            yield stream

    def _ask(self, method: str, reference: Reference) -> httpx.Response:
        with explained(reference.uri):
            response = self._client.request(
                method,
                f"{self._url}/manifests/{reference.version}",
                headers=_ACCEPT,
                auth=self._auth,
            )
        check_status(reference.uri, response.status_code, self._credentials)
        return response


class OciSource:
    """Resolves artifacts of container registries."""

    def __init__(self, *, limits: Limits = _DEFAULT_LIMITS, clock: Clock = utc_now) -> None:
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
        wanted = reference_of(uri)
        if previous is not None and not _same(wanted, previous.location):
            previous = None
        pinned = sha256.lower() if sha256 else None
        frozen = pinned is not None or wanted.digest is not None
        if previous is not None and frozen and pinned in (None, previous.sha256):
            return previous  # it cannot become anything else
        try:
            async with asyncio.timeout(self._limits.total_s):
                found = await asyncio.to_thread(self._resolve, wanted, previous, credentials)
        except TimeoutError:
            raise Unreachable(
                f"{wanted.uri} could not be read within {self._limits.total_s:.0f} seconds: check "
                "the registry, and that the operator may reach it"
            ) from None
        check_pin(uri, found=found.sha256, pinned=pinned)
        return found

    async def close(self) -> None:
        """Nothing is held open."""

    def _resolve(
        self, wanted: Reference, previous: Resolved | None, credentials: Credentials
    ) -> Resolved:
        deadline = time.monotonic() + self._limits.total_s
        with contextlib.closing(Repository(wanted, credentials)) as repository:
            if previous is not None and repository.digest(wanted) == previous.version:
                return previous
            digest, manifest = repository.manifest(wanted)
            if previous is not None and digest == previous.version:
                return previous
            place = wanted.at(digest)
            if sum(layer.size for layer in manifest.layers) > self._limits.max_bytes:
                raise too_large(wanted.uri, limit=self._limits.max_bytes)
            files = self._files(repository, place, manifest, deadline=deadline)
        return Resolved(
            version=digest,
            location=place.uri,
            sha256=files[0].sha256 if manifest.is_file else tree_digest(files),
            size=sum(file.size for file in files),
            at=self._clock(),
            kind="file" if manifest.is_file else "tree",
            immutable=True,
        )

    def _files(
        self, repository: Repository, place: Reference, manifest: Manifest, *, deadline: float
    ) -> list[TreeFile]:
        found: list[TreeFile] = []
        for layer in manifest.layers:
            if layer.archive:
                bounds = Bounds(
                    max_bytes=self._limits.max_bytes - sum(file.size for file in found),
                    max_files=self._limits.max_files,
                    name=place.of(layer.digest).uri,
                )
                found += _unpacked(repository, place, layer, bounds=bounds, deadline=deadline)
            else:
                path = layer.path or "model"
                found.append(TreeFile(path=path, size=layer.size, sha256=layer.sha256))
        return found


class OciFetcher:
    """Fetches artifacts, and single layers of them, from container registries."""

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials

    @contextlib.contextmanager
    def open(self, location: str, *, offset: int) -> Iterator[Stream]:
        place = reference_of(location)
        with contextlib.closing(Repository(place, self._credentials)) as repository:
            # For the token as well: it is for one repository, and for some minutes.
            _, manifest = repository.manifest(place)
            layer = place.layer or manifest.layers[0].digest
            with repository.blob(place, layer, offset=offset) as stream:
                yield stream

    def files(self, location: str) -> Iterable[Entry]:
        place = reference_of(location)
        with contextlib.closing(Repository(place, self._credentials)) as repository:
            _, manifest = repository.manifest(place)
        return [
            Entry(
                path="" if layer.archive else layer.path or "model",
                location=place.of(layer.digest).uri,
                size=layer.size,
                sha256=layer.sha256,
                archive="tar" if layer.archive else None,
            )
            for layer in manifest.layers
        ]


def _unpacked(
    repository: Repository, place: Reference, layer: Layer, *, bounds: Bounds, deadline: float
) -> Iterator[TreeFile]:
    """The files in an archive, hashed as they come and kept nowhere."""
    whole = hashlib.sha256()
    with repository.blob(place, layer.digest, offset=0) as stream:
        packed = _through(stream.chunks, whole, deadline=deadline)
        for path, chunks in unpacked(packed, bounds):
            digest, size = hashlib.sha256(), 0
            for chunk in chunks:
                digest.update(chunk)
                size += len(chunk)
            yield TreeFile(path=path, size=size, sha256=digest.hexdigest())
    if whole.hexdigest() != layer.sha256:
        raise Unreachable(f"{bounds.name} came damaged: its bytes are not what its digest says")


def _through(chunks: Iterable[bytes], digest: hashlib._Hash, *, deadline: float) -> Iterator[bytes]:
    """The same bytes, hashed. A thread is not cancelled with its caller; it looks at the time."""
    for chunk in chunks:
        if time.monotonic() > deadline:
            raise Unreachable("the registry did not deliver the artifact in time")
        digest.update(chunk)
        yield chunk


def _same(wanted: Reference, location: str) -> bool:
    """Whether an earlier answer was for this artifact: for its digest, if that is asked for."""
    before = reference_of(location)
    if wanted.digest is not None:
        return before == wanted.at(wanted.digest)
    return (before.registry, before.repository) == (wanted.registry, wanted.repository)
