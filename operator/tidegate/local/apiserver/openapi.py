"""OpenAPI: the schemas of what is served, for `kubectl explain` and for validation by clients.

One document a group and version, made when it is first asked for and kept until a kind comes or
goes. How version 2 says the same is in `openapi2`.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import orjson

from tidegate.local.apiserver import answering
from tidegate.local.apiserver.errors import PlainNotFound
from tidegate.local.apiserver.messages import HttpResponse
from tidegate.local.apiserver.openapi2 import SecondVersion
from tidegate.local.schema import builtin

if TYPE_CHECKING:
    from tidegate.local.apiserver.kinds import Kind, Registry
    from tidegate.local.apiserver.messages import HttpRequest, Obj

_REF = "#/components/schemas/"
_META = "V1ObjectMeta"
_LIST_META = "io.k8s.apimachinery.pkg.apis.meta.v1.ListMeta"
_LIST_META_SCHEMA: Obj = {
    "type": "object",
    "description": "What a list says about itself: its version, and where its next page begins.",
    "properties": {
        "continue": {"type": "string"},
        "remainingItemCount": {"type": "integer", "format": "int64"},
        "resourceVersion": {"type": "string"},
        "selfLink": {"type": "string"},
    },
}


class OpenApi:
    """Answers below `/openapi`."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._revision = -1
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
            # Documents of built-in kinds stay as they are.
            custom = {(k.group, k.version) for k in self._registry if k.custom}
            self._documents = {
                key: kept
                for key, kept in self._documents.items()
                if key not in custom and self._registry.has_version(*key)
            }
        if path == "/openapi/v2":
            return self._second.answer(request)
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
        paths = {}
        for group, version in versions:
            name = f"apis/{group}/{version}" if group else f"api/{version}"
            address = f"/openapi/v3/{name}?hash={self._hash(group, version)}"
            paths[name] = {"serverRelativeURL": address}
        body = orjson.dumps({"paths": paths})
        headers = answering.headers("text/plain; charset=utf-8")
        return HttpResponse(200, headers, body)

    def _hash(self, group: str, version: str) -> str:
        return self._made(group, version)[1]

    def _document(self, request: HttpRequest, path: str, group: str, version: str) -> HttpResponse:
        if not self._registry.has_version(group, version):
            raise PlainNotFound
        body, tag = self._made(group, version)
        headers = answering.headers() | {"etag": f'"{tag}"', "vary": "Accept"}
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
    known = builtin.definitions()
    schemas: Obj = {_LIST_META: _LIST_META_SCHEMA}
    paths: Obj = {}
    for kind in kinds:
        name = definition_name(kind)
        own = _custom_schema(kind) if kind.custom else known[_builtin_name(kind)]
        gvk = {"group": kind.group, "version": kind.version, "kind": kind.kind}
        schemas[name] = {**own, "x-kubernetes-group-version-kind": [gvk]}
        schemas[f"{name}List"] = _list_schema(kind, name)
        paths |= _paths(kind, name, gvk)
    _add_referenced(schemas, known)
    whole = {
        "openapi": "3.0.0",
        "info": {"title": "Kubernetes", "version": "v1.36"},
        "paths": paths,
        "components": {"schemas": {_public(n, known): s for n, s in schemas.items()}},
    }
    return _public_references(whole, known)  # type: ignore[no-any-return]


def _public(name: str, known: dict[str, Obj]) -> str:
    """The name under which a definition is published: clients print its last part."""
    if name.endswith("List") and name.removesuffix("List") in known and name not in known:
        return f"{_public(name.removesuffix('List'), known)}List"
    if name not in known:
        return name
    go_name = builtin.go_name(name)
    # `CoreV1Event` and `EventsV1Event` are both called Event.
    group = name.removesuffix(go_name).rstrip("V12").lower()
    return ".".join(part for part in ("io.k8s.api", group, "v1", go_name) if part)


def _public_references(value: Any, known: dict[str, Obj]) -> Any:
    if isinstance(value, dict):
        return {
            k: _REF + _public(v.removeprefix(_REF), known)
            if k == "$ref" and isinstance(v, str)
            else _public_references(v, known)
            for k, v in value.items()
        }
    if isinstance(value, list):
        return [_public_references(v, known) for v in value]
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
    properties = dict(schema.get("properties") or {})
    properties["apiVersion"] = {
        "type": "string",
        "description": "The version of the schema of this object.",
    }
    properties["kind"] = {"type": "string", "description": "The kind of this object."}
    properties["metadata"] = {
        "allOf": [{"$ref": _REF + _META}],
        "description": "Standard object's metadata.",
    }
    return {**schema, "properties": properties}


def _list_schema(kind: Kind, name: str) -> Obj:
    return {
        "type": "object",
        "description": f"{kind.listing} is a list of {kind.kind}.",
        "required": ["items"],
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "items": {"type": "array", "items": {"$ref": _REF + name}},
            "metadata": {"$ref": _REF + _LIST_META},
        },
        "x-kubernetes-group-version-kind": [
            {"group": kind.group, "version": kind.version, "kind": kind.listing}
        ],
    }


def _add_referenced(schemas: Obj, known: dict[str, Obj]) -> None:
    """Complete the schemas with every definition that they refer to."""
    pending = list(schemas.values())
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
            found.append(reference.removeprefix(_REF))
        for value in schema.values():
            found += _references(value)
    elif isinstance(schema, list):
        for value in schema:
            found += _references(value)
    return found


_WRITE_OPTIONS = ("dryRun", "fieldManager", "fieldValidation")
_ACTIONS = {"get": "get", "put": "put", "patch": "patch", "delete": "delete", "post": "post"}
_BY_NAME = {"get": "get", "update": "put", "patch": "patch", "delete": "delete"}
_BY_COLLECTION = {"list": "get", "create": "post", "deletecollection": "delete"}


def _paths(kind: Kind, name: str, gvk: Obj) -> Obj:
    """The paths of a kind, with what clients look up there: actions and write options."""
    root = f"/apis/{kind.group}/{kind.version}" if kind.group else f"/api/{kind.version}"
    place = f"{root}/namespaces/{{namespace}}" if kind.namespaced else root
    collection = f"{place}/{kind.plural}"
    found: Obj = {}
    for path, methods in ((collection, _BY_COLLECTION), (f"{collection}/{{name}}", _BY_NAME)):
        operations = {
            method: _operation(method, name, gvk)
            for verb, method in methods.items()
            if verb in kind.verbs
        }
        if operations:
            found[path] = operations
    if kind.namespaced and "list" in kind.verbs:
        found[f"{root}/{kind.plural}"] = {"get": _operation("get", name, gvk)}
    if kind.status:
        found[f"{collection}/{{name}}/status"] = {
            m: _operation(m, name, gvk) for m in ("get", "put", "patch")
        }
    return found


def _operation(method: str, name: str, gvk: Obj) -> Obj:
    operation: Obj = {
        "x-kubernetes-action": _ACTIONS[method],
        "x-kubernetes-group-version-kind": gvk,
        "responses": {
            "200": {
                "description": "OK",
                "content": {"application/json": {"schema": {"$ref": _REF + name}}},
            }
        },
    }
    if method in ("put", "patch", "post"):
        operation["parameters"] = [
            {"name": option, "in": "query", "schema": {"type": "string", "uniqueItems": True}}
            for option in _WRITE_OPTIONS
        ]
    return operation
