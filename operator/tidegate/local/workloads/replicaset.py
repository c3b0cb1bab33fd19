"""Decides which pods a ReplicaSet makes or removes, and what its status says. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tidegate.kube.objects import is_being_deleted, labels_of, name_of, owner_reference
from tidegate.local.workloads import pods as facts
from tidegate.local.workloads.times import parsed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from tidegate.kube.objects import Object

BURST = 100
"""Pods made or removed in one go, so that a slip in `replicas` does not swamp the machine."""
_DELETION_COST = "controller.kubernetes.io/pod-deletion-cost"
_PHASES = {"Pending": 0, "Unknown": 1, "Running": 2}


@dataclass(frozen=True, slots=True)
class Change:
    """Make `create` pods, remove those named. At most one of both."""

    create: int = 0
    delete: tuple[str, ...] = ()


def change(replicas: int, pods: Sequence[Object], *, now: datetime) -> Change:
    """Return what to do so that `replicas` active pods stand; `pods` are the set's own."""
    active = [pod for pod in pods if facts.is_active(pod)]
    missing = replicas - len(active)
    if missing >= 0:
        return Change(create=min(missing, BURST))
    ranked = sorted(active, key=lambda pod: _worth(pod, now=now))
    return Change(delete=tuple(name_of(pod) for pod in ranked[: min(-missing, BURST)]))


def _worth(pod: Mapping[str, Any], *, now: datetime) -> tuple[float, ...]:
    """Order pods by how little is lost with them, the cheapest first, as Kubernetes does:
    unassigned, pending, not ready, low deletion cost, ready for a short time, restarted often,
    young."""
    since = facts.ready_since(pod)
    created = parsed(pod["metadata"].get("creationTimestamp"))
    annotations = pod["metadata"].get("annotations") or {}
    return (
        1 if pod["spec"].get("nodeName") else 0,
        _PHASES.get(facts.phase(pod), 2),
        1 if facts.is_ready(pod) else 0,
        _cost(annotations.get(_DELETION_COST)),
        (now - since).total_seconds() if since else 0,
        -facts.restarts(pod),
        (now - created).total_seconds() if created else 0,
    )


def _cost(text: str | None) -> int:
    try:
        return int(text or 0)
    except ValueError:
        return 0


def pod_for(owner: Mapping[str, Any], template: Mapping[str, Any]) -> Object:
    """Return a pod of that template, owned by `owner` and named after it by the server."""
    metadata = template.get("metadata") or {}
    made: Object = {
        "generateName": f"{name_of(owner)}-",
        "namespace": owner["metadata"]["namespace"],
        "labels": dict(metadata.get("labels") or {}),
        "ownerReferences": [owner_reference(owner)],
    }
    if metadata.get("annotations"):
        made["annotations"] = dict(metadata["annotations"])
    return {"apiVersion": "v1", "kind": "Pod", "metadata": made, "spec": template["spec"]}


def status(
    replicaset: Mapping[str, Any],
    pods: Sequence[Object],
    *,
    failure: tuple[str, str] | None,
    now_stamp: str,
    now: datetime,
) -> Object:
    """Return the status; `failure` is (reason, message) when pods cannot be made or removed."""
    spec = replicaset["spec"]
    active = [pod for pod in pods if facts.is_active(pod)]
    wanted = (spec["template"].get("metadata") or {}).get("labels") or {}
    min_ready_s = int(spec.get("minReadySeconds") or 0)
    numbers = {
        "fullyLabeledReplicas": sum(wanted.items() <= labels_of(pod).items() for pod in active),
        "readyReplicas": sum(facts.is_ready(pod) for pod in active),
        "availableReplicas": sum(
            facts.available_in(pod, min_ready_s=min_ready_s, now=now) == 0 for pod in active
        ),
    }
    found: Object = {"replicas": len(active)}
    found.update({key: value for key, value in numbers.items() if value})
    found["terminatingReplicas"] = sum(
        is_being_deleted(pod) and not facts.is_finished(pod) for pod in pods
    )
    found["observedGeneration"] = replicaset["metadata"].get("generation", 1)
    if failure is not None:
        found["conditions"] = [_failed(replicaset, failure, now_stamp=now_stamp)]
    return found


def _failed(replicaset: Mapping[str, Any], failure: tuple[str, str], *, now_stamp: str) -> Object:
    reason, message = failure
    before = facts.condition(replicaset, "ReplicaFailure")
    if before and before.get("reason") == reason and before.get("message") == message:
        return before
    return {
        "type": "ReplicaFailure",
        "status": "True",
        "lastTransitionTime": now_stamp,
        "reason": reason,
        "message": message,
    }


def next_available_in(
    replicaset: Mapping[str, Any], pods: Sequence[Object], *, now: datetime
) -> float | None:
    """Return the seconds until the next ready pod becomes available by age; None when none will."""
    min_ready_s = int(replicaset["spec"].get("minReadySeconds") or 0)
    waits = [
        wait
        for pod in pods
        if facts.is_active(pod)
        and (wait := facts.available_in(pod, min_ready_s=min_ready_s, now=now))
    ]
    return min(waits, default=None)
