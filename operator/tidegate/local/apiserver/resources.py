"""Requests for resources: which kind a path names, which verb is meant, and who does it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidegate.local.apiserver import answering, creating, reading, streaming, subresources, writing
from tidegate.local.apiserver.auth import reviews
from tidegate.local.apiserver.deletion import delete
from tidegate.local.apiserver.errors import (
    ApiError,
    PlainNotFound,
    method_not_allowed,
    no_such_resource,
)
from tidegate.local.apiserver.options import delete_options

if TYPE_CHECKING:
    from tidegate.local.apiserver.admission.gate import Gate
    from tidegate.local.apiserver.answering import Form
    from tidegate.local.apiserver.cluster import Cluster
    from tidegate.local.apiserver.core import ApiServer
    from tidegate.local.apiserver.kinds import Kind
    from tidegate.local.apiserver.messages import HttpRequest, HttpResponse, Obj, User
    from tidegate.local.apiserver.routes import ResourcePath


async def handle(
    server: ApiServer, request: HttpRequest, path: ResourcePath, verb: str, user: User
) -> HttpResponse:
    """Answer a request for a resource. `verb` is empty for a method that no resource knows.

    :raises ApiError: when it is refused.
    :raises PlainNotFound: when no API has that path.
    """
    cluster = server.cluster
    kind = _kind(cluster, path)
    await _make_ready(cluster, kind, path)
    if path.subresource:
        return await subresources.handle(server, kind, request, path, verb, user)
    if verb == "create" and kind.verbs == ("create",):
        return reviews.review(server, kind, request, user, path.namespace or "")
    _check_verb(kind, verb, path, request)
    if verb in ("get", "list", "watch"):
        return await _read(cluster, kind, request, path, verb)
    gate = server.admission.gate(kind, user, namespace=path.namespace or "")
    response = await _write(cluster, gate, request, path, verb)
    await cluster.store.flush()
    return response


def _kind(cluster: Cluster, path: ResourcePath) -> Kind:
    kind = cluster.registry.find(path.group, path.version, path.plural)
    registry = cluster.registry
    if kind is None or (kind.custom and path.namespace is not None and not kind.namespaced):
        if path.group in registry.builtin_groups:
            raise no_such_resource()
        raise PlainNotFound
    if path.namespace is not None and not kind.namespaced:
        raise no_such_resource()
    if path.namespace is None and kind.namespaced and path.name and not path.watch:
        if kind.custom:
            raise PlainNotFound
        raise no_such_resource()
    return kind


def _check_verb(kind: Kind, verb: str, path: ResourcePath, request: HttpRequest) -> None:
    if not verb:
        name = request.method.lower()
        known = name in ("get", "post", "put", "patch", "delete", "head")
        raise method_not_allowed(kind, name if known else "")
    if verb not in kind.verbs:
        raise method_not_allowed(kind, verb)
    if verb == "create" and kind.namespaced and path.namespace is None:
        raise method_not_allowed(kind, "create")
    if verb == "patch" and not path.name:
        raise method_not_allowed(kind, "patch")


async def _make_ready(cluster: Cluster, kind: Kind, path: ResourcePath) -> None:
    """Have the object that a path names converted, where a webhook does that."""
    if kind.conversion is None or not path.name:
        return
    record = cluster.store.get(kind.collection, path.namespace or "", path.name)
    if record is not None:
        await cluster.conversions.ready(kind, [record])


async def _read(
    cluster: Cluster, kind: Kind, request: HttpRequest, path: ResourcePath, verb: str
) -> HttpResponse:
    if verb == "watch":
        return streaming.watch(cluster, kind, request, path)
    form = answering.form_of(request)
    if verb == "get":
        record = cluster.find(kind, path.namespace or "", path.name)
        response = answering.object_answer(cluster, kind, form, record=record)
    else:
        page = reading.list_page(cluster, kind, path.namespace, request.query)
        await _all_ready(cluster, kind, page)
        response = answering.list_answer(cluster, kind, form, page)
    if request.method == "HEAD":
        response.body = b""
    return response


async def _all_ready(cluster: Cluster, kind: Kind, page: reading.Page) -> None:
    """Have a list converted, where a webhook does that.

    :raises ApiError: 429 when it cannot: a real server's cache of that version never gets filled.
    """
    try:
        await cluster.conversions.ready(kind, page.records)
    except ApiError as error:
        raise ApiError(
            429,
            "TooManyRequests",
            f"storage is (re)initializing: {error.message}",
            details={"retryAfterSeconds": 1},
            retry_after=1,
        ) from error


async def _write(
    cluster: Cluster, gate: Gate, request: HttpRequest, path: ResourcePath, verb: str
) -> HttpResponse:
    form, kind = answering.form_of(request), gate.kind
    if verb == "create":
        if path.name and not kind.custom:
            raise method_not_allowed(kind, "create")
        # For custom kinds a real server takes POST to a named path as one to the collection.
        written = await creating.create(cluster, request, gate)
    elif verb == "update":
        written = await writing.update(cluster, request, gate, path.name)
    elif verb == "patch":
        written = await writing.patch(cluster, request, gate, path.name)
    elif verb == "delete":
        return await _delete(cluster, gate, request, path, form)
    else:
        return await _delete_all(cluster, gate, request, path, form)
    return answering.object_answer(
        cluster,
        kind,
        form,
        status=written.status,
        record=written.record,
        obj=written.obj,
        warnings=written.warnings,
    )


async def _delete(
    cluster: Cluster, gate: Gate, request: HttpRequest, path: ResourcePath, form: Form
) -> HttpResponse:
    kind, options = gate.kind, delete_options(request)
    record = cluster.find(kind, path.namespace or "", path.name)
    await gate.check_delete(cluster.shown(kind, record), options, name=record.name)
    # Asking others takes time, in which the object may have changed or gone.
    record = cluster.find(kind, path.namespace or "", path.name)
    stored = cluster.registry.for_collection(kind.collection) or kind
    deleted = delete(cluster, stored, record, options)
    obj = kind.decode(deleted.obj) if kind.decode else deleted.obj
    if kind.conversion is not None:
        obj = await cluster.conversions.of_stored(kind, obj)
    elif not kind.decode and kind.is_view:
        obj["apiVersion"] = kind.api_version
    if not deleted.gone or kind.returns_deleted:
        return answering.object_answer(cluster, kind, form, obj=obj, warnings=gate.warnings)
    details: Obj = {"name": record.name}
    if kind.group:
        details["group"] = kind.group
    details |= {"kind": kind.plural, "uid": record.uid}
    return answering.json_answer(
        200,
        {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Success",
            "details": details,
        },
        warnings=gate.warnings,
    )


async def _delete_all(
    cluster: Cluster, gate: Gate, request: HttpRequest, path: ResourcePath, form: Form
) -> HttpResponse:
    kind, options = gate.kind, delete_options(request)
    selection = {k: v for k, v in request.query.items() if k in ("labelSelector", "fieldSelector")}
    page = reading.list_page(cluster, kind, path.namespace, selection)
    await _all_ready(cluster, kind, page)
    stored = cluster.registry.for_collection(kind.collection) or kind
    for record in page.records:
        await gate.check_delete(cluster.shown(kind, record), options, name="")
        current = cluster.store.get(kind.collection, record.namespace, record.name)
        if current is not None and current.uid == record.uid:
            delete(cluster, stored, current, options)
    return answering.list_answer(cluster, kind, form, page)
