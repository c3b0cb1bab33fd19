"""Asking a W&B server from the operator: one question, one answer; files read or hashed.

Answers are limited in size and time. The key goes with questions alone: a redirect of them is not
followed, and addresses of files are told nothing.
"""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tidegate.artifacts.base import CHUNK, DIGEST_MISMATCH, Limits, too_large, update
from tidegate.artifacts.tree import MAX_FILES, TreeFile, too_many
from tidegate.artifacts.wandb import queries
from tidegate.artifacts.wandb.manifest import MAX_BYTES
from tidegate.artifacts.wandb.server import (
    MAX_ANSWER,
    Answer,
    Server,
    answered,
    check_address,
    next_page,
    question,
    refusal,
    refused_address,
)
from tidegate.artifacts.web import check_status, explained
from tidegate.errors import Terminal, Unreachable

if TYPE_CHECKING:
    import httpx

    from tidegate.artifacts.wandb.manifest import ListedFile

ANSWER_S = 20.0
"""Seconds for one answer."""


@dataclass(frozen=True, slots=True)
class Asking:
    """One server, asked by one Model's credentials over a client that holds none."""

    client: httpx.AsyncClient
    server: Server
    limits: Limits
    answer_s: float = ANSWER_S

    async def ask(self, query: str, *, what: str, **variables: object) -> Answer:
        """The answer to a question for `what` (words for messages).

        :raises Terminal: as `answered`. :raises Unreachable: as that, and no answer in time.
        """
        server, content = self.server, bytearray()
        try:
            with explained(server.endpoint):
                async with (
                    asyncio.timeout(self.answer_s),
                    self.client.stream(
                        "POST", server.endpoint, json=question(query, variables),
                        headers=server.headers, follow_redirects=False,
                    ) as response,
                ):  # fmt: skip
                    async for chunk in response.aiter_raw():
                        content += chunk
                        if len(content) > MAX_ANSWER:
                            raise Unreachable(f"{server.shown} answers more than {MAX_ANSWER}")
        except TimeoutError:
            raise Unreachable(
                f"{server.shown} did not answer within {self.answer_s:.0f} s when asked for {what}:"
                " see that it is up and not overloaded"
            ) from None
        return answered(server, response.status_code, bytes(content), what=what)

    async def manifest(self, address: object, *, what: str) -> bytes:
        """The list of an artifact's files, as it lies there."""
        url = check_address(self.server, address, what=f"the files of {what}")
        content = bytearray()
        with explained(url):
            async with self.client.stream("GET", url) as response:
                self._check(url, response)
                async for chunk in response.aiter_raw():
                    content += chunk
                    if len(content) > MAX_BYTES:
                        raise too_many(what, limit=MAX_FILES)
        return bytes(content)

    async def addresses(
        self, *, entity: str, project: str, collection: str, version: str, names: list[str] | None
    ) -> dict[str, object]:
        """Addresses of files of a version by path, those of all with `names` None."""
        what = f"the files of {entity}/{project}/{collection}:{version}"
        found: dict[str, object] = {}
        cursor: str | None = ""
        while cursor is not None:
            answer = await self.ask(
                queries.FILES, what=what, entity=entity, project=project, collection=collection,
                alias=version, names=names, cursor=cursor or None, perPage=queries.FILES_A_PAGE,
            )  # fmt: skip
            page = next_page(answer)
            if page is None:
                raise refusal(self.server, answer, what=what)
            before = len(found)
            found |= page[0]
            cursor = page[1]
            if len(found) > MAX_FILES or (cursor is not None and len(found) == before):
                raise too_many(what, limit=self.limits.max_files)
        return found

    async def hash(self, file: ListedFile, address: object, *, what: str, most: int) -> TreeFile:
        """A file, read once and not kept: its size and SHA-256, once its content is what the
        manifest says. `most` bytes may come.

        :raises Terminal: DigestMismatch, TooLarge, ArtifactNotFound.
        :raises Unreachable: the store did not deliver it.
        """
        named = f"{file.path} of {what}"
        url = check_address(self.server, address, what=named)
        sha256, told, size = hashlib.sha256(), file.hasher(), 0
        with explained(url):
            async with self.client.stream("GET", url) as response:
                self._check(url, response)
                async for chunk in response.aiter_raw(CHUNK):
                    size += len(chunk)
                    if size > most:
                        raise too_large(f"wandb://{what}", limit=self.limits.max_bytes)
                    await update(sha256, chunk)
                    await update(told, chunk)
        if told.hexdigest() != file.digest:
            if file.size is not None and size < file.size:
                raise Unreachable(f"{named} came truncated: {size} of {file.size} bytes")
            raise Terminal(
                DIGEST_MISMATCH,
                f"{named} has {file.algorithm} {told.hexdigest()}, and W&B's manifest says"
                f" {file.digest}: its store holds something else; log the artifact anew",
            )
        return TreeFile(path=file.path, size=size, sha256=sha256.hexdigest())

    def _check(self, url: str, response: httpx.Response) -> None:
        if response.status_code in (401, 403):
            raise refused_address(self.server, url)
        check_status(url, response.status_code)
