"""Whatever is sent, the answer is one that a client understands, and the server goes on.

A few dozen examples in every run; `make fuzz` tries many more (TIDEGATE_FUZZ_EXAMPLES). What it
finds becomes a test of its own beside the part that was wrong.
"""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Any

import orjson
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tidegate.local.apiserver import ADMIN_TOKEN, ApiServer, HttpRequest, HttpResponse, User
from tidegate.local.apiserver.builtins import builtin_kinds
from tidegate.testing.apiserver import CRDS, WIDGET_CRD, Asker, config_map, pod, widget

if TYPE_CHECKING:
    from collections.abc import Mapping

Obj = dict[str, Any]
EXAMPLES = int(os.environ.get("TIDEGATE_FUZZ_EXAMPLES", "60"))
FUZZED = settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)

MEDIA = (
    "application/json",
    "application/yaml",
    "application/merge-patch+json",
    "application/json-patch+json",
    "application/strategic-merge-patch+json",
    "application/apply-patch+yaml",
    "application/vnd.kubernetes.protobuf",
    "text/plain",
    "",
)
ACCEPTS = (
    "application/json",
    "application/yaml",
    "application/json;as=Table;v=v1;g=meta.k8s.io",
    "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io",
    "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io",
    "text/html",
    "*/*",
)
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "BREW")
OPTIONS = (
    "labelSelector", "fieldSelector", "limit", "continue", "resourceVersion", "timeoutSeconds",
    "resourceVersionMatch", "sendInitialEvents", "allowWatchBookmarks", "dryRun", "fieldManager",
    "fieldValidation", "force", "gracePeriodSeconds", "propagationPolicy", "orphanDependents",
    "includeObject", "pretty", "container", "tailLines", "sinceSeconds",
)  # fmt: skip
CREDENTIALS = (
    "authorization",
    "impersonate-user",
    "impersonate-group",
    "impersonate-uid",
    "impersonate-extra-x",
)
SUBRESOURCES = ("status", "scale", "log", "eviction", "token", "finalize", "exec", "binding", "x")

words = st.one_of(
    st.sampled_from(("default", "a", "x-1", "", "A_B", "..", "%", "ä", "\0", "kube-system", "*")),
    st.text(max_size=12),
)
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**64 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    words,
)
values = st.recursive(
    scalars,
    lambda below: st.one_of(st.lists(below, max_size=3), st.dictionaries(words, below, max_size=3)),
    max_leaves=8,
)
numbers = st.one_of(
    st.integers(-5, 2**70).map(str),
    st.sampled_from(("\u00b2", "1e3", "9" * 5000, "+1", " 1")),
    words,
)


RULE = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["*"], "resources": ["secrets"]}
POD_SPEC = {**pod("a")["spec"], "restartPolicy": "Never"}
TEMPLATE = {"metadata": {"labels": {"a": "b"}}, "spec": POD_SPEC}
FIELDS: Obj = {
    "spec": {
        "selector": {"matchLabels": {"a": "b"}},
        "template": TEMPLATE,
        "jobTemplate": {"spec": {"template": TEMPLATE}},
        "schedule": "* * * * *",
        "ports": [{"port": 80}],
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "a"},
        "maxReplicas": 3,
        "minAvailable": 1,
        "gatewayClassName": "c",
        "controllerName": "example.com/c",
        "listeners": [{"name": "l", "port": 80, "protocol": "HTTP"}],
        "rules": [{"backendRefs": [{"name": "x", "port": 1}]}],
        "capacity": {"storage": "1Gi"},
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": "1Gi"}},
        "hostPath": {"path": "/x"},
        "matchConstraints": {"resourceRules": [RULE]},
        "validations": [{"expression": "true"}],
        "policyName": "a",
        "validationActions": ["Warn"],
        "resourceAttributes": {"verb": "get", "resource": "pods"},
        "user": "u",
        "token": "t",
    },
    "rules": [{"verbs": ["get"], "apiGroups": [""], "resources": ["pods"]}],
    "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "a"},
    "subjects": [{"kind": "User", "name": "u"}],
    "webhooks": [
        {
            "name": "a.b.c",
            "clientConfig": {"url": "https://127.0.0.1:1"},
            "rules": [RULE],
            "sideEffects": "None",
            "failurePolicy": "Ignore",
            "admissionReviewVersions": ["v1"],
        }
    ],
    "status": {"conditions": [{"type": "A", "status": "True"}], "replicas": 1},
    "data": {"k": "v"},
    "revision": 1,
    "addressType": "IPv4",
    "endpoints": [{"addresses": ["127.0.0.1"]}],
    "involvedObject": {"namespace": "default", "name": "a"},
    "eventTime": "2026-01-01T00:00:00.000000Z",
    "reason": "R",
    "action": "A",
    "type": "Normal",
    "reportingController": "c",
    "reportingInstance": "i",
}


