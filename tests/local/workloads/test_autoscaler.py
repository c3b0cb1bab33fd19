"""What metrics call for: Kubernetes' arithmetic, with its care about pods in doubt."""

from __future__ import annotations

from typing import Any

import pytest

from tidegate.local.workloads.autoscaler import MetricProblem, propose
from tidegate.local.workloads.usage import Used

CPU: dict[str, Any] = {
    "type": "Resource",
    "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}},
}


def pod(name: str, *, ready: bool = True, request: str | None = "1") -> dict[str, Any]:
    requests = {"requests": {"cpu": request}} if request else {}
    return {
        "metadata": {"name": name},
        "spec": {"containers": [{"name": "c", "resources": requests}]},
        "status": {
            "phase": "Running",
            "conditions": [{"type": "Ready", "status": "True" if ready else "False"}],
        },
    }


def wanted(cpu: dict[str, float], *pods: dict[str, Any], metric: dict[str, Any] = CPU) -> int:
    """The size that is called for when these pods use so many cores; others are not measured."""

    def measure(of: dict[str, Any]) -> dict[str, Used]:
        cores = cpu.get(of["metadata"]["name"])
        return {} if cores is None else {"c": Used(cores, 100e6)}

    return propose(metric, pods, replicas=len(pods), measure=measure).replicas


@pytest.mark.parametrize(
    ("cores", "replicas"),
    [(0.5, 2), (0.54, 2), (0.46, 2), (0.56, 3), (1.0, 4), (0.44, 2), (0.2, 1), (0.0, 0)],
)
def test_usage_over_target_times_pods(cores: float, replicas: int) -> None:
    assert wanted({"a": cores, "b": cores}, pod("a"), pod("b")) == replicas


def test_a_pod_that_is_not_measured_counts_as_idle_when_growing() -> None:
    # 2.0 / 0.5 would be 4 for one pod; with an idle second one 2 / (2 x 0.5) calls for 4 of 2.
    assert wanted({"a": 0.9}, pod("a"), pod("b")) == 2
    assert wanted({"a": 2.0}, pod("a"), pod("b")) == 4


def test_a_pod_that_is_not_measured_counts_as_busy_when_shrinking() -> None:
    assert wanted({"a": 0.1}, pod("a"), pod("b")) == 2


def test_a_pod_that_is_not_ready_slows_growth() -> None:
    assert wanted({"a": 0.9, "b": 0.9}, pod("a"), pod("b", ready=False)) == 2
    assert wanted({"a": 0.1, "b": 0.1}, pod("a"), pod("b", ready=False)) == 1


def test_an_average_value_needs_no_requests() -> None:
    target = {"type": "AverageValue", "averageValue": "250m"}
    metric = {"type": "Resource", "resource": {"name": "cpu", "target": target}}
    pods = (pod("a", request=None), pod("b", request=None))
    assert wanted({"a": 0.5, "b": 0.5}, *pods, metric=metric) == 4


def test_memory_and_single_containers_are_measured_too() -> None:
    target = {"type": "AverageValue", "averageValue": "50M"}
    source = {"name": "memory", "container": "c", "target": target}
    metric = {"type": "ContainerResource", "containerResource": source}
    assert wanted({"a": 0.0}, pod("a"), metric=metric) == 2


@pytest.mark.parametrize(
    ("metric", "pods", "reason", "words"),
    [
        (CPU, [pod("a")], "FailedGetResourceMetric", "no pod has been measured yet"),
        (CPU, [pod("a", request=None)], "FailedGetResourceMetric", "missing request for cpu"),
        ({"type": "External", "external": {}}, [], "FailedGetExternalMetric", "type External"),
    ],
)
def test_what_cannot_be_measured_is_told(
    metric: dict[str, Any], pods: list[dict[str, Any]], reason: str, words: str
) -> None:
    with pytest.raises(MetricProblem, match=words) as problem:
        wanted({}, *pods, metric=metric)
    assert problem.value.reason == reason


def test_the_status_shows_usage_as_kubernetes_does() -> None:
    proposal = propose(CPU, [pod("a")], replicas=1, measure=lambda _: {"c": Used(0.3, 1.0)})
    current = {"averageValue": "300m", "averageUtilization": 30}
    assert proposal.current == {"type": "Resource", "resource": {"name": "cpu", "current": current}}
