"""From Gateway API objects to Envoy's documents and to what is said about each object."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tidegate.local.gateway.snapshot import Snapshot
from tidegate.local.gateway.translate import Translation, translate
from tidegate.testing.gateway import (
    backend_ref,
    endpoint_slice,
    gateway,
    gateway_class,
    http_route,
    service,
)

type Obj = dict[str, Any]

ROOT = Path("/nowhere")


def translated(
    *routes: Obj, gateways: tuple[Obj, ...] = (), **more: tuple[Obj, ...]
) -> Translation:
    objects: dict[str, tuple[Obj, ...]] = {
        "gateway_classes": (gateway_class(),),
        "gateways": gateways or (gateway(),),
        "services": (service("a"), service("b")),
        "slices": (endpoint_slice("a", 9001), endpoint_slice("b", 9002)),
        **more,
    }
    return translate(Snapshot(routes=routes, **objects), root=ROOT)


def hosts(found: Translation, port: int = 8080) -> dict[str, list[Obj]]:
    table = found.documents.routes[f"http-{port}"]
    return {v["domains"][0]: v["routes"] for v in table["virtual_hosts"]}


def only_route(found: Translation) -> Obj:
    (route,) = hosts(found)["*"]
    return route


def accepted(found: Translation) -> tuple[bool, str]:
    (parent,) = found.routes[0].parents
    return parent.accepted.ok, parent.accepted.reason


def test_weights_become_weighted_clusters_named_after_route_and_service() -> None:
    rule = {"backendRefs": [backend_ref("a", 95), backend_ref("b", 5)]}
    action = only_route(translated(http_route(rule)))["route"]
    assert action["weighted_clusters"]["clusters"] == [
        {"name": "default/flights/a", "weight": 95},
        {"name": "default/flights/b", "weight": 5},
    ]


def test_a_backend_of_weight_zero_keeps_its_cluster_and_endpoints() -> None:
    rule = {"backendRefs": [backend_ref("a", 100), backend_ref("b", 0)]}
    documents = translated(http_route(rule)).documents
    assert documents.clusters.keys() == {"default/flights/a", "default/flights/b"}
    (group,) = documents.endpoints["default/flights/b"]["endpoints"]
    address = group["lb_endpoints"][0]["endpoint"]["address"]["socket_address"]
    assert address == {"address": "127.0.0.1", "port_value": 9002}


@pytest.mark.parametrize(
    ("refs", "text"),
    [
        ([backend_ref("a", 0), backend_ref("b", 0)], "weight 0"),
        ([backend_ref("missing")], "no back end that exists"),
        ([backend_ref("a", port=81)], "no back end that exists"),
        ([], "no back end that exists"),
    ],
)
def test_a_rule_that_leads_nowhere_answers_503(refs: list[Obj], text: str) -> None:
    answer = only_route(translated(http_route({"backendRefs": refs})))["direct_response"]
    assert answer["status"] == 503
    assert text in answer["body"]["inline_string"]


@pytest.mark.parametrize(
    ("ref", "reason"),
    [
        (backend_ref("missing"), "BackendNotFound"),
        (backend_ref("a", port=81), "BackendNotFound"),
        ({"name": "a", "port": 80, "namespace": "other"}, "RefNotPermitted"),
        ({"name": "a", "port": 80, "kind": "Bucket", "group": "s3.example"}, "InvalidKind"),
    ],
)
def test_a_reference_that_leads_nowhere_is_told(ref: Obj, reason: str) -> None:
    rule = {"backendRefs": [backend_ref("b"), ref]}
    resolved = translated(http_route(rule)).routes[0].resolved
    assert (resolved.ok, resolved.reason) == (False, reason)


def test_only_endpoints_that_are_ready_and_stay_get_traffic() -> None:
    slices = (
        endpoint_slice("a", 9001, "127.0.0.1"),
        endpoint_slice("a", 9001, "127.0.0.2", conditions={"ready": False}),
        endpoint_slice("a", 9001, "127.0.0.3", conditions={"ready": True, "terminating": True}),
        endpoint_slice("a", 9001, "127.0.0.4", conditions={"serving": True}),
    )
    found = translated(http_route({"backendRefs": [backend_ref("a")]}), slices=slices)
    (group,) = found.documents.endpoints["default/flights/a"]["endpoints"]
    addresses = [
        e["endpoint"]["address"]["socket_address"]["address"] for e in group["lb_endpoints"]
    ]
    assert addresses == ["127.0.0.1", "127.0.0.4"]


def test_a_mirror_has_its_own_cluster_and_its_share() -> None:
    mirror = {"backendRef": backend_ref("b"), "percent": 20}
    rule = {
        "backendRefs": [backend_ref("a")],
        "filters": [{"type": "RequestMirror", "requestMirror": mirror}],
    }
    found = translated(http_route(rule))
    (policy,) = only_route(found)["route"]["request_mirror_policies"]
    assert policy["cluster"] == "default/flights/b/shadow"
    share = policy["runtime_fraction"]["default_value"]
    assert share == {"numerator": 200_000, "denominator": "MILLION"}
    assert "default/flights/b/shadow" in found.documents.clusters


def test_matches_compete_as_gateway_api_says() -> None:
    def rule(match: Obj) -> Obj:
        return {"matches": [match], "backendRefs": [backend_ref("a")]}

    header = {"name": "X-Arm", "value": "b"}
    matches: list[Obj] = [
        {"path": {"type": "PathPrefix", "value": "/"}},
        {"path": {"type": "PathPrefix", "value": "/v2/"}, "method": "POST"},
        {"path": {"type": "PathPrefix", "value": "/v2/models"}},
        {"path": {"type": "PathPrefix", "value": "/v2"}, "headers": [header]},
        {"path": {"type": "Exact", "value": "/v2"}},
    ]
    routes = hosts(translated(http_route(*map(rule, matches))))["*"]
    assert [r["match"] for r in routes] == [
        {"path": "/v2"},
        {"path_separated_prefix": "/v2/models"},
        {
            "path_separated_prefix": "/v2",
            "headers": [{"name": ":method", "string_match": {"exact": "POST"}}],
        },
        {
            "path_separated_prefix": "/v2",
            "headers": [{"name": "x-arm", "string_match": {"exact": "b"}}],
        },
        {"prefix": "/"},
    ]


def test_the_oldest_of_two_claims_wins() -> None:
    rule = {"backendRefs": [backend_ref("a")]}
    young = http_route(rule, name="aaa", created="2026-02-01T00:00:00Z")
    old = http_route(rule, name="zzz", created="2026-01-01T00:00:00Z")
    routes = hosts(translated(young, old))["*"]
    assert [r["name"] for r in routes] == ["default/zzz/0/0", "default/aaa/0/0"]


def test_a_wider_hostname_answers_what_the_narrow_one_does_not_match() -> None:
    exact = {"path": {"type": "Exact", "value": "/x"}}
    narrow = http_route(
        {"matches": [exact], "backendRefs": [backend_ref("a")]},
        name="narrow",
        hostnames=["a.example"],
    )
    wide = http_route({"backendRefs": [backend_ref("b")]}, name="wide", hostnames=["*.example"])
    found = hosts(translated(narrow, wide))
    assert [r["name"] for r in found["a.example"]] == ["default/narrow/0/0", "default/wide/0/0"]
    assert [r["name"] for r in found["*.example"]] == ["default/wide/0/0"]
    assert found["*"] == []


@pytest.mark.parametrize(
    ("allowed", "namespace", "expected"),
    [
        (None, "default", (True, "Accepted")),
        (None, "team", (False, "NotAllowedByListeners")),
        ({"from": "All"}, "team", (True, "Accepted")),
        (
            {"from": "Selector", "selector": {"matchLabels": {"edge": "yes"}}},
            "team",
            (True, "Accepted"),
        ),
        (
            {"from": "Selector", "selector": {"matchLabels": {"edge": "no"}}},
            "team",
            (False, "NotAllowedByListeners"),
        ),
    ],
)
def test_listeners_admit_the_namespaces_they_name(
    allowed: Obj | None, namespace: str, expected: tuple[bool, str]
) -> None:
    team: Obj = {"metadata": {"name": "team", "labels": {"edge": "yes"}}}
    route = http_route(
        {"backendRefs": [backend_ref("a")]},
        namespace=namespace,
        parent={"name": "public", "namespace": "default"},
    )
    found = translated(route, gateways=(gateway(allowed=allowed),), namespaces=(team,))
    assert accepted(found) == expected
    assert bool(hosts(found)["*"]) is expected[0]


@pytest.mark.parametrize(
    ("parent", "hostname", "expected"),
    [
        ({"name": "public", "sectionName": "other"}, None, "NoMatchingParent"),
        ({"name": "public", "port": 81}, None, "NoMatchingParent"),
        ({"name": "public"}, "b.example", "NoMatchingListenerHostname"),
    ],
)
def test_a_route_that_fits_no_listener_is_told_why(
    parent: Obj, hostname: str | None, expected: str
) -> None:
    route = http_route({"backendRefs": [backend_ref("a")]}, parent=parent, hostnames=["a.example"])
    found = translated(route, gateways=(gateway(hostname=hostname),))
    assert accepted(found) == (False, expected)


def test_a_port_belongs_to_the_oldest_gateway() -> None:
    old = gateway(name="old", created="2025-01-01T00:00:00Z")
    young = gateway(name="young", created="2026-01-01T00:00:00Z")
    found = translated(gateways=(young, old))
    problems = {each.gateway: each.problem for each in found.listeners}
    assert problems["old"] is None
    assert problems["young"] is not None
    assert "default/old" in problems["young"].message


@pytest.mark.parametrize("pattern", ["(?=a)", "(a)\\1", "("])
def test_a_pattern_that_envoy_would_refuse_is_refused_for_its_route_alone(pattern: str) -> None:
    match = {"path": {"type": "RegularExpression", "value": pattern}}
    bad = http_route({"matches": [match], "backendRefs": [backend_ref("a")]}, name="bad")
    good = http_route({"backendRefs": [backend_ref("a")]}, name="good")
    found = translated(bad, good)
    assert accepted(found) == (False, "UnsupportedValue")
    assert [r["name"] for r in hosts(found)["*"]] == ["default/good/0/0"]


def test_a_filter_that_is_not_served_is_refused_and_not_ignored() -> None:
    rule = {"filters": [{"type": "ExtensionRef"}], "backendRefs": [backend_ref("a")]}
    assert accepted(translated(http_route(rule))) == (False, "UnsupportedValue")


@pytest.mark.parametrize(
    ("timeouts", "expected"),
    [
        ({}, "60s"),
        ({"request": "2s"}, "2s"),
        ({"request": "1m", "backendRequest": "500ms"}, "0.5s"),
        ({"request": "0s"}, "0s"),
    ],
)
def test_the_shorter_limit_counts_because_nothing_is_retried(timeouts: Obj, expected: str) -> None:
    rule = {"timeouts": timeouts, "backendRefs": [backend_ref("a")]}
    assert only_route(translated(http_route(rule)))["route"]["timeout"] == expected


def test_a_service_address_is_a_listener_of_its_own() -> None:
    documents = translated(services=(service("a", cluster_ip="127.128.0.7"),)).documents
    listener = documents.listeners["tcp|default|a|80"]
    assert listener["address"]["socket_address"] == {"address": "127.128.0.7", "port_value": 80}
    assert documents.endpoints["tcp|default|a|80"]["endpoints"]


def test_gateways_of_other_classes_are_left_alone() -> None:
    other = gateway_class(controller="example.com/other")
    found = translated(http_route({"backendRefs": [backend_ref("a")]}), gateway_classes=(other,))
    assert (found.gateways, found.routes, dict(found.documents.routes)) == ((), (), {})
