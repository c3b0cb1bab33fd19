"""HTTPRoutes: what they say, what is read back, and what the Gateway has to confirm."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from tests.traffic.routings import (
    ATTEMPT,
    NEW,
    OLD,
    ROUTINGS,
    envoy_gateway,
    gateway_api,
    rendered,
    route_of,
)

from tidegate.local.gateway.matching import precedence
from tidegate.traffic.assignment import COOKIE_LIFETIME_S

type Obj = dict[str, Any]

PROVIDER = gateway_api()
ONE = ROUTINGS["one revision"]


@pytest.mark.parametrize("what", ROUTINGS)
def test_what_is_wanted_is_what_is_read_back(what: str) -> None:
    found = PROVIDER.observe(route_of(PROVIDER, ROUTINGS[what]))
    assert found.weights == ROUTINGS[what].weights
    assert found.detours == ROUTINGS[what].detours


def test_a_plain_route_has_one_rule_and_no_retries() -> None:
    route = route_of(gateway_api(path="/v2"), ROUTINGS["weight 0"])
    (rule,) = route["spec"]["rules"]
    assert rule["matches"] == [{"path": {"type": "PathPrefix", "value": "/v2"}}]
    assert [(b["name"], b["weight"]) for b in rule["backendRefs"]] == [(OLD, 100), (NEW, 0)]
    assert route["spec"]["hostnames"] == ["a.example"]
    assert not {"retry", "filters"} & rule.keys()
    assert len(rendered(PROVIDER, ROUTINGS["weight 0"])) == 1


@pytest.mark.parametrize("what", ROUTINGS)
def test_for_envoy_gateway_every_backend_is_marked_and_read_back_all_the_same(what: str) -> None:
    provider = envoy_gateway()
    route = route_of(provider, ROUTINGS[what])
    for rule in route["spec"]["rules"]:
        for backend in rule["backendRefs"]:
            (header,) = backend["filters"][0]["requestHeaderModifier"]["set"]
            assert header["name"] == "x-tidegate-revision"
            assert header["value"] == backend["name"].removesuffix("-new")
    found = provider.observe(route)
    assert (found.weights, found.detours) == (ROUTINGS[what].weights, ROUTINGS[what].detours)


def test_no_route_says_nothing() -> None:
    found = PROVIDER.observe(None)
    assert (found.weights, found.programmed) == (None, False)
    assert found.message


def test_a_whole_mirror_asks_for_no_percentage() -> None:
    (whole,) = route_of(PROVIDER, ROUTINGS["mirror"])["spec"]["rules"]
    (part,) = route_of(PROVIDER, ROUTINGS["part of a mirror"])["spec"]["rules"]
    assert "percent" not in whole["filters"][0]["requestMirror"]
    assert part["filters"][0]["requestMirror"]["percent"] == 7


def test_everybody_is_mirrored_but_who_previews() -> None:
    preview, *others = route_of(PROVIDER, ROUTINGS["everything"])["spec"]["rules"]
    assert "filters" not in preview
    assert all(rule["filters"][0]["type"] == "RequestMirror" for rule in others)


def test_preview_wins_over_arms_and_arms_over_weights() -> None:
    rules = route_of(PROVIDER, ROUTINGS["everything by header"])["spec"]["rules"]
    route: Obj = {"metadata": {"name": "m", "namespace": "default"}}
    order = [
        precedence(rule["matches"][0], route=route, rule=number, index=0)
        for number, rule in enumerate(rules)
    ]
    assert order == sorted(order)
    headers = [rule["matches"][0].get("headers", [{}])[0].get("name") for rule in rules]
    assert headers == ["x-preview", "x-arm", "x-arm", None]


def test_new_callers_go_through_services_of_their_own_and_get_a_cookie() -> None:
    one, two, route = rendered(PROVIDER, ROUTINGS["cookie"])
    assert [one["metadata"]["name"], two["metadata"]["name"]] == [f"{OLD}-new", f"{NEW}-new"]
    assert one["spec"]["selector"]["tidegate.dev/revision"] == OLD
    first, second = route["spec"]["rules"][-1]["backendRefs"]
    assert (first["name"], second["name"]) == (f"{OLD}-new", f"{NEW}-new")
    (change,) = first["filters"]
    (header,) = change["responseHeaderModifier"]["add"]
    assert header["value"] == (
        f"tg-arm=a.{ATTEMPT}; Path=/; Max-Age={COOKIE_LIFETIME_S}; HttpOnly; SameSite=Lax"
    )


def test_the_arms_of_five_stay_far_below_the_limit_of_rules() -> None:
    rules = route_of(PROVIDER, ROUTINGS["everything"])["spec"]["rules"]
    assert len(rules) - 2 + 5 <= 16


@pytest.mark.parametrize(
    "rule",
    [
        {"backendRefs": [{"name": "other"}]},
        {"matches": [{"headers": [{"name": "a", "value": "1"}]}], "backendRefs": [{"name": NEW}]},
        {
            "matches": [{"headers": [{"name": "a", "value": "1"}, {"name": "b", "value": "2"}]}],
            "backendRefs": [{"name": NEW}],
        },
        {
            "matches": [
                {"headers": [{"name": "Cookie", "type": "RegularExpression", "value": ".*"}]}
            ],
            "backendRefs": [{"name": NEW}],
        },
        {
            "filters": [{"type": "RequestMirror", "requestMirror": {"backendRef": {"name": NEW}}}],
            "backendRefs": [{"name": OLD, "weight": 0}],
        },
    ],
)
def test_a_rule_that_somebody_added_shows_as_a_difference(rule: Obj) -> None:
    for what in ("one revision", "cookie", "preview"):
        route = route_of(PROVIDER, ROUTINGS[what])
        route["spec"]["rules"].append(rule)
        found = PROVIDER.observe(route)
        wanted = ROUTINGS[what]
        assert (found.weights, found.detours) != (wanted.weights, wanted.detours)


def test_rules_of_an_older_attempt_are_not_taken_for_this_ones() -> None:
    route = route_of(PROVIDER, ROUTINGS["cookie"], attempt=2)
    route["metadata"]["annotations"]["tidegate.dev/attempt"] = "3"
    assert PROVIDER.observe(route).detours.sticky is None


# -- what the Gateway confirms ---


def with_status(route: Obj, *conditions: tuple[str, str, int]) -> Obj:
    listed = [
        {"type": type_, "status": status, "observedGeneration": generation, "message": "why"}
        for type_, status, generation in conditions
    ]
    parents = [{"parentRef": {"name": "public", "namespace": "infra"}, "conditions": listed}]
    found = copy.deepcopy(route)
    found["metadata"]["generation"] = 4
    return {**found, "status": {"parents": parents}}


@pytest.mark.parametrize(
    ("conditions", "done"),
    [
        ((), False),
        ((("Accepted", "True", 4),), True),
        ((("Accepted", "True", 3),), False),
        ((("Accepted", "False", 4),), False),
        ((("Accepted", "True", 4), ("ResolvedRefs", "False", 4)), False),
        ((("Accepted", "True", 4), ("Programmed", "True", 3)), False),
        ((("Accepted", "True", 4), ("ResolvedRefs", "True", 4), ("Programmed", "True", 4)), True),
        ((("Accepted", "True", 4), ("Interesting", "False", 1)), True),
    ],
)
def test_a_route_counts_once_every_parent_took_exactly_this_generation(
    conditions: tuple[tuple[str, str, int], ...], done: bool
) -> None:
    found = PROVIDER.observe(with_status(route_of(PROVIDER, ONE), *conditions))
    assert found.programmed is done
    assert done or "public" in found.message


def test_a_route_of_two_gateways_waits_for_both() -> None:
    refs = [{"name": "public", "namespace": "infra"}, {"name": "second"}]
    route = with_status(route_of(gateway_api(parentRefs=refs), ONE), ("Accepted", "True", 4))
    found = PROVIDER.observe(route)
    assert not found.programmed
    assert found.message == "Gateway second has not taken the route yet; does it exist?"


def test_gateways_of_one_name_in_two_namespaces_are_told_apart() -> None:
    refs = [{"name": "public", "namespace": "infra"}, {"name": "public", "namespace": "edge"}]
    route = with_status(route_of(gateway_api(parentRefs=refs), ONE), ("Accepted", "True", 4))
    assert not PROVIDER.observe(route).programmed
