"""The receiver of admission and conversion reviews that the recordings speak of as `${webhook}`.

What each path answers is written down here; every review is kept until somebody takes it.
"""

from __future__ import annotations

import asyncio
import base64
import json
import ssl
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aiohttp import web

from tidegate import listening
from tidegate.local.cluster.pki import ensure_pki

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

_SLOW_S = 5.0
_HEADERS = ("User-Agent", "Accept", "Content-Type")
# Paths below which there is something to convert, not to admit.
_CONVERSIONS = ("/convert", "/convert-fail")
_VERDICTS: dict[str, dict[str, Any]] = {
    "/allow": {"allowed": True},
    "/slow": {"allowed": True},
    "/deny": {
        "allowed": False,
        "status": {
            "code": 403,
            "reason": "Forbidden",
            "message": "denied by policy: size too large",
        },
    },
    "/deny-plain": {"allowed": False},
    "/deny-422": {
        "allowed": False,
        "status": {
            "code": 422,
            "reason": "Invalid",
            "message": "custom invalid",
            "details": {
                "causes": [
                    {"reason": "FieldValueInvalid", "message": "bad size", "field": "spec.size"}
                ]
            },
        },
    },
    "/warn": {"allowed": True, "warnings": ["first warning", "second warning"]},
    "/wrong-uid": {"allowed": True, "uid": "x"},
}
_PATCHES: dict[str, list[dict[str, Any]]] = {
    "/mutate": [
        {"op": "add", "path": "/metadata/labels", "value": {"mutated": "yes"}},
        {"op": "replace", "path": "/spec/color", "value": "blue"},
    ],
    "/mutate-bad": [{"op": "replace", "path": "/spec/size", "value": 99}],
}


@dataclass
class Receiver:
    """A running receiver."""

    url: str
    authority: str
    """Its CA in base64, as `caBundle` wants it."""
    received: list[dict[str, Any]] = field(default_factory=list)

    def take(self) -> list[dict[str, Any]]:
        """What has arrived since the last time."""
        taken, self.received[:] = list(self.received), []
        return taken


@asynccontextmanager
async def receiver(folder: Path) -> AsyncIterator[Receiver]:
    """Listen over TLS on a free port; `folder` keeps the certificate."""
    pki = ensure_pki(folder)
    authority = base64.b64encode(pki.authority.read_bytes()).decode()
    running = Receiver("", authority)

    async def handler(request: web.BaseRequest) -> web.Response:
        text = (await request.read()).decode()
        review = json.loads(text) if text else {}
        headers = {h: request.headers[h] for h in _HEADERS if h in request.headers}
        path = str(request.rel_url)
        running.received.append({"path": path, "headers": headers, "body": review})
        return await _answer(request.path, review)

    runner = web.ServerRunner(web.Server(handler, access_log=None), shutdown_timeout=0.1)
    await runner.setup()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pki.certificate, pki.key)
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    running.url = f"https://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield running
    finally:
        await listening.end(runner)


async def _answer(path: str, review: dict[str, Any]) -> web.Response:
    if path == "/500":
        return web.Response(status=500, text="boom")
    if path == "/notjson":
        return web.json_response("nope")
    if path == "/slow":
        await asyncio.sleep(_SLOW_S)
    request = review.get("request") or {}
    verdict = _converted(path, request) if path in _CONVERSIONS else _verdict(path)
    if verdict is None:
        return web.Response(status=404, text=f"no such webhook: {path}")
    response = {"uid": request.get("uid"), **verdict}
    return web.json_response(
        {"apiVersion": review["apiVersion"], "kind": review["kind"], "response": response}
    )


def _verdict(path: str) -> dict[str, Any] | None:
    if path not in _PATCHES:
        return _VERDICTS.get(path)
    patch = base64.b64encode(json.dumps(_PATCHES[path]).encode()).decode()
    return {"allowed": True, "patchType": "JSONPatch", "patch": patch}


def _converted(path: str, request: dict[str, Any]) -> dict[str, Any]:
    """`spec.host` of the old version is the first of `spec.hosts` of the new one."""
    if path == "/convert-fail":
        return {"result": {"status": "Failure", "message": "cannot convert it"}}
    wanted = request["desiredAPIVersion"]
    objects = []
    for found in request["objects"]:
        spec = dict(found.get("spec") or {})
        if "host" in spec and not wanted.endswith("v1alpha1"):
            spec["hosts"] = [spec.pop("host")]
        elif "hosts" in spec and wanted.endswith("v1alpha1"):
            spec["host"] = spec.pop("hosts")[0]
        objects.append({**found, "apiVersion": wanted, "spec": spec})
    return {"convertedObjects": objects, "result": {"status": "Success"}}
