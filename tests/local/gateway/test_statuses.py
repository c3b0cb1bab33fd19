"""What Gateways and HTTPRoutes say: only what Envoy has confirmed, and nothing twice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tidegate.local.gateway.snapshot import Snapshot
from tidegate.local.gateway.statuses import gateway_status, route_status, same_status
from tidegate.local.gateway.translate import Translation, translate
from tidegate.testing.gateway import backend_ref, gateway, gateway_class, http_route, service

type Obj = dict[str, Any]

NOW, LATER = "2026-01-02T00:00:00Z", "2026-01-03T00:00:00Z"
OTHERS: Obj = {"controllerName": "example.com/other", "parentRef": {"name": "x"}, "conditions": []}


def translated(route: Obj, *gateways: Obj) -> Translation:
    snapshot = Snapshot(
        gateway_classes=(gateway_class(),),
        gateways=gateways or (gateway(),),
        routes=(route,),
        services=(service("a"),),
    )
    return translate(snapshot, root=Path("/nowhere"))


def route(**more: Any) -> Obj:
    return http_route({"backendRefs": [backend_ref("a")]}, **more)


def said(status: Obj) -> dict[str, tuple[str, str]]:
    return {c["type"]: (c["status"], c["reason"]) for c in status["conditions"]}


def status_of(obj: Obj, *, rejected: dict[str, str] | None = None, now: str = NOW) -> Obj:
    (verdict,) = translated(obj).routes
    return route_status(verdict, rejected=rejected or {}, now=now)


def test_a_route_that_envoy_serves_says_so() -> None:
    (parent,) = status_of(route())["parents"]
    assert said(parent) == {
        "Accepted": ("True", "Accepted"),
        "ResolvedRefs": ("True", "ResolvedRefs"),
        "Programmed": ("True", "Programmed"),
    }
    assert {c["observedGeneration"] for c in parent["conditions"]} == {1}


def test_a_route_whose_table_envoy_rejected_is_not_programmed() -> None:
    (parent,) = status_of(route(), rejected={"http-8080": "bad"})["parents"]
    assert said(parent)["Programmed"] == ("False", "Invalid")
    assert said(parent)["Accepted"] == ("True", "Accepted")


def test_a_rejection_of_another_port_does_not_matter() -> None:
    (parent,) = status_of(route(), rejected={"http-9090": "bad"})["parents"]
    assert said(parent)["Programmed"] == ("True", "Programmed")


def test_a_route_that_is_not_accepted_is_not_programmed() -> None:
    (parent,) = status_of(route(parent={"name": "public", "sectionName": "no"}))["parents"]
    assert said(parent)["Accepted"] == ("False", "NoMatchingParent")
    assert said(parent)["Programmed"] == ("False", "NotAccepted")


def test_the_same_status_later_is_not_news() -> None:
    live = route()
    live["status"] = status_of(live)
    assert same_status(live["status"], status_of(live, now=LATER))


def test_the_time_of_a_transition_moves_only_with_its_status() -> None:
    live = route()
    live["status"] = status_of(live)
    (parent,) = status_of(live, rejected={"http-8080": "bad"}, now=LATER)["parents"]
    times = {c["type"]: c["lastTransitionTime"] for c in parent["conditions"]}
    assert times == {"Accepted": NOW, "ResolvedRefs": NOW, "Programmed": LATER}


def test_entries_of_other_controllers_are_kept() -> None:
    live = route()
    live["status"] = {"parents": [OTHERS]}
    assert status_of(live)["parents"][0] == OTHERS


def test_a_route_that_left_our_gateways_no_longer_claims_them() -> None:
    live = route()
    live["status"] = {"parents": [OTHERS, *status_of(live)["parents"]]}
    live["spec"]["parentRefs"] = [{"name": "elsewhere"}]
    assert status_of(live) == {"parents": [OTHERS]}


def test_a_gateway_tells_its_address_and_how_many_routes_hang_on_it() -> None:
    found = translated(route())
    status = gateway_status(found.gateways[0], translation=found, rejected={}, now=NOW)
    assert said(status) == {
        "Accepted": ("True", "Accepted"),
        "Programmed": ("True", "Programmed"),
    }
    assert status["addresses"] == [{"type": "IPAddress", "value": "127.0.0.1"}]
    assert status["listeners"][0]["attachedRoutes"] == 1


def test_a_gateway_whose_port_is_taken_says_why() -> None:
    found = translated(route())
    why = "cannot bind '127.0.0.1:8080': Address already in use"
    rejected = {"http-8080": why}
    status = gateway_status(found.gateways[0], translation=found, rejected=rejected, now=NOW)
    assert said(status)["Programmed"] == ("False", "Invalid")
    assert status["conditions"][1]["message"] == why


def test_a_gateway_of_another_protocol_is_not_accepted() -> None:
    secure = gateway()
    secure["spec"]["listeners"][0]["protocol"] = "HTTPS"
    found = translated(route(), secure)
    status = gateway_status(found.gateways[0], translation=found, rejected={}, now=NOW)
    assert said(status)["Accepted"] == ("False", "ListenersNotValid")
    assert said(status["listeners"][0])["Accepted"] == ("False", "UnsupportedProtocol")
