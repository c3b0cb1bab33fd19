"""Decides a pod's status from the states of its containers: phase, conditions. Pure.

The words are those of the kubelet (`pkg/kubelet/status/generate.go`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tidegate.local.node.fields import HOST_IP
from tidegate.local.node.states import Running, Terminated, Waiting
from tidegate.local.workloads.times import stamp

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from tidegate.kube.objects import Object
    from tidegate.local.node.states import Snapshot

RESTARTABLE = ("Always", "OnFailure")


@dataclass(frozen=True, slots=True)
class PodFacts:
    """What is known of a pod. `reason` and `message` stand when the node refuses it."""

    init: tuple[Snapshot, ...]
    containers: tuple[Snapshot, ...]
    restart_policy: str
    address: str
    started_at: str
    generation: int
    prepared: bool = True
    """Whether the pod's folders and address stand, so that containers may start."""
    stopping: bool = False
    """Whether the pod was told to end: nothing is started again."""
    reason: str = ""
    message: str = ""


def initialized(facts: PodFacts) -> bool:
    """Tell whether every init container has done its work."""
    return all(succeeded(found) for found in facts.init)


def phase(facts: PodFacts) -> str:
    """Return Pending, Running, Succeeded or Failed."""
    if facts.reason:
        return "Failed"
    never_again = facts.stopping or facts.restart_policy == "Never"
    if not initialized(facts):
        broken = any(_failed(found) for found in facts.init)
        return "Failed" if broken and never_again else "Pending"
    states = [found.state for found in facts.containers]
    if all(isinstance(state, Terminated) for state in states):
        bad = any(_failed(found) for found in facts.containers)
        if never_again or (facts.restart_policy == "OnFailure" and not bad):
            return "Failed" if bad else "Succeeded"
        return "Running"
    if any(isinstance(state, Waiting) and not _has_run(found)
           for found, state in zip(facts.containers, states, strict=True)):  # fmt: skip
        return "Pending"
    return "Running"


def succeeded(found: Snapshot) -> bool:
    """Tell whether the container has done its work."""
    return isinstance(found.state, Terminated) and found.state.exit_code == 0


def _failed(found: Snapshot) -> bool:
    return isinstance(found.state, Terminated) and found.state.exit_code != 0


def _has_run(found: Snapshot) -> bool:
    return found.last is not None


def status(facts: PodFacts, *, previous: Mapping[str, Any], now: datetime) -> Object:
    """Return the whole status. `previous` keeps transition times and what others wrote."""
    found: Object = {
        "observedGeneration": facts.generation,
        "phase": phase(facts),
        "conditions": _conditions(facts, previous.get("conditions") or [], now=now),
        "hostIP": HOST_IP,
        "hostIPs": [{"ip": HOST_IP}],
        "startTime": facts.started_at,
    }
    if facts.reason:
        found |= {"reason": facts.reason, "message": facts.message}
    if facts.address:
        found |= {"podIP": facts.address, "podIPs": [{"ip": facts.address}]}
    if facts.init:
        found["initContainerStatuses"] = [_init_json(snapshot) for snapshot in facts.init]
    found["containerStatuses"] = [snapshot.as_json() for snapshot in facts.containers]
    if previous.get("qosClass"):
        found["qosClass"] = previous["qosClass"]
    return found


def _init_json(snapshot: Snapshot) -> Object:
    """An init container is ready once it has succeeded, and was started while it runs."""
    running = isinstance(snapshot.state, Running)
    return snapshot.as_json() | {"ready": succeeded(snapshot), "started": running}


def _conditions(
    facts: PodFacts, previous: Sequence[Mapping[str, Any]], *, now: datetime
) -> list[Object]:
    ready = _ready(facts)
    wanted = [
        ("PodReadyToStartContainers", (facts.prepared and not facts.reason, "", "")),
        ("Initialized", _initialized(facts)),
        ("Ready", ready),
        ("ContainersReady", ready),
        ("PodScheduled", (True, "", "")),
    ]
    before = {found["type"]: found for found in previous}
    mine = {kind for kind, _ in wanted}
    kept = [dict(found) for found in previous if found["type"] not in mine]
    return [_condition(kind, what, before.get(kind), now=now) for kind, what in wanted] + kept


type _What = tuple[bool, str, str]
"""Whether it holds; reason and message if there is something to say."""


def _initialized(facts: PodFacts) -> _What:
    unfinished = [found.name for found in facts.init if not succeeded(found)]
    if not unfinished:
        done = phase(facts) == "Succeeded"
        return True, "PodCompleted" if done else "", ""
    names = " ".join(unfinished)
    message = f"containers with incomplete status: [{names}]"
    return False, "ContainersNotInitialized", message


def _ready(facts: PodFacts) -> _What:
    now_phase = phase(facts)
    if now_phase == "Succeeded":
        return False, "PodCompleted", ""
    if now_phase == "Failed":
        return False, "PodFailed", ""
    unready = [found.name for found in facts.containers if not found.ready]
    if not unready:
        return True, "", ""
    return False, "ContainersNotReady", f"containers with unready status: [{' '.join(unready)}]"


def _condition(
    kind: str, what: _What, before: Mapping[str, Any] | None, *, now: datetime
) -> Object:
    holds, reason, message = what
    state = "True" if holds else "False"
    since = before["lastTransitionTime"] if before and before["status"] == state else stamp(now)
    found: Object = {
        "type": kind,
        "status": state,
        "lastProbeTime": None,
        "lastTransitionTime": since,
    }
    if reason:
        found["reason"] = reason
    if message:
        found["message"] = message
    return found
