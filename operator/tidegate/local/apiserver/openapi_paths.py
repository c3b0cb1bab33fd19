"""The paths of an OpenAPI document: what can be done with a kind, what goes in and out. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidegate.local.apiserver.openapi_meta import PATCH, STATUS, reference

if TYPE_CHECKING:
    from tidegate.local.apiserver.kinds import Kind
    from tidegate.local.apiserver.messages import Obj

_WRITE_OPTIONS = ("dryRun", "fieldManager", "fieldValidation")
_BY_NAME = {"get": "get", "update": "put", "patch": "patch", "delete": "delete"}
_BY_COLLECTION = {"list": "get", "create": "post", "deletecollection": "delete"}
_SUBRESOURCE = ("get", "put", "patch")
_JSON = "application/json"
_PATCHES = (
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/apply-patch+yaml",
)
_STRATEGIC = "application/strategic-merge-patch+json"


def paths(kind: Kind, name: str, gvk: Obj) -> Obj:
    """The paths of a kind; `name` is that of its definition."""
    root = f"/apis/{kind.group}/{kind.version}" if kind.group else f"/api/{kind.version}"
    place = f"{root}/namespaces/{{namespace}}" if kind.namespaced else root
    collection = f"{place}/{kind.plural}"
    found: Obj = {}
    for path, methods in ((collection, _BY_COLLECTION), (f"{collection}/{{name}}", _BY_NAME)):
        operations = {
            method: _operation(method, f"{name}List" if verb == "list" else name, kind, gvk)
            for verb, method in methods.items()
            if verb in kind.verbs
        }
        if operations:
            found[path] = operations
    if kind.namespaced and "list" in kind.verbs:
        found[f"{root}/{kind.plural}"] = {"get": _operation("get", f"{name}List", kind, gvk)}
    if kind.status:
        found[f"{collection}/{{name}}/status"] = {
            m: _operation(m, name, kind, gvk) for m in _SUBRESOURCE
        }
    if kind.scale is not None:
        found[f"{collection}/{{name}}/scale"] = {
            m: _operation(m, "V1Scale", kind, gvk) for m in _SUBRESOURCE
        }
    return found


def _operation(method: str, name: str, kind: Kind, gvk: Obj) -> Obj:
    answered = STATUS if method == "delete" and not kind.returns_deleted else name
    operation: Obj = {
        "x-kubernetes-action": method,
        "x-kubernetes-group-version-kind": gvk,
        "responses": {"200": _response("OK", answered)},
    }
    if method in ("put", "post"):
        operation["responses"]["201"] = _response("Created", name)
        operation["requestBody"] = _body(name, ("*/*",), required=True)
    elif method == "patch":
        media = _PATCHES if kind.custom else (*_PATCHES, _STRATEGIC)
        operation["requestBody"] = _body(PATCH, media, required=True)
    elif method == "delete":
        operation["requestBody"] = _body("V1DeleteOptions", ("*/*",), required=False)
    if method in ("put", "patch", "post"):
        operation["parameters"] = [
            {"name": option, "in": "query", "schema": {"type": "string", "uniqueItems": True}}
            for option in _WRITE_OPTIONS
        ]
    return operation


def _response(description: str, name: str) -> Obj:
    return {"description": description, "content": {_JSON: {"schema": reference(name)}}}


def _body(name: str, media: tuple[str, ...], *, required: bool) -> Obj:
    body: Obj = {"content": {m: {"schema": reference(name)} for m in media}}
    return {**body, "required": True} if required else body
