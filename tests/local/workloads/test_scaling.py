"""CronJobs, suspended Jobs, autoscalers and budgets against a real API server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.local.workloads.stage import APP, apply, complete, deployment, has

from tidegate.kube.objects import name_of
from tidegate.kube.resources import (
    CRONJOBS,
    DEPLOYMENTS,
    EVENTS,
    HORIZONTALPODAUTOSCALERS,
    JOBS,
    PODDISRUPTIONBUDGETS,
    PODS,
)
from tidegate.local.workloads.deployment_status import condition_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.local.workloads.stage import Stage

    from tidegate.kube.objects import Object
    from tidegate.testing.apiserver import Answer

POD = {"restartPolicy": "Never", "containers": [{"name": "c", "image": "i"}]}


def named(name: str, **spec: Any) -> Object:
    return {"metadata": {"name": name, "namespace": "demo"}, "spec": spec}


def says(kind: str, reason: str) -> Callable[[Object], bool]:
    def holds(found: Object) -> bool:
        return (condition_of(found.get("status") or {}, kind) or {}).get("reason") == reason

    return holds


async def test_a_cron_job_runs_on_time_and_forgets_what_is_old(stage: Stage) -> None:
    stage.node.outcome = lambda _: "Succeeded"
    spec = named(
        "tick",
        schedule="@every 1s",
        successfulJobsHistoryLimit=1,
        jobTemplate={"spec": {"template": {"spec": POD}}},
    )
    await stage.client.create(CRONJOBS, spec, manager="test")
    found = await stage.until(
        CRONJOBS, "tick", lambda one: "lastSuccessfulTime" in (one.get("status") or {})
    )
    assert found["status"]["lastScheduleTime"]
    jobs = await stage.until_listed(JOBS, lambda found: len(found) == 1)
    assert name_of(jobs[0]).startswith("tick-")
    events = await stage.until_listed(
        EVENTS, lambda found: "SawCompletedJob" in {event["reason"] for event in found}
    )
    assert "SuccessfulCreate" in {event["reason"] for event in events}


async def test_a_suspended_job_waits_and_says_so(stage: Stage) -> None:
    await stage.client.create(
        JOBS, named("later", suspend=True, template={"spec": POD}), manager="test"
    )
    await stage.until(JOBS, "later", says("Suspended", "JobSuspended"))
    assert (await stage.client.list(PODS, namespace="demo")).items == []
    stage.node.outcome = lambda _: "Succeeded"
    await stage.client.patch(
        JOBS, "later", {"spec": {"suspend": False}}, namespace="demo", manager="test"
    )
    done = await stage.until(JOBS, "later", has("Complete"))
    assert says("Suspended", "JobResumed")(done)


async def test_an_indexed_job_fails_in_words(stage: Stage) -> None:
    spec = named("i", completionMode="Indexed", completions=2, template={"spec": POD})
    await stage.client.create(JOBS, spec, manager="test")
    failed = await stage.until(JOBS, "i", has("Failed"))
    assert "Indexed" in (condition_of(failed["status"], "Failed") or {})["message"]


def autoscaler(**spec: Any) -> Object:
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
    cpu = {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}}
    metrics = [{"type": "Resource", "resource": cpu}]
    wanted: dict[str, Any] = {"scaleTargetRef": target, "metrics": metrics, "maxReplicas": 4}
    return named("web", **wanted, **spec)


async def test_an_autoscaler_follows_the_load_up_and_down(stage: Stage) -> None:
    web = deployment(replicas=1)
    container = web["spec"]["template"]["spec"]["containers"][0]
    container["resources"] = {"requests": {"cpu": "1"}}
    await apply(stage, web)
    quick = {"scaleDown": {"stabilizationWindowSeconds": 0}}
    await stage.client.create(HORIZONTALPODAUTOSCALERS, autoscaler(behavior=quick), manager="test")
    await stage.until(
        HORIZONTALPODAUTOSCALERS, "web", says("ScalingActive", "FailedGetResourceMetric")
    )
    stage.meter.cpu = 1.0
    await stage.until(DEPLOYMENTS, "web", lambda one: one["status"].get("readyReplicas") == 4)
    found = await stage.until(
        HORIZONTALPODAUTOSCALERS, "web", says("ScalingLimited", "TooManyReplicas")
    )
    assert found["status"]["currentMetrics"][0]["resource"]["current"] == {
        "averageUtilization": 100,
        "averageValue": "1",
    }
    stage.meter.cpu = 0.1
    await stage.until(DEPLOYMENTS, "web", lambda one: one["spec"]["replicas"] == 1)
    found = await stage.until(
        HORIZONTALPODAUTOSCALERS, "web", lambda one: one["status"]["desiredReplicas"] == 1
    )
    assert found["status"]["lastScaleTime"]
    await stage.until_listed(
        EVENTS, lambda found: "SuccessfulRescale" in {event["reason"] for event in found}
    )


async def test_an_autoscaler_without_its_target_says_so(stage: Stage) -> None:
    await stage.client.create(HORIZONTALPODAUTOSCALERS, autoscaler(), manager="test")
    await stage.until(HORIZONTALPODAUTOSCALERS, "web", says("AbleToScale", "FailedGetScale"))


async def test_a_budget_decides_whether_a_pod_may_be_evicted(stage: Stage) -> None:
    await apply(stage, deployment(replicas=2))
    await stage.until(DEPLOYMENTS, "web", complete)
    await stage.client.create(
        PODDISRUPTIONBUDGETS, named("web", selector=APP, minAvailable=2), manager="test"
    )
    await stage.until(PODDISRUPTIONBUDGETS, "web", says("DisruptionAllowed", "InsufficientPods"))
    pods = [name_of(pod) for pod in (await stage.client.list(PODS, namespace="demo")).items]
    refused = await evict(stage, pods[0])
    assert refused.status == 429
    assert refused.body["details"]["causes"][0]["reason"] == "DisruptionBudget"
    assert "needs 2 healthy pods and has 2" in refused.body["details"]["causes"][0]["message"]
    await stage.client.patch(
        PODDISRUPTIONBUDGETS, "web", {"spec": {"minAvailable": 1}}, namespace="demo", manager="t"
    )
    await stage.until(PODDISRUPTIONBUDGETS, "web", says("DisruptionAllowed", "SufficientPods"))
    assert (await evict(stage, pods[0])).status == 201
    await stage.until_listed(
        PODS, lambda found: len(found) == 2 and pods[0] not in {name_of(pod) for pod in found}
    )


async def evict(stage: Stage, pod: str) -> Answer:
    body = {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": pod, "namespace": "demo"},
    }
    return await stage.ask("POST", PODS.path("demo", pod, "eviction"), body)
