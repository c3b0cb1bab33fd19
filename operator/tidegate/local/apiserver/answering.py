"""How an answer looks: which media type was asked for, and the bytes and headers of each form.

JSON of a single version goes out as it is stored, without decoding. Tables and partial metadata are
made from decoded objects.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import orjson

from tidegate.local.apiserver import protobuf
from tidegate.local.apiserver.errors import ApiError, bad_request, not_acceptable
from tidegate.local.apiserver.messages import HttpRequest, HttpResponse
from tidegate.local.apiserver.tables import table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tidegate.local.apiserver.cluster import Cluster
    from tidegate.local.apiserver.kinds import Kind
    from tidegate.local.apiserver.messages import Obj
    from tidegate.local.apiserver.reading import Page
    from tidegate.local.apiserver.store import Record

JSON = "application/json"
YAML_MEDIA = "application/yaml"
MEDIA = (JSON, YAML_MEDIA, "application/vnd.kubernetes.protobuf")
STREAMS = ("application/json;stream=watch", "application/vnd.kubernetes.protobuf;stream=watch")


@dataclass(frozen=True)
class Form:
    """What the client wants to see."""

    media: str = JSON
    shape: str = "object"
    """`object`, `table` or `partial`."""
    include: str = "Metadata"
    """What of the object a table's row carries."""
    table_version: str = "v1"


def form_of(request: HttpRequest, *, watch: bool = False) -> Form:
    """The first of the accepted forms that can be had.

    :raises ApiError: 406 when none can, 400 for a bad includeObject.
    """
    accept = request.headers.get("accept", "")
    include = request.query.get("includeObject", "")
    for choice in accept.split(",") if accept else ("*/*",):
        media, shape, version = _choice(choice)
        if media and (media == JSON or not watch):
            if shape == "table" and include not in ("", "Metadata", "Object", "None"):
                raise bad_request(
                    "Unable to convert to Table as requested: includeObject: Invalid value: "
                    f"\"{include}\": must be 'Metadata', 'Object', 'None', or empty"
                )
            return Form(media, shape, include or "Metadata", version)
    raise not_acceptable(STREAMS if watch else MEDIA)


def _choice(choice: str) -> tuple[str, str, str]:
    media, *rest = (p.strip() for p in choice.split(";"))
    parameters = dict(p.partition("=")[::2] for p in rest)
    media = JSON if media in ("*/*", "application/*", "") else media
    if media not in (JSON, YAML_MEDIA):
        return "", "", ""
    shape = parameters.get("as", "")
    if not shape:
        return media, "object", ""
    version = parameters.get("v", "")
    if parameters.get("g") != "meta.k8s.io" or version not in ("v1", "v1beta1"):
        return "", "", ""
    if shape == "Table":
        return media, "table", version
    if shape in ("PartialObjectMetadata", "PartialObjectMetadataList"):
        return media, "partial", version
    return "", "", ""


def headers(media: str = JSON, warnings: Sequence[str] = ()) -> dict[str, str]:
    """The headers of every answer. Several warnings stand on several lines of one value."""
    found = {"content-type": media, "cache-control": "no-cache, private"}
    if warnings:
        unique = dict.fromkeys(warnings)
        found["warning"] = "\n".join(f'299 - "{_escaped(w)}"' for w in unique)
    return found


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ")


def plain(status: int, text: str) -> HttpResponse:
    """A plain-text answer."""
    return HttpResponse(
        status,
        {"content-type": "text/plain; charset=utf-8", "cache-control": "no-cache, private"},
        text.encode(),
    )


def json_answer(status: int, value: Any, *, warnings: Sequence[str] = ()) -> HttpResponse:
    """A JSON answer."""
    return HttpResponse(status, headers(JSON, warnings), orjson.dumps(value))


def refusal(error: ApiError, request: HttpRequest) -> HttpResponse:
    """The `Status` of a refusal, in the media type that was asked for."""
    body = error.body()
    accept = request.headers.get("accept", "")
    first, *others = (a.partition(";")[0].strip() for a in accept.split(","))
    media = YAML_MEDIA if first == YAML_MEDIA else JSON
    if first == protobuf.MEDIA and not others:
        media = protobuf.MEDIA
    response = HttpResponse(error.code, headers(media, error.warnings), _encode(body, media))
    if error.retry_after is not None:
        response.headers["retry-after"] = str(error.retry_after)
    if error.code == 401:
        response.headers["www-authenticate"] = 'Bearer realm="tidegate"'
    return response


