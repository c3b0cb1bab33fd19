"""A webhook over TLS that answers as a test tells it, and the configurations that name it."""

from __future__ import annotations

import asyncio
import base64
import ssl
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import orjson
from aiohttp import web

from tidegate.listening import end
from tidegate.local.cluster.pki import ensure_pki

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

Obj = dict[str, Any]
CONFIGURATIONS = "/apis/admissionregistration.k8s.io/v1"
VALIDATING = f"{CONFIGURATIONS}/validatingwebhookconfigurations"
MUTATING = f"{CONFIGURATIONS}/mutatingwebhookconfigurations"


class Hook:
    """Listens at `url`; `answers` maps a path to what its answer says of a request."""

    def __init__(self, port: int, authority: bytes) -> None:
        self.port = port
        self.authority = base64.b64encode(authority).decode()
        self.answers: dict[str, Callable[[Obj], Obj]] = {}
        self.asked: list[Obj] = []
        self.delay_s = 0.0

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    async def handle(self, request: web.Request) -> web.Response:
        review = orjson.loads(await request.read())
        asked: Obj = review["request"]
        self.asked.append(asked)
        await asyncio.sleep(self.delay_s)
        said = self.answers[request.path](asked)
        answer = {**review, "response": {"uid": asked["uid"], "allowed": True, **said}}
        del answer["request"]
        return web.Response(body=orjson.dumps(answer), content_type="application/json")

    def entry(self, name: str, path: str, **more: Any) -> Obj:
        """One webhook of a configuration: about ConfigMaps, unless it says otherwise."""
        rule = {
            "apiGroups": [""],
            "apiVersions": ["v1"],
            "operations": ["*"],
            "resources": ["configmaps"],
        }
        return {
            "name": f"{name}.example.com",
            "clientConfig": {"url": f"{self.url}{path}", "caBundle": self.authority},
            "rules": [rule],
            "admissionReviewVersions": ["v1"],
            "sideEffects": "None",
            **more,
        }


def configuration(kind: str, name: str, *webhooks: Obj) -> Obj:
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": f"{kind}WebhookConfiguration",
        "metadata": {"name": name},
        "webhooks": list(webhooks),
    }


def patch(*operations: Obj) -> Obj:
    """What a mutating webhook answers."""
    text = base64.b64encode(orjson.dumps(list(operations))).decode()
    return {"patchType": "JSONPatch", "patch": text}


@asynccontextmanager
async def listening(folder: Path) -> AsyncIterator[Hook]:
    """A hook for as long as the context lasts."""
    pki = await asyncio.to_thread(ensure_pki, folder)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pki.certificate, pki.key)
    app = web.Application()
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    hook = Hook(0, pki.authority.read_bytes())
    app.router.add_post("/{path:.*}", hook.handle)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
    await site.start()
    hook.port = runner.addresses[0][1]
    try:
        yield hook
    finally:
        await end(runner)
