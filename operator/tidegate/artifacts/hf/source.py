"""hf:// resolved: a branch or tag → commit → the sha256 of its files.

The hub says the SHA-256 of large files (LFS); only small ones are read to be hashed. What was
resolved is pinned to the commit, so its location is immutable. A branch that has not moved costs
one request a poll, a commit none.
"""

from __future__ import annotations

import asyncio
import hashlib
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from tidegate.api.origin import Measured, Origin
from tidegate.artifacts.answers import async_answer, json_of
from tidegate.artifacts.base import (
    ARTIFACT_FORBIDDEN,
    ARTIFACT_NOT_FOUND,
    CHUNK,
    Limits,
    Resolved,
    check_pin,
    too_large,
    update,
    utc_now,
)
from tidegate.artifacts.clients import Clients
from tidegate.artifacts.credentials import NO_CREDENTIALS, Credentials
from tidegate.artifacts.hf.fetcher import listed, listing_address, next_page
from tidegate.artifacts.hf.reference import COMMIT, authorization, location_of, reference
from tidegate.artifacts.tree import TreeFile, too_many, tree_digest
from tidegate.artifacts.uri import shown
from tidegate.artifacts.web import check_status, explained, new_async_client
from tidegate.errors import Terminal, Unreachable

if TYPE_CHECKING:
    import httpx

    from tidegate.artifacts.base import Clock
    from tidegate.artifacts.hf.reference import Reference

HUB = "https://huggingface.co"
REGISTRY = "huggingface"
FORMAT_MISMATCH = "FormatMismatch"
_WHOLE = ("mlflow", "custom")
_DEFAULT_LIMITS = Limits()
_MOST_METRICS = 100