def _seed(kind: Any) -> Obj:
    known = {"Pod": pod("a"), "ConfigMap": config_map("a"), "CustomResourceDefinition": WIDGET_CRD}
    if kind.kind in known:
        return known[kind.kind]
    fields = kind.schema().get("properties") or {}
    obj = {"apiVersion": kind.api_version, "kind": kind.kind}
    obj["metadata"] = {"name": "a", "labels": {"l": "1"}, "annotations": {"x": "y"}}
    for name, value in FIELDS.items():
        if name in fields:
            below = fields[name].get("properties")
            kept = {k: v for k, v in value.items() if k in below} if below else value
            obj[name] = kept
    if kind.kind == "Service":
        obj["spec"]["selector"] = {"a": "b"}
    if kind.kind == "Secret":
        obj["data"] = {"k": "dg=="}
    if kind.kind == "LocalSubjectAccessReview":
        attributes = {"verb": "get", "resource": "pods", "namespace": "default"}
        obj["spec"] = {"user": "u", "resourceAttributes": attributes}
    return obj


KINDS = [(k.group, k.version, k.plural, k.namespaced, _seed(k)) for k in builtin_kinds()]
KINDS.append(("example.com", "v1", "widgets", True, widget("a")))


@st.composite
def damaged(draw: st.DrawFn, obj: Any) -> Any:
    """The object with a few of its parts replaced, removed or added."""
    obj = orjson.loads(orjson.dumps(obj))
    for _ in range(draw(st.integers(0, 3))):
        at = obj
        while True:
            keys = list(at) if isinstance(at, dict) else list(range(len(at)))
            if not keys:
                break
            key = draw(st.sampled_from(keys))
            if isinstance(at[key], dict | list) and at[key] and draw(st.booleans()):
                at = at[key]
                continue
            if draw(st.booleans()):
                at[key] = draw(values)
            else:
                del at[key]
            break
    return obj


@st.composite
def bodies(draw: st.DrawFn, seed: Obj) -> bytes:
    if draw(st.integers(0, 9)) == 0:
        return draw(st.binary(max_size=64))
    value = draw(st.one_of(damaged(seed), damaged(seed), values))
    if draw(st.integers(0, 4)) == 0:
        operation = {
            "op": draw(st.sampled_from(("add", "remove", "replace", "move", "copy", "test", "x"))),
            "path": draw(
                st.one_of(st.sampled_from(("/metadata/labels/a", "", "/spec/0", "~")), words)
            ),
            "from": draw(words),
            "value": value,
        }
        value = draw(st.sampled_from(([operation], operation, [value])))
    try:
        text = orjson.dumps(value)
    except (TypeError, orjson.JSONEncodeError):
        return b"{}"
    if draw(st.integers(0, 9)) == 0:
        text = text[: draw(st.integers(0, len(text)))]
    return text


@st.composite
def requests(draw: st.DrawFn) -> HttpRequest:
    group, version, plural, namespaced, seed = draw(st.sampled_from(KINDS))
    parts = ["apis", group, version] if group else ["api", version]
    if namespaced and draw(st.integers(0, 5)):
        parts += ["namespaces", draw(st.sampled_from(("default", "nope", "")) | words)]
    parts.append(plural)
    if draw(st.booleans()):
        parts.append(draw(st.sampled_from(("a", "nope")) | words))
        if draw(st.integers(0, 2)) == 0:
            parts.append(draw(st.sampled_from(SUBRESOURCES)))
    if draw(st.integers(0, 9)) == 0:
        parts.insert(draw(st.integers(0, len(parts))), draw(words))
    query = draw(st.dictionaries(st.sampled_from(OPTIONS), numbers, max_size=2))
    if draw(st.integers(0, 9)) == 0:
        query["watch"] = "1"
    headers = {
        "content-type": draw(st.sampled_from(MEDIA)),
        "accept": draw(st.sampled_from(ACCEPTS)),
    }
    method = draw(st.sampled_from(METHODS))
    return HttpRequest(method, "/" + "/".join(parts), query, headers, draw(bodies(seed)))


