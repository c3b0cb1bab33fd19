"""Times that built-in kinds show as null when nobody has set them. Pure.

In the real server's types they are no pointers, so they cannot be absent from an object that holds
what they belong to.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tidegate.local.apiserver.messages import Obj

_CONDITION_TIMES = {
    "apps/deployments": ("lastUpdateTime", "lastTransitionTime"),
    "apps/replicasets": ("lastTransitionTime",),
    "batch/jobs": ("lastProbeTime", "lastTransitionTime"),
    "/namespaces": ("lastTransitionTime",),
    "/nodes": ("lastHeartbeatTime", "lastTransitionTime"),
    "/pods": ("lastProbeTime", "lastTransitionTime"),
}


def show_unset_times(collection: str, obj: Obj) -> None:
    """Put null where a condition lacks a time, in place."""
    times = _CONDITION_TIMES.get(collection)
    if times is None:
        return
    for condition in (obj.get("status") or {}).get("conditions") or ():
        for name in times:
            condition.setdefault(name, None)