def _encode(value: Any, media: str) -> bytes:
    if media == protobuf.MEDIA:
        return protobuf.encode_status(value)
    if media != YAML_MEDIA:
        return orjson.dumps(value)
    # Seldom asked for, and it takes longer to import than all the rest of this package.
    from ruamel.yaml import YAML

    out = io.BytesIO()
    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = False
    yaml.dump(value, out)
    return out.getvalue()


def object_answer(
    cluster: Cluster,
    kind: Kind,
    form: Form,
    *,
    status: int = 200,
    record: Record | None = None,
    obj: Obj | None = None,
    warnings: Sequence[str] = (),
) -> HttpResponse:
    """One object, from its record or as it is given."""
    if kind.deprecation:
        warnings = [kind.deprecation, *warnings]
    if record is not None and form.shape == "object" and form.media == JSON and not kind.is_view:
        return HttpResponse(status, headers(JSON, warnings), record.body)
    if obj is None:
        assert record is not None
        obj = cluster.shown(kind, record)
    if form.shape == "table":
        meta = {"resourceVersion": obj["metadata"].get("resourceVersion", "")}
        shown: Obj = table(kind, [obj], meta, form.include, cluster.clock(), form.table_version)
    elif form.shape == "partial":
        shown = partial(obj)
    else:
        shown = obj
    return HttpResponse(status, headers(form.media, warnings), _encode(shown, form.media))


def partial(obj: Obj) -> Obj:
    """The metadata alone."""
    return {
        "kind": "PartialObjectMetadata",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": obj["metadata"],
    }


def list_answer(cluster: Cluster, kind: Kind, form: Form, page: Page) -> HttpResponse:
    """A list in the form that was asked for."""
    warnings = [kind.deprecation] if kind.deprecation else []
    meta: Obj = {}
    if page.token or kind.custom:
        meta["continue"] = page.token
    if page.remaining is not None:
        meta["remainingItemCount"] = page.remaining
    meta["resourceVersion"] = str(page.revision)
    if form.shape == "object" and form.media == JSON:
        return HttpResponse(200, headers(JSON, warnings), _list_body(cluster, kind, meta, page))
    objs = [cluster.shown(kind, r) for r in page.records]
    if not meta.get("continue"):
        meta.pop("continue", None)
    if form.shape == "table":
        shown = table(kind, objs, meta, form.include, cluster.clock(), form.table_version)
    elif form.shape == "partial":
        shown = {
            "kind": "PartialObjectMetadataList",
            "apiVersion": "meta.k8s.io/v1",
            "metadata": meta,
            "items": [partial(o) for o in objs],
        }
    else:
        shown = {
            "kind": kind.listing,
            "apiVersion": kind.api_version,
            "metadata": meta,
            "items": [_as_item(kind, o) for o in objs],
        }
    return HttpResponse(200, headers(form.media, warnings), _encode(shown, form.media))


def _list_body(cluster: Cluster, kind: Kind, meta: Obj, page: Page) -> bytes:
    head = orjson.dumps({"kind": kind.listing, "apiVersion": kind.api_version, "metadata": meta})
    if kind.is_view:
        items = [orjson.dumps(_as_item(kind, cluster.shown(kind, r))) for r in page.records]
    else:
        items = [r.body if kind.custom else _untyped(kind, r) for r in page.records]
    return b"".join((head[:-1], b',"items":[', b",".join(items), b"]}"))


def _as_item(kind: Kind, obj: Obj) -> Obj:
    """An object as it stands in a list: that of a built-in kind does not say what it is."""
    if kind.custom:
        return obj
    return {k: v for k, v in obj.items() if k not in ("kind", "apiVersion")}


def _untyped(kind: Kind, record: Record) -> bytes:
    """The bytes of an item. Stored objects of built-in kinds begin with what is left out."""
    head = stored_head(kind.kind, kind.api_version)
    if record.body.startswith(head):
        return b"{" + record.body[len(head) :]
    return orjson.dumps(_as_item(kind, record.decode()))


@cache
def stored_head(kind: str, api_version: str) -> bytes:
    """How the bytes of an object begin that says first what it is."""
    return orjson.dumps({"kind": kind, "apiVersion": api_version})[:-1] + b","
