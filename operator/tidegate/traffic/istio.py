"""Istio: one VirtualService a Model, and one DestinationRule for every Service that it names.

A revision is a host of its own, its Service, and no subset of a shared one: Istio's standard
metrics carry the host as `destination_service_name` but not the subset, so this is what tells the
arms apart, and it is what every revision has anyway. Hosts are short names: Istio completes them by
the namespace of the rule and the cluster's own domain.

The routes of a VirtualService are tried from the first to the last, so they stand in this order,
each under its name: `preview`, `arm-<name>` for each arm of a sticky test, `weighted`. New callers
of a test: see `assignment`. Istio matches prefixes of text, not of path elements, so a path `/a`
becomes two matches, `/a` exactly and everything below `/a/`.

`retries: {attempts: 0}` on every route: Istio retries twice unless told otherwise, and a failing
arm would look healthy. The DestinationRules name a load balancer and, with purpose, no
`outlierDetection`: one for a wider host elsewhere in the mesh would eject the failing pods of a
candidate and hide what is to be measured; the rule of a Service's own host wins over it. Istio has
one mirror a route; it is `mirror` with `mirrorPercentage`.

**Programmed.** Istio writes a status only where it was installed with PILOT_ENABLE_STATUS or
analysis, and by default it does neither. What is believed then:

- no status: what is stored is what is routed. The API server has it, Istio's webhook has checked
  it, and istiod pushes within a second or so. If istiod is down, the old weights stay; nothing is
  decided wrongly by that, for a step then has no requests of the candidate and holds with NoData,
  and a promotion waits for the old arm's counters to stand still.
- a status of an older generation: not yet.
- `Reconciled` False, or a validation message of level ERROR (a gateway that does not exist): not
  programmed, with Istio's words. `PassedAnalysis` alone blocks nothing: it is False for warnings
  too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from tidegate.domain.rollout.facts import RouteFacts
from tidegate.domain.route import Detours, Mirror, Preview
from tidegate.specs.metadata import child
from tidegate.specs.service import PORT
from tidegate.traffic import assignment
from tidegate.traffic.base import ATTEMPT_ANNOTATION, NO_ROUTE, Feature

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from tidegate.api.traffic import Istio
    from tidegate.domain.route import Routing
    from tidegate.specs.metadata import Object, Parent
    from tidegate.traffic.base import Kind

API_VERSION = "networking.istio.io/v1"
_PREVIEW, _ARM, _WEIGHTED = "preview", "arm-", "weighted"


class IstioProvider:
    """`TrafficProvider` by a VirtualService."""

    name: ClassVar[str] = "istio"
    title: ClassVar[str] = "Istio"
    features: ClassVar[frozenset[Feature]] = frozenset(Feature)
    kinds: ClassVar[tuple[Kind, ...]] = (
        (API_VERSION, "VirtualService"), (API_VERSION, "DestinationRule"),
    )  # fmt: skip

    def __init__(self, spec: Istio, *, apart: bool = False) -> None:
        """See `registry.provider_of`. Istio counts every Service apart, `apart` or not."""
        self._spec = spec

    def render(self, parent: Parent, *, routing: Routing, attempt: int) -> Sequence[Object]:
        """Assignment Services, DestinationRules, and the VirtualService; see the protocol."""
        api_version, kind = self.kinds[0]
        route = child(parent, api_version=api_version, kind=kind, name=parent.name)
        route["metadata"]["annotations"] = {ATTEMPT_ANNOTATION: str(attempt)}
        route["spec"] = {
            "hosts": list(self._spec.hosts),
            "gateways": list(self._spec.gateways),
            "http": self._routes(routing, attempt),
        }
        hosts = dict.fromkeys(_hosts(route))
        rules = [_destination_rule(parent, host) for host in hosts]
        return [*assignment.services(parent, routing), *rules, route]

    def observe(self, route: Object | None) -> RouteFacts:
        """See the protocol."""
        if route is None:
            return RouteFacts(message=NO_ROUTE)
        weights, detours = _said(route)
        problem = _problem(route)
        return RouteFacts(weights, programmed=not problem, message=problem, detours=detours)

    def endpoint(self, model: str) -> str:
        """See the protocol."""
        return f"http://{self._spec.hosts[0]}{self._spec.path.rstrip('/')}/v2/models/{model}"

    def _routes(self, routing: Routing, attempt: int) -> list[Object]:
        detours = routing.detours
        routes = []
        if (preview := detours.preview) is not None:
            header = {preview.header.lower(): {"exact": preview.value}}
            to = [_destination(preview.revision, 100)]
            routes.append(self._route(_PREVIEW, header=header, to=to))
        if (sticky := detours.sticky) is not None:
            for arm, revision in sticky.arms:
                header = {sticky.name.lower(): {"exact": arm}}
                if sticky.by == "cookie":
                    pattern = assignment.cookie_pattern(sticky.name, arm=arm, attempt=attempt)
                    header = {"cookie": {"regex": pattern}}
                to = [_destination(revision, 100)]
                routes.append(
                    self._route(f"{_ARM}{arm}", header=header, to=to, mirror=detours.mirror)
                )
        to = _weighted(routing, attempt)
        routes.append(self._route(_WEIGHTED, header=None, to=to, mirror=detours.mirror))
        return routes

    def _route(
        self, name: str, *, header: Object | None, to: list[Object], mirror: Mirror | None = None
    ) -> Object:
        match = [{"uri": uri, **({"headers": header} if header else {})} for uri in self._uris()]
        route: Object = {"name": name, "match": match, "route": to, "retries": {"attempts": 0}}
        if mirror is not None:
            route["mirror"] = _address(mirror.revision)
            route["mirrorPercentage"] = {"value": mirror.percent}
        return route

    def _uris(self) -> list[Object]:
        path = self._spec.path.rstrip("/")
        return [{"exact": path}, {"prefix": f"{path}/"}] if path else [{"prefix": "/"}]


# -- rendering -------------------------------------------------------------------------------------


def _address(service: str) -> Object:
    return {"host": service, "port": {"number": PORT}}


def _destination(service: str, weight: int) -> Object:
    return {"destination": _address(service), "weight": weight}


def _weighted(routing: Routing, attempt: int) -> list[Object]:
    """Every revision by weight; an arm that gets new callers by its assignment Service."""
    arms, sticky = assignment.assigning(routing), routing.detours.sticky
    to = []
    for revision, weight in routing.weights.items():
        if sticky is None or revision not in arms:
            to.append(_destination(revision, weight))
            continue
        cookie = assignment.set_cookie(sticky, arm=arms[revision], attempt=attempt)
        one = _destination(assignment.service_name(revision), weight)
        # Added, not set: the model's own cookies stay.
        one["headers"] = {"response": {"add": {assignment.SET_COOKIE: cookie}}}
        to.append(one)
    return to


def _hosts(route: Mapping[str, Any]) -> Iterable[str]:
    for http in route["spec"]["http"]:
        yield from (one["destination"]["host"] for one in http["route"])
        if "mirror" in http:
            yield http["mirror"]["host"]


def _destination_rule(parent: Parent, host: str) -> Object:
    revision = assignment.revision_of(host)
    obj = child(
        parent, api_version=API_VERSION, kind="DestinationRule", name=host, revision=revision
    )
    obj["spec"] = {
        "host": host,
        "trafficPolicy": {"loadBalancer": {"simple": "LEAST_REQUEST"}},
    }
    return obj


# -- reading a live VirtualService -----------------------------------------------------------------


def _said(route: Mapping[str, Any]) -> tuple[dict[str, int], Detours]:
    """Weights and detours of a live VirtualService.

    Whatever is no route of ours counts into the weights, so that they differ from what is wanted.
    """
    said = route.get("metadata", {}).get("annotations", {}).get(ATTEMPT_ANNOTATION, "")
    attempt = int(said) if said.isdecimal() else -1
    weights: dict[str, int] = {}
    mirror: Mirror | None = None
    preview: Preview | None = None
    arms: list[tuple[str, str, str, str]] = []
    for http in route.get("spec", {}).get("http") or ():
        mirror = _mirror_of(http) or mirror
        to = list(http.get("route") or ())
        known = _header_of(http, attempt) if len(to) == 1 else None
        if known is None:
            for one in to:
                revision = assignment.revision_of(one["destination"]["host"])
                weights[revision] = weights.get(revision, 0) + int(one.get("weight", 0))
        elif http.get("name") == _PREVIEW:
            _, header, value = known
            preview = Preview(header, value, to[0]["destination"]["host"])
        else:
            arms.append((*known, to[0]["destination"]["host"]))
    return weights, Detours(mirror=mirror, preview=preview, sticky=assignment.sticky_of(arms))


def _header_of(http: Mapping[str, Any], attempt: int) -> tuple[str, str, str] | None:
    """(`cookie` or `header`, its name, the arm or value) of a route for some callers; None for one
    that is no such route of ours."""
    found: set[tuple[str, str, str]] = {
        (name, kind, value)
        for match in http.get("match") or ()
        for name, matcher in (match.get("headers") or {}).items()
        for kind, value in matcher.items()
    }
    if len(found) != 1:
        return None
    name, kind, value = found.pop()
    if kind == "exact":
        return "header", name, value
    arm = assignment.arm_of(value, attempt=attempt) if (name, kind) == ("cookie", "regex") else None
    return ("cookie", *arm) if arm is not None else None


def _mirror_of(http: Mapping[str, Any]) -> Mirror | None:
    if "mirror" not in http:
        return None
    percent = http.get("mirrorPercentage", {}).get("value", 100)
    return Mirror(http["mirror"]["host"], int(percent))


def _problem(route: Mapping[str, Any]) -> str:
    """What Istio says against this generation; empty when it says nothing against it."""
    generation = int(route.get("metadata", {}).get("generation", 0))
    status = route.get("status") or {}
    seen = str(status.get("observedGeneration", ""))  # Istio writes the number as text
    if seen.isdecimal() and int(seen) < generation:
        return "Istio has not seen the last change of the VirtualService yet"
    for condition in status.get("conditions") or ():
        if condition.get("type") == "Reconciled" and condition.get("status") == "False":
            return f"Istio is still spreading the VirtualService: {condition.get('message', '')}"
    for message in status.get("validationMessages") or ():
        if str(message.get("level", "")).upper() == "ERROR":
            kind = message.get("type") or {}
            text = kind.get("name") or message.get("message") or "an error"
            code = kind.get("code") or message.get("code") or ""
            return f"Istio refuses the VirtualService: {text} {code}".rstrip()
    return ""
