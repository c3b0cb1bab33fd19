"""A Hugging Face hub in small: repositories in memory, in the hub's documented wire format.

`/api/models/{repo}/revision/{rev}`, `/api/models/{repo}/tree/{rev}/{path}` (in pages) and
`/{repo}/resolve/{rev}/{path}`; large files are redirected to another origin, as the hub does.
"""

from __future__ import annotations

import hashlib
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aiohttp import web

from tidegate import listening

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator

LARGE = 1024
"""Bytes from which a file is kept in LFS here; 10 MB on the real hub."""


@dataclass
class FakeHub:
    """Files by commit and path, commits by branch; a `token` that is asked for when it is set."""

    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    branches: dict[str, str] = field(default_factory=dict)
    card: dict[str, Any] = field(default_factory=dict)
    repository: str = "acme/fraud"
    token: str = ""
    page: int = 2
    elsewhere: bool = False
    """Whether lists go on at another name of this server."""
    url: str = ""
    store: str = ""
    asked: list[str] = field(default_factory=list)
    told_store: list[str | None] = field(default_factory=list)
    """The authorization of each request to the store of large files: there must be none."""

    def commit(self, branch: str, files: dict[str, bytes]) -> str:
        """Put files on a branch; the commit."""
        found = hashlib.sha1(repr(sorted(files.items())).encode()).hexdigest()
        self.commits[found] = files
        self.branches[branch] = found
        return found

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """One request to the hub."""
        self.asked.append(request.path)
        if self.token and request.headers.get("authorization") != f"Bearer {self.token}":
            return _refused(401, "RepoNotFound", "Repository not found")
        api, plain = f"/api/models/{self.repository}/", f"/{self.repository}/resolve/"
        if request.path.startswith(api):
            route, _, rest = request.path.removeprefix(api).partition("/")
            revision, _, path = rest.partition("/")
        elif request.path.startswith(plain):
            route = "resolve"
            revision, _, path = request.path.removeprefix(plain).partition("/")
        else:
            return _refused(404, "RepoNotFound", "Repository not found")
        sha = self.branches.get(revision, revision)
        if sha not in self.commits:
            return _refused(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        if route == "revision":
            told = {"id": self.repository, "sha": sha, "author": "acme", "tags": ["onnx"]}
            return web.json_response({**told, "cardData": self.card})
        if route == "tree":
            return self._tree(request, sha, path)
        return self._file(sha, path)

    def _tree(self, request: web.BaseRequest, sha: str, below: str) -> web.StreamResponse:
        prefix = f"{below}/" if below else ""
        entries: list[dict[str, Any]] = [{"type": "directory", "path": "sub", "size": 0}]
        for path, content in sorted(self.commits[sha].items()):
            if path.startswith(prefix):
                entry: dict[str, Any] = {"type": "file", "path": path, "size": len(content)}
                if len(content) >= LARGE:
                    oid = hashlib.sha256(content).hexdigest()
                    entry["lfs"] = {"oid": oid, "size": len(content), "pointerSize": 130}
                entries.append(entry)
        begin = int(request.query.get("cursor", "0"))
        headers = {}
        if begin + self.page < len(entries):
            following = request.url.update_query(cursor=str(begin + self.page))
            if self.elsewhere:
                following = following.with_host("localhost")
            headers["link"] = f'<{following}>; rel="next"'
        return web.json_response(entries[begin : begin + self.page], headers=headers)

    def _file(self, sha: str, path: str) -> web.StreamResponse:
        content = self.commits[sha].get(path)
        if content is None:
            return _refused(404, "EntryNotFound", "Entry not found")
        if len(content) >= LARGE:
            there = f"{self.store}/{sha}/{path}"
            return web.Response(status=302, headers={"location": there, "x-repo-commit": sha})
        return web.Response(body=content, headers={"x-repo-commit": sha})

    async def store_answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """One request to where large files are."""
        self.told_store.append(request.headers.get("authorization"))
        sha, _, path = request.path.lstrip("/").partition("/")
        return web.Response(body=self.commits[sha][path])

    @classmethod
    @asynccontextmanager
    async def start(cls, *, tls: ssl.SSLContext | None = None) -> AsyncIterator[FakeHub]:
        """A hub and its store on free ports of this machine."""
        hub = cls()
        runners = []
        for handler in (hub.answer, hub.store_answer):
            runner = web.ServerRunner(web.Server(handler), shutdown_timeout=0.1)
            await runner.setup()
            await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
            runners.append(runner)
        scheme = "https" if tls else "http"
        hub.url, hub.store = (f"{scheme}://127.0.0.1:{one.addresses[0][1]}" for one in runners)
        try:
            yield hub
        finally:
            for runner in runners:
                await listening.end(runner)


def _refused(status: int, code: str, message: str) -> web.Response:
    headers = {"x-error-code": code, "x-error-message": message}
    return web.json_response({"error": message}, status=status, headers=headers)
