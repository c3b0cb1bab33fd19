"""How Jobs that the operator started are doing, from their conditions and their pods.

Reads only. What an end means is for whoever started the Job.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidegate.domain.gates.container import Ended
from tidegate.kube.objects import name_of, namespace_of, uid_of
from tidegate.kube.resources import PODS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tidegate.kube.client import Client
    from tidegate.kube.objects import Object

DEADLINE = "DeadlineExceeded"
"""Why a Job failed that ran too long."""
_UID_LABEL = "batch.kubernetes.io/controller-uid"


async def pods_of(client: Client, job: Object) -> list[Object]:
    """The pods of a Job, by its uid: those of an earlier one of that name may linger."""
    selector = f"{_UID_LABEL}={uid_of(job)}"
    return list(
        (await client.list(PODS, namespace=namespace_of(job), label_selector=selector)).items
    )


def over(job: Object) -> str | None:
    """The reason of a Job that has ended; None while it has not."""
    for condition in job.get("status", {}).get("conditions", ()):
        if condition.get("type") in ("Complete", "Failed") and condition.get("status") == "True":
            return str(condition.get("reason") or condition["type"])
    return None


def ended(job: Object, pods: Iterable[Object]) -> Ended | None:
    """How the Job's container ended; None where no pod says: it was evicted, or deleted by hand.
    One that somebody else put beside it (a mesh's proxy) is not asked: it ends as it likes."""
    (container,) = job["spec"]["template"]["spec"]["containers"]
    for pod in pods:
        for status in pod.get("status", {}).get("containerStatuses", ()):
            end = status.get("state", {}).get("terminated")
            ours = status.get("name") == container["name"]
            if ours and end is not None and end.get("exitCode") is not None:
                return Ended(int(end["exitCode"]), str(end.get("message") or ""))
    return None


def taken(pods: Iterable[Object]) -> str:
    """Why a pod was taken away, if one that is still there says so."""
    for pod in pods:
        status = pod.get("status", {})
        said = [str(one) for one in (status.get("reason"), status.get("message")) if one]
        if said:
            return f" ({': '.join(said)})"
    return ""


def waiting(pods: Iterable[Object]) -> str:
    """What keeps a container from starting, if anything does."""
    for pod in pods:
        for status in pod.get("status", {}).get("containerStatuses", ()):
            waits = status.get("state", {}).get("waiting") or {}
            if waits.get("reason") not in (None, "ContainerCreating", "PodInitializing"):
                why = waits.get("message") or waits["reason"]
                return f"; pod {name_of(pod)} waits: {waits['reason']}: {why}"
    return ""
