"""Status of Gateways and HTTPRoutes, rendered from verdicts and from what Envoy refused.

Pure: `now` is an argument. A status that says what the live one says is not written again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tidegate.local.gateway.attachment import CONTROLLER_NAME, Listener
from tidegate.local.gateway.conditions import (
    ACCEPTED,
    CONFLICTED,
    PROGRAMMED,
    RESOLVED_REFS,
    Condition,
    render,
)
from tidegate.local.gateway.envoy_docs import LOOPBACK
from tidegate.local.gateway.snapshot import Obj, name_of, namespace_of
from tidegate.local.gateway.translate import RouteVerdict, Translation, resource_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_PROGRAMMED = Condition(PROGRAMMED, ok=True, reason="Programmed", message="Envoy serves it")


def route_status(
    verdict: RouteVerdict, *, rejected: Mapping[str, str], now: str, held: str | None = None
) -> Obj:
    """The `status` of one HTTPRoute. Entries of other controllers are kept as they are.

    `held` says why Envoy does not serve this version of it, though it serves an older one.
    """
    live = (verdict.route.get("status") or {}).get("parents") or ()
    generation = int(verdict.route["metadata"].get("generation") or 0)
    parents: list[Obj] = [p for p in live if p.get("controllerName") != CONTROLLER_NAME]
    for parent in verdict.parents:
        ports = {listener.port for listener, _ in parent.listeners}
        programmed = _programmed(parent.accepted, ports=ports, rejected=rejected)
        if held is not None and programmed.ok:
            programmed = Condition(PROGRAMMED, ok=False, reason="Invalid", message=held)
        wanted = [parent.accepted, verdict.resolved, programmed]
        existing: Obj = next((p for p in live if _same_parent(p, parent.ref)), {})
        parents.append(
            {
                "controllerName": CONTROLLER_NAME,
                "parentRef": parent.ref,
                "conditions": render(
                    wanted,
                    existing=existing.get("conditions") or (),
                    generation=generation,
                    now=now,
                ),
            }
        )
    return {"parents": parents}


def _same_parent(live: Mapping[str, Any], ref: Mapping[str, Any]) -> bool:
    if live.get("controllerName") != CONTROLLER_NAME:
        return False
    have = live.get("parentRef") or {}
    return all(have.get(k) == ref.get(k) for k in ("namespace", "name", "sectionName", "port"))


def _programmed(
    accepted: Condition, *, ports: Iterable[int], rejected: Mapping[str, str]
) -> Condition:
    if not accepted.ok:
        return Condition(PROGRAMMED, ok=False, reason="NotAccepted", message=accepted.message)
    names = ["cds", *map(resource_name, sorted(ports))]
    errors = [rejected[name] for name in names if name in rejected]
    if errors:
        return Condition(PROGRAMMED, ok=False, reason="Invalid", message=errors[0])
    return _PROGRAMMED


def gateway_status(
    gateway: Obj, *, translation: Translation, rejected: Mapping[str, str], now: str
) -> Obj:
    """The `status` of one Gateway with its listeners and the address that it answers at."""
    live = gateway.get("status") or {}
    generation = int(gateway["metadata"].get("generation") or 0)
    listeners = [
        each
        for each in translation.listeners
        if (each.namespace, each.gateway) == (namespace_of(gateway), name_of(gateway))
    ]
    rendered = []
    for listener in listeners:
        existing: Obj = next(
            (s for s in live.get("listeners") or () if s["name"] == listener.name), {}
        )
        rendered.append(
            {
                "name": listener.name,
                "supportedKinds": [{"group": "gateway.networking.k8s.io", "kind": "HTTPRoute"}],
                "attachedRoutes": translation.attached(listener),
                "conditions": render(
                    _listener_conditions(listener, rejected),
                    existing=existing.get("conditions") or (),
                    generation=generation,
                    now=now,
                ),
            }
        )
    conditions = render(
        _gateway_conditions(listeners, rejected),
        existing=live.get("conditions") or (),
        generation=generation,
        now=now,
    )
    return {
        "addresses": [{"type": "IPAddress", "value": LOOPBACK}],
        "conditions": conditions,
        "listeners": rendered,
    }


def _listener_conditions(listener: Listener, rejected: Mapping[str, str]) -> list[Condition]:
    conflict = listener.problem is not None and listener.problem.reason == "HostnameConflict"
    return [
        listener.problem or Condition(ACCEPTED, ok=True, reason="Accepted"),
        _listener_programmed(listener, rejected),
        Condition(RESOLVED_REFS, ok=True, reason="ResolvedRefs"),
        Condition(
            CONFLICTED, ok=conflict, reason="HostnameConflict" if conflict else "NoConflicts"
        ),
    ]


def _listener_programmed(listener: Listener, rejected: Mapping[str, str]) -> Condition:
    accepted = listener.problem or Condition(ACCEPTED, ok=True, reason="Accepted")
    return _programmed(accepted, ports=(listener.port,), rejected=rejected)


def _gateway_conditions(
    listeners: Iterable[Listener], rejected: Mapping[str, str]
) -> list[Condition]:
    problems = [each.problem for each in listeners if each.problem is not None]
    if problems:
        accepted = Condition(
            ACCEPTED, ok=False, reason="ListenersNotValid", message=problems[0].message
        )
    else:
        accepted = Condition(ACCEPTED, ok=True, reason="Accepted", message="served by Envoy")
    served = [_listener_programmed(each, rejected) for each in listeners]
    failed = [each for each in served if not each.ok]
    return [accepted, failed[0] if failed else _PROGRAMMED]


def same_status(live: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """Whether a live status says already what is wanted (times of transitions were kept)."""
    return all(live.get(key) == value for key, value in wanted.items())
