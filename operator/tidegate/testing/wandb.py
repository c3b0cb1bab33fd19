"""A W&B server in small: artifacts in memory, a GraphQL API, and a store with signed addresses.

What it answers is decided by `wandb_graph.py`, and a test has W&B's own client download from it.
The store is another origin, as W&B's is; addresses there end when a test says so.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

import xxhash
from aiohttp import web

from tidegate import listening
from tidegate.testing.wandb_graph import MANIFEST, answer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

ADDRESS_S = 3600
"""For how long an address says that it is signed."""


@dataclass
class Run:
    """What made a version: `summary` is its last metrics, `inputs` what it says it used."""

    name: str
    entity: str = "acme"
    project: str = "fraud"
    user: str = "ada"
    commit: str | None = None
    remote: str | None = None
    summary: dict[str, Any] = field(default_factory=dict)
    inputs: list[Version] = field(default_factory=list)


@dataclass(eq=False)
class Version:
    """Files by path, and addresses elsewhere (`refs`), as they were logged. `stored` is what the
    store has of a file in place of what was logged."""

    id: str
    files: dict[str, bytes]
    refs: dict[str, str] = field(default_factory=dict)
    kind: str = "model"
    state: str = "COMMITTED"
    algorithm: str = "MD5"
    metadata: dict[str, Any] = field(default_factory=dict)
    tags: Sequence[str] = ()
    run: Run | None = None
    stored: dict[str, bytes] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """Of the manifest, as W&B computes it."""
        hasher = self._hasher(b"wandb-artifact-manifest-v1\n")
        for path, entry in sorted(self._entries().items()):
            hasher.update(f"{path}:{entry['digest']}\n".encode())
        return str(hasher.hexdigest())

    @property
    def manifest(self) -> bytes:
        """As it lies in the store."""
        policy = {"storageLayout": "V2", "storageRegion": "default"}
        said = {
            "version": 1, "storagePolicy": "wandb-storage-policy-v1",
            "storagePolicyConfig": policy, "contents": self._entries(),
        }  # fmt: skip
        return json.dumps(said).encode()

    def _entries(self) -> dict[str, dict[str, Any]]:
        found: dict[str, dict[str, Any]] = {}
        for path, content in self.files.items():
            digest = base64.b64encode(self._hasher(content).digest()).decode()
            entry = {"digest": digest, "size": len(content), "birthArtifactID": self.id}
            found[path] = entry | ({"extra": {"alg": "XXH128"}} if self._is_xx else {})
        for path, address in self.refs.items():
            found[path] = {"digest": "etag", "ref": address, "size": 7, "extra": {"etag": "etag"}}
        return found

    @property
    def _is_xx(self) -> bool:
        return self.algorithm == "XXH128"

    def _hasher(self, content: bytes) -> Any:
        return xxhash.xxh128(content) if self._is_xx else hashlib.md5(content)


@dataclass(eq=False)
class Membership:
    """A version in a collection: the one that it was logged to, or one that it was linked to."""

    entity: str
    project: str
    name: str
    index: int
    version: Version
    aliases: set[str]
    is_link: bool = False

    def is_in(self, entity: str, project: str) -> bool:
        """Names of entities are the same in any letters."""
        return (self.entity.lower(), self.project) == (entity.lower(), project)


@dataclass
class FakeWandb:
    """Versions by collection and alias. A `key` is asked for when it is set."""

    memberships: list[Membership] = field(default_factory=list)
    organizations: dict[str, str] = field(default_factory=dict)
    """Entities by the names of their organizations, of which `user` is a member."""
    user: str = "ada"
    key: str = ""
    page: int = 2
    knows_run_info: bool = True
    says_algorithm: bool = True
    hides_runs: str = ""
    """What is answered in the place of a run."""
    status: int = 0
    delay_s: float = 0.0
    redirect: str = ""
    cut: int | None = None
    """How many bytes the store delivers before it breaks the connection, once."""
    url: str = ""
    store: str = ""
    asked: list[str] = field(default_factory=list)
    """Names of the questions, and what the store was asked for."""
    told_store: list[str | None] = field(default_factory=list)
    """The authorization of each request to the store: there must be none."""
    _signature: int = 1

    def log(
        self,
        files: dict[str, bytes],
        *aliases: str,
        name: str = "model",
        project: str = "fraud",
        entity: str = "acme",
        **more: Any,
    ) -> Version:
        """Log a version to a collection, with aliases that it takes from others."""
        number = len(self.memberships) + 1
        version = Version(base64.b64encode(f"Artifact:{number}".encode()).decode(), files, **more)
        self._add(Membership(entity, project, name, 0, version, {*aliases, "latest"}))
        return version

    def link(self, version: Version, *aliases: str, name: str, project: str, entity: str) -> None:
        """Link a version to a collection of a registry."""
        self._add(Membership(entity, project, name, 0, version, {*aliases}, is_link=True))

    def _add(self, one: Membership) -> None:
        same = [each for each in self.memberships if each.is_in(one.entity, one.project)]
        same = [each for each in same if each.name == one.name]
        for each in same:
            each.aliases -= one.aliases
        one.index = len(same)
        self.memberships.append(one)

    def by_id(self, id_: str) -> Version | None:
        """The version that an id names."""
        versions = (one.version for one in self.memberships)
        return next((version for version in versions if version.id == id_), None)

    def signed(self, version: Version, path: str) -> str:
        """An address of a file in the store, until addresses end."""
        there = f"{self.store}/{quote(version.id, safe='')}/{quote(path)}"
        return f"{there}?Expires={ADDRESS_S}&Signature={self._signature}"

    def end_addresses(self) -> None:
        """Have the store refuse all addresses that were given so far."""
        self._signature += 1

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """One request to the API."""
        if request.path != "/graphql":
            return web.Response(status=204)  # what the client measures of itself
        question = await request.json()
        self.asked.append(str(question["query"]).split("query ", 1)[-1].split("(")[0].split()[0])
        await asyncio.sleep(self.delay_s)
        if self.redirect:
            return web.Response(status=307, headers={"location": self.redirect})
        if self.status:
            return web.Response(status=self.status, text="made to fail")
        login = base64.b64encode(f"api:{self.key}".encode()).decode()
        if self.key and request.headers.get("authorization") != f"Basic {login}":
            return web.json_response({"error": "user is not logged in"}, status=401)
        return web.json_response(answer(self, question))

    async def store_answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """One request to the store."""
        self.told_store.append(request.headers.get("authorization"))
        raw = request.raw_path.partition("?")[0].lstrip("/")
        id_, _, path = (unquote(part) for part in raw.partition("/"))
        self.asked.append(f"GET {path}")
        version = self.by_id(id_)
        if request.query.get("Signature") != str(self._signature):
            return web.Response(status=403, text="<Code>ExpiredToken</Code>")
        if version is None or path not in (*version.files, MANIFEST):
            return web.Response(status=404, text="<Code>NoSuchKey</Code>")
        content = version.manifest if path == MANIFEST else version.files[path]
        content = version.stored.get(path, content)
        begin = request.http_range.start or 0
        headers = {"content-range": f"bytes {begin}-{len(content) - 1}/{len(content)}"}
        status = 206 if begin else 200
        if self.cut is None or path == MANIFEST:
            return web.Response(status=status, headers=headers, body=content[begin:])
        return await self._broken(request, content[begin:], status, headers)

    async def _broken(
        self, request: web.BaseRequest, content: bytes, status: int, headers: dict[str, str]
    ) -> web.StreamResponse:
        """A part of what was promised, and then no connection any more."""
        response = web.StreamResponse(status=status, headers=headers)
        response.content_length = len(content)
        await response.prepare(request)
        await response.write(content[: self.cut])
        self.cut = None
        if request.transport is not None:
            request.transport.close()
        return response

    @classmethod
    @asynccontextmanager
    async def start(cls) -> AsyncIterator[FakeWandb]:
        """A server and its store on free ports of this machine."""
        server = cls()
        runners = []
        for handler in (server.answer, server.store_answer):
            runner = web.ServerRunner(web.Server(handler), shutdown_timeout=0.1)
            await runner.setup()
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            runners.append(runner)
        server.url, server.store = (f"http://127.0.0.1:{one.addresses[0][1]}" for one in runners)
        try:
            yield server
        finally:
            for runner in runners:
                await listening.end(runner)
