"""Requests below an object: status, scale, logs, eviction; and reviews, which store nothing."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from tidegate.local.apiserver import answering, machinery, patching, protobuf, writing
from tidegate.local.apiserver.auth.tokens import AUDIENCE, Claims
from tidegate.local.apiserver.cluster import stamp
from tidegate.local.apiserver.decoding import decode_object, load_json, media_type
from tidegate.local.apiserver.errors import (
    ApiError,
    bad_request,
    cause,
    conflict,
    invalid,
    invalid_value,
    method_not_allowed,
    no_such_resource,
    not_found,
)
from tidegate.local.apiserver.eviction import evict
from tidegate.local.apiserver.messages import HttpRequest, HttpResponse, User
from tidegate.local.apiserver.options import is_true, write_options
from tidegate.local.apiserver.prepare import Intent

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tidegate.local.apiserver.admission.gate import Gate
    from tidegate.local.apiserver.core import ApiServer
    from tidegate.local.apiserver.intents import Written
    from tidegate.local.apiserver.kinds import Kind
    from tidegate.local.apiserver.messages import Obj
    from tidegate.local.apiserver.routes import ResourcePath
    from tidegate.local.apiserver.store import Record

_TOKEN_S = 3600
_SHORTEST_TOKEN_S = 600
_LONGEST_TOKEN_S = 1 << 32


_NO_STREAM = "the local cluster has no {}: a pod's containers are processes of this machine, so {}"
_STREAMS = {
    "exec": _NO_STREAM.format(
        "exec", "look into them with the machine's own tools (ps, nsenter, /proc)"
    ),
    "attach": _NO_STREAM.format("attach", "read what they say with kubectl logs -f"),
    "portforward": _NO_STREAM.format(
        "port-forward", "reach a pod at its own IP and a Service at its cluster IP"
    ),
    "proxy": _NO_STREAM.format("proxy", "reach a pod at its own IP"),
}


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
    gate = server.admission.gate(kind, user, namespace=path.namespace or "", subresource=sub)
    if sub == "status" and kind.status:
        response = await _status(server, gate, request, path, verb)
    elif sub == "scale" and kind.scale is not None:
        response = await _scale(server, gate, request, path, verb)
    elif sub == "log" and kind.collection == "/pods" and verb == "get":
        return _log(server, kind, request, path)
    elif sub == "eviction" and kind.collection == "/pods" and verb == "create":
        response = await evict(server, gate, request, path)
    elif sub == "token" and kind.collection == "/serviceaccounts" and verb == "create":
        response = _token(server, kind, request, path)
    elif sub == "finalize" and kind.collection == "/namespaces" and verb == "update":
        written = await writing.update(server.cluster, request, gate, path.name)
        response = _written(server, kind, request, written)
    elif sub in _STREAMS and kind.collection == "/pods":
        server.cluster.find(kind, path.namespace or "", path.name)
        raise ApiError(501, "NotImplemented", _STREAMS[sub])
    elif kind.custom:
        raise not_found(kind, path.name)
    else:
        raise no_such_resource()
    await server.cluster.store.flush()
    return response


async def _status(
    server: ApiServer, gate: Gate, request: HttpRequest, path: ResourcePath, verb: str
) -> HttpResponse:
    cluster, kind, namespace = server.cluster, gate.kind, path.namespace or ""
    if verb == "get":
        record = cluster.find(kind, namespace, path.name)
        return answering.object_answer(cluster, kind, answering.form_of(request), record=record)
    if verb == "update":
        written = await writing.update(cluster, request, gate, path.name)
    elif verb == "patch":
        written = await writing.patch(cluster, request, gate, path.name)
    else:
        raise method_not_allowed(kind, verb or request.method.lower())
    return _written(server, kind, request, written)


def _written(server: ApiServer, kind: Kind, request: HttpRequest, written: Written) -> HttpResponse:
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


async def _scale(
    server: ApiServer, gate: Gate, request: HttpRequest, path: ResourcePath, verb: str
) -> HttpResponse:
    cluster, kind = server.cluster, gate.kind
    record = cluster.find(kind, path.namespace or "", path.name)
    obj = cluster.shown(kind, record)
    current = _scale_of(kind, obj)
    if verb == "get":
        return answering.json_answer(200, current)
    if verb not in ("update", "patch"):
        raise method_not_allowed(kind, verb or request.method.lower())
    options = write_options(request, verb)
    gate.note(options, request.query)
    wanted = _wanted_scale(kind, request, current, verb)
    given = (wanted.get("metadata") or {}).get("name")
    if given and given != path.name:
        raise bad_request(
            f"the name of the object ({given}) does not match the name on the URL ({path.name})"
        )
    replicas = _replicas(kind, path.name, wanted)
    replicas = await _admitted_replicas(gate, current, replicas)
    if cluster.store.get(record.collection, record.namespace, record.name) is not record:
        raise conflict(kind, path.name)
    version = (wanted.get("metadata") or {}).get("resourceVersion")
    if version:
        writing.check_version(kind, record, version)
    assert kind.scale is not None
    _put(obj, kind.scale.spec, replicas)
    intent = Intent(
        kind=kind,
        namespace=path.namespace or "",
        gate=gate.passed(),
        manager=options.field_manager,
        at=cluster.clock(),
        field_validation="Ignore",
        subresource="scale",
    )
    written = await writing.replace(cluster, intent, record, obj, dry_run=options.dry_run)
    after = written.obj or cluster.shown(kind, _of(written.record))
    return answering.json_answer(200, _scale_of(kind, after), warnings=gate.warnings)


async def _admitted_replicas(gate: Gate, current: Obj, replicas: int) -> int:
    """How many it may be, after everybody was asked about the Scale.

    :raises ApiError: when somebody refuses it.
    """
    wanted = {**current, "spec": {"replicas": replicas} if replicas else {}}
    if gate.mutates():
        wanted = await gate.mutate(wanted, current)
        replicas = _replicas(gate.kind, current["metadata"]["name"], wanted)
    await gate.check(wanted, current)
    return replicas


def _replicas(kind: Kind, name: str, wanted: Obj) -> int:
    replicas = (wanted.get("spec") or {}).get("replicas") or 0
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
    """The Scale that the request asks for.

    :raises ApiError: 400 when it is none.
    """
    wanted = _sent_scale(kind, request, current, verb)
    schema = machinery.builtin_schema("autoscaling", "v1", "Scale")
    metadata = wanted.get("metadata")
    problem = machinery.decode_problem(schema, wanted)
    if not problem and metadata is not None and not isinstance(metadata, dict):
        problem = "json: cannot unmarshal value into Go struct field Scale.metadata"
    if problem:
        raise bad_request(f'Scale in version "v1" cannot be handled as a Scale: {problem}')
    return wanted


def _sent_scale(kind: Kind, request: HttpRequest, current: Obj, verb: str) -> Obj:
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
    tail = query.get("tailLines")
    try:
        body = server.log_provider.read(
            path.namespace or "",
            path.name,
            container,
            follow=is_true(query.get("follow")),
            tail=int(tail) if tail else None,
            previous=is_true(query.get("previous")),
            timestamps=is_true(query.get("timestamps")),
            since=_since(server, query),
        )
    except ValueError as error:
        raise bad_request(f"invalid log options: {error}") from error
    return HttpResponse(200, {"content-type": "text/plain", "cache-control": "no-cache"}, body)


def _since(server: ApiServer, query: Mapping[str, str]) -> float | None:
    """Seconds before now. Raises ValueError for what is no time."""
    if moment := query.get("sinceTime"):
        return (server.cluster.clock() - datetime.fromisoformat(moment)).total_seconds()
    seconds = query.get("sinceSeconds")
    return float(seconds) if seconds else None


def _token(server: ApiServer, kind: Kind, request: HttpRequest, path: ResourcePath) -> HttpResponse:
    """A new token for a service account."""
    record = server.cluster.find(kind, path.namespace or "", path.name)
    spec = _token_request(request).get("spec") or {}
    now = server.cluster.clock()
    expires = now + timedelta(seconds=_lifetime(spec))
    audiences = tuple(spec.get("audiences") or (AUDIENCE,))
    claims = Claims(record.namespace, record.name, record.uid, expires, audiences)
    answer: Obj = {
        "kind": "TokenRequest",
        "apiVersion": "authentication.k8s.io/v1",
        "metadata": {
            "name": record.name,
            "namespace": record.namespace,
            "uid": record.uid,
            "creationTimestamp": stamp(now),
        },
        "spec": spec,
    }
    manager = write_options(request, "create").field_manager
    schema = machinery.builtin_schema("authentication.k8s.io", "v1", "TokenRequest")
    answer = machinery.track(
        None, answer, manager=manager, schema=schema, subresource="token", now=now
    )
    answer["spec"] = {
        "audiences": list(audiences),
        "expirationSeconds": _lifetime(spec),
        "boundObjectRef": spec.get("boundObjectRef"),
    }
    token = server.tokens.issue(claims, issued=now)
    answer["status"] = {"token": token, "expirationTimestamp": stamp(expires)}
    return answering.json_answer(201, answer)


def _lifetime(spec: Obj) -> int:
    """Seconds that a token lasts.

    :raises ApiError: 422 for less than ten minutes or more than Go's clocks hold.
    """
    seconds = spec.get("expirationSeconds")
    if seconds is None:
        return _TOKEN_S
    why = ""
    if not isinstance(seconds, int) or seconds < _SHORTEST_TOKEN_S:
        why = "may not specify a duration less than 10 minutes"
    elif seconds > _LONGEST_TOKEN_S:
        why = "may not specify a duration larger than 2^32 seconds"
    if why:
        text = invalid_value(seconds, why)
        causes = [cause("spec.expirationSeconds", "FieldValueInvalid", text)]
        raise invalid("TokenRequest", "authentication.k8s.io", "", causes)
    return int(seconds)


def _token_request(request: HttpRequest) -> Obj:
    if media_type(request) == protobuf.MEDIA:
        return protobuf.decode(request.body)
    try:
        given = load_json(request.body) if request.body else {}
    except ValueError as error:
        raise bad_request(str(error)) from error
    given = given if isinstance(given, dict) else {}
    schema = machinery.builtin_schema("authentication.k8s.io", "v1", "TokenRequest")
    problem = machinery.decode_problem(schema, given)
    if problem:
        raise bad_request(
            f'TokenRequest in version "v1" cannot be handled as a TokenRequest: {problem}'
        )
    return given
