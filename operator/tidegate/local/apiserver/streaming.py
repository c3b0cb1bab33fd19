"""The answer to a watch: which changes it shows, from when on, and how."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson

from tidegate.local.apiserver import answering, reading
from tidegate.local.apiserver.errors import expired
from tidegate.local.apiserver.messages import HttpRequest, HttpResponse
from tidegate.local.apiserver.tables import table
from tidegate.local.apiserver.watching import Scope, bookmark_line, line

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from tidegate.local.apiserver.answering import Form
    from tidegate.local.apiserver.cluster import Cluster
    from tidegate.local.apiserver.kinds import Kind
    from tidegate.local.apiserver.messages import Obj
    from tidegate.local.apiserver.routes import ResourcePath
    from tidegate.local.apiserver.store import Record


def watch(cluster: Cluster, kind: Kind, request: HttpRequest, path: ResourcePath) -> HttpResponse:
    """A stream of changes."""
    form = answering.form_of(request, watch=True)
    query = dict(request.query)
    if path.name:
        terms = [query.get("fieldSelector", ""), f"metadata.name={path.name}"]
        query["fieldSelector"] = ",".join(t for t in terms if t)
    plan = reading.plan_watch(cluster, kind, query)
    headers = answering.headers(warnings=[kind.deprecation] if kind.deprecation else [])
    if plan.expired:
        body = line("ERROR", orjson.dumps(expired(plan.expired).body()))
        return HttpResponse(200, headers, _once(body))
    scope = Scope(
        collection=kind.collection,
        namespace=path.namespace,
        matches=plan.wanted.matches,
        encode=_encoder(cluster, kind, form),
        bookmark=_bookmarks(kind, form),
    )
    stream = cluster.hub.stream(
        scope,
        since=plan.since,
        initial=plan.initial,
        bookmarks=plan.bookmarks,
        end_of_initial=plan.end_of_initial,
        timeout=plan.timeout,
    )
    if _is_converted(kind):
        stream = cluster.conversions.stream(kind, stream, _shower(cluster, kind, form))
    return HttpResponse(200, headers, stream)


def _is_converted(kind: Kind) -> bool:
    return kind.conversion is not None and kind.is_view


async def _once(body: bytes) -> AsyncIterator[bytes]:
    yield body


def _bookmarks(kind: Kind, form: Form) -> Callable[[int, bool], bytes]:
    def bookmark(revision: int, initial_end: bool) -> bytes:
        if form.shape == "partial":
            return bookmark_line(
                "PartialObjectMetadata", "meta.k8s.io/v1", revision, initial_end=initial_end
            )
        return bookmark_line(kind.kind, kind.api_version, revision, initial_end=initial_end)

    return bookmark


def _encoder(cluster: Cluster, kind: Kind, form: Form) -> Callable[[str, Record], bytes]:
    """How this watch shows a record."""
    if _is_converted(kind) or (form.shape == "object" and not kind.is_view):
        # What a webhook converts is shown afterwards.
        return lambda event, record: line(event, record.body)
    show = _shower(cluster, kind, form)
    return lambda event, record: show(event, cluster.shown(kind, record))


def _shower(cluster: Cluster, kind: Kind, form: Form) -> Callable[[str, Obj], bytes]:
    """How this watch shows an object."""
    if form.shape == "object":
        return lambda event, obj: line(event, orjson.dumps(obj))
    if form.shape == "partial":
        return lambda event, obj: line(event, orjson.dumps(answering.partial(obj)))
    described = False

    def show_row(event: str, obj: Obj) -> bytes:
        nonlocal described
        meta = {"resourceVersion": obj["metadata"]["resourceVersion"]}
        shown = table(kind, [obj], meta, form.include, cluster.clock(), form.table_version)
        if described:
            # Only the first row of a stream carries the columns.
            shown["columnDefinitions"] = None
        described = True
        return line(event, orjson.dumps(shown))

    return show_row
