"""A short way to ask the embedded API server without HTTP, and objects to ask it about."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from tidegate.local.apiserver import ADMIN_TOKEN, ApiServer, HttpRequest, HttpResponse

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

Obj = dict[str, Any]
MERGE = "application/merge-patch+json"
APPLY = "application/apply-patch+yaml"
CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"
PODS = "/api/v1/namespaces/default/pods"


@dataclass
class Answer:
    """An answer with its body decoded."""

    status: int
    body: Any
    headers: dict[str, str]


class Asker:
    """Asks a server, as the administrator unless a token is given."""

    def __init__(self, api: ApiServer) -> None:
        self.api = api

    async def raw(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        *,
        query: dict[str, str] | None = None,
        token: str = ADMIN_TOKEN,
        **headers: str,
    ) -> HttpResponse:
        """The answer as it is, streams included. Header names take `_` for `-`."""
        named = {k.replace("_", "-"): v for k, v in headers.items()}
        if token:
            named["authorization"] = f"Bearer {token}"
        return await self.api.handle(HttpRequest(method, path, query or {}, named, body))

    async def __call__(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        query: dict[str, str] | None = None,
        content_type: str = "application/json",
        token: str = ADMIN_TOKEN,
        **headers: str,
    ) -> Answer:
        """Ask with a JSON body, and decode the answer."""
        text = b"" if body is None else orjson.dumps(body)
        answer = await self.raw(
            method, path, text, query=query, token=token, content_type=content_type, **headers
        )
        assert isinstance(answer.body, bytes), "use `watch` for a stream"
        decoded: Any = answer.body.decode()
        if "json" in answer.headers["content-type"] and answer.body:
            decoded = orjson.loads(answer.body)
        return Answer(answer.status, decoded, answer.headers)

    async def get(self, path: str, **query: str) -> Obj:
        """What is there."""
        answer = await self("GET", path, query=query)
        assert answer.status == 200, answer.body
        found: Obj = answer.body
        return found

    async def create(self, path: str, obj: Obj) -> Obj:
        """The created object."""
        answer = await self("POST", path, obj)
        assert answer.status == 201, answer.body
        found: Obj = answer.body
        return found

    async def patch(self, path: str, body: Any, **query: str) -> Answer:
        """The answer to a merge patch."""
        return await self("PATCH", path, body, query=query, content_type=MERGE)

    async def apply(self, path: str, obj: Obj, *, manager: str = "me", **query: str) -> Answer:
        """The answer to a server-side apply."""
        query = {"fieldManager": manager, **query}
        return await self("PATCH", path, obj, query=query, content_type=APPLY)

    async def watch(self, path: str, **query: str) -> AsyncIterator[Obj]:
        """The events of a watch."""
        answer = await self.raw("GET", path, query={"watch": "1", **query})
        assert answer.status == 200
        assert not isinstance(answer.body, bytes)
        async for piece in answer.body:
            for line in piece.splitlines():
                yield orjson.loads(line)


def config_map(name: str, **metadata: Any) -> Obj:
    """A ConfigMap."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, **metadata},
        "data": {"k": "v"},
    }


def pod(name: str, **metadata: Any) -> Obj:
    """A Pod of one container."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, **metadata},
        "spec": {"containers": [{"name": "c", "image": "i:1"}]},
    }


WIDGETS = "/apis/example.com/v1/namespaces/default/widgets"
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
WIDGET_CRD: Obj = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "widgets.example.com"},
    "spec": {
        "group": "example.com",
        "scope": "Namespaced",
        "names": {"plural": "widgets", "singular": "widget", "kind": "Widget", "shortNames": ["w"]},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "subresources": {
                    "status": {},
                    "scale": {
                        "specReplicasPath": ".spec.replicas",
                        "statusReplicasPath": ".status.replicas",
                    },
                },
                "selectableFields": [{"jsonPath": ".spec.color"}],
                "additionalPrinterColumns": [
                    {"name": "Size", "type": "integer", "jsonPath": ".spec.size"},
                    {
                        "name": "Ready",
                        "type": "string",
                        "jsonPath": '.status.conditions[?(@.type=="Ready")].status',
                    },
                ],
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "description": "A thing.",
                        "required": ["spec"],
                        "properties": {
                            "spec": {
                                "type": "object",
                                "description": "What the thing should be.",
                                "required": ["size"],
                                "x-kubernetes-validations": [
                                    {
                                        "rule": "self.size >= oldSelf.size",
                                        "message": "size cannot shrink",
                                    }
                                ],
                                "properties": {
                                    "size": {"type": "integer", "minimum": 1, "maximum": 10},
                                    "color": {"type": "string", "default": "red"},
                                    "replicas": {"type": "integer"},
                                },
                            },
                            "status": {
                                "type": "object",
                                "x-kubernetes-preserve-unknown-fields": True,
                            },
                        },
                    }
                },
            }
        ],
    },
}


def widget(name: str, **spec: Any) -> Obj:
    """An instance of `WIDGET_CRD`."""
    return {
        "apiVersion": "example.com/v1",
        "kind": "Widget",
        "metadata": {"name": name},
        "spec": {"size": 2, **spec},
    }
