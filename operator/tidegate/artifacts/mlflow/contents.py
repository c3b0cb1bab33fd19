"""Bytes behind an MLflow server, hashed while they pass: a file, or a folder as a tree."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING
from urllib.parse import quote

from tidegate.artifacts.base import CHUNK, Limits, Resolved, too_large, update
from tidegate.artifacts.clients import Clients
from tidegate.artifacts.mlflow.access import authorization
from tidegate.artifacts.mlflow.fetcher import ARTIFACTS, PREFIX, listed, location_of
from tidegate.artifacts.tree import TreeFile, check_path, too_many, tree_digest
from tidegate.artifacts.web import check_status, explained, new_async_client

if TYPE_CHECKING:
    from datetime import datetime

    from tidegate.artifacts.mlflow.rest import Rest, Server


class Contents:
    """Hashes what servers hand out. Close it; it keeps connections open."""

    def __init__(self, rest: Rest, *, limits: Limits) -> None:
        self._rest = rest
        self._limits = limits
        self._clients = Clients(lambda of: new_async_client(credentials=of, idle_s=limits.idle_s))

    async def file(self, server: Server, path: str, *, what: str, at: datetime) -> Resolved:
        """One file at a path of the artifact API.

        :raises Terminal: ArtifactNotFound, ArtifactForbidden, TooLarge, UnsafePath.
        :raises Unreachable: the server did not deliver it.
        """
        check_path(path)
        digest, size = await self._hash(server, path, what=what, most=self._limits.max_bytes)
        return Resolved(
            version="", location=location_of(server.url, path), sha256=digest, size=size, at=at
        )

    async def tree(self, server: Server, path: str, *, what: str, at: datetime) -> Resolved:
        """A folder with everything in it; raises as `file`, and TooManyFiles."""
        files, left = [], self._limits.max_bytes
        for name in await self._list(server, path, what=what):
            digest, size = await self._hash(server, f"{path}/{name}", what=what, most=left)
            left -= size
            files.append(TreeFile(path=name, size=size, sha256=digest))
        return Resolved(
            version="",
            location=location_of(server.url, path),
            sha256=tree_digest(files),
            size=self._limits.max_bytes - left,
            at=at,
            kind="tree",
        )

    async def close(self) -> None:
        """Close what is open."""
        await self._clients.close()

    async def _list(self, server: Server, path: str, *, what: str) -> list[str]:
        """Paths below `path`, one request a folder."""
        waiting, found = [""], list[str]()
        while waiting:
            below = waiting.pop()
            answer = await self._rest.get(
                server,
                "mlflow-artifacts/artifacts",
                path=f"{path}/{below}".rstrip("/"),
                what=f"the files of {what}",
            )
            for name, _, is_folder in listed(answer):
                here = check_path(f"{below}/{name}" if below else name)
                (waiting if is_folder else found).append(here)
            if len(found) + len(waiting) > self._limits.max_files:
                raise too_many(what, limit=self._limits.max_files)
        return found

    async def _hash(self, server: Server, path: str, *, what: str, most: int) -> tuple[str, int]:
        address = f"{server.url.rstrip('/')}{ARTIFACTS}/{quote(path)}"
        digest = hashlib.sha256()
        size = 0
        with explained(address):
            async with (
                self._clients.of(server.credentials) as client,
                client.stream(
                    "GET", address, headers=authorization(server.credentials)
                ) as response,
            ):
                check_status(address, response.status_code, server.credentials)
                async for chunk in response.aiter_raw(CHUNK):
                    size += len(chunk)
                    if size > most:
                        raise too_large(f"{PREFIX}{address}", limit=self._limits.max_bytes)
                    await update(digest, chunk)
        return digest.hexdigest(), size
