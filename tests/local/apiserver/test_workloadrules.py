"""What single workload kinds refuse, in a real server's words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tidegate.testing.apiserver import pod

if TYPE_CHECKING:
    from tidegate.testing.apiserver import Asker

type Obj = dict[str, Any]

POD: Obj = {"restartPolicy": "Never", "containers": [{"name": "c", "image": "i"}]}
JOB: Obj = {"template": {"spec": POD}}
CRON: Obj = {"schedule": "* * * * *", "jobTemplate": {"spec": JOB}}
TARGET: Obj = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "w"}
CPU: Obj = {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}}
HPA: Obj = {"scaleTargetRef": TARGET, "maxReplicas": 3}
PATHS = {
    "Job": "/apis/batch/v1/namespaces/default/jobs",
    "CronJob": "/apis/batch/v1/namespaces/default/cronjobs",
    "HorizontalPodAutoscaler": ("/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers"),
    "PodDisruptionBudget": "/apis/policy/v1/namespaces/default/poddisruptionbudgets",
}


def obj(kind: str, spec: Obj) -> Obj:
    version = PATHS[kind].removeprefix("/apis/").partition("/namespaces")[0]
    return {"apiVersion": version, "kind": kind, "metadata": {"name": "x"}, "spec": spec}


@pytest.mark.parametrize(
    ("kind", "spec", "words"),
    [
        (
            "CronJob",
            {**CRON, "schedule": "* * *"},
            'spec.schedule: Invalid value: "* * *": expected exactly 5 fields, found 3: [* * *]',
        ),
        ("CronJob", {**CRON, "schedule": "TZ=UTC * * * * *"}, "cannot use TZ or CRON_TZ"),
        ("CronJob", {**CRON, "timeZone": "Mars/Base"}, "unknown time zone Mars/Base"),
        ("CronJob", {**CRON, "concurrencyPolicy": "Never"}, "Unsupported value"),
        (
            "Job",
            {"template": {"spec": {**POD, "restartPolicy": "Always"}}},
            'Unsupported value: "Always": supported values: "OnFailure", "Never"',
        ),
        ("Job", {**JOB, "backoffLimit": -1}, "must be greater than or equal to 0"),
        (
            "HorizontalPodAutoscaler",
            {**HPA, "minReplicas": 4},
            "must be greater than or equal to `minReplicas`",
        ),
        (
            "HorizontalPodAutoscaler",
            {**HPA, "metrics": [{"type": "Resource"}]},
            "must populate information for the given metric source",
        ),
        (
            "HorizontalPodAutoscaler",
            {
                **HPA,
                "metrics": [
                    {"type": "Resource", "resource": {**CPU, "target": {"type": "AverageValue"}}}
                ],
            },
            "must set a target",
        ),
        (
            "PodDisruptionBudget",
            {"minAvailable": 1, "maxUnavailable": 1},
            "minAvailable and maxUnavailable cannot be both set",
        ),
        ("PodDisruptionBudget", {"minAvailable": "half"}, "a valid percent string"),
        ("PodDisruptionBudget", {"minAvailable": "101%"}, "must not be greater than 100%"),
    ],
)
async def test_what_cannot_work_is_refused(ask: Asker, kind: str, spec: Obj, words: str) -> None:
    answer = await ask("POST", PATHS[kind], obj(kind, spec))
    assert answer.status == 422
    assert words in answer.body["message"]


@pytest.mark.parametrize(
    ("kind", "spec"),
    [
        ("Job", JOB),
        ("CronJob", {**CRON, "timeZone": "Europe/Berlin"}),
        ("HorizontalPodAutoscaler", {**HPA, "metrics": [{"type": "Resource", "resource": CPU}]}),
        ("PodDisruptionBudget", {"maxUnavailable": "25%", "selector": {}}),
    ],
)
async def test_what_works_is_taken(ask: Asker, kind: str, spec: Obj) -> None:
    await ask.create(PATHS[kind], obj(kind, spec))


async def test_the_template_of_a_started_job_stands(ask: Asker) -> None:
    await ask.create(PATHS["Job"], obj("Job", JOB))
    path = f"{PATHS['Job']}/x"
    body = {"spec": {"template": {"spec": {"activeDeadlineSeconds": 5}}}}
    answer = await ask.patch(path, body)
    assert answer.status == 422
    assert "spec.template" in answer.body["message"]
    assert (await ask.patch(path, {"spec": {"parallelism": 2}})).status == 200


@pytest.mark.parametrize("sub", ["exec", "attach", "portforward", "proxy"])
async def test_streams_into_a_pod_are_refused_with_a_way_out(ask: Asker, sub: str) -> None:
    path = "/api/v1/namespaces/default/pods"
    await ask.create(path, pod("p"))
    for method in ("GET", "POST"):
        answer = await ask(method, f"{path}/p/{sub}", query={"command": "ls"})
        assert (answer.status, answer.body["reason"]) == (501, "NotImplemented")
        assert "processes of this machine" in answer.body["message"]
    assert (await ask("POST", f"{path}/nobody/{sub}")).status == 404
