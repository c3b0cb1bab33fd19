"""Builds requests to an API server. Pure: nothing here sends, waits or reads a clock."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import orjson

from tidegate.kube.objects import name_of, namespace_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tidegate.kube.objects import Object
    from tidegate.kube.resources import Resource

JSON = "application/json"
MERGE_PATCH = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"
STRATEGIC_MERGE_PATCH = "application/strategic-merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"
"""Server-side apply. The body is JSON, which every YAML reader takes."""


@dataclass(frozen=True, slots=True)
class ApiRequest:
    """One request as it will stand on the wire."""

    method: str
    path: str
    params: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


def _built(
    method: str,
    path: str,
    *,
    params: Mapping[str, str | None] | None = None,
    body: object | None = None,
    content_type: str = JSON,
) -> ApiRequest:
    headers = {"accept": JSON}
    if body is not None:
        headers["content-type"] = content_type
    return ApiRequest(
        method=method,
        path=path,
        params={key: value for key, value in (params or {}).items() if value},
        headers=headers,
        body=None if body is None else orjson.dumps(body),
    )


def get(
    res: Resource, name: str, *, namespace: str | None, subresource: str | None = None
) -> ApiRequest:
    """Read one object."""
    return _built("GET", res.path(namespace, name, subresource))


def list_page(
    res: Resource,
    *,
    namespace: str | None,
    label_selector: str | None,
    field_selector: str | None,
    limit: int | None,
    token: str | None,
) -> ApiRequest:
    """Read one page of a collection; `token` is the `continue` of the page before."""
    params = {
        "labelSelector": label_selector,
        "fieldSelector": field_selector,
        "limit": str(limit) if limit else None,
        "continue": token,
    }
    return _built("GET", res.path(namespace), params=params)


def watch(
    res: Resource,
    *,
    namespace: str | None,
    resource_version: str | None,
    label_selector: str | None,
    field_selector: str | None,
    timeout_seconds: int,
    bookmarks: bool,
) -> ApiRequest:
    """Follow a collection from `resource_version` on, for `timeout_seconds` at most."""
    params = {
        "watch": "true",
        "resourceVersion": resource_version,
        "labelSelector": label_selector,
        "fieldSelector": field_selector,
        "timeoutSeconds": str(timeout_seconds),
        "allowWatchBookmarks": "true" if bookmarks else None,
    }
    return _built("GET", res.path(namespace), params=params)


def create(res: Resource, obj: Object, *, manager: str) -> ApiRequest:
    """Create an object in the namespace that its metadata names."""
    return _built(
        "POST",
        res.path(namespace_of(obj)),
        params={"fieldManager": manager},
        body=_typed(res, obj),
    )


def apply(
    res: Resource,
    obj: Object,
    *,
    manager: str,
    force: bool,
    strict: bool = False,
    subresource: str | None = None,
) -> ApiRequest:
    """Apply an object (server side): own exactly the fields that stand in it."""
    return _built(
        "PATCH",
        res.path(namespace_of(obj), name_of(obj), subresource),
        params={
            "fieldManager": manager,
            "force": "true" if force else "false",
            "fieldValidation": "Strict" if strict else None,
        },
        body=_typed(res, obj),
        content_type=APPLY_PATCH,
    )


def patch(
    res: Resource,
    name: str,
    body: Mapping[str, Any] | Sequence[Any],
    *,
    namespace: str | None,
    manager: str,
    content_type: str = MERGE_PATCH,
    subresource: str | None = None,
) -> ApiRequest:
    """Patch an object by a merge patch, a JSON patch or a strategic merge patch."""
    return _built(
        "PATCH",
        res.path(namespace, name, subresource),
        params={"fieldManager": manager},
        body=body,
        content_type=content_type,
    )


def replace(
    res: Resource, obj: Object, *, manager: str, subresource: str | None = None
) -> ApiRequest:
    """Replace an object; with a resourceVersion in it, only that version."""
    return _built(
        "PUT",
        res.path(namespace_of(obj), name_of(obj), subresource),
        params={"fieldManager": manager},
        body=_typed(res, obj),
    )


def delete(
    res: Resource,
    name: str,
    *,
    namespace: str | None,
    propagation: str,
    uid: str | None,
    resource_version: str | None,
    grace_period_seconds: int | None,
) -> ApiRequest:
    """Delete an object, if wanted only the one with this uid and resourceVersion."""
    options: Object = {
        "kind": "DeleteOptions",
        "apiVersion": "v1",
        "propagationPolicy": propagation,
    }
    preconditions = {
        key: value
        for key, value in (("uid", uid), ("resourceVersion", resource_version))
        if value is not None
    }
    if preconditions:
        options["preconditions"] = preconditions
    if grace_period_seconds is not None:
        options["gracePeriodSeconds"] = grace_period_seconds
    return _built("DELETE", res.path(namespace, name), body=options)


def _typed(res: Resource, obj: Object) -> Object:
    """Return the object with its apiVersion and kind, which objects from a LIST do not carry."""
    return {"apiVersion": res.api_version, "kind": res.kind, **obj}
