"""Reading the Deployments that a backend's controller made: which revision each runs, and whether
it is rolled out.

Their own status is honest where the status of the object above them is not: it has an
observedGeneration that counts this object's generations. Decides nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tidegate.domain.pods import ArmPods, PodFailure, arm_pods
from tidegate.specs.metadata import REVISION_LABEL

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tidegate.specs.metadata import Object

NOT_PROGRESSING = "ProgressDeadlineExceeded"


def by_revision(deployments: Iterable[Object]) -> dict[str, Object]:
    """Deployments by the revision that their pods run: the label of the pods counts, which the
    backend copies from the entry."""
    found = {}
    for deployment in deployments:
        template = (deployment.get("spec") or {}).get("template") or {}
        revision = ((template.get("metadata") or {}).get("labels") or {}).get(REVISION_LABEL)
        if revision:
            found[revision] = deployment
    return found


def unfinished(deployment: Mapping[str, Any] | None, *, replicas: int) -> str:
    """Why a Deployment does not run its present template with at least so many pods; empty when it
    does.

    `Available` is no proof: it stays True on the old pods while new ones crash.
    """
    if deployment is None:
        return "its Deployment is not there yet"
    status = deployment.get("status") or {}
    wanted = int(deployment["spec"].get("replicas", 1))
    if int(status.get("observedGeneration", 0)) < int(deployment["metadata"].get("generation", 1)):
        return "its Deployment has not been looked at since it changed"
    if wanted < replicas:
        return f"its Deployment has {wanted} replicas and not yet {replicas}"
    updated = int(status.get("updatedReplicas", 0))
    if updated < wanted or int(status.get("replicas", 0)) > updated:
        return f"{updated} of its {wanted} pods run the present template"
    available = int(status.get("availableReplicas", 0))
    if available < wanted:
        return f"{available} of its {wanted} pods are available"
    return ""


def stalled(deployment: Mapping[str, Any] | None) -> PodFailure | None:
    """The failure of a Deployment that makes no progress any more, if it says so."""
    for condition in ((deployment or {}).get("status") or {}).get("conditions") or ():
        failed = condition.get("status") == "False" and condition.get("reason") == NOT_PROGRESSING
        if condition.get("type") == "Progressing" and failed:
            return PodFailure(NOT_PROGRESSING, condition.get("message", ""), final=True)
    return None


def pods_of(
    deployment: Mapping[str, Any] | None,
    pods: Iterable[Mapping[str, Any]],
    *,
    size: int | None,
    failure: PodFailure | None,
) -> ArmPods:
    """The pods of an entry that is asked to have `size` of them; None: it is not in the object.

    Pods above that number do not count: a backend may run more for a while (KServe's leader has
    those of its canaries until they are ready), and the size of an arm must not follow them.
    """
    found = arm_pods(deployment, pods)
    why = found.failure or failure or stalled(deployment)
    if size is None:
        return ArmPods(failure=why)
    return ArmPods(found.exists, desired=size, ready=min(found.ready, size), failure=why)
