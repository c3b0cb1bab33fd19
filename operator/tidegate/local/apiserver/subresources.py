"""Requests below an object: status, scale, logs, eviction; and reviews, which store nothing."""

from __future__ import annotations

import secrets
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import orjson

from tidegate.local.apiserver import answering, machinery, patching, protobuf, writing
from tidegate.local.apiserver.cluster import stamp
from tidegate.local.apiserver.decoding import decode_object, load_json, media_type
from tidegate.local.apiserver.deletion import delete
from tidegate.local.apiserver.errors import (
    ApiError,
    bad_request,
    cause,
    invalid,
    invalid_value,
    method_not_allowed,
    no_such_resource,
    not_found,
)
from tidegate.local.apiserver.messages import HttpRequest, HttpResponse, User
from tidegate.local.apiserver.options import delete_options, is_true, write_options
from tidegate.local.apiserver.prepare import Intent

if TYPE_CHECKING:
    from tidegate.local.apiserver.core import ApiServer
    from tidegate.local.apiserver.kinds import Kind
    from tidegate.local.apiserver.messages import Obj
    from tidegate.local.apiserver.routes import ResourcePath
    from tidegate.local.apiserver.store import Record


async def handle(
    server: ApiServer,
    kind: Kind,
    request: HttpRequest,
    path: ResourcePath,
    verb: str,
    user: User,
) -> HttpResponse:
    """Answer a request for a subresource.

    :raises ApiError: when it is refused.
    """
    sub = path.subresource
    if sub == "status" and kind.status:
        response = _status(server, kind, request, path, verb)
    elif sub == "scale" and kind.scale is not None:
        response = _scale(server, kind, request, path, verb)
    elif sub == "log" and kind.collection == "/pods" and verb == "get":
        return _log(server, kind, request, path)
    elif sub == "eviction" and kind.collection == "/pods" and verb == "create":
        response = _evict(server, kind, request, path)
    elif sub == "token" and kind.collection == "/serviceaccounts" and verb == "create":
        response = _token(server, kind, request, path)
    elif sub == "finalize" and kind.collection == "/namespaces" and verb == "update":
        written = writing.update(server.cluster, kind, request, "", path.name, "finalize")
        response = _written(server, kind, request, written)
    elif kind.custom:
        raise not_found(kind, path.name)
    else:
        raise no_such_resource()
    await server.cluster.store.flush()
    return response


def _status(
    server: ApiServer, kind: Kind, request: HttpRequest, path: ResourcePath, verb: str
) -> HttpResponse:
    cluster, namespace = server.cluster, path.namespace or ""
    if verb == "get":
        record = cluster.find(kind, namespace, path.name)
        return answering.object_answer(cluster, kind, answering.form_of(request), record=record)
    if verb == "update":
        written = writing.update(cluster, kind, request, namespace, path.name, "status")
    elif verb == "patch":
        written = writing.patch(cluster, kind, request, namespace, path.name, "status")
    else:
        raise method_not_allowed(kind, verb or request.method.lower())
    return _written(server, kind, request, written)


def _written(
    server: ApiServer, kind: Kind, request: HttpRequest, written: writing.Written
) -> HttpResponse:
    return answering.object_answer(
        server.cluster,
        kind,
        answering.form_of(request),
        status=written.status,
        record=written.record,
        obj=written.obj,
        warnings=written.warnings,
    )


# Scale


def _scale(
    server: ApiServer, kind: Kind, request: HttpRequest, path: ResourcePath, verb: str
) -> HttpResponse:
    cluster = server.cluster
    record = cluster.find(kind, path.namespace or "", path.name)
    obj = cluster.shown(kind, record)
    current = _scale_of(kind, obj)
    if verb == "get":
        return answering.json_answer(200, current)
    if verb not in ("update", "patch"):
        raise method_not_allowed(kind, verb or request.method.lower())
    options = write_options(request, verb)
    wanted = _wanted_scale(kind, request, current, verb)
    replicas = _replicas(kind, path.name, wanted)
    version = (wanted.get("metadata") or {}).get("resourceVersion")
    if version:
        writing.check_version(kind, record, version)
    assert kind.scale is not None
    _put(obj, kind.scale.spec, replicas)
    intent = Intent(
        kind=kind,
        namespace=path.namespace or "",
        manager=options.field_manager,
        at=cluster.clock(),
        field_validation="Ignore",
        subresource="scale",
    )
    written = writing.replace(cluster, intent, record, obj, dry_run=options.dry_run)
    after = written.obj or cluster.shown(kind, _of(written.record))
    return answering.json_answer(200, _scale_of(kind, after))


