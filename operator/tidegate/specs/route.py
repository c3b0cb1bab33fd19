"""The HTTPRoute of a Model, owned whole, and what a live one says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tidegate.specs.metadata import child
from tidegate.specs.service import PORT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tidegate.api.model import GatewayAPI
    from tidegate.specs.metadata import Object, Parent

ATTEMPT_ANNOTATION = "tidegate.dev/attempt"


def http_route(
    parent: Parent, *, traffic: GatewayAPI, weights: Mapping[str, int], attempt: int
) -> Object:
    """The route with the weight, in per cent, of each revision's Service.

    A revision with weight 0 stays in it, so that the gateway keeps its endpoints and counters.
    """
    obj = child(
        parent, api_version="gateway.networking.k8s.io/v1", kind="HTTPRoute", name=parent.name
    )
    obj["metadata"]["annotations"] = {ATTEMPT_ANNOTATION: str(attempt)}
    backends = [
        {"group": "", "kind": "Service", "name": revision, "port": PORT, "weight": weight}
        for revision, weight in weights.items()
    ]
    obj["spec"] = {
        "parentRefs": [_parent_ref(ref.wire()) for ref in traffic.parent_refs],
        "hostnames": list(traffic.hostnames),
        "rules": [
            {
                "matches": [{"path": {"type": "PathPrefix", "value": traffic.path}}],
                "backendRefs": backends,
            }
        ],
    }
    return obj


def _parent_ref(ref: dict[str, Any]) -> Object:
    return {"group": "gateway.networking.k8s.io", "kind": "Gateway", **ref}


def weights_of(route: Mapping[str, Any]) -> dict[str, int]:
    """The weight of each Service that a live route names, in its own words.

    Extra rules that somebody added show as a difference too: their Services are in it.
    """
    found: dict[str, int] = {}
    for rule in route.get("spec", {}).get("rules", ()):
        for backend in rule.get("backendRefs", ()):
            weight = int(backend.get("weight", 1))
            found[backend["name"]] = found.get(backend["name"], 0) + weight
    return found


def programmed(route: Mapping[str, Any]) -> tuple[bool, str]:
    """Whether every parent accepted and programmed exactly this generation; why not, otherwise.

    `Programmed` on a route is an addition of some gateways: where a parent does not say it,
    Accepted and ResolvedRefs count.
    """
    generation = route.get("metadata", {}).get("generation", 0)
    wanted = route.get("spec", {}).get("parentRefs", ())
    parents = route.get("status", {}).get("parents", ())
    own = route.get("metadata", {}).get("namespace", "")
    for ref in wanted:
        said = next(
            (p for p in parents if _same_parent(p.get("parentRef", {}), ref, namespace=own)), None
        )
        if said is None:
            return False, f"Gateway {ref['name']} has not taken the route yet; does it exist?"
        for condition in said.get("conditions", ()):
            if condition.get("type") not in ("Accepted", "ResolvedRefs", "Programmed"):
                continue
            if condition.get("status") != "True":
                return False, f"Gateway {ref['name']}: {condition.get('message', '')}"
            if condition.get("observedGeneration", generation) < generation:
                return False, f"Gateway {ref['name']} has not seen the last change yet"
        if not said.get("conditions"):
            return False, f"Gateway {ref['name']} has said nothing yet"
    return bool(wanted), ""


def _same_parent(said: Mapping[str, Any], ref: Mapping[str, Any], *, namespace: str) -> bool:
    """Whether two references mean one Gateway, seen from a route in `namespace`."""
    if any(said.get(field) != ref.get(field) for field in ("name", "sectionName")):
        return False
    return bool(said.get("namespace", namespace) == ref.get("namespace", namespace))
