"""A pod's status says what a kubelet would say of such containers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tidegate.local.node.pod_status import PodFacts, phase, status
from tidegate.local.node.states import Running, Snapshot, State, Terminated, Waiting

NOW = datetime(2026, 11, 23, 13, 0, 2, tzinfo=UTC)
STAMP = "2026-11-23T13:00:02Z"
RUNNING = Running(NOW, "local://1-2")
DONE, BROKEN = Terminated(0, "Completed"), Terminated(1, "Error")
CREATING, CRASHING = Waiting("ContainerCreating"), Waiting("CrashLoopBackOff")


def snapshot(name: str, state: State, **more: Any) -> Snapshot:
    return Snapshot(name, "i", state, **more)


def facts(*states: State, policy: str = "Always", **more: Any) -> PodFacts:
    containers = tuple(
        snapshot(
            f"c{i}",
            state,
            ready=isinstance(state, Running),
            started=isinstance(state, Running),
            container_id="local://1-2" if isinstance(state, Running) else "",
            last=BROKEN if state is CRASHING else None,
        )
        for i, state in enumerate(states)
    )
    known: dict[str, Any] = {
        "init": (),
        "restart_policy": policy,
        "address": "127.64.0.9",
        "started_at": STAMP,
        "generation": 1,
        **more,
    }
    return PodFacts(containers=containers, **known)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (facts(CREATING), "Pending"),
        (facts(RUNNING), "Running"),
        (facts(RUNNING, CREATING), "Pending"),
        (facts(CRASHING), "Running"),
        (facts(BROKEN), "Running"),
        (facts(BROKEN, policy="OnFailure"), "Running"),
        (facts(DONE, policy="OnFailure"), "Succeeded"),
        (facts(DONE, DONE, policy="Never"), "Succeeded"),
        (facts(DONE, BROKEN, policy="Never"), "Failed"),
        (facts(BROKEN, stopping=True), "Failed"),
        (facts(DONE, stopping=True), "Succeeded"),
        (facts(CREATING, init=(snapshot("i", RUNNING),)), "Pending"),
        (facts(CREATING, init=(snapshot("i", BROKEN),), policy="Never"), "Failed"),
        (facts(CREATING, init=(snapshot("i", BROKEN),)), "Pending"),
        (facts(RUNNING, init=(snapshot("i", DONE),)), "Running"),
        (facts(CREATING, reason="Refused"), "Failed"),
    ],
)
def test_the_phase_follows_from_the_containers(given: PodFacts, expected: str) -> None:
    assert phase(given) == expected


def test_a_running_pod_reads_as_recorded() -> None:
    found = status(facts(RUNNING), previous={"qosClass": "BestEffort"}, now=NOW)
    plain = {"status": "True", "lastProbeTime": None, "lastTransitionTime": STAMP}
    kinds = ("PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled")
    assert found == {
        "observedGeneration": 1,
        "phase": "Running",
        "conditions": [{"type": kind, **plain} for kind in kinds],
        "hostIP": "127.0.0.1",
        "hostIPs": [{"ip": "127.0.0.1"}],
        "podIP": "127.64.0.9",
        "podIPs": [{"ip": "127.64.0.9"}],
        "startTime": STAMP,
        "containerStatuses": [
            {
                "name": "c0",
                "state": {"running": {"startedAt": STAMP}},
                "lastState": {},
                "ready": True,
                "restartCount": 0,
                "image": "i",
                "imageID": "local://i",
                "containerID": "local://1-2",
                "started": True,
            }
        ],
        "qosClass": "BestEffort",
    }


def test_the_same_facts_later_make_the_same_status() -> None:
    first = status(facts(RUNNING), previous={}, now=NOW)
    assert status(facts(RUNNING), previous=first, now=NOW + timedelta(hours=1)) == first


def test_a_condition_that_changes_gets_a_new_time_and_words() -> None:
    first = status(facts(RUNNING), previous={}, now=NOW)
    later = status(facts(CRASHING), previous=first, now=NOW + timedelta(seconds=8))
    ready = next(found for found in later["conditions"] if found["type"] == "Ready")
    assert ready == {
        "type": "Ready",
        "status": "False",
        "lastProbeTime": None,
        "lastTransitionTime": "2026-11-23T13:00:10Z",
        "reason": "ContainersNotReady",
        "message": "containers with unready status: [c0]",
    }
    scheduled = next(found for found in later["conditions"] if found["type"] == "PodScheduled")
    assert scheduled["lastTransitionTime"] == STAMP


def test_conditions_of_others_are_kept() -> None:
    gate = {"type": "example.com/gate", "status": "True"}
    found = status(facts(RUNNING), previous={"conditions": [gate]}, now=NOW)
    assert gate in found["conditions"]


def test_unfinished_init_containers_are_named() -> None:
    given = facts(CREATING, init=(snapshot("fetch", RUNNING), snapshot("b", CREATING)))
    found = status(given, previous={}, now=NOW)
    initialized = next(one for one in found["conditions"] if one["type"] == "Initialized")
    assert initialized["message"] == "containers with incomplete status: [fetch b]"
    assert found["initContainerStatuses"][0]["started"]


def test_a_finished_pod_is_not_ready_because_it_is_complete() -> None:
    found = status(facts(DONE, policy="Never"), previous={}, now=NOW)
    ready = next(one for one in found["conditions"] if one["type"] == "Ready")
    assert (ready["status"], ready["reason"]) == ("False", "PodCompleted")
