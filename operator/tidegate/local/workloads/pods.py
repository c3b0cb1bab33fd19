"""What a controller reads off a pod: whether it counts, is ready, is available. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tidegate.kube.objects import is_being_deleted
from tidegate.local.workloads.times import parsed

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from tidegate.kube.objects import Object

FINISHED = ("Succeeded", "Failed")


def phase(pod: Mapping[str, Any]) -> str:
    """Return `status.phase`; a pod without a status is Pending."""
    return str((pod.get("status") or {}).get("phase") or "Pending")


def is_finished(pod: Mapping[str, Any]) -> bool:
    """Tell whether the pod will never run again."""
    return phase(pod) in FINISHED


def is_active(pod: Mapping[str, Any]) -> bool:
    """Tell whether the pod counts towards its owner's replicas: not finished, not going away."""
    return not is_finished(pod) and not is_being_deleted(pod)


def condition(obj: Mapping[str, Any], kind: str) -> Object | None:
    """Return the condition of that type from `status.conditions`, or None."""
    for found in (obj.get("status") or {}).get("conditions") or []:
        if found.get("type") == kind:
            return dict(found)
    return None


def is_ready(pod: Mapping[str, Any]) -> bool:
    """Tell whether the node says that the pod may get traffic."""
    ready = condition(pod, "Ready")
    return ready is not None and ready.get("status") == "True"


def ready_since(pod: Mapping[str, Any]) -> datetime | None:
    """Return since when the pod is ready; None when it is not."""
    ready = condition(pod, "Ready")
    if ready is None or ready.get("status") != "True":
        return None
    return parsed(ready.get("lastTransitionTime"))


def available_in(pod: Mapping[str, Any], *, min_ready_s: int, now: datetime) -> float | None:
    """Return the seconds until a ready pod counts as available; 0 when it does already.

    None when the pod is not ready: no time by itself will make it available.
    """
    if not is_ready(pod):
        return None
    since = ready_since(pod)
    if min_ready_s <= 0 or since is None:
        return 0.0 if min_ready_s <= 0 else None
    return max(0.0, min_ready_s - (now - since).total_seconds())


def restarts(pod: Mapping[str, Any]) -> int:
    """Return the largest restart count among the pod's containers."""
    statuses = (pod.get("status") or {}).get("containerStatuses") or []
    return max((int(status.get("restartCount", 0)) for status in statuses), default=0)


def ip_of(pod: Mapping[str, Any]) -> str:
    """Return the pod's address, or an empty string while it has none."""
    return str((pod.get("status") or {}).get("podIP") or "")
