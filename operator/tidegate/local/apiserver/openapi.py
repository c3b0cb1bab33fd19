"""OpenAPI: the schemas of what is served, for `kubectl explain` and for validation by clients.

One document a group and version, made when it is first asked for and kept until a kind comes or
goes. How version 2 says the same is in `openapi2`.
"""

from __future__ import annotations

import hashlib
from email.utils import formatdate
from typing import TYPE_CHECKING, Any

import orjson

from tidegate.local.apiserver import answering, openapi_meta
from tidegate.local.apiserver.errors import PlainNotFound
from tidegate.local.apiserver.messages import HttpResponse
from tidegate.local.apiserver.openapi2 import SecondVersion
from tidegate.local.apiserver.openapi_meta import REF, public
from tidegate.local.apiserver.openapi_paths import paths
from tidegate.local.schema import builtin

if TYPE_CHECKING:
    from tidegate.local.apiserver.kinds import Kind, Registry
    from tidegate.local.apiserver.messages import HttpRequest, Obj

_BUILTIN_INFO = {"title": "Kubernetes", "version": "1.36"}
_CUSTOM_INFO = {"title": "Kubernetes CRD Swagger", "version": "v0.1.0"}


class OpenApi:
    """Answers below `/openapi`."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._revision = -1
        self._modified: dict[str, str] = {}
        self._documents: dict[tuple[str, str], tuple[bytes, str]] = {}
        self._second = SecondVersion(lambda: document(list(registry)))

    def handle(self, request: HttpRequest, path: str) -> HttpResponse:
        """Answer a request.

        :raises PlainNotFound: when there is no such document.
        :raises ApiError: 406 for a form that version 2 does not have.
        """
        if self._revision != self._registry.revision:
            self._revision = self._registry.revision
            self._second.forget()
            self._modified = {"last-modified": formatdate(usegmt=True)}
            # Documents of built-in kinds stay as they are.
            custom = {(k.group, k.version) for k in self._registry if k.custom}
            self._documents = {
                key: kept
                for key, kept in self._documents.items()
                if key not in custom and self._registry.has_version(*key)
            }
        if path == "/openapi/v2":
            answer = self._second.answer(request)
            answer.headers |= self._modified
            return answer
        if path == "/openapi/v3":
            return self._index()
        parts = path.split("/")[3:]
        if parts[:1] == ["api"] and len(parts) == 2:
            return self._document(request, path, "", parts[1])
        if parts[:1] == ["apis"] and len(parts) == 3:
            return self._document(request, path, parts[1], parts[2])
        raise PlainNotFound

    def _index(self) -> HttpResponse:
        versions = dict.fromkeys((k.group, k.version) for k in self._registry)
        index = {}
        for group, version in versions:
            name = f"apis/{group}/{version}" if group else f"api/{version}"
            address = f"/openapi/v3/{name}?hash={self._hash(group, version)}"
            index[name] = {"serverRelativeURL": address}
        body = orjson.dumps({"paths": index})
        headers = answering.headers("text/plain; charset=utf-8") | self._modified
        return HttpResponse(200, headers, body)

    def _hash(self, group: str, version: str) -> str:
        return self._made(group, version)[1]

    def _document(self, request: HttpRequest, path: str, group: str, version: str) -> HttpResponse:
        if not self._registry.has_version(group, version):
            raise PlainNotFound
        body, tag = self._made(group, version)
        headers = answering.headers() | {"etag": f'"{tag}"', "vary": "Accept"} | self._modified
        asked = request.query.get("hash")
        if asked is not None and asked != tag:
            return HttpResponse(301, headers | {"location": f"{path}?hash={tag}"}, b"")
        if request.headers.get("if-none-match") == f'"{tag}"':
            return HttpResponse(304, headers, b"")
        if asked is not None:
            headers["cache-control"] = "public, immutable"
        return HttpResponse(200, headers, body)

    def _made(self, group: str, version: str) -> tuple[bytes, str]:
        key = (group, version)
        if key not in self._documents:
            kinds = [k for k in self._registry if k.group == group and k.version == version]
            body = orjson.dumps(document(kinds))
            self._documents[key] = (body, hashlib.sha512(body).hexdigest().upper())
        return self._documents[key]


def document(kinds: list[Kind]) -> Obj:
    """The OpenAPI 3 document of one group and version."""
    known = openapi_meta.definitions()
    schemas: Obj = {}
    found: Obj = {}
    for kind in kinds:
        name = definition_name(kind)
        own = _custom_schema(kind) if kind.custom else known[_builtin_name(kind)]
        gvk = {"group": kind.group, "version": kind.version, "kind": kind.kind}
        schemas[name] = {**own, "x-kubernetes-group-version-kind": [gvk], **_selectable(kind)}
        if "list" in kind.verbs:
            schemas[f"{name}List"] = _list_schema(kind, name)
        found |= paths(kind, name, gvk)
    _add_referenced(schemas, [*schemas.values(), found], known)
    whole = {
        "openapi": "3.0.0",
        "info": _CUSTOM_INFO if all(k.custom for k in kinds) else _BUILTIN_INFO,
        "paths": found,
        "components": {"schemas": {public(n): s for n, s in schemas.items()}},
    }
    return _public_references(whole)  # type: ignore[no-any-return]


def _selectable(kind: Kind) -> Obj:
    if not kind.custom or not kind.selectable:
        return {}
    return {"x-kubernetes-selectable-fields": [{"fieldPath": f} for f in kind.selectable]}


def _public_references(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            k: REF + public(v.removeprefix(REF))
            if k == "$ref" and isinstance(v, str)
            else _public_references(v)
            for k, v in value.items()
        }
    if isinstance(value, list):
        return [_public_references(v) for v in value]
    return value


def definition_name(kind: Kind) -> str:
    """`com.example.v1.Widget`, or the name that a built-in kind has."""
    if not kind.custom:
        return _builtin_name(kind)
    return ".".join([*reversed(kind.group.split(".")), kind.version, kind.kind])


def _builtin_name(kind: Kind) -> str:
    return builtin.definition_name(kind.group, kind.version, kind.kind)


def _custom_schema(kind: Kind) -> Obj:
    schema = dict(kind.schema())
    properties = {
        "apiVersion": openapi_meta.API_VERSION,
        "kind": openapi_meta.KIND,
        "metadata": openapi_meta.OBJECT_META,
        **{k: v for k, v in (schema.get("properties") or {}).items() if k not in _OF_EVERY_OBJECT},
    }
    return {**schema, "properties": properties}


_OF_EVERY_OBJECT = ("apiVersion", "kind", "metadata")


def _list_schema(kind: Kind, name: str) -> Obj:
    return {
        "type": "object",
        "description": f"{kind.listing} is a list of {kind.kind}",
        "required": ["items"],
        "properties": {
            "apiVersion": openapi_meta.API_VERSION,
            "kind": openapi_meta.KIND,
            "items": openapi_meta.items(kind.plural, name),
            "metadata": openapi_meta.OF_A_LIST,
        },
        "x-kubernetes-group-version-kind": [
            {"group": kind.group, "version": kind.version, "kind": kind.listing}
        ],
        **_selectable(kind),
    }


def _add_referenced(schemas: Obj, pending: list[Obj], known: dict[str, Obj]) -> None:
    """Complete the schemas with every definition that is referred to."""
    while pending:
        for name in _references(pending.pop()):
            if name not in schemas and name in known:
                schemas[name] = known[name]
                pending.append(known[name])


def _references(schema: Any) -> list[str]:
    found: list[str] = []
    if isinstance(schema, dict):
        reference = schema.get("$ref")
        if isinstance(reference, str):
            found.append(reference.removeprefix(REF))
        for value in schema.values():
            found += _references(value)
    elif isinstance(schema, list):
        for value in schema:
            found += _references(value)
    return found
