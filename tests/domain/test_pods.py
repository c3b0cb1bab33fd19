"""What pods say about a revision, from their raw statuses."""

from __future__ import annotations

from typing import Any

import pytest

from tidegate.domain.pods import ArmPods, arm_pods
from tidegate.errors import Terminal
from tidegate.serving.failure import termination_line


def a_pod(*containers: dict[str, Any], init: tuple[dict[str, Any], ...] = ()) -> dict[str, Any]:
    status = {"containerStatuses": list(containers), "initContainerStatuses": list(init)}
    return {"metadata": {"name": "p"}, "status": status}


def ended(message: str, *, code: int = 1, restarts: int = 0, waiting: str = "") -> dict[str, Any]:
    state: dict[str, Any] = {"terminated": {"exitCode": code, "message": message}}
    if waiting:
        state = {"waiting": {"reason": waiting, "message": "back-off"}}
    last = {"terminated": {"exitCode": code, "message": message}}
    return {
        "name": "server", "ready": False, "restartCount": restarts, "state": state,
        "lastState": last,
    }  # fmt: skip


RUNNING = {"name": "server", "ready": True, "restartCount": 0, "state": {"running": {}}}


def deployment(replicas: int, ready: int) -> dict[str, Any]:
    return {"spec": {"replicas": replicas}, "status": {"readyReplicas": ready}}


@pytest.mark.parametrize(
    ("replicas", "ready", "complete"), [(2, 2, True), (2, 1, False), (2, 0, False), (0, 0, False)]
)
def test_an_arm_is_complete_when_every_wanted_pod_is_ready(
    replicas: int, ready: int, complete: bool
) -> None:
    found = arm_pods(deployment(replicas, ready), [])
    assert (found.exists, found.ready, found.complete) == (True, ready, complete)


def test_a_revision_without_a_deployment_has_no_pods() -> None:
    assert arm_pods(None, []) == ArmPods()
    assert not arm_pods(None, []).complete


def test_a_deployment_without_status_has_nothing_ready() -> None:
    assert arm_pods({"spec": {}}, []).ready == 0


@pytest.mark.parametrize(
    ("reason", "final"),
    [
        ("DigestMismatch", True),
        ("LoadFailed", True),
        ("SignatureMismatch", True),
        ("FormatUnsupported", True),
        ("ArtifactNotFound", True),
        ("TooLarge", True),
        ("Unreachable", False),
    ],
)
def test_what_our_own_programs_leave_is_taken_at_its_word(reason: str, final: bool) -> None:
    line = termination_line(Terminal(reason, "do this"))
    failure = arm_pods(deployment(1, 0), [a_pod(init=(ended(f"log\n{line}"),))]).failure
    assert failure is not None
    assert (failure.reason, failure.final) == (reason, final)
    assert failure.message.startswith("do this")
    assert "pod p" in failure.message


@pytest.mark.parametrize("restarts", [0, 1, 2, 3, 9])
def test_a_crash_is_final_after_three_restarts(restarts: int) -> None:
    pod = a_pod(ended("boom", restarts=restarts, waiting="CrashLoopBackOff"))
    failure = arm_pods(deployment(1, 0), [pod]).failure
    assert failure is not None
    assert failure.reason == "CrashLoop"
    assert failure.final is (restarts >= 3)
    assert "boom" in failure.message
    assert "kubectl logs p --previous" in failure.message


def test_a_crash_tells_its_exit_code_and_its_last_whole_lines() -> None:
    log = "\n".join(f"line {number} " + "x" * 80 for number in range(20)) + "\nno such module"
    failure = arm_pods(deployment(1, 0), [a_pod(ended(log, code=139, restarts=1))]).failure
    assert failure is not None
    assert "has ended 2 times (exit code 139, signal 11): line 14 x" in failure.message
    assert "no such module; see" in failure.message
    long = arm_pods(deployment(1, 0), [a_pod(ended("y" * 2000))]).failure
    assert long is not None
    assert "once (exit code 1): yyy" in long.message
    assert len(long.message) < 800


