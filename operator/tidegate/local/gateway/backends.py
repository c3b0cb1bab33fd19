"""Back ends of a rule: which Envoy clusters they become, and which references lead nowhere.

A cluster exists for every backendRef, also at weight 0 or without endpoints: its series must be
there from the first moment, and removing it would lose requests.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tidegate.local.gateway.conditions import RESOLVED_REFS, Condition
from tidegate.local.gateway.snapshot import Obj, Snapshot, name_of, namespace_of

if TYPE_CHECKING:
    from collections.abc import Mapping

RESOLVED = Condition(RESOLVED_REFS, ok=True, reason="ResolvedRefs", message="all found")


@dataclass(frozen=True)
class Backend:
    """One backendRef after looking it up; `problem` says why it gets no endpoints."""

    cluster: str
    weight: int
    endpoints: tuple[tuple[str, int], ...]
    problem: Condition | None
    ref: Mapping[str, Any]


def look_up(
    ref: Mapping[str, Any], *, route: Obj, snapshot: Snapshot, shadow: bool = False
) -> Backend:
    """The cluster of a backendRef, named `<namespace>/<route>/<service>` (a mirror: `/shadow`)."""
    cluster = f"{namespace_of(route)}/{name_of(route)}/{ref['name']}" + "/shadow" * shadow
    weight = ref.get("weight")
    problem, endpoints = _resolve(ref, route=route, snapshot=snapshot)
    return Backend(
        cluster=cluster,
        weight=1 if weight is None else int(weight),
        endpoints=endpoints,
        problem=problem,
        ref=ref,
    )


def _resolve(
    ref: Mapping[str, Any], *, route: Obj, snapshot: Snapshot
) -> tuple[Condition | None, tuple[tuple[str, int], ...]]:
    namespace, name = ref.get("namespace") or namespace_of(route), str(ref["name"])
    if ref.get("kind", "Service") != "Service" or ref.get("group"):
        return _problem("InvalidKind", "only Services can be back ends"), ()
    if namespace != namespace_of(route):
        text = f"Service {namespace}/{name} is in another namespace, which needs a ReferenceGrant"
        return _problem("RefNotPermitted", f"{text}; the local gateway knows none"), ()
    service = snapshot.service(namespace, name)
    if service is None:
        return _problem("BackendNotFound", f"Service {namespace}/{name} does not exist"), ()
    ports = {int(p["port"]): p for p in service["spec"].get("ports") or ()}
    port = ports.get(int(ref.get("port") or 0))
    if port is None:
        known = ", ".join(map(str, sorted(ports))) or "none"
        text = f"Service {namespace}/{name} has no port {ref.get('port')}; it has {known}"
        return _problem("BackendNotFound", text), ()
    return None, snapshot.endpoints(namespace, name, str(port.get("name") or ""))


def _problem(reason: str, message: str) -> Condition:
    return Condition(RESOLVED_REFS, ok=False, reason=reason, message=message)
