"""Rows of the core kinds that people look at in a namespace."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tidegate.local.apiserver.tables.ages import age, parse

if TYPE_CHECKING:
    from datetime import datetime

    from tidegate.local.apiserver.messages import Obj

NONE = "<none>"


def since(obj: Obj, now: datetime) -> str:
    """The age of an object."""
    return age(obj["metadata"].get("creationTimestamp"), now)


def name_and_age(obj: Obj, now: datetime) -> list[Any]:
    """For kinds with nothing else to show."""
    return [obj["metadata"]["name"], since(obj, now)]


def pairs(labels: Obj | None) -> str:
    """A map as `a=b,c=d`."""
    return ",".join(f"{k}={v}" for k, v in sorted((labels or {}).items())) or NONE


def pod(obj: Obj, now: datetime) -> list[Any]:
    """A pod, with the word for its state that kubectl users know."""
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    containers = spec.get("containers") or []
    states = status.get("containerStatuses") or []
    ready = sum(1 for s in states if s.get("ready"))
    return [
        obj["metadata"]["name"],
        f"{ready}/{len(containers)}",
        _pod_state(obj),
        _restarts(status, now),
        since(obj, now),
        status.get("podIP") or NONE,
        spec.get("nodeName") or NONE,
        status.get("nominatedNodeName") or NONE,
        NONE,
    ]


def _restarts(status: Obj, now: datetime) -> str:
    states = status.get("containerStatuses") or []
    total = sum(int(s.get("restartCount") or 0) for s in states)
    ended = [
        at
        for s in states
        if (at := parse(((s.get("lastState") or {}).get("terminated") or {}).get("finishedAt")))
    ]
    if not total or not ended:
        return str(total)
    return f"{total} ({age(max(ended).isoformat(), now)} ago)"


def _pod_state(obj: Obj) -> str:
    status = obj.get("status") or {}
    state = status.get("reason") or status.get("phase") or "Unknown"
    state = _init_state(obj) or _container_state(status) or state
    if obj["metadata"].get("deletionTimestamp"):
        return "Unknown" if status.get("reason") == "NodeLost" else "Terminating"
    return str(state)


def _init_state(obj: Obj) -> str:
    """The state of the first init container that is not done; empty when all are."""
    containers = (obj.get("spec") or {}).get("initContainers") or []
    states = (obj.get("status") or {}).get("initContainerStatuses") or []
    for index, one in enumerate(states):
        state = one.get("state") or {}
        ended = state.get("terminated")
        if ended is not None and ended.get("exitCode") == 0:
            continue
        if ended is not None:
            return f"Init:{_ended(ended)}"
        reason = (state.get("waiting") or {}).get("reason")
        if reason and reason != "PodInitializing":
            return f"Init:{reason}"
        return f"Init:{index}/{len(containers)}"
    return ""


def _ended(state: Obj) -> str:
    if state.get("reason"):
        return str(state["reason"])
    if state.get("signal"):
        return f"Signal:{state['signal']}"
    return f"ExitCode:{state.get('exitCode', 0)}"


def _container_state(status: Obj) -> str:
    found, running = "", False
    for one in reversed(status.get("containerStatuses") or ()):
        state = one.get("state") or {}
        waiting, ended = state.get("waiting") or {}, state.get("terminated")
        if waiting.get("reason"):
            found = waiting["reason"]
        elif ended is not None:
            found = _ended(ended)
        elif one.get("ready") and state.get("running") is not None:
            running = True
    if found == "Completed" and running:
        return "Running"
    return str(found)


def service(obj: Obj, now: datetime) -> list[Any]:
    """A service."""
    spec = obj.get("spec") or {}
    kind = spec.get("type") or "ClusterIP"
    external = ",".join(spec.get("externalIPs") or ()) or NONE
    if kind == "ExternalName":
        external = spec.get("externalName") or NONE
    elif kind == "LoadBalancer" and external == NONE:
        external = "<pending>"
    return [
        obj["metadata"]["name"],
        kind,
        spec.get("clusterIP") or NONE,
        external,
        ",".join(_port(p) for p in spec.get("ports") or ()) or NONE,
        since(obj, now),
        pairs(spec.get("selector")),
    ]


def _port(port: Obj) -> str:
    node = f":{port['nodePort']}" if port.get("nodePort") else ""
    return f"{port.get('port')}{node}/{port.get('protocol') or 'TCP'}"


def config_map(obj: Obj, now: datetime) -> list[Any]:
    """A config map."""
    count = len(obj.get("data") or {}) + len(obj.get("binaryData") or {})
    return [obj["metadata"]["name"], count, since(obj, now)]


def secret(obj: Obj, now: datetime) -> list[Any]:
    """A secret: how many values, never which."""
    count = len(obj.get("data") or {})
    return [obj["metadata"]["name"], obj.get("type") or "Opaque", count, since(obj, now)]


def endpoints(obj: Obj, now: datetime) -> list[Any]:
    """Endpoints, the first three of them."""
    found = [
        f"{address.get('ip')}:{port.get('port')}"
        for subset in obj.get("subsets") or ()
        for port in subset.get("ports") or ()
        for address in subset.get("addresses") or ()
    ]
    return [obj["metadata"]["name"], shortened(found), since(obj, now)]


def shortened(items: list[str]) -> str:
    """The first three, and how many more there are."""
    if not items:
        return NONE
    more = f" + {len(items) - 3} more..." if len(items) > 3 else ""
    return ",".join(items[:3]) + more


_MODES = {
    "ReadWriteOnce": "RWO",
    "ReadOnlyMany": "ROX",
    "ReadWriteMany": "RWX",
    "ReadWriteOncePod": "RWOP",
}


def claim(obj: Obj, now: datetime) -> list[Any]:
    """A persistent volume claim."""
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    phase = "Terminating" if obj["metadata"].get("deletionTimestamp") else status.get("phase", "")
    bound = bool(spec.get("volumeName"))
    modes = status.get("accessModes") or ()
    return [
        obj["metadata"]["name"],
        phase,
        spec.get("volumeName") or "",
        (status.get("capacity") or {}).get("storage", "") if bound else "",
        ",".join(_MODES.get(m, m) for m in modes) if bound else "",
        spec.get("storageClassName") or "",
        spec.get("volumeAttributesClassName") or "<unset>",
        since(obj, now),
        spec.get("volumeMode") or "<unset>",
    ]