class HfSource:
    """Model repositories on a hub. Close it; it keeps connections open between polls."""

    def __init__(self, *, limits: Limits = _DEFAULT_LIMITS, clock: Clock = utc_now) -> None:
        self._limits = limits
        self._clock = clock
        self._clients = Clients(lambda of: new_async_client(credentials=of, idle_s=limits.idle_s))

    async def resolve(
        self,
        uri: str,
        *,
        format: str,
        sha256: str | None,
        previous: Resolved | None,
        credentials: Credentials = NO_CREDENTIALS,
    ) -> Resolved:
        """As `Registry.resolve`."""
        named = reference(uri)
        if named.is_folder and format not in _WHOLE:
            raise Terminal(
                FORMAT_MISMATCH,
                f"{shown(uri)} is a folder, and {format} is one file: name it in the URI, like "
                f"hf://{named.repository}@{named.revision}/model.onnx",
            )
        if previous is not None and (named.is_commit or previous.sha256 == sha256):
            check_pin(uri, found=previous.sha256, pinned=sha256)
            return previous
        try:
            async with asyncio.timeout(self._limits.total_s):
                return await self._resolve(
                    uri, named, pinned=sha256, previous=previous, credentials=credentials
                )
        except TimeoutError:
            raise Unreachable(
                f"{shown(uri)} was not read within {self._limits.total_s:.0f} s: see whether the "
                "hub may be reached"
            ) from None

    async def close(self) -> None:
        """Close what is open."""
        await self._clients.close()

    async def _resolve(
        self,
        uri: str,
        named: Reference,
        *,
        pinned: str | None,
        previous: Resolved | None,
        credentials: Credentials,
    ) -> Resolved:
        hub = (credentials.get("HF_ENDPOINT") or HUB).rstrip("/")
        address = f"{hub}/api/models/{named.repository}/revision/{quote(named.revision)}"
        told = json_of(await self._get(address, credentials))
        commit = str(told.get("sha", "")) if isinstance(told, dict) else ""
        if not COMMIT.fullmatch(commit):
            raise Terminal(
                ARTIFACT_NOT_FOUND,
                f"{shown(uri)}: what answers at {hub} is no hub: correct the URI",
            )
        if previous is not None and previous.version == commit:
            check_pin(uri, found=previous.sha256, pinned=pinned)
            return previous
        files = await self._files(hub, named, commit, credentials)
        size = sum(file.size for file in files)
        digest = tree_digest(files) if named.is_folder else files[0].sha256
        check_pin(uri, found=digest, pinned=pinned, means=f"commit {commit}")
        return Resolved(
            version=commit,
            location=location_of(hub, named, commit),
            sha256=digest,
            size=size,
            at=self._clock(),
            kind="tree" if named.is_folder else "file",
            immutable=True,
            origin=_origin(named, commit, told),
        )

    async def _files(
        self, hub: str, named: Reference, commit: str, credentials: Credentials
    ) -> list[TreeFile]:
        """The files that are named, with their sha256; a single file alone.

        :raises Terminal: ArtifactNotFound, TooLarge, TooManyFiles.
        """
        found = [
            (path, size, sha256)
            for path, size, sha256 in await self._listed(hub, named, commit, credentials)
            if named.is_folder or path == named.path
        ]
        if not found:
            raise Terminal(
                ARTIFACT_NOT_FOUND,
                f"{named.repository} has no {named.path or 'files'} at {named.revision}: correct "
                "spec.artifact.uri (a folder ends with /)",
            )
        if sum(size for _, size, _ in found) > self._limits.max_bytes:
            raise too_large(location_of(hub, named, commit), limit=self._limits.max_bytes)
        prefix = named.path if named.is_folder else ""
        files = []
        for path, size, sha256 in found:
            at = f"{hub}/{named.repository}/resolve/{commit}/{quote(prefix + path)}"
            digest = sha256 or await self._hash(at, size, credentials)
            files.append(TreeFile(path=path, size=size, sha256=digest))
        return files

    async def _listed(
        self, hub: str, named: Reference, commit: str, credentials: Credentials
    ) -> list[tuple[str, int, str | None]]:
        """Everything in the folder that is named, or in that of the file."""
        folder = named.path if named.is_folder else ""
        around = type(named)(repository=named.repository, revision=commit, path=folder)
        found: list[tuple[str, int, str | None]] = []
        url: str | None = listing_address(hub, around, commit)
        while url is not None:
            answer = await self._get(url, credentials)
            found += listed(json_of(answer), below=folder)
            if len(found) > self._limits.max_files:
                raise too_many(named.repository, limit=self._limits.max_files)
            url = next_page(answer, hub)
        return found

    async def _hash(self, address: str, size: int, credentials: Credentials) -> str:
        """Of a small file, which the hub keeps in git and knows no SHA-256 of."""
        digest, read = hashlib.sha256(), 0
        with explained(address):
            async with (
                self._clients.of(credentials) as client,
                client.stream("GET", address, headers=authorization(credentials)) as response,
            ):
                check_status(address, response.status_code, credentials)
                async for chunk in response.aiter_raw(CHUNK):
                    read += len(chunk)
                    if read > size:
                        raise Unreachable(f"{shown(address)} is longer than the hub says")
                    await update(digest, chunk)
        return digest.hexdigest()

    async def _get(self, url: str, credentials: Credentials) -> httpx.Response:
        with explained(url):
            async with self._clients.of(credentials) as client:
                response = await async_answer(client, url, headers=authorization(credentials))
        if response.status_code in (401, 403, 404):
            # A hub answers 401 for what is not there, too, to whom it does not know.
            what = (
                response.headers.get("x-error-message") or f"the hub answers {response.status_code}"
            )
            reason = ARTIFACT_NOT_FOUND if response.status_code == 404 else ARTIFACT_FORBIDDEN
            raise Terminal(
                reason,
                f"{shown(url)}: {what[:200]}. It is not there, or private or gated: correct "
                "spec.artifact.uri, or give a token that may read it as HF_TOKEN in the Secret of "
                "spec.artifact.credentialsRef",
            )
        check_status(url, response.status_code, credentials)
        return response


def _origin(named: Reference, commit: str, told: dict[str, Any]) -> Origin:
    """What the hub says of a repository at a commit. Its author is an organization, no person, so
    it is not who registered the version."""
    return Origin(
        registry=REGISTRY,
        name=named.repository,
        version=commit,
        alias=None if named.is_commit else named.revision,
        metrics=_metrics(told.get("cardData")),
        tags={tag[:128]: "" for tag in told.get("tags", [])[:50] if isinstance(tag, str)},
    )


def _metrics(card: Any) -> list[Measured]:
    """The results that a model card claims (`model-index`); the hub has not checked them."""
    found = []
    index = card.get("model-index") if isinstance(card, dict) else None
    for model in index if isinstance(index, list) else []:
        for result in model.get("results", []) if isinstance(model, dict) else []:
            data = result.get("dataset") or {}
            for metric in result.get("metrics", []):
                value = metric.get("value")
                if isinstance(value, int | float) and abs(value) < float("inf"):
                    found.append(
                        Measured(
                            metric=str(metric.get("type", ""))[:256],
                            value=float(value),
                            dataset=str(data.get("name"))[:256] if data.get("name") else None,
                            digest=str(data["revision"])[:256] if data.get("revision") else None,
                        )
                    )
    return found[:_MOST_METRICS]
