"""Decides a Service's EndpointSlices: which pods answer for it, on which ports. Pure.

A pod that is going away is never ready here, from the moment its deletion is asked for: whoever
balances over the slice stops sending to it before the node ends its process.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tidegate.kube.objects import (
    is_being_deleted,
    labels_of,
    name_of,
    namespace_of,
    owner_reference,
    uid_of,
)
from tidegate.local.workloads import pods as facts
from tidegate.local.workloads.template_hash import random_free_suffix

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tidegate.kube.objects import Object

SERVICE_LABEL = "kubernetes.io/service-name"
MANAGED_LABEL = "endpointslice.kubernetes.io/managed-by"
MANAGED_BY = "endpointslice-controller.k8s.io"
HEADLESS_LABEL = "service.kubernetes.io/headless"

type Ports = tuple[tuple[str, str, int, str], ...]
"""(name, protocol, number, application protocol) of each port, as one slice has them."""


def slices(service: Mapping[str, Any], pods: Sequence[Object]) -> list[Object]:
    """Return the slices of a Service with a selector; `pods` are those that it selects.

    One slice for each set of port numbers: pods may give one port name different numbers.
    """
    grouped: dict[Ports, list[Object]] = {}
    publish = bool(service["spec"].get("publishNotReadyAddresses"))
    for pod in sorted(pods, key=name_of):
        if facts.ip_of(pod) and not facts.is_finished(pod):
            ports = ports_of(service, pod)
            grouped.setdefault(ports, []).append(_endpoint(pod, publish=publish))
    if not grouped:
        grouped[_static_ports(service)] = []
    return [_slice(service, ports, found) for ports, found in sorted(grouped.items())]


def ports_of(service: Mapping[str, Any], pod: Mapping[str, Any]) -> Ports:
    """Return the Service's ports as this pod answers them; a name that it lacks is left out."""
    found = []
    for port in service["spec"].get("ports") or []:
        number = _target(port, pod)
        if number is not None:
            found.append(_port(port, number))
    return tuple(found)


def _port(port: Mapping[str, Any], number: int) -> tuple[str, str, int, str]:
    protocol = str(port.get("protocol") or "TCP")
    return (str(port.get("name") or ""), protocol, number, str(port.get("appProtocol") or ""))


def _target(port: Mapping[str, Any], pod: Mapping[str, Any]) -> int | None:
    target = port.get("targetPort") or port["port"]
    if isinstance(target, int):
        return target
    if target.isdigit():
        return int(target)
    for container in pod["spec"]["containers"]:
        for offered in container.get("ports") or []:
            same = (offered.get("protocol") or "TCP") == (port.get("protocol") or "TCP")
            if offered.get("name") == target and same:
                return int(offered["containerPort"])
    return None


def _static_ports(service: Mapping[str, Any]) -> Ports:
    """The ports that need no pod to be known."""
    return ports_of(service, {"spec": {"containers": []}})


def _endpoint(pod: Mapping[str, Any], *, publish: bool) -> Object:
    serving, leaving = facts.is_ready(pod), is_being_deleted(pod)
    return {
        "addresses": [facts.ip_of(pod)],
        "conditions": {
            "ready": publish or (serving and not leaving),
            "serving": serving,
            "terminating": leaving,
        },
        "targetRef": {
            "kind": "Pod",
            "namespace": namespace_of(pod),
            "name": name_of(pod),
            "uid": uid_of(pod),
        },
        "nodeName": pod["spec"].get("nodeName", ""),
    }


def _slice(service: Mapping[str, Any], ports: Ports, endpoints: list[Object]) -> Object:
    name = name_of(service)
    labels = {
        **labels_of(service),
        MANAGED_LABEL: MANAGED_BY,
        SERVICE_LABEL: name,
    }
    if service["spec"].get("clusterIP") == "None":
        labels[HEADLESS_LABEL] = ""
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": f"{name}-{random_free_suffix(repr(ports))}",
            "namespace": namespace_of(service),
            "labels": labels,
            "ownerReferences": [owner_reference(service)],
        },
        "addressType": "IPv4",
        "endpoints": endpoints,
        "ports": [_slice_port(port) for port in ports],
    }


def _slice_port(port: tuple[str, str, int, str]) -> Object:
    name, protocol, number, application = port
    found: Object = {"name": name, "port": number, "protocol": protocol}
    if application:
        found["appProtocol"] = application
    return found


def same_slice(live: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """Tell whether the stored slice says what it should, so that nothing need be written."""
    return all((live.get(key) or []) == wanted[key] for key in ("endpoints", "ports")) and (
        labels_of(wanted).items() <= labels_of(live).items()
    )
