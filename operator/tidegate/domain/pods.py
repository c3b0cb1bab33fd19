"""What the pods of one revision say: how many are ready, and what is wrong with those that are not.

Reads raw Deployment and Pod objects, because their schema belongs to Kubernetes; decides nothing
about traffic.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

FINAL_REASONS = frozenset(
    {"ArchiveInvalid", "ArtifactForbidden", "ArtifactInvalid", "ArtifactNotFound",
     "DigestMismatch", "FileOutsideRoot", "FormatUnsafe", "FormatUnsupported", "LoadFailed",
     "SchemeUnsupported", "SettingsInvalid", "SignatureMismatch", "SigningInvalid",
     "SigningKeyInvalid", "SigningMissing", "SigningUnsupported", "TooLarge", "TooManyFiles",
     "UnsafePath", "UriInvalid"}
)  # fmt: skip
"""What a server or fetcher says when trying again cannot help."""

CRASH_LOOP = "CrashLoop"
OUT_OF_MEMORY = "OutOfMemory"
PODS_REFUSED = "PodsRefused"
UNSCHEDULABLE = "Unschedulable"
POD_REASONS = FINAL_REASONS | {CRASH_LOOP, OUT_OF_MEMORY}
"""Why the pods of a revision cannot serve it; any other reason is about what it did when it
served."""
CRASH_LOOP_RESTARTS = 3
"""Restarts of one container after which its pod counts as crash-looping."""


LAST_WORDS = 600
"""Characters of a crashed container's log that are shown."""


@dataclass(frozen=True)
class PodFailure:
    """Why pods of a revision are not ready. `final`: no more tries will help."""

    reason: str
    message: str
    final: bool


@dataclass(frozen=True)
class ArmPods:
    """The pods of one revision: wanted, ready, and the most telling failure, if any."""

    exists: bool = False
    desired: int = 0
    ready: int = 0
    failure: PodFailure | None = None

    @property
    def complete(self) -> bool:
        """Whether every wanted pod is ready."""
        return self.exists and self.desired > 0 and self.ready >= self.desired

    @property
    def present(self) -> bool:
        """Whether there is a Deployment, or a pod that shows a failure."""
        return self.exists or self.failure is not None


NO_PODS = ArmPods()


def arm_pods(deployment: Mapping[str, Any] | None, pods: Iterable[Mapping[str, Any]]) -> ArmPods:
    """The state of a revision's pods from its Deployment and its pods."""
    alive = [pod for pod in pods if "deletionTimestamp" not in pod["metadata"]]
    failure = next(iter(sorted(_failures(alive), key=lambda f: not f.final)), None)
    if deployment is None:
        return ArmPods(failure=failure)
    failure = failure or _refusal(deployment)
    return ArmPods(
        exists=True,
        desired=int(deployment.get("spec", {}).get("replicas", 1)),
        ready=int(deployment.get("status", {}).get("readyReplicas", 0)),
        failure=failure,
    )


def _failures(pods: Iterable[Mapping[str, Any]]) -> Iterator[PodFailure]:
    for pod in pods:
        status = pod.get("status", {})
        containers = [
            *status.get("initContainerStatuses", ()),
            *status.get("containerStatuses", ()),
        ]
        for container in containers:
            failure = _container_failure(pod["metadata"]["name"], container)
            if failure is not None:
                yield failure
        yield from _unscheduled(pod["metadata"]["name"], _conditions(pod))


def _conditions(obj: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    return {each["type"]: each for each in obj.get("status", {}).get("conditions", ())}


def _unscheduled(pod: str, conditions: Mapping[str, Mapping[str, Any]]) -> Iterator[PodFailure]:
    """That no node takes a pod, a GPU being in use for example; it may wait for one to come."""
    scheduled = conditions.get("PodScheduled", {})
    if scheduled.get("status") == "False" and scheduled.get("reason") == UNSCHEDULABLE:
        words = str(scheduled.get("message", ""))[:LAST_WORDS]
        yield PodFailure(
            UNSCHEDULABLE,
            f"no node takes pod {pod} ({words}): add such a node, or ask for less in the resources"
            " of the Model's runtime",
            final=False,
        )


def _refusal(deployment: Mapping[str, Any]) -> PodFailure | None:
    """That the API server takes no pod of a Deployment: a quota is used up, or a policy says no."""
    failed = _conditions(deployment).get("ReplicaFailure", {})
    if failed.get("status") != "True":
        return None
    words = str(failed.get("message", failed.get("reason", "")))[:LAST_WORDS]
    return PodFailure(
        PODS_REFUSED,
        f"the API server takes no more pods of it ({words}): raise the quota of the namespace, or"
        " change the policy or the Model's resources",
        final=False,
    )


def _container_failure(pod: str, container: Mapping[str, Any]) -> PodFailure | None:
    """What is wrong with one container, if anything."""
    waiting = container.get("state", {}).get("waiting") or {}
    ended = (
        container.get("state", {}).get("terminated")
        or container.get("lastState", {}).get("terminated")
        or {}
    )
    crashed = ended if ended.get("exitCode", 0) != 0 else {}
    if container.get("ready") and not waiting:
        return None
    told = _told(crashed.get("message", ""))
    where = f"pod {pod}, container {container.get('name', '?')}"
    if told is not None:
        reason, message = told
        return PodFailure(reason, f"{message} ({where})", final=reason in FINAL_REASONS)
    waits_for = waiting.get("reason", "")
    if crashed:
        return _crash(pod, where, crashed, restarts=int(container.get("restartCount", 0)))
    if waits_for and waits_for not in ("ContainerCreating", "PodInitializing"):
        return PodFailure(waits_for, f"{where}: {waiting.get('message', waits_for)}", final=False)
    return None


def _crash(pod: str, where: str, ended: Mapping[str, Any], *, restarts: int) -> PodFailure:
    """A container that ended by itself or was killed: how often, how, and its last words."""
    code = ended.get("exitCode")
    times = f"{restarts + 1} times" if restarts else "once"
    final = restarts >= CRASH_LOOP_RESTARTS
    if ended.get("reason") == "OOMKilled":
        return PodFailure(
            OUT_OF_MEMORY,
            f"{where} needed more memory than its limit and was killed, {times} so far: raise"
            " resources.limits.memory of the Model's runtime, or make the model smaller",
            final=final,
        )
    how = f"exit code {code}"
    if isinstance(code, int) and 128 < code < 160:
        how += f", signal {code - 128}"
    words = _last_words(ended.get("message", ""))
    return PodFailure(
        CRASH_LOOP,
        f"{where} has ended {times} ({how}){f': {words}' if words else ''};"
        f" see `kubectl logs {pod} --previous`",
        final=final,
    )


def _last_words(log: str) -> str:
    """The last whole lines of a log, as many as fit into a condition."""
    lines: list[str] = []
    room = LAST_WORDS
    for line in reversed(log.strip().splitlines()):
        room -= len(line) + 1
        if room < 0:
            break
        lines.insert(0, line.strip())
    return "\n".join(lines) if lines else log.strip()[-LAST_WORDS:]


def _told(message: str) -> tuple[str, str] | None:
    """The reason and message that our own programs leave as the last line of their log."""
    lines = message.strip().splitlines()
    if not lines or not lines[-1].startswith("{"):
        return None
    try:
        told = json.loads(lines[-1])
    except ValueError:
        return None
    if not isinstance(told, dict) or not isinstance(told.get("reason"), str):
        return None
    return told["reason"], str(told.get("message", told["reason"]))
