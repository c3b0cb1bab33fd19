"""Gateway API: one HTTPRoute a Model, owned whole, with one Service a revision behind it.

The rules of a route, in the order in which they stand:

1. preview: the header's exact value → that revision
2. one for each arm of a sticky test: the arm's cookie (a regular expression on `Cookie`) or the
   header's exact value → that arm
3. the weighted rule, without a header: everybody else

Gateway API sends a request to the matching rule with the longest path, then with most headers, then
to the first: 1 and 2 match one header each, so they win over 3, and 1 over 2. There are at most 7
rules of the 16 that a route may have (five arms). A cookie of an arm that is gone matches no rule
of 2 and falls through to 3.

A revision of weight 0 stays in the weighted rule, so that its endpoints and counters are there
before its first request and after its last. A revision is always behind the same Service, however
many rules name it, so a gateway that makes one cluster a Service, as the local one does, keeps one
set of counters for it; requests that were mirrored go to a cluster of their own there
(`namespace/model/revision/shadow`). New callers of a sticky test: see `assignment`.

Envoy Gateway makes one cluster of a whole rule, which would mix the arms' counters, unless every
backendRef of it has a filter (envoyproxy/gateway issue 7017). `apart` gives each one: the header
`x-tidegate-revision` on requests. Other gateways do without, for filters of a backendRef are left
to implementations.

Nothing is retried: an HTTPRoute without `retry` asks for none.

Weights and matches on headers are core; mirrors, and a header added to one backend's answers (the
cookie), are extended features that a Gateway may lack. It then says so in the route's status, and
the delivery waits with its words.
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
    from collections.abc import Mapping, Sequence

    from tidegate.api.traffic import GatewayAPI
    from tidegate.domain.route import Routing, Sticky
    from tidegate.specs.metadata import Object, Parent
    from tidegate.traffic.base import Kind

GROUP = "gateway.networking.k8s.io"
REVISION_HEADER = "x-tidegate-revision"
_SAYING = ("Accepted", "ResolvedRefs", "Programmed")


class GatewayAPIProvider:
    """`TrafficProvider` by an HTTPRoute."""

    name: ClassVar[str] = "gatewayAPI"
    title: ClassVar[str] = "Gateway API"
    features: ClassVar[frozenset[Feature]] = frozenset(Feature)
    kinds: ClassVar[tuple[Kind, ...]] = ((f"{GROUP}/v1", "HTTPRoute"),)

    def __init__(self, spec: GatewayAPI, *, apart: bool = False) -> None:
        """See `registry.provider_of`."""
        self._spec = spec
        self._apart = apart

    def render(self, parent: Parent, *, routing: Routing, attempt: int) -> Sequence[Object]:
        """The assignment Services, if any, and the HTTPRoute; see the protocol."""
        api_version, kind = self.kinds[0]
        route = child(parent, api_version=api_version, kind=kind, name=parent.name)
        route["metadata"]["annotations"] = {ATTEMPT_ANNOTATION: str(attempt)}
        route["spec"] = {
            "parentRefs": [
                {"group": GROUP, "kind": "Gateway", **ref.wire()} for ref in self._spec.parent_refs
            ],
            "hostnames": list(self._spec.hostnames),
            "rules": self._rules(routing, attempt),
        }
        return [*assignment.services(parent, routing), route]

    def observe(self, route: Object | None) -> RouteFacts:
        """See the protocol."""
        if route is None:
            return RouteFacts(message=NO_ROUTE)
        weights, detours = _said(route)
        done, message = _programmed(route)
        return RouteFacts(weights=weights, detours=detours, programmed=done, message=message)

    def endpoint(self, model: str) -> str:
        """See the protocol."""
        return f"http://{self._spec.hostnames[0]}{self._spec.path.rstrip('/')}/v2/models/{model}"

    def _rules(self, routing: Routing, attempt: int) -> list[Object]:
        detours = routing.detours
        rules = []
        if (preview := detours.preview) is not None:
            match = _exactly(preview.header, preview.value)
            rules.append(self._rule(match, backends=[_backend(preview.revision, 100)]))
        if (sticky := detours.sticky) is not None:
            for arm, revision in sticky.arms:
                match = _of_arm(sticky, arm, attempt)
                backends = [_backend(revision, 100)]
                rules.append(self._rule(match, backends=backends, mirror=detours.mirror))
        backends = _weighted(routing, attempt)
        rules.append(self._rule(None, backends=backends, mirror=detours.mirror))
        return rules

    def _rule(
        self, header: Object | None, *, backends: list[Object], mirror: Mirror | None = None
    ) -> Object:
        match: Object = {"path": {"type": "PathPrefix", "value": self._spec.path}}
        if header is not None:
            match["headers"] = [header]
        if self._apart:
            backends = [_marked(backend) for backend in backends]
        rule: Object = {"matches": [match], "backendRefs": backends}
        if mirror is not None:
            rule["filters"] = [_mirror_filter(mirror)]
        return rule


# -- rendering -------------------------------------------------------------------------------------


def _reference(service: str) -> Object:
    return {"group": "", "kind": "Service", "name": service, "port": PORT}


def _backend(service: str, weight: int) -> Object:
    return {**_reference(service), "weight": weight}


def _weighted(routing: Routing, attempt: int) -> list[Object]:
    """Every revision by weight; an arm that gets new callers by its assignment Service."""
    arms, sticky = assignment.assigning(routing), routing.detours.sticky
    backends = []
    for revision, weight in routing.weights.items():
        if sticky is None or revision not in arms:
            backends.append(_backend(revision, weight))
            continue
        cookie = assignment.set_cookie(sticky, arm=arms[revision], attempt=attempt)
        # Added, not set: the model's own cookies stay.
        change = {"add": [{"name": assignment.SET_COOKIE, "value": cookie}]}
        backend = _backend(assignment.service_name(revision), weight)
        backend["filters"] = [{"type": "ResponseHeaderModifier", "responseHeaderModifier": change}]
        backends.append(backend)
    return backends


def _marked(backend: Object) -> Object:
    """A backend with a filter that tells its pods which revision was meant."""
    header = {"name": REVISION_HEADER, "value": assignment.revision_of(backend["name"])}
    mark = {"type": "RequestHeaderModifier", "requestHeaderModifier": {"set": [header]}}
    return {**backend, "filters": [mark, *backend.get("filters", ())]}


def _exactly(header: str, value: str) -> Object:
    return {"type": "Exact", "name": header, "value": value}


def _of_arm(sticky: Sticky, arm: str, attempt: int) -> Object:
    if sticky.by == "header":
        return _exactly(sticky.name, arm)
    pattern = assignment.cookie_pattern(sticky.name, arm=arm, attempt=attempt)
    return {"type": "RegularExpression", "name": "Cookie", "value": pattern}


def _mirror_filter(mirror: Mirror) -> Object:
    wanted: Object = {"backendRef": _reference(mirror.revision)}
    if mirror.percent < 100:  # everything is what is mirrored anyway, also by gateways without it
        wanted["percent"] = mirror.percent
    return {"type": "RequestMirror", "requestMirror": wanted}


# -- reading a live route --------------------------------------------------------------------------


def _said(route: Mapping[str, Any]) -> tuple[dict[str, int], Detours]:
    """Weights and detours of a live route.

    Whatever is no rule of ours counts into the weights, so that they differ from what is wanted.
    """
    attempt = _attempt(route)
    weights: dict[str, int] = {}
    mirror: Mirror | None = None
    singled: list[tuple[str, str, str, str]] = []
    for rule in route.get("spec", {}).get("rules") or ():
        mirror = _mirror_of(rule) or mirror
        backends = list(rule.get("backendRefs") or ())
        known = _header_of(rule, attempt) if len(backends) == 1 else None
        if known is not None:
            singled.append((*known, str(backends[0]["name"])))
            continue
        for backend in backends:
            revision = assignment.revision_of(backend["name"])
            weights[revision] = weights.get(revision, 0) + int(backend.get("weight", 1))
    preview, arms = _split(singled)
    return weights, Detours(mirror=mirror, preview=preview, sticky=assignment.sticky_of(arms))


def _attempt(route: Mapping[str, Any]) -> int:
    said = route.get("metadata", {}).get("annotations", {}).get(ATTEMPT_ANNOTATION, "")
    return int(said) if said.isdecimal() else -1


def _header_of(rule: Mapping[str, Any], attempt: int) -> tuple[str, str, str] | None:
    """(`cookie` or `header`, its name, the arm or value) of a rule for some callers; None for one
    that is no such rule of ours."""
    matches = list(rule.get("matches") or ())
    headers = list(matches[0].get("headers") or ()) if len(matches) == 1 else []
    if len(headers) != 1:
        return None
    name, value = str(headers[0]["name"]), str(headers[0]["value"])
    if headers[0].get("type", "Exact") == "Exact":
        return "header", name, value
    found = assignment.arm_of(value, attempt=attempt) if name.lower() == "cookie" else None
    return ("cookie", *found) if found is not None else None


def _split(
    singled: list[tuple[str, str, str, str]],
) -> tuple[Preview | None, list[tuple[str, str, str, str]]]:
    """The preview and the arms. A test has two arms at least, so a header of its own is a
    preview's."""
    if not singled or singled[0][0] == "cookie":
        return None, singled
    _, header, value, revision = singled[0]
    if any(other[:2] == ("header", header) for other in singled[1:]):
        return None, singled
    return Preview(header=header, value=value, revision=revision), singled[1:]


def _mirror_of(rule: Mapping[str, Any]) -> Mirror | None:
    for each in rule.get("filters") or ():
        if each.get("type") == "RequestMirror":
            wanted = each["requestMirror"]
            return Mirror(wanted["backendRef"]["name"], int(wanted.get("percent", 100)))
    return None


def _programmed(route: Mapping[str, Any]) -> tuple[bool, str]:
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
            if condition.get("type") not in _SAYING:
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
