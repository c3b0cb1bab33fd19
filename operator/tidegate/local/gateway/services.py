"""Services as TCP listeners: `clusterIP:port` balances over the ready endpoints.

UDP and SCTP ports, headless and ExternalName Services have no listener.
"""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING

from tidegate.local.gateway import envoy_docs
from tidegate.local.gateway.snapshot import Snapshot, name_of, namespace_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tidegate.local.gateway.snapshot import Obj

_LOOPBACKS = ip_network("127.0.0.0/8")


def service_ports(snapshot: Snapshot) -> Iterator[tuple[str, Obj, tuple[tuple[str, int], ...]]]:
    """(name of listener and cluster, listener, endpoints) for every TCP port of every Service."""
    for service in snapshot.services:
        host = str(service["spec"].get("clusterIP") or "None")
        if host == "None" or ip_address(host) not in _LOOPBACKS:
            continue
        for port in service["spec"].get("ports") or ():
            if port.get("protocol", "TCP") != "TCP":
                continue
            namespace, name, number = namespace_of(service), name_of(service), int(port["port"])
            resource = f"{envoy_docs.TCP_PREFIX}{namespace}|{name}|{number}"
            listener = envoy_docs.tcp_listener(resource, host=host, port=number)
            found = snapshot.endpoints(namespace, name, str(port.get("name") or ""))
            yield resource, listener, found
