"""Where an MLflow registry says that a version lies: whoever registers it may write any."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
from aiohttp import web
from tests.artifacts.authority import own_authority

from tidegate import listening
from tidegate.artifacts.credentials import Credentials
from tidegate.artifacts.mlflow.fetcher import MlflowFetcher
from tidegate.artifacts.registry import default_sources
from tidegate.errors import Terminal, Unreachable

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator
    from pathlib import Path

MLMODEL = "flavors: {onnx: {data: model.onnx, onnx_version: 1.19.0}}\n"


@dataclass
class Server:
    """A registry in small, of one version that lies at `root`; and a server of files."""

    url: str = ""
    root: str = ""
    told: list[str | None] = field(default_factory=list)
    """The authorization of each request for a file."""

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        version = {"name": "fraud", "version": "1", "source": self.root, "status": "READY"}
        match request.path.rpartition("/")[2]:
            case "get":
                return web.json_response({"model_version": version})
            case "get-download-uri":
                return web.json_response({"artifact_uri": self.root})
            case "get-artifact" if request.query.get("path") == "MLmodel":
                return web.Response(text=MLMODEL)
            case "model.onnx":
                self.told.append(request.headers.get("authorization"))
                return web.Response(body=b"weights")
        missing = {"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "none"}
        return web.json_response(missing, status=404)


@asynccontextmanager
async def started(tls: ssl.SSLContext | None = None) -> AsyncIterator[Server]:
    server = Server()
    runner = web.ServerRunner(web.Server(server.answer), shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
    server.url = f"{'https' if tls else 'http'}://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield server
    finally:
        await listening.end(runner)


async def resolve(server: Server, **keys: str) -> str:
    """The address of the version's file."""
    secret = Credentials("mlflow", {"MLFLOW_TRACKING_URI": server.url, **keys})
    sources = default_sources(file_root=None)
    try:
        found = await sources.resolve(
            "models:/fraud/1", format="onnx", sha256=None, previous=None, credentials=secret
        )
    finally:
        await sources.close()
    return found.location


@pytest.mark.parametrize("keys", [{"token": "t"}, {"username": "u", "password": "p"}])
async def test_a_version_that_lies_on_another_server_is_not_sent_the_registrys_credentials(
    keys: dict[str, str],
) -> None:
    async with started() as registry, started() as other:
        for root in (f"{other.url}/files", f"oci://{other.url.removeprefix('http://')}/files"):
            registry.root = root
            with pytest.raises(Terminal, match="lies on another server") as caught:
                await resolve(registry, **keys)
            assert caught.value.reason == "ArtifactForbidden"
        assert other.told == []


async def test_a_version_that_lies_on_the_registrys_own_server_is_asked_for_with_them() -> None:
    async with started() as registry:
        registry.root = f"{registry.url}/files"
        assert await resolve(registry, token="t") == f"{registry.url}/files/model.onnx"
        assert registry.told == ["Bearer t"]


async def test_a_registry_may_have_a_certificate_of_an_authority_that_the_secret_names(
    tmp_path: Path,
) -> None:
    tls, authority = own_authority(tmp_path)
    async with started(tls) as registry:
        registry.root = "mlflow-artifacts:/1/models/m-1/artifacts"
        with pytest.raises(Unreachable, match="certificate"):
            await resolve(registry)
        location = await resolve(registry, **{"ca.crt": authority})
        own = Credentials("mlflow", {"ca.crt": authority})

        def fetched() -> bytes:
            with MlflowFetcher(own).open(location, offset=0) as stream:
                return b"".join(stream.chunks)

        assert await asyncio.to_thread(fetched) == b"weights"
