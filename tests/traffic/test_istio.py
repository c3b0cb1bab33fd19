"""VirtualServices and DestinationRules: what they say, what is read back, what Istio confirms."""

from __future__ import annotations

from typing import Any

import pytest
from tests.traffic.routings import NEW, OLD, ROUTINGS, istio, rendered, route_of

type Obj = dict[str, Any]

PROVIDER = istio()


@pytest.mark.parametrize("what", ROUTINGS)
@pytest.mark.parametrize("path", ["/", "/v2", "/v2/"])
def test_what_is_wanted_is_what_is_read_back(what: str, path: str) -> None:
    provider = istio(path=path)
    found = provider.observe(route_of(provider, ROUTINGS[what]))
    assert found.weights == ROUTINGS[what].weights
    assert found.detours == ROUTINGS[what].detours


@pytest.mark.parametrize("what", ROUTINGS)
def test_every_route_sums_to_100_retries_nothing_and_has_a_rule_for_each_host(what: str) -> None:
    *others, route = rendered(PROVIDER, ROUTINGS[what])
    hosts = set()
    for http in route["spec"]["http"]:
        assert sum(one["weight"] for one in http["route"]) == 100
        assert http["retries"] == {"attempts": 0}
        hosts |= {one["destination"]["host"] for one in http["route"]}
    rules = [obj for obj in others if obj["kind"] == "DestinationRule"]
    assert hosts <= {rule["spec"]["host"] for rule in rules}
    assert all("outlierDetection" not in rule["spec"]["trafficPolicy"] for rule in rules)
    assert all("tls" not in rule["spec"]["trafficPolicy"] for rule in rules)


def test_the_routes_stand_in_the_order_in_which_istio_tries_them() -> None:
    route = route_of(PROVIDER, ROUTINGS["everything"])
    names = [http["name"] for http in route["spec"]["http"]]
    assert names == ["preview", "arm-a", "arm-b", "weighted"]
    assert route["spec"]["http"][0]["match"][0]["headers"] == {"x-preview": {"exact": "yes"}}
    assert "headers" not in route["spec"]["http"][-1]["match"][0]


def test_a_path_covers_whole_elements_only() -> None:
    (http,) = route_of(istio(path="/v2"), ROUTINGS["one revision"])["spec"]["http"]
    assert http["match"] == [{"uri": {"exact": "/v2"}}, {"uri": {"prefix": "/v2/"}}]
    (http,) = route_of(PROVIDER, ROUTINGS["one revision"])["spec"]["http"]
    assert http["match"] == [{"uri": {"prefix": "/"}}]


def test_new_callers_go_through_hosts_of_their_own_and_get_a_cookie() -> None:
    weighted = route_of(PROVIDER, ROUTINGS["cookie"])["spec"]["http"][-1]["route"]
    assert [one["destination"]["host"] for one in weighted] == [f"{OLD}-new", f"{NEW}-new"]
    added = weighted[1]["headers"]["response"]["add"]
    assert added["Set-Cookie"].startswith("tg-arm=b.3; Path=/; Max-Age=")


@pytest.mark.parametrize(
    "http",
    [
        {"route": [{"destination": {"host": "other"}, "weight": 1}]},
        {
            "name": "arm-a",
            "match": [{"headers": {"cookie": {"regex": ".*"}}}],
            "route": [{"destination": {"host": NEW}, "weight": 100}],
        },
        {
            "match": [{"headers": {"x": {"exact": "1"}}}],
            "route": [{"destination": {"host": NEW}, "weight": 100}],
        },
    ],
)
def test_a_route_that_somebody_added_shows_as_a_difference(http: Obj) -> None:
    for what in ("one revision", "cookie", "preview"):
        route = route_of(PROVIDER, ROUTINGS[what])
        route["spec"]["http"].append(http)
        found = PROVIDER.observe(route)
        wanted = ROUTINGS[what]
        assert (found.weights, found.detours) != (wanted.weights, wanted.detours)


def message(level: str) -> Obj:
    return {"level": level, "type": {"code": "IST0101", "name": "ReferencedResourceNotFound"}}


@pytest.mark.parametrize(
    ("status", "done"),
    [
        ({}, True),
        ({"observedGeneration": "4"}, True),
        ({"observedGeneration": 3}, False),
        ({"observedGeneration": "3"}, False),
        ({"observedGeneration": "soon"}, True),
        ({"conditions": [{"type": "Reconciled", "status": "False", "message": "1/2"}]}, False),
        ({"conditions": [{"type": "Reconciled", "status": "True"}]}, True),
        ({"conditions": [{"type": "PassedAnalysis", "status": "False"}]}, True),
        ({"validationMessages": [message("ERROR")]}, False),
        ({"validationMessages": [message("WARNING")]}, True),
        ({"validationMessages": [{"level": "Error", "code": "IST0101", "message": "x"}]}, False),
    ],
)
def test_istio_is_believed_where_it_says_something(status: Obj, done: bool) -> None:
    route = route_of(PROVIDER, ROUTINGS["weights"])
    route["metadata"]["generation"] = 4
    found = PROVIDER.observe({**route, "status": status})
    assert found.programmed is done
    assert done or "Istio" in found.message


def test_no_route_says_nothing() -> None:
    found = PROVIDER.observe(None)
    assert (found.weights, found.programmed) == (None, False)
    assert found.message