def _replicas(kind: Kind, name: str, wanted: Obj) -> int:
    replicas = (wanted.get("spec") or {}).get("replicas", 0)
    if not isinstance(replicas, int) or isinstance(replicas, bool):
        raise bad_request(
            'Scale in version "v1" cannot be handled as a Scale: json: cannot unmarshal value '
            "into Go struct field ScaleSpec.spec.replicas of type int32"
        )
    if replicas < 0:
        message = invalid_value(replicas, "should be a non-negative integer")
        where = ".spec.replicas" if kind.custom else "spec.replicas"
        raise invalid(kind.kind, kind.group, name, [cause(where, "FieldValueInvalid", message)])
    return replicas


def _of(record: Record | None) -> Record:
    assert record is not None
    return record


def _wanted_scale(kind: Kind, request: HttpRequest, current: Obj, verb: str) -> Obj:
    if verb == "patch":
        media = patching.flavour(request, kind)
        if media == patching.APPLY:
            patching.check_options(request, media)
            return machinery.merge_patch(current, patching.configuration(request, kind))  # type: ignore[no-any-return]
        if media == patching.STRATEGIC:
            media = patching.MERGE
        return patching.patched(media, current, request, kind)
    obj, _ = decode_object(request, kind)
    return obj


def _scale_of(kind: Kind, obj: Obj) -> Obj:
    assert kind.scale is not None
    scale = kind.scale
    meta = obj["metadata"]
    kept = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
    spec_replicas = _at(obj, scale.spec) or 0
    status: Obj = {"replicas": _at(obj, scale.status) or 0}
    selector = _at(obj, scale.selector) if scale.selector else ""
    if scale.selector_object:
        selector = _selector_text(_at(obj, scale.selector_object) or {})
    if selector:
        status["selector"] = selector
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {k: meta[k] for k in kept if k in meta},
        "spec": {"replicas": spec_replicas} if spec_replicas else {},
        "status": status,
    }


def _selector_text(selector: Obj) -> str:
    parts = [f"{k}={v}" for k, v in sorted((selector.get("matchLabels") or {}).items())]
    for term in selector.get("matchExpressions") or ():
        operator, key = term.get("operator"), term.get("key")
        values = ",".join(sorted(term.get("values") or ()))
        words = {"In": f"{key} in ({values})", "NotIn": f"{key} notin ({values})"}
        words |= {"Exists": str(key), "DoesNotExist": f"!{key}"}
        parts.append(words.get(str(operator), ""))
    return ",".join(p for p in parts if p)


def _at(obj: Any, path: tuple[str, ...]) -> Any:
    for part in path:
        obj = obj.get(part) if isinstance(obj, dict) else None
    return obj


def _put(obj: Obj, path: tuple[str, ...], value: int) -> None:
    for part in path[:-1]:
        obj = obj.setdefault(part, {})
    obj[path[-1]] = value


# Pods and service accounts


def _log(server: ApiServer, kind: Kind, request: HttpRequest, path: ResourcePath) -> HttpResponse:
    record = server.cluster.find(kind, path.namespace or "", path.name)
    spec = record.decode()["spec"]
    names = [c["name"] for c in (*(spec.get("initContainers") or ()), *spec["containers"])]
    query = request.query
    container = query.get("container", "")
    if not container:
        if len(spec["containers"]) > 1:
            listed = " ".join(c["name"] for c in spec["containers"])
            raise bad_request(
                f"a container name must be specified for pod {path.name}, choose one of: [{listed}]"
            )
        container = spec["containers"][0]["name"]
    if container not in names:
        raise bad_request(f"container {container} is not valid for pod {path.name}")
    if server.log_provider is None:
        raise ApiError(501, "NotImplemented", "no node keeps the logs of this pod")
    if not spec.get("nodeName"):
        return answering.plain(200, "")
    tail, since = query.get("tailLines"), query.get("sinceSeconds")
    try:
        body = server.log_provider.read(
            path.namespace or "",
            path.name,
            container,
            follow=is_true(query.get("follow")),
            tail=int(tail) if tail else None,
            previous=is_true(query.get("previous")),
            timestamps=is_true(query.get("timestamps")),
            since=float(since) if since else None,
        )
    except ValueError as error:
        raise bad_request(f"invalid log options: {error}") from error
    return HttpResponse(200, {"content-type": "text/plain", "cache-control": "no-cache"}, body)


