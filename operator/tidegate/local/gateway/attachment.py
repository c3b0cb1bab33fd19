"""Which HTTPRoute hangs on which listener, under which hostnames, and why not if not.

The rules are Gateway API's: class, parentRef (section name, port), allowedRoutes, intersection of
hostnames. A port of this machine belongs to the oldest Gateway that asks for it.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tidegate.local.gateway.conditions import ACCEPTED, Condition
from tidegate.local.gateway.snapshot import (
    Obj,
    Snapshot,
    age_key,
    matches_selector,
    name_of,
    namespace_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

CONTROLLER_NAME = "tidegate.dev/local-gateway"
GATEWAY_GROUP = "gateway.networking.k8s.io"


@dataclass(frozen=True)
class Listener:
    """One listener of one of our Gateways; `problem` says why it cannot be served, if so."""

    namespace: str
    gateway: str
    name: str
    port: int
    hostname: str
    allowed: Mapping[str, Any] = field(repr=False)
    problem: Condition | None = None


@dataclass(frozen=True)
class Parent:
    """What became of one parentRef of one route. `hostnames` per listener; `"*"` is any host."""

    ref: Obj
    accepted: Condition
    listeners: tuple[tuple[Listener, tuple[str, ...]], ...] = ()


def our_gateways(snapshot: Snapshot) -> list[Obj]:
    """Gateways whose class names this controller, oldest first."""
    classes = {
        name_of(c)
        for c in snapshot.gateway_classes
        if c["spec"].get("controllerName") == CONTROLLER_NAME
    }
    ours = [g for g in snapshot.gateways if g["spec"].get("gatewayClassName") in classes]
    return sorted(ours, key=age_key)


def listeners_of(gateways: Iterable[Obj]) -> list[Listener]:
    """Every listener of these Gateways (oldest first), with the problem of those unserved."""
    owners: dict[int, tuple[str, str]] = {}
    taken: dict[int, set[str]] = defaultdict(set)
    found: list[Listener] = []
    for gateway in gateways:
        identity = namespace_of(gateway), name_of(gateway)
        for spec in gateway["spec"].get("listeners") or ():
            port, hostname = int(spec["port"]), str(spec.get("hostname") or "*")
            owner = owners.setdefault(port, identity)
            problem = _listener_problem(spec, owner=owner, identity=identity)
            if problem is None and hostname in taken[port]:
                problem = Condition(
                    ACCEPTED,
                    ok=False,
                    reason="HostnameConflict",
                    message=f"another listener of port {port} has the same hostname",
                )
            if problem is None:
                taken[port].add(hostname)
            found.append(
                Listener(
                    namespace=identity[0],
                    gateway=identity[1],
                    name=str(spec["name"]),
                    port=port,
                    hostname=hostname,
                    allowed=spec.get("allowedRoutes") or {},
                    problem=problem,
                )
            )
    return found


def _listener_problem(
    spec: Mapping[str, Any], *, owner: tuple[str, str], identity: tuple[str, str]
) -> Condition | None:
    if spec.get("protocol") != "HTTP":
        return Condition(
            ACCEPTED,
            ok=False,
            reason="UnsupportedProtocol",
            message=f"the local gateway serves HTTP only, not {spec.get('protocol')}",
        )
    if owner != identity:
        return Condition(
            ACCEPTED,
            ok=False,
            reason="PortUnavailable",
            message=f"port {spec['port']} of this machine belongs to the older Gateway "
            f"{owner[0]}/{owner[1]}; choose another port",
        )
    return None


def attach(route: Obj, *, snapshot: Snapshot, listeners: Iterable[Listener]) -> list[Parent]:
    """What becomes of each parentRef that names one of our Gateways; others are not ours."""
    by_gateway: dict[tuple[str, str], list[Listener]] = defaultdict(list)
    for listener in listeners:
        by_gateway[listener.namespace, listener.gateway].append(listener)
    parents: list[Parent] = []
    for ref in route["spec"].get("parentRefs") or ():
        if ref.get("kind", "Gateway") != "Gateway" or ref.get("group", GATEWAY_GROUP) != (
            GATEWAY_GROUP
        ):
            continue
        candidates = by_gateway.get((ref.get("namespace") or namespace_of(route), ref["name"]))
        if candidates:
            parents.append(_resolve(ref, route=route, snapshot=snapshot, listeners=candidates))
    return parents


def _resolve(ref: Obj, *, route: Obj, snapshot: Snapshot, listeners: list[Listener]) -> Parent:
    matching = [
        each
        for each in listeners
        if ref.get("sectionName") in (None, "", each.name) and ref.get("port") in (None, each.port)
    ]
    if not matching:
        return _refused(ref, "NoMatchingParent", "no listener has this section name and port")
    allowed = [each for each in matching if _admits(each, route=route, snapshot=snapshot)]
    if not allowed:
        return _refused(
            ref,
            "NotAllowedByListeners",
            f"the listener's allowedRoutes do not admit namespace {namespace_of(route)!r}; "
            "set allowedRoutes.namespaces.from on the Gateway",
        )
    wanted = tuple(route["spec"].get("hostnames") or ())
    hosted = [(each, _intersect(each.hostname, wanted)) for each in allowed]
    hosted = [(each, hosts) for each, hosts in hosted if hosts]
    if not hosted:
        return _refused(
            ref, "NoMatchingListenerHostname", "no hostname of the route fits the listener's"
        )
    served = tuple((each, hosts) for each, hosts in hosted if each.problem is None)
    if not served:
        problem = hosted[0][0].problem
        why = problem.message if problem else ""
        return _refused(ref, "NoMatchingParent", f"the listener is not served: {why}")
    accepted = Condition(ACCEPTED, ok=True, reason="Accepted", message="attached to the gateway")
    return Parent(ref=ref, accepted=accepted, listeners=served)


def _refused(ref: Obj, reason: str, message: str) -> Parent:
    return Parent(ref=ref, accepted=Condition(ACCEPTED, ok=False, reason=reason, message=message))


def _admits(listener: Listener, *, route: Obj, snapshot: Snapshot) -> bool:
    kinds = listener.allowed.get("kinds")
    if kinds and not any(k.get("kind") == "HTTPRoute" for k in kinds):
        return False
    namespaces = listener.allowed.get("namespaces") or {}
    namespace = namespace_of(route)
    match namespaces.get("from") or "Same":
        case "All":
            return True
        case "Selector":
            labels = snapshot.namespace_labels(namespace)
            return matches_selector(namespaces.get("selector") or {}, labels.items())
        case "Same":
            return namespace == listener.namespace
    return False


def covers(pattern: str, host: str) -> bool:
    """Whether a hostname pattern (`*`, `*.example.com`, `a.example.com`) contains another."""
    if pattern in ("*", host):
        return True
    if not pattern.startswith("*."):
        return False
    return host.removeprefix("*").endswith(pattern[1:])


def _intersect(listener: str, route: tuple[str, ...]) -> tuple[str, ...]:
    if not route:
        return (listener,)
    found = []
    for host in route:
        if covers(listener, host):
            found.append(host)
        elif covers(host, listener):
            found.append(listener)
    return tuple(dict.fromkeys(found))