def test_a_container_that_was_killed_for_memory_says_which_limit_to_raise() -> None:
    container = ended("", code=137, restarts=3)
    for state in (container["state"], container["lastState"]):
        state["terminated"]["reason"] = "OOMKilled"
    failure = arm_pods(deployment(1, 0), [a_pod(container)]).failure
    assert failure is not None
    assert (failure.reason, failure.final) == ("OutOfMemory", True)
    assert "4 times so far: raise resources.limits.memory" in failure.message


@pytest.mark.parametrize("text", ["{", "[]", '{"message": "no reason"}', '{"reason": 7}', ""])
def test_a_last_line_that_is_not_ours_counts_as_a_plain_crash(text: str) -> None:
    failure = arm_pods(deployment(1, 0), [a_pod(ended(text))]).failure
    assert failure is not None
    assert failure.reason == "CrashLoop"


@pytest.mark.parametrize("reason", ["ErrImagePull", "ImagePullBackOff", "CreateContainerError"])
def test_a_container_that_cannot_start_says_why_and_may_still(reason: str) -> None:
    waiting = {"waiting": {"reason": reason, "message": "no such image"}}
    pod = a_pod({"name": "server", "ready": False, "state": waiting})
    failure = arm_pods(deployment(1, 0), [pod]).failure
    assert failure is not None
    assert (failure.reason, failure.final) == (reason, False)
    assert "no such image" in failure.message


@pytest.mark.parametrize("reason", ["ContainerCreating", "PodInitializing"])
def test_starting_is_no_failure(reason: str) -> None:
    pod = a_pod({"name": "server", "ready": False, "state": {"waiting": {"reason": reason}}})
    assert arm_pods(deployment(1, 0), [pod]).failure is None


def test_an_init_container_that_did_its_work_is_no_failure() -> None:
    done = {"name": "fetch", "ready": False, "state": {"terminated": {"exitCode": 0}}}
    assert arm_pods(deployment(1, 1), [a_pod(RUNNING, init=(done,))]).failure is None


def test_a_crash_that_is_over_is_no_failure() -> None:
    back = {**RUNNING, "restartCount": 5, "lastState": {"terminated": {"exitCode": 1}}}
    assert arm_pods(deployment(1, 1), [a_pod(back)]).failure is None


def test_a_pod_that_is_being_deleted_says_nothing() -> None:
    pod = a_pod(ended("boom", restarts=9))
    pod["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    assert arm_pods(deployment(1, 1), [pod]).failure is None


def test_of_several_failures_the_final_one_is_told() -> None:
    line = termination_line(Terminal("LoadFailed", "no"))
    pods = [a_pod(ended("boom")), a_pod(ended(line))]
    failure = arm_pods(deployment(2, 0), pods).failure
    assert failure is not None
    assert failure.reason == "LoadFailed"


def test_a_pod_that_no_node_takes_says_what_it_lacks_and_may_still_find_one() -> None:
    told = "0/3 nodes are available: 3 Insufficient nvidia.com/gpu."
    waits = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": told}
    pod = {"metadata": {"name": "p"}, "status": {"phase": "Pending", "conditions": [waits]}}
    failure = arm_pods(deployment(1, 0), [pod]).failure
    assert failure is not None
    assert (failure.reason, failure.final) == ("Unschedulable", False)
    assert "no node takes pod p" in failure.message
    assert told in failure.message
    gated = {**waits, "reason": "SchedulingGated"}
    pod["status"] = {"phase": "Pending", "conditions": [gated]}
    assert arm_pods(deployment(1, 0), [pod]).failure is None


def test_pods_that_the_api_server_does_not_take_are_told_by_the_deployment() -> None:
    told = 'pods "m-1-" is forbidden: exceeded quota: gpus, requested: requests.nvidia.com/gpu=1'
    refused = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate"}
    found = deployment(1, 0)
    found["status"]["conditions"] = [{**refused, "message": told}]
    failure = arm_pods(found, []).failure
    assert failure is not None
    assert (failure.reason, failure.final) == ("PodsRefused", False)
    assert told in failure.message
    crashed = arm_pods(found, [a_pod(ended("boom"))]).failure
    assert crashed is not None
    assert crashed.reason == "CrashLoop", "what a pod says tells more"
    found["status"]["conditions"][0]["status"] = "False"
    assert arm_pods(found, []).failure is None
