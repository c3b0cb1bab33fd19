"""Whether the Gateways of the files would accept a Model's route. Pure.

Only Gateways that are in the files are judged: the others are in the cluster, or nowhere.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tidegate.api.traffic import GatewayAPI, Istio, ParentRef, Traffic
    from tidegate.cli.checks.documents import Document

    type Others = Mapping[tuple[str, str, str], Document]
    type Remark = tuple[str, str, str]
    """(path, message, rule)"""

_MESH = "mesh"


def attachment(traffic: Traffic | None, namespace: str, others: Others) -> Iterator[Remark]:
    """What stands in the way of a Model's route, and which Gateways are not in the files."""
    if traffic is None:
        return
    if traffic.gateway_api is not None:
        yield from _gateway_api(traffic.gateway_api, namespace, others)
    if traffic.istio is not None:
        yield from _istio(traffic.istio, namespace, others)


def _gateway_api(wanted: GatewayAPI, namespace: str, others: Others) -> Iterator[Remark]:
    for index, ref in enumerate(wanted.parent_refs):
        path = f"spec.traffic.gatewayAPI.parentRefs[{index}]"
        where = ref.namespace or namespace
        gateway = others.get(("Gateway", where, ref.name))
        if gateway is None:
            named = f"{where}/{ref.name}" if where else ref.name
            yield path, f"Gateway {named} is not in these files", "NotInFiles"
            continue
        listeners = [*_listeners(gateway, ref)]
        if not listeners:
            message = f"Gateway {ref.name} ({gateway.spot()}) has no listener {ref.section_name}"
            yield path, message, "RouteUnattached"
            continue
        near = [one for one in listeners if where == namespace or _from_elsewhere(one)]
        if not near:
            message = (
                f"Gateway {ref.name} ({gateway.spot('spec.listeners')}) takes routes of its own"
                f" namespace only; set allowedRoutes.namespaces.from of a listener"
            )
            yield path, message, "RouteUnattached"
            continue
        for host in wanted.hostnames:
            if not any(_serves(str(one.get("hostname") or ""), host) for one in near):
                message = f"no listener of Gateway {ref.name} ({gateway.spot()}) serves {host}"
                yield "spec.traffic.gatewayAPI.hostnames", message, "RouteUnattached"


def _listeners(gateway: Document, ref: ParentRef) -> Iterator[dict[str, Any]]:
    spec = gateway.value.get("spec")
    listeners = spec.get("listeners") if isinstance(spec, dict) else None
    for one in listeners if isinstance(listeners, list) else ():
        if isinstance(one, dict) and ref.section_name in (None, one.get("name")):
            yield one


def _from_elsewhere(listener: dict[str, Any]) -> bool:
    """Whether routes of other namespaces are let in; by which labels is not looked at."""
    allowed = listener.get("allowedRoutes")
    namespaces = allowed.get("namespaces") if isinstance(allowed, dict) else None
    return isinstance(namespaces, dict) and namespaces.get("from") in ("All", "Selector")


def _serves(listener: str, host: str) -> bool:
    """Whether a listener's hostname and a route's have a host in common."""
    if not listener or listener == host:
        return True
    if listener.startswith("*."):
        return host.endswith(listener[1:])
    return host.startswith("*.") and listener.endswith(host[1:])


def _istio(wanted: Istio, namespace: str, others: Others) -> Iterator[Remark]:
    for index, name in enumerate(wanted.gateways):
        where, _, bare = name.rpartition("/")
        if name != _MESH and ("IstioGateway", where or namespace, bare) not in others:
            path = f"spec.traffic.istio.gateways[{index}]"
            yield path, f"Istio Gateway {name} is not in these files", "NotInFiles"