@st.composite
def changes(draw: st.DrawFn) -> list[HttpRequest]:
    """An object that is created well, and then changed badly in all the ways there are."""
    group, version, plural, namespaced, seed = draw(st.sampled_from(KINDS))
    head = f"/apis/{group}/{version}" if group else f"/api/{version}"
    base = f"{head}/namespaces/default/{plural}" if namespaced else f"{head}/{plural}"
    name = seed["metadata"]["name"]
    sent = [_sent("POST", base, seed)]
    for _ in range(draw(st.integers(1, 4))):
        bad = draw(damaged(seed))
        media = draw(st.sampled_from(PATCHES))
        below = draw(st.sampled_from(("", "", "", "/status", "/scale")))
        path = f"{base}/{name}{below}"
        way = draw(st.integers(0, 4))
        if way == 0:
            if isinstance(bad.get("metadata"), dict) and draw(st.booleans()):
                bad["metadata"]["name"] = "b"
            sent.append(_sent("POST", base, bad))
        elif way == 1:
            sent.append(_sent("PUT", path, bad))
        elif way == 2 and media == PATCHES[1]:
            sent.append(_sent("PATCH", path, draw(operations(seed)), media=media))
        else:
            query = {"fieldManager": draw(st.sampled_from(("m", "n"))), "force": "true"}
            query = query if media.startswith("application/apply") else {}
            sent.append(_sent("PATCH", path, bad, media=media, **query))
    return sent


ACCOUNT = "/api/v1/namespaces/default/serviceaccounts/default"
A_POD = "/api/v1/namespaces/default/pods/a"
A_WIDGET = "/apis/example.com/v1/namespaces/default/widgets/a"
A_SCALE: Obj = {"apiVersion": "autoscaling/v1", "kind": "Scale"}
DELETION = {
    "apiVersion": "v1",
    "kind": "DeleteOptions",
    "gracePeriodSeconds": 5,
    "propagationPolicy": "Foreground",
    "preconditions": {"uid": "x", "resourceVersion": "1"},
    "dryRun": ["All"],
}
SPECIAL: list[tuple[str, str, Obj]] = [
    ("DELETE", A_WIDGET, DELETION),
    ("DELETE", A_POD, DELETION),
    ("DELETE", "/api/v1/namespaces/default/pods", DELETION),
    ("POST", f"{A_POD}/eviction", {"metadata": {"name": "a"}, "deleteOptions": DELETION}),
    ("POST", f"{ACCOUNT}/token", {"spec": {"expirationSeconds": 600, "audiences": ["a"]}}),
    ("PUT", f"{A_WIDGET}/scale", {**A_SCALE, "metadata": {"name": "a"}, "spec": {"replicas": 1}}),
    ("PUT", "/api/v1/namespaces/default/finalize", {"spec": {"finalizers": []}}),
]


@st.composite
def specials(draw: st.DrawFn) -> list[HttpRequest]:
    """Bodies that are no objects of their path: options, scales, evictions, requests of tokens."""
    method, path, seed = draw(st.sampled_from(SPECIAL))
    query = draw(st.dictionaries(st.sampled_from(OPTIONS), numbers, max_size=1))
    return [_sent(method, path, draw(damaged(seed)), **query) for _ in range(3)]


PATCHES = (
    "application/merge-patch+json",
    "application/json-patch+json",
    "application/strategic-merge-patch+json",
    "application/apply-patch+yaml",
)


@st.composite
def operations(draw: st.DrawFn, obj: Obj) -> list[Obj]:
    """A JSON patch about paths that are mostly there."""
    found = []
    for _ in range(draw(st.integers(1, 3))):
        pointers = [draw(_pointer(obj)) for _ in range(2)]
        op = draw(st.sampled_from(("add", "remove", "replace", "move", "copy", "test")))
        found.append({"op": op, "path": pointers[0], "from": pointers[1], "value": draw(values)})
    return found


