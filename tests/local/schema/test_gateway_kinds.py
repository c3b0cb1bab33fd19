"""Our Gateway API schemas against the published ones, where those are at hand."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from tidegate.local.apiserver import ApiServer
from tidegate.local.schema import gateway_texts
from tidegate.local.schema.gateway_kinds import SCHEMAS
from tidegate.testing.apiserver import Asker

_PLURALS = {"Gateway": "gateways", "GatewayClass": "gatewayclasses", "HTTPRoute": "httproutes"}
_SAME = (
    "type",
    "default",
    "minimum",
    "maximum",
    "maxItems",
    "maxLength",
    "x-kubernetes-list-type",
    "x-kubernetes-list-map-keys",
)


def published(kind: str) -> dict[str, Any] | None:
    """The schema of v1 in the folder that TIDEGATE_THIRD_PARTY_CRDS names."""
    folder = os.environ.get("TIDEGATE_THIRD_PARTY_CRDS")
    if not folder:
        return None
    path = Path(folder) / f"gateway.networking.k8s.io_{_PLURALS[kind]}.yaml"
    crd = YAML(typ="safe").load(path.read_text())
    versions = {one["name"]: one for one in crd["spec"]["versions"]}
    found: dict[str, Any] = versions["v1"]["schema"]["openAPIV3Schema"]
    return found


def differences(ours: dict[str, Any], theirs: dict[str, Any], path: str) -> list[str]:
    """Where ours says something that theirs does not: it may say less, never otherwise."""
    found = [
        f"{path}: {name} is {ours[name]!r}, published {theirs.get(name)!r}"
        for name in _SAME
        if name in ours and ours[name] != theirs.get(name)
    ]
    if not set(ours.get("enum", ())) <= set(theirs.get("enum", ours.get("enum", ()))):
        found.append(f"{path}: enum {ours['enum']}")
    if set(ours.get("required", ())) != set(theirs.get("required", ())):
        found.append(f"{path}: required {ours.get('required')}, {theirs.get('required')}")
    for name, below in ours.get("properties", {}).items():
        other = theirs.get("properties", {}).get(name)
        where = f"{path}.{name}"
        if other is None:
            found.append(f"{where}: not published")
        elif not below.get("x-kubernetes-preserve-unknown-fields"):
            found += differences(below, other, where)
    if isinstance(ours.get("items"), dict):
        found += differences(ours["items"], theirs.get("items") or {}, f"{path}[]")
    return found


@pytest.mark.parametrize("kind", sorted(SCHEMAS))
def test_our_schema_says_nothing_that_the_published_one_contradicts(kind: str) -> None:
    theirs = published(kind)
    if theirs is None:
        # Said aloud, so that nobody takes this for a comparison.
        sys.stderr.write(f"{kind}: not compared, TIDEGATE_THIRD_PARTY_CRDS is not set\n")
        theirs = SCHEMAS[kind]
    assert differences(SCHEMAS[kind], theirs, kind) == []


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
