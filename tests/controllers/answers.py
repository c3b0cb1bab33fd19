"""Answers of registries as they are on the wire, good and bad, for whole controllers to meet."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import io
import json
import tarfile
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
LOGGED = """\
flavors:
  sklearn: {pickled_model: model.skops, serialization_format: skops, sklearn_version: 1.9.1}
"""


@dataclass
class Answers:
    """One server for all: MLflow below `/api/2.0/mlflow/`, a container registry below `/v2/`, files
    elsewhere. Versions by alias and number; `asked` are the paths of all requests."""

    files: dict[str, bytes] = field(default_factory=dict)
    aliases: dict[str, str] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    """Version to the folder of `files` where it lies."""
    packed: bytes = b""
    """What the only layer of every image holds."""
    token: str | None = None
    down: bool = False
    slow: bool = False
    broken_off: bool = False
    """Whether half of a file comes, and then the connection ends."""
    asked: list[str] = field(default_factory=list)

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request.path)
        if self.slow:
            await asyncio.sleep(5)
        if self.down:
            return web.Response(status=503)
        if self.token and request.headers.get("authorization") != f"Bearer {self.token}":
            return web.Response(status=401)
        if request.path.startswith("/api/2.0/mlflow/"):
            return self._mlflow(request.path.removeprefix("/api/2.0/mlflow/"), request.query)
        if request.path == "/model-versions/get-artifact":
            folder = self.versions[request.query["version"]]
            return self._file(f"{folder}/{request.query['path']}")
        if request.path.startswith("/api/2.0/mlflow-artifacts/artifacts/"):
            return self._file(request.path.removeprefix("/api/2.0/mlflow-artifacts/artifacts/"))
        if request.path.startswith("/v2/"):
            return self._image(request.path)
        if self.broken_off:
            return await _half(request, self.files[request.path.strip("/")])
        return self._file(request.path.strip("/"))

    def _mlflow(self, path: str, query: Any) -> web.Response:
        if path == "registered-models/alias":
            number = self.aliases.get(query["alias"])
            if number is None:
                text = f"Registered model alias {query['alias']} not found."
                return _refused(400, "INVALID_PARAMETER_VALUE", text)
            return self._version(number)
        if path == "model-versions/get":
            return self._version(query["version"])
        if path == "model-versions/get-download-uri":
            folder = self.versions[query["version"]]
            return web.json_response({"artifact_uri": f"mlflow-artifacts:/{folder}"})
        return _refused(404, "RESOURCE_DOES_NOT_EXIST", "no such thing")

    def _version(self, number: str) -> web.Response:
        if number not in self.versions:
            text = f"Model Version (name=fraud, version={number}) not found"
            return _refused(404, "RESOURCE_DOES_NOT_EXIST", text)
        said = {"name": "fraud", "version": number, "source": f"runs:/r{number}/model"}
        return web.json_response({"model_version": {**said, "status": "READY"}})

    def _file(self, path: str) -> web.Response:
        if path in self.files:
            return web.Response(body=self.files[path])
        return _refused(404, "RESOURCE_DOES_NOT_EXIST", "no such file")

    def _image(self, path: str) -> web.Response:
        layer = gzip.compress(self.packed)
        if "/blobs/" in path:
            return web.Response(body=layer)
        entry = {
            "mediaType": LAYER, "size": len(layer),
            "digest": f"sha256:{hashlib.sha256(layer).hexdigest()}",
            "annotations": {"io.deis.oras.content.unpack": "true"},
        }  # fmt: skip
        manifest = {"schemaVersion": 2, "mediaType": MANIFEST, "config": entry, "layers": [entry]}
        return web.Response(body=json.dumps(manifest).encode(), content_type=MANIFEST)

    def register(self, number: str, content: bytes, *, alias: str | None = None) -> None:
        """Put a version there, as MLflow does for scikit-learn."""
        self.versions[number] = f"runs/{number}"
        self.files[f"runs/{number}/MLmodel"] = LOGGED.encode()
        self.files[f"runs/{number}/model.skops"] = content
        if alias is not None:
            self.aliases[alias] = number


def archive(path: str, content: bytes = b"", *, link: str | None = None) -> bytes:
    """A tar of one file, or of one link."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        info = tarfile.TarInfo(path)
        info.size = len(content)
        if link is not None:
            info.type, info.linkname = tarfile.SYMTYPE, link
        tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def _refused(status: int, code: str, message: str) -> web.Response:
    return web.json_response({"error_code": code, "message": message}, status=status)


async def _half(request: web.Request, content: bytes) -> web.StreamResponse:
    response = web.StreamResponse(headers={"content-length": str(len(content))})
    await response.prepare(request)
    await response.write(content[: len(content) // 2])
    assert request.transport is not None
    request.transport.close()
    return response
