"""A Kubeflow Pipelines server that pretends: the part of its REST API (v2beta1) that trainings use.

    async with pipelines() as server:
        server.states["run-1"] = "SUCCEEDED"

Runs are kept in `runs`; like the real one it takes any number of runs of one name, filters by the
predicates on `name`, and answers 404 for a run that it does not know.
"""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aiohttp import web

from tidegate.testing.http import answering

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

RUNS = "/apis/v2beta1/runs"


@dataclass
class Pipelines:
    """What the server holds. `token`: what callers must send, if any. `lost`: this many runs are
    made and the answer never arrives. `known`: the ids of pipeline versions that there are."""

    url: str = ""
    token: str | None = None
    lost: int = 0
    down: bool = False
    known: tuple[str, ...] = ("v",)
    runs: dict[str, dict[str, Any]] = field(default_factory=dict)

    def state(self, run_id: str, state: str, error: str = "") -> None:
        """Let a run reach a state."""
        self.runs[run_id]["state"] = state
        if error:
            self.runs[run_id]["error"] = {"code": 9, "message": error}

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Answer one request."""
        if self.down:
            return web.json_response({"error": "no database"}, status=503)
        if self.token and request.headers.get("authorization") != f"Bearer {self.token}":
            return web.json_response({"error": "unauthenticated"}, status=401)
        path = request.path
        if path == RUNS:
            return await self._collection(request)
        run_id, _, verb = path.removeprefix(f"{RUNS}/").partition(":")
        if run_id not in self.runs:
            return web.json_response({"error": "run not found", "code": 5}, status=404)
        if verb == "terminate":
            self.runs[run_id]["state"] = "CANCELED"
            return web.json_response({})
        return web.json_response(self.runs[run_id])

    async def _collection(self, request: web.Request) -> web.StreamResponse:
        if request.method == "GET":
            predicates = json.loads(request.query.get("filter", "{}")).get("predicates", [])
            names = [p["string_value"] for p in predicates if p["key"] == "name"]
            found = [run for run in self.runs.values() if run["display_name"] in names]
            return web.json_response({"runs": found, "total_size": len(found)})
        body = await request.json()
        reference = body.get("pipeline_version_reference", {})
        if reference.get("pipeline_version_id") not in self.known:
            return web.json_response({"error": "pipeline version not found"}, status=400)
        run_id = f"run-{len(self.runs) + 1}"
        self.runs[run_id] = {**body, "run_id": run_id, "state": "PENDING"}
        if self.lost:
            self.lost -= 1
            return web.json_response({"error": "upstream timed out"}, status=504)
        return web.json_response(self.runs[run_id])


@asynccontextmanager
async def pipelines(**given: Any) -> AsyncIterator[Pipelines]:
    """Serve on a free port of 127.0.0.1 while the context is entered."""
    server = Pipelines(**given)
    async with answering(server.answer) as front:
        server.url = front.url
        yield server
