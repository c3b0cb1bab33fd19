"""The controllers against a real API: from a Deployment to endpoints, and back to nothing."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from tests.local.workloads.stage import apply, complete, deployment, edit, has

from tidegate.kube.objects import labels_of, name_of
from tidegate.kube.resources import (
    DEPLOYMENTS,
    ENDPOINTSLICES,
    EVENTS,
    JOBS,
    PODS,
    PVCS,
    REPLICASETS,
    SERVICES,
)
from tidegate.local.workloads import pods as facts
from tidegate.local.workloads.deployment_status import condition_of

if TYPE_CHECKING:
    from tests.local.workloads.stage import Stage

    from tidegate.kube.objects import Object


async def test_a_deployment_becomes_available_in_the_recorded_words(stage: Stage) -> None:
    await apply(stage, deployment())
    found = await stage.until(DEPLOYMENTS, "web", complete)
    assert found["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "1"
    [rs] = (await stage.client.list(REPLICASETS, namespace="demo")).items
    reasons = {one["type"]: one["reason"] for one in found["status"]["conditions"]}
    assert reasons == {
        "Available": "MinimumReplicasAvailable",
        "Progressing": "NewReplicaSetAvailable",
    }
    annotations = rs["metadata"]["annotations"]
    assert annotations["deployment.kubernetes.io/desired-replicas"] == "2"
    assert annotations["deployment.kubernetes.io/max-replicas"] == "3"
    assert rs["spec"]["selector"]["matchLabels"].keys() == {"app", "pod-template-hash"}
    pods = (await stage.client.list(PODS, namespace="demo", label_selector="app=web")).items
    assert all(name_of(pod).startswith(name_of(rs) + "-") for pod in pods)
    assert {pod["spec"]["nodeName"] for pod in pods} == {"local"}


async def test_at_rest_nothing_is_written(stage: Stage) -> None:
    await apply(stage, deployment())
    await stage.until(DEPLOYMENTS, "web", complete)
    await asyncio.sleep(0.5)
    before = len(stage.transport.writes)
    await asyncio.sleep(1.0)
    assert len(stage.transport.writes) == before


async def test_a_new_template_replaces_the_pods_and_counts_a_revision(stage: Stage) -> None:
    await apply(stage, deployment())
    await stage.until(DEPLOYMENTS, "web", complete)
    await apply(stage, deployment(image="i:2"))
    found = await stage.until(DEPLOYMENTS, "web", complete)
    assert found["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "2"
    await stage.until_listed(PODS, lambda pods: len(pods) == 2)
    await apply(stage, deployment(image="i:1"))
    found = await stage.until(DEPLOYMENTS, "web", complete)
    assert found["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "3"
    sets = (await stage.client.list(REPLICASETS, namespace="demo")).items
    revisions = {
        rs["metadata"]["annotations"]["deployment.kubernetes.io/revision"]: rs["spec"]["replicas"]
        for rs in sets
    }
    assert revisions == {"2": 0, "3": 2}


async def test_a_version_that_never_gets_ready_stops_before_it_costs_availability(
    stage: Stage,
) -> None:
    await apply(stage, deployment(replicas=4))
    await stage.until(DEPLOYMENTS, "web", complete)
    stage.node.outcome = lambda _pod: "Pending"
    await apply(stage, deployment(image="i:2", replicas=4, progressDeadlineSeconds=1))
    found = await stage.until(
        DEPLOYMENTS,
        "web",
        lambda one: (
            (condition_of(one["status"], "Progressing") or {}).get("reason")
            == "ProgressDeadlineExceeded"
        ),
    )
    # 25 % may be unavailable and 25 % may be added.
    assert found["status"]["availableReplicas"] == 3
    assert found["status"]["updatedReplicas"] == 2
    stage.node.outcome = lambda _pod: "Ready"
    await apply(stage, deployment(image="i:1", replicas=4))
    await stage.until(DEPLOYMENTS, "web", complete)


async def test_scaling_and_pausing_do_not_roll_anything_out(stage: Stage) -> None:
    await apply(stage, deployment())
    await stage.until(DEPLOYMENTS, "web", complete)
    await edit(stage, paused=True)
    await stage.until(
        DEPLOYMENTS,
        "web",
        lambda one: (
            (condition_of(one["status"], "Progressing") or {}).get("reason") == "DeploymentPaused"
        ),
    )
    await apply(stage, deployment(image="i:2", replicas=3, paused=True))
    await stage.until(DEPLOYMENTS, "web", lambda one: one["status"].get("availableReplicas") == 3)
    assert len((await stage.client.list(REPLICASETS, namespace="demo")).items) == 1
    await edit(stage, paused=False)
    await stage.until(DEPLOYMENTS, "web", complete)
    assert len((await stage.client.list(REPLICASETS, namespace="demo")).items) == 2
    await stage.client.scale(DEPLOYMENTS, "web", namespace="demo", replicas=1, manager="test")
    await stage.until_listed(PODS, lambda pods: len(pods) == 1)


async def test_a_recreate_never_has_pods_of_two_versions(stage: Stage) -> None:
    await apply(stage, deployment(strategy={"type": "Recreate"}))
    await stage.until(DEPLOYMENTS, "web", complete)
    seen: set[frozenset[str]] = set()

    def versions(pods: list[Object]) -> bool:
        images = frozenset(pod["spec"]["containers"][0]["image"] for pod in pods)
        seen.add(images)
        return images == {"i:2"} and len(pods) == 2

    await apply(stage, deployment(image="i:2", strategy={"type": "Recreate"}))
    await stage.until_listed(PODS, versions)
    assert frozenset({"i:1", "i:2"}) not in seen


async def test_old_revisions_beyond_the_limit_are_removed(stage: Stage) -> None:
    for number in range(1, 5):
        await apply(stage, deployment(image=f"i:{number}", revisionHistoryLimit=1))
        await stage.until(DEPLOYMENTS, "web", complete)
    await stage.until_listed(REPLICASETS, lambda found: len(found) == 2)


async def test_a_deleted_pod_is_replaced(stage: Stage) -> None:
    await apply(stage, deployment(replicas=1))
    await stage.until(DEPLOYMENTS, "web", complete)
    [pod] = (await stage.client.list(PODS, namespace="demo")).items
    await stage.client.delete(PODS, name_of(pod), namespace="demo")
    await stage.until_listed(
        PODS, lambda pods: [name_of(one) for one in pods] not in ([], [name_of(pod)])
    )
    await stage.until(DEPLOYMENTS, "web", complete)


async def test_a_failed_pod_does_not_count_and_is_replaced(stage: Stage) -> None:
    stage.node.outcome = lambda _pod: "Failed" if stage.node.ips == 0 else "Ready"
    await apply(stage, deployment(replicas=1))
    await stage.until(DEPLOYMENTS, "web", complete)
    phases = [facts.phase(pod) for pod in (await stage.client.list(PODS, namespace="demo")).items]
    assert sorted(phases) == ["Failed", "Running"]


async def test_a_service_lists_ready_pods_and_drops_what_is_relabelled(stage: Stage) -> None:
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "s", "namespace": "demo"},
        "spec": {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": 8080}]},
    }
    await stage.client.create(SERVICES, service, manager="test")
    await apply(stage, deployment())

    def ready(count: int) -> Any:
        def holds(found: list[Object]) -> bool:
            endpoints = [one for each in found for one in each.get("endpoints") or []]
            return sum(bool(one["conditions"]["ready"]) for one in endpoints) == count

        return holds

    slices = await stage.until_listed(ENDPOINTSLICES, ready(2))
    assert labels_of(slices[0])["kubernetes.io/service-name"] == "s"
    assert slices[0]["ports"][0]["port"] == 8080
    pod = (await stage.client.list(PODS, namespace="demo")).items[0]
    await stage.client.patch(
        PODS,
        name_of(pod),
        {"metadata": {"labels": {"app": "other"}}},
        namespace="demo",
        manager="test",
    )
    await edit(stage, replicas=0)
    await stage.until_listed(ENDPOINTSLICES, ready(0))


async def test_a_job_completes_and_another_fails(stage: Stage) -> None:
    stage.node.outcome = lambda pod: "Failed" if name_of(pod).startswith("bad") else "Succeeded"
    for name in ("good", "bad"):
        pod = {"restartPolicy": "Never", "containers": [{"name": "c", "image": "i"}]}
        job = {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": {"name": name, "namespace": "demo"},
            "spec": {"backoffLimit": 0, "template": {"spec": pod}},
        }
        await stage.client.create(JOBS, job, manager="test")
    good = await stage.until(JOBS, "good", has("Complete"))
    assert good["status"]["succeeded"] == 1
    bad = await stage.until(JOBS, "bad", has("Failed"))
    assert (condition_of(bad["status"], "Failed") or {})["reason"] == "BackoffLimitExceeded"


async def test_a_claim_is_bound_with_what_it_asked_for(stage: Stage) -> None:
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    claim = {"metadata": {"name": "cache", "namespace": "demo"}, "spec": spec}
    await stage.client.create(PVCS, claim, manager="test")
    found = await stage.until(PVCS, "cache", lambda one: one["status"].get("phase") == "Bound")
    assert found["status"]["capacity"] == {"storage": "1Gi"}


async def test_what_happened_is_told_by_events(stage: Stage) -> None:
    await apply(stage, deployment(replicas=1))
    await stage.until(DEPLOYMENTS, "web", complete)
    wanted = {"ScalingReplicaSet", "SuccessfulCreate", "Scheduled"}
    events = await stage.until_listed(
        EVENTS, lambda found: wanted <= {event["reason"] for event in found}
    )
    [scaled] = [event for event in events if event["reason"] == "ScalingReplicaSet"]
    [rs] = (await stage.client.list(REPLICASETS, namespace="demo")).items
    assert scaled["note"] == f"Scaled up replica set {name_of(rs)} from 0 to 1"
    assert scaled["regarding"]["kind"] == "Deployment"


async def test_refusals_and_conflicts_of_the_api_server_are_outlived(stage: Stage) -> None:
    stage.transport.fail(status=409, reason="Conflict", method="PUT", times=2)
    stage.transport.fail(status=503, method="POST", path="/pods", times=1)
    stage.transport.fail(status=429, method="PATCH", path="/pods/", times=1)
    await apply(stage, deployment())
    found = await stage.until(DEPLOYMENTS, "web", complete)
    assert condition_of(found["status"], "ReplicaFailure") is None
    await stage.until_listed(PODS, lambda pods: len(pods) == 2)


async def test_deleting_a_deployment_takes_everything_with_it(stage: Stage) -> None:
    await apply(stage, deployment())
    await stage.until(DEPLOYMENTS, "web", complete)
    await stage.client.delete(DEPLOYMENTS, "web", namespace="demo", propagation="Foreground")
    await stage.until_listed(DEPLOYMENTS, lambda found: not found)
    assert (await stage.client.list(REPLICASETS, namespace="demo")).items == []
    assert (await stage.client.list(PODS, namespace="demo")).items == []
