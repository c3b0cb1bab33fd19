"""Our Gateway API schemas against the published ones, where those are at hand."""

from __future__ import annotations

from typing import Any

import pytest
from tests.local.schema.published import differences, published, schema_of

from tidegate.local.apiserver import ApiServer
from tidegate.local.schema import gateway_texts
from tidegate.local.schema.gateway_kinds import SCHEMAS
from tidegate.testing.apiserver import Asker

_PLURALS = {"Gateway": "gateways", "GatewayClass": "gatewayclasses", "HTTPRoute": "httproutes"}


@pytest.mark.parametrize("kind", sorted(SCHEMAS))
def test_our_schema_says_nothing_that_the_published_one_contradicts(kind: str) -> None:
    theirs = published(f"gateway.networking.k8s.io_{_PLURALS[kind]}.yaml", kind)
    schema = SCHEMAS[kind] if theirs is None else schema_of(theirs)
    assert differences(SCHEMAS[kind], schema, kind) == []


def test_references_and_rules_are_atomic_and_listeners_are_merged_by_name() -> None:
    spec = SCHEMAS["HTTPRoute"]["properties"]["spec"]["properties"]
    assert spec["parentRefs"]["x-kubernetes-list-type"] == "atomic"
    assert spec["rules"]["x-kubernetes-list-type"] == "atomic"
    listeners = SCHEMAS["Gateway"]["properties"]["spec"]["properties"]["listeners"]
    assert listeners["x-kubernetes-list-map-keys"] == ["name"]
    parents = SCHEMAS["HTTPRoute"]["properties"]["status"]["properties"]["parents"]
    conditions = parents["items"]["properties"]["conditions"]
    assert conditions["x-kubernetes-list-map-keys"] == ["type"]


def undescribed(schema: dict[str, Any], path: str) -> list[str]:
    found = [] if schema.get("description") or path.endswith("[]") else [path]
    for name, below in schema.get("properties", {}).items():
        found += undescribed(below, f"{path}.{name}")
    if isinstance(schema.get("items"), dict):
        found += undescribed(schema["items"], f"{path}[]")
    return found


@pytest.mark.parametrize("kind", sorted(SCHEMAS))
def test_every_field_is_described(kind: str) -> None:
    assert undescribed(SCHEMAS[kind], kind) == []


def test_a_text_is_used_where_it_belongs_and_none_is_left_over() -> None:
    used = {one for kind in SCHEMAS for one in descriptions(SCHEMAS[kind])}
    assert set(gateway_texts._TEXTS.values()) <= used
    rule = SCHEMAS["HTTPRoute"]["properties"]["spec"]["properties"]["rules"]["items"]["properties"]
    match = rule["matches"]["items"]["properties"]
    assert "PathPrefix" in match["path"]["properties"]["type"]["description"]
    rewrite = rule["filters"]["items"]["properties"]["urlRewrite"]["properties"]
    assert "replaced" in rewrite["path"]["properties"]["type"]["description"]


def descriptions(schema: dict[str, Any]) -> list[str]:
    found = [schema["description"]] if "description" in schema else []
    for below in (*schema.get("properties", {}).values(), schema.get("items")):
        if isinstance(below, dict):
            found += descriptions(below)
    return found


def _route(**rule: Any) -> dict[str, Any]:
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": "r"},
        "spec": {"rules": [rule]},
    }


_TO = {"name": "a", "port": 80}


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ({"backendRefs": [{"name": "a"}]}, "Must have port for Service reference"),
        ({"filters": [{"type": "RequestMirror"}]}, "filter.requestMirror must be specified"),
        (
            {
                "filters": [
                    {"type": "URLRewrite", "urlRewrite": {}, "requestMirror": {"backendRef": _TO}}
                ]
            },
            "filter.requestMirror must be nil",
        ),
        (
            {
                "filters": [
                    {
                        "type": "RequestMirror",
                        "requestMirror": {
                            "backendRef": _TO,
                            "percent": 5,
                            "fraction": {"numerator": 1},
                        },
                    }
                ]
            },
            "Only one of percent or fraction",
        ),
        (
            {
                "filters": [
                    {
                        "type": "RequestMirror",
                        "requestMirror": {"backendRef": _TO, "fraction": {"numerator": 101}},
                    }
                ]
            },
            "numerator must be less than or equal",
        ),
        ({"matches": [{"path": {"value": "a"}}]}, "value must be an absolute path"),
        ({"matches": [{"path": {"value": "/a b"}}]}, "must only contain valid characters"),
        (
            {"timeouts": {"request": "1s", "backendRequest": "2s"}},
            "backendRequest timeout cannot be longer",
        ),
        (
            {
                "backendRefs": [_TO],
                "filters": [{"type": "RequestRedirect", "requestRedirect": {}}],
            },
            "RequestRedirect filter must not be used together",
        ),
        (
            {
                "filters": [
                    {"type": "URLRewrite", "urlRewrite": {"path": {"type": "ReplaceFullPath"}}}
                ]
            },
            "replaceFullPath must be specified",
        ),
    ],
)
async def test_a_route_that_contradicts_itself_is_refused_at_once(
    rule: dict[str, Any], words: str
) -> None:
    api = ApiServer.in_memory()
    await api.start()
    try:
        path = "/apis/gateway.networking.k8s.io/v1/namespaces/default/httproutes"
        answer = await Asker(api)("POST", path, _route(**rule))
    finally:
        await api.stop()
    assert answer.status == 422
    assert words in answer.body["message"]