@st.composite
def _pointer(draw: st.DrawFn, obj: Any) -> str:
    pointer = ""
    while isinstance(obj, dict | list) and obj and draw(st.integers(0, 3)):
        keys = list(obj) if isinstance(obj, dict) else list(range(len(obj)))
        key = draw(st.sampled_from(keys))
        pointer += f"/{key}"
        obj = obj[key]
    return pointer + draw(st.sampled_from(("", "", "/-", "/new", "/0", "/~2")))


def _sent(method: str, path: str, body: object = None, **more: Any) -> HttpRequest:
    text = body if isinstance(body, bytes) else _json(body)
    headers = {"content-type": more.pop("media", "application/json")}
    return HttpRequest(method, path, more, headers, text)


def _json(body: object) -> bytes:
    try:
        return orjson.dumps(body)
    except (TypeError, orjson.JSONEncodeError):
        return b"{}"


async def fresh() -> ApiServer:
    api = ApiServer.in_memory()
    api.users["plain"] = User("plain")
    await api.start()
    ask = Asker(api)
    await ask.create(CRDS, WIDGET_CRD)
    await ask.create("/api/v1/namespaces/default/configmaps", config_map("a"))
    await ask.create("/api/v1/namespaces/default/pods", pod("a"))
    await ask.create("/apis/example.com/v1/namespaces/default/widgets", widget("a"))
    return api


def check(request: HttpRequest, answer: HttpResponse) -> None:
    """What every answer must be."""
    assert 200 <= answer.status < 600
    if not isinstance(answer.body, bytes):
        assert answer.status == 200
        return
    media = answer.headers["content-type"]
    if answer.status < 400 or media.startswith("text/plain"):
        assert answer.status in (200, 201, 404) or answer.status < 400
        return
    if "json" not in media:
        assert media == "application/yaml"
        return
    status = orjson.loads(answer.body)
    assert status["kind"] == "Status"
    assert status["status"] == "Failure"
    assert status["code"] == answer.status
    assert status["message"]
    assert "Traceback" not in status["message"]
    # 500 is what a real server answers to a few malformed requests, always with its reason.
    assert answer.status != 500 or "log of the API server" not in status["message"]


async def asked(*sent: HttpRequest) -> None:
    api = await fresh()
    try:
        for request in sent:
            check(request, await api.handle(request))
        alive = await Asker(api)("GET", "/api/v1/namespaces/default")
        assert alive.status == 200
    finally:
        await api.stop()


def with_token(request: HttpRequest, token: str) -> HttpRequest:
    request.headers = {**request.headers, "authorization": f"Bearer {token}"}
    return request


@FUZZED
@given(st.lists(requests(), min_size=1, max_size=6))
def test_no_request_gets_an_answer_that_clients_do_not_understand(
    sent: list[HttpRequest],
) -> None:
    asyncio.run(asked(*(with_token(request, ADMIN_TOKEN) for request in sent)))


@FUZZED
@given(specials())
def test_no_body_that_is_no_object_does_harm(sent: list[HttpRequest]) -> None:
    asyncio.run(asked(*(with_token(request, ADMIN_TOKEN) for request in sent)))


@FUZZED
@given(changes())
def test_no_change_of_an_object_does_harm(sent: list[HttpRequest]) -> None:
    asyncio.run(asked(*(with_token(request, ADMIN_TOKEN) for request in sent)))


@FUZZED
@given(requests(), st.dictionaries(st.sampled_from(CREDENTIALS), words, max_size=3))
def test_who_has_no_rights_is_refused_whatever_they_send(
    request: HttpRequest, headers: Mapping[str, str]
) -> None:
    async def ask() -> None:
        api = await fresh()
        before = api.store.revision
        sent = HttpRequest(
            request.method,
            request.path,
            request.query,
            {**request.headers, "authorization": "Bearer plain", **headers},
            request.body,
        )
        answer = await api.handle(sent)
        check(sent, answer)
        reviews = ("selfsubject", "openapi", "/api", "/apis")
        if answer.status < 400:
            assert any(word in request.path for word in reviews)
        assert api.store.revision == before
        await api.stop()

    asyncio.run(ask())
