"""Requests that nobody should send: whatever they are, clients understand the answer."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tidegate.local.apiserver import ADMIN_TOKEN, ApiServer, HttpRequest, HttpResponse
from tidegate.testing.apiserver import CONFIG_MAPS, CRDS, WIDGET_CRD, WIDGETS, Asker, config_map

NAMES = st.sampled_from(["a", "default", "", "A_b", "x" * 260, "..", "%00", "ü", "a/b", "null"])
PREFIXES = st.sampled_from(
    [
        "/api/v1/namespaces/default/configmaps",
        "/api/v1/namespaces/default/pods",
        "/api/v1/namespaces",
        "/api/v1/nodes",
        "/apis/apps/v1/namespaces/default/deployments",
        "/apis/batch/v1/namespaces/default/jobs",
        WIDGETS,
        CRDS,
        "/apis/example.com/v9/widgets",
        "/apis",
        "/openapi/v3",
        "",
    ]
)
SUBRESOURCES = st.sampled_from(["", "", "status", "scale", "log", "eviction", "token", "nope"])
METHODS = st.sampled_from(["GET", "PUT", "POST", "PATCH", "DELETE", "HEAD", "OPTIONS", "BREW"])
MEDIA = st.sampled_from(
    [
        "application/json",
        "application/yaml",
        "application/merge-patch+json",
        "application/json-patch+json",
        "application/strategic-merge-patch+json",
        "application/apply-patch+yaml",
        "application/vnd.kubernetes.protobuf",
        "text/plain",
        "",
    ]
)
QUERIES = st.dictionaries(
    st.sampled_from(
        [
            "limit",
            "continue",
            "labelSelector",
            "fieldSelector",
            "resourceVersion",
            "resourceVersionMatch",
            "dryRun",
            "fieldManager",
            "fieldValidation",
            "force",
            "propagationPolicy",
            "gracePeriodSeconds",
            "pretty",
            "includeObject",
        ]
    ),
    st.sampled_from(
        ["", "1", "-1", "All", "a=b", "a in (", "x" * 300, "true", "Strict", "\0", "é"]
    ),
    max_size=3,
)
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**65), 2**65),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=8),
)
KEYS = st.one_of(
    st.sampled_from(
        ["metadata", "name", "spec", "status", "labels", "data", "size", "replicas", "op", "path"]
    ),
    st.text(max_size=6),
)
VALUES = st.recursive(
    LEAVES,
    lambda below: st.one_of(st.lists(below, max_size=4), st.dictionaries(KEYS, below, max_size=4)),
    max_leaves=12,
)
TYPED = st.builds(
    lambda kind, version, rest: {**rest, "kind": kind, "apiVersion": version},
    st.sampled_from(["ConfigMap", "Pod", "Deployment", "Job", "Widget", "Namespace", ""]),
    st.sampled_from(["v1", "apps/v1", "batch/v1", "example.com/v1", "", "a/b/c"]),
    st.dictionaries(KEYS, VALUES, max_size=5),
)
BODIES = st.one_of(
    st.binary(max_size=40),
    VALUES.map(lambda v: orjson.dumps(v, option=orjson.OPT_NON_STR_KEYS, default=str)
               if _fits(v) else b"[1e999]"),
    TYPED.map(lambda v: orjson.dumps(v, default=str) if _fits(v) else b"{}"),
)  # fmt: skip


def _fits(value: Any) -> bool:
    """Whether the encoder can write it: its whole numbers have 64 bits."""
    try:
        orjson.dumps(value, default=str)
    except (TypeError, orjson.JSONEncodeError):
        return False
    return True


async def answered(request: HttpRequest) -> HttpResponse:
    """What a server with one ConfigMap and one CRD answers."""
    api = ApiServer.in_memory()
    await api.start()
    ask = Asker(api)
    await ask.create(CONFIG_MAPS, config_map("a"))
    await ask.create(CRDS, WIDGET_CRD)
    try:
        return await api.handle(request)
    finally:
        await api.stop()


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(METHODS, PREFIXES, NAMES, SUBRESOURCES, QUERIES, MEDIA, BODIES)
def test_every_request_gets_an_answer_that_clients_understand(
    method: str,
    prefix: str,
    name: str,
    subresource: str,
    query: dict[str, str],
    media: str,
    body: bytes,
) -> None:
    path = "/".join(p for p in (prefix, name, subresource) if p) or "/"
    headers = {"authorization": f"Bearer {ADMIN_TOKEN}", "content-type": media}
    request = HttpRequest(method, path, query, headers, body)
    answer = asyncio.run(answered(request))
    assert 200 <= answer.status < 600
    if answer.status < 400 or not isinstance(answer.body, bytes):
        return
    assert answer.body
    if "json" in answer.headers["content-type"]:
        status = orjson.loads(answer.body)
        assert status["kind"] == "Status"
        assert status["code"] == answer.status
        assert "Traceback" not in status["message"]


@pytest.mark.parametrize("depth", [200, 5000, 100_000])
async def test_a_deep_object_is_refused_or_taken_but_never_too_much(ask: Asker, depth: int) -> None:
    text = b'{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"deep"},"x":' + (
        b"[" * depth + b"]" * depth + b"}"
    )
    answer = await ask.raw("POST", CONFIG_MAPS, text, content_type="application/json")
    assert answer.status in (201, 400)
