"""Gateway API objects of one moment → Envoy documents, and what to say about each object.

Pure: no I/O, no clock. `Programmed` is not decided here, for only Envoy can say it.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tidegate.local.gateway import envoy_docs
from tidegate.local.gateway.attachment import (
    CONTROLLER_NAME,
    Listener,
    Parent,
    attach,
    listeners_of,
    our_gateways,
)
from tidegate.local.gateway.backends import RESOLVED, Backend
from tidegate.local.gateway.rules import Compiled, compile_route
from tidegate.local.gateway.services import service_ports
from tidegate.local.gateway.virtual_hosts import collect, virtual_hosts

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from tidegate.local.gateway.conditions import Condition
    from tidegate.local.gateway.rules import Entry
    from tidegate.local.gateway.snapshot import Obj, Snapshot


@dataclass(frozen=True)
class Documents:
    """What Envoy is to know, by resource name."""

    listeners: Mapping[str, Obj] = field(default_factory=dict)
    routes: Mapping[str, Obj] = field(default_factory=dict)
    clusters: Mapping[str, Obj] = field(default_factory=dict)
    endpoints: Mapping[str, Obj] = field(default_factory=dict)


@dataclass(frozen=True)
class RouteVerdict:
    """What to say about one HTTPRoute: its parents, and whether its references resolve."""

    route: Obj
    parents: tuple[Parent, ...]
    resolved: Condition


@dataclass(frozen=True)
class Translation:
    """Documents and verdicts of one snapshot."""

    documents: Documents
    gateways: tuple[Obj, ...]
    listeners: tuple[Listener, ...]
    routes: tuple[RouteVerdict, ...]

    def attached(self, listener: Listener) -> int:
        """How many routes hang on a listener."""
        return sum(
            any(listener is each for p in verdict.parents for each, _ in p.listeners)
            for verdict in self.routes
        )


def resource_name(port: int) -> str:
    """The name of the Envoy listener and route table of a gateway port."""
    return f"http-{port}"


def translate(snapshot: Snapshot, *, root: Path) -> Translation:
    """Everything at once. `root` is the folder that the documents' file sources lie in."""
    gateways = our_gateways(snapshot)
    listeners = listeners_of(gateways)
    verdicts: list[RouteVerdict] = []
    pairs: dict[int, list[tuple[str, str, Entry]]] = defaultdict(list)
    backends: dict[str, Backend] = {}
    for route in snapshot.routes:
        parents = attach(route, snapshot=snapshot, listeners=listeners)
        if not parents and not _was_ours(route):
            continue
        compiled = compile_route(route, snapshot=snapshot)
        verdicts.append(_verdict(route, parents, compiled))
        if any(p.listeners for p in parents):
            backends |= {b.cluster: b for b in compiled.backends}
        for listener, host in _places(parents):
            pairs[listener.port] += [(listener.hostname, host, e) for e in compiled.entries]
    documents = _documents(snapshot, listeners, pairs=pairs, backends=backends.values(), root=root)
    return Translation(documents, tuple(gateways), tuple(listeners), tuple(verdicts))


def _was_ours(route: Obj) -> bool:
    """A route that left our gateways still says that it hangs on them: that must go."""
    said = (route.get("status") or {}).get("parents") or ()
    return any(each.get("controllerName") == CONTROLLER_NAME for each in said)


def _verdict(route: Obj, parents: list[Parent], compiled: Compiled) -> RouteVerdict:
    if compiled.refused is not None:
        refused = compiled.refused
        parents = [
            Parent(ref=p.ref, accepted=refused if p.accepted.ok else p.accepted) for p in parents
        ]
    return RouteVerdict(route, tuple(parents), compiled.unresolved or RESOLVED)


def _places(parents: Iterable[Parent]) -> list[tuple[Listener, str]]:
    """Each (listener, hostname) once, though several parentRefs may lead to it."""
    places: dict[tuple[int, str, str], tuple[Listener, str]] = {}
    for parent in parents:
        for listener, hosts in parent.listeners:
            for host in hosts:
                places.setdefault((listener.port, listener.hostname, host), (listener, host))
    return list(places.values())


def _documents(
    snapshot: Snapshot,
    listeners: Iterable[Listener],
    *,
    pairs: Mapping[int, list[tuple[str, str, Entry]]],
    backends: Iterable[Backend],
    root: Path,
) -> Documents:
    found: dict[str, dict[str, Obj]] = {"lds": {}, "rds": {}, "cds": {}, "eds": {}}
    by_port: dict[int, list[Listener]] = defaultdict(list)
    for listener in listeners:
        if listener.problem is None:
            by_port[listener.port].append(listener)
    for port, served in by_port.items():
        name = resource_name(port)
        # Listeners without routes are there too: they answer 404 themselves.
        hosted: dict[str, dict[str, list[Entry]]] = {
            each.hostname: {} for each in served
        } | collect(pairs.get(port, ()))
        found["lds"][name] = envoy_docs.http_listener(name, port=port, root=root)
        found["rds"][name] = envoy_docs.route_table(name, virtual_hosts(hosted))
    for backend in backends:
        found["cds"][backend.cluster] = envoy_docs.cluster(backend.cluster, root=root)
        found["eds"][backend.cluster] = envoy_docs.endpoints(backend.cluster, backend.endpoints)
    for name, document, addresses in service_ports(snapshot):
        found["lds"][name] = document
        found["cds"][name] = envoy_docs.cluster(name, root=root, http=False)
        found["eds"][name] = envoy_docs.endpoints(name, addresses)
    return Documents(found["lds"], found["rds"], found["cds"], found["eds"])
