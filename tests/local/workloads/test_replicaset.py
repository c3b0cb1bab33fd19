"""A ReplicaSet makes what is missing, and gives up first what is worth least."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from tidegate.local.workloads.replicaset import (
    Change,
    change,
    next_available_in,
    pod_for,
    status,
)

NOW = datetime(2026, 11, 23, 13, 0, 0, tzinfo=UTC)
STAMP = "2026-11-23T13:00:00Z"


def pod(
    name: str,
    *,
    ready: bool = True,
    phase: str = "Running",
    node: str = "local",
    since: str = "2026-11-23T12:00:00Z",
    deleted: bool = False,
    restarts: int = 0,
    cost: str = "",
) -> dict[str, Any]:
    metadata: dict[str, Any] = {
        "name": name,
        "labels": {"app": "web"},
        "creationTimestamp": "2026-11-23T11:00:00Z",
    }
    if deleted:
        metadata["deletionTimestamp"] = STAMP
    if cost:
        metadata["annotations"] = {"controller.kubernetes.io/pod-deletion-cost": cost}
    condition = {"type": "Ready", "status": str(ready), "lastTransitionTime": since}
    return {
        "metadata": metadata,
        "spec": {"nodeName": node} if node else {},
        "status": {
            "phase": phase,
            "conditions": [condition],
            "containerStatuses": [{"restartCount": restarts}],
        },
    }


def replicaset(**spec: Any) -> dict[str, Any]:
    template = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": []}}
    return {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {"name": "web-1", "namespace": "demo", "uid": "u1", "generation": 3},
        "spec": {"replicas": 2, "template": template, **spec},
    }


def test_missing_pods_are_made_and_finished_or_leaving_ones_do_not_count() -> None:
    pods = [pod("a"), pod("b", phase="Failed"), pod("c", deleted=True)]
    assert change(3, pods, now=NOW) == Change(create=2)
    assert change(1, pods, now=NOW) == Change()


def test_surplus_pods_go_by_how_little_is_lost_with_them() -> None:
    pods = [
        pod("old-and-ready"),
        pod("cheap", cost="-5"),
        pod("restarted", restarts=3),
        pod("young", since="2026-11-23T12:59:00Z"),
        pod("not-ready", ready=False),
        pod("pending", phase="Pending", ready=False),
        pod("unassigned", node="", phase="Pending", ready=False),
    ]
    order = ["unassigned", "pending", "not-ready", "cheap", "young", "restarted", "old-and-ready"]
    for left in range(len(pods)):
        assert change(left, pods, now=NOW).delete == tuple(order[: len(pods) - left])


def test_a_pod_carries_labels_owner_and_template() -> None:
    made = pod_for(replicaset(), replicaset()["spec"]["template"])
    assert made["metadata"]["generateName"] == "web-1-"
    assert made["metadata"]["labels"] == {"app": "web"}
    [owner] = made["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["name"], owner["controller"]) == ("ReplicaSet", "web-1", True)


def test_the_status_counts_as_recorded() -> None:
    found = status(replicaset(), [pod("a"), pod("b")], failure=None, now_stamp=STAMP, now=NOW)
    assert found == {
        "replicas": 2,
        "fullyLabeledReplicas": 2,
        "readyReplicas": 2,
        "availableReplicas": 2,
        "terminatingReplicas": 0,
        "observedGeneration": 3,
    }


def test_a_leaving_pod_is_counted_apart() -> None:
    pods = [pod("a"), pod("b", deleted=True)]
    found = status(replicaset(), pods, failure=None, now_stamp=STAMP, now=NOW)
    assert (found["replicas"], found["terminatingReplicas"]) == (1, 1)


def test_a_ready_pod_becomes_available_after_min_ready_seconds() -> None:
    slow = replicaset(minReadySeconds=60)
    pods = [pod("a"), pod("b", since="2026-11-23T12:59:20Z")]
    found = status(slow, pods, failure=None, now_stamp=STAMP, now=NOW)
    assert (found["readyReplicas"], found["availableReplicas"]) == (2, 1)
    assert next_available_in(slow, pods, now=NOW) == 20
    assert next_available_in(replicaset(), pods, now=NOW) is None


def test_a_failure_is_told_with_the_time_it_began() -> None:
    first = status(replicaset(), [], failure=("FailedCreate", "no"), now_stamp=STAMP, now=NOW)
    again = status(
        {**replicaset(), "status": first},
        [],
        failure=("FailedCreate", "no"),
        now_stamp="2026-11-23T14:00:00Z",
        now=NOW,
    )
    assert again["conditions"] == first["conditions"]
    assert first["conditions"][0]["lastTransitionTime"] == STAMP
