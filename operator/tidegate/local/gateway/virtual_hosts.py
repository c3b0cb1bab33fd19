"""Hostnames: which entries answer for which host on one port, most specific host first.

A host belongs to the most specific listener that covers it. What its own entries do not match
falls through to those of wider hostnames of the same listener, and in the end to a 404.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from tidegate.local.gateway.attachment import covers

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tidegate.local.gateway.rules import Entry
    from tidegate.local.gateway.snapshot import Obj

# entries[listener hostname][route hostname]
type Hosted = Mapping[str, Mapping[str, list[Entry]]]


def specificity(host: str) -> tuple[int, int]:
    """Sorts the most specific hostname first: exact, then the longest wildcard, then any."""
    return (0 if not host.startswith("*") else 1, -len(host))


def virtual_hosts(hosted: Hosted) -> list[Obj]:
    """The virtual hosts of one port."""
    owned: dict[str, str] = {}
    hosts = {host for hosts in hosted.values() for host in hosts} | set(hosted)
    listeners = sorted(hosted, key=specificity)
    for host in hosts:
        owner = next((each for each in listeners if covers(each, host)), None)
        if owner is not None:
            owned[host] = owner
    return [
        {"name": host, "domains": [host], "routes": _routes(hosted[owner], host)}
        for host, owner in sorted(owned.items(), key=lambda item: (*specificity(item[0]), item[0]))
    ]


def _routes(entries: Mapping[str, Iterable[Entry]], host: str) -> list[Obj]:
    routes: list[Obj] = []
    for wider in sorted(entries, key=specificity):
        if covers(wider, host):
            routes += [e.route for e in sorted(entries[wider], key=lambda e: e.order)]
    return routes


def collect(pairs: Iterable[tuple[str, str, Entry]]) -> dict[str, dict[str, list[Entry]]]:
    """Groups (listener hostname, route hostname, entry)."""
    grouped: dict[str, dict[str, list[Entry]]] = defaultdict(lambda: defaultdict(list))
    for listener, host, entry in pairs:
        grouped[listener][host].append(entry)
    return grouped