def _evict(server: ApiServer, kind: Kind, request: HttpRequest, path: ResourcePath) -> HttpResponse:
    record = server.cluster.find(kind, path.namespace or "", path.name)
    given = load_json(request.body) if request.body else {}
    inner = HttpRequest("DELETE", request.path, dict(request.query), {}, b"")
    options = delete_options(inner)
    if isinstance(given, dict) and isinstance(given.get("deleteOptions"), dict):
        inner.body = orjson.dumps(given["deleteOptions"])
        options = delete_options(inner)
    delete(server.cluster, kind, record, options)
    success = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}
    return answering.json_answer(201, {**success, "code": 201})


def _token(server: ApiServer, kind: Kind, request: HttpRequest, path: ResourcePath) -> HttpResponse:
    """A new token for a service account; it is good until the server ends."""
    record = server.cluster.find(kind, path.namespace or "", path.name)
    given = _token_request(request)
    seconds = int(((given or {}).get("spec") or {}).get("expirationSeconds") or 3600)
    token = secrets.token_urlsafe(32)
    name = f"system:serviceaccount:{record.namespace}:{record.name}"
    groups = ("system:serviceaccounts", f"system:serviceaccounts:{record.namespace}")
    server.users[token] = User(name, groups, record.uid)
    until = stamp(server.cluster.clock() + timedelta(seconds=seconds))
    audiences = ["https://kubernetes.default.svc"]
    return answering.json_answer(
        201,
        {
            "kind": "TokenRequest",
            "apiVersion": "authentication.k8s.io/v1",
            "metadata": {"name": record.name, "namespace": record.namespace},
            "spec": {
                "audiences": audiences,
                "expirationSeconds": seconds,
                "boundObjectRef": None,
            },
            "status": {"token": token, "expirationTimestamp": until},
        },
    )


def _token_request(request: HttpRequest) -> Obj:
    if media_type(request) == protobuf.MEDIA:
        return protobuf.decode(request.body)
    try:
        given = load_json(request.body) if request.body else {}
    except ValueError as error:
        raise bad_request(str(error)) from error
    return given if isinstance(given, dict) else {}


# Reviews


def review(server: ApiServer, kind: Kind, request: HttpRequest, user: User) -> HttpResponse:
    """Answer who somebody is, or whether they may do something. Everybody known may, for now."""
    obj, _ = decode_object(request, kind)
    answer: Obj = {"kind": kind.kind, "apiVersion": kind.api_version, "metadata": {}}
    if "spec" in obj:
        answer["spec"] = obj["spec"]
    answer["status"] = _verdict(server, kind.kind, obj, user)
    return answering.json_answer(201, answer)


def _verdict(server: ApiServer, kind: str, obj: Obj, user: User) -> Obj:
    if kind == "SelfSubjectReview":
        return {"userInfo": _user_info(user)}
    if kind == "TokenReview":
        known = server.users.get(str((obj.get("spec") or {}).get("token", "")))
        if known is None:
            return {"user": {}, "error": "invalid bearer token"}
        return {
            "authenticated": True,
            "user": _user_info(known),
            "audiences": ["https://kubernetes.default.svc"],
        }
    if kind == "SelfSubjectRulesReview":
        every = ["*"]
        return {
            "resourceRules": [{"verbs": every, "apiGroups": every, "resources": every}],
            "nonResourceRules": [{"verbs": every, "nonResourceURLs": every}],
            "incomplete": False,
        }
    return {"allowed": True}


def _user_info(user: User) -> Obj:
    info: Obj = {"username": user.name}
    if user.uid:
        info["uid"] = user.uid
    info["groups"] = user.all_groups()
    return info
