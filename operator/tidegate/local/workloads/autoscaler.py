"""Decides how many replicas the metrics of a HorizontalPodAutoscaler call for. Pure.

The arithmetic is that of Kubernetes' replica calculator: usage against the target, nothing within
10 %, pods that are not ready or not measured counted so that they slow a change down. How fast the
size may follow is decided in `autoscaler_limits.py`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tidegate.local.quantities import quantity
from tidegate.local.workloads import pods as facts

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tidegate.kube.objects import Object
    from tidegate.local.workloads.usage import Used

_TOLERANCE = 0.1
_MEASURED = ("cpu", "memory")

type Measure = Callable[[Object], Mapping[str, Used]]
"""What each running container of a pod uses."""


class MetricProblem(Exception):
    """A metric cannot be had; `reason` is CamelCase, the message is for people."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Proposal:
    """What one metric calls for. `current` is its entry of `status.currentMetrics`."""

    replicas: int
    name: str
    current: Object


@dataclass(frozen=True, slots=True)
class _Sample:
    """One pod: its usage (None: not measured), what it requested, whether it is ready."""

    used: float | None
    requested: float
    ready: bool


def propose(
    metric: Mapping[str, Any], pods: Sequence[Object], *, replicas: int, measure: Measure
) -> Proposal:
    """Return how many replicas a metric calls for. Raises MetricProblem."""
    kind = metric["type"]
    if kind not in ("Resource", "ContainerResource"):
        text = f"the local cluster measures cpu and memory of pods, no metrics of type {kind}"
        raise MetricProblem(f"FailedGet{kind}Metric", text)
    source = metric["resource" if kind == "Resource" else "containerResource"]
    name, container = str(source["name"]), source.get("container")
    reason = f"FailedGet{kind}Metric"
    if name not in _MEASURED:
        raise MetricProblem(reason, f"the local cluster measures cpu and memory, not {name}")
    by_share = source["target"]["type"] == "Utilization"
    samples = [
        _sample(pod, name, container, measure=measure, by_share=by_share, reason=reason)
        for pod in pods
        if facts.is_active(pod)
    ]
    if not any(sample.used is not None for sample in samples):
        text = f"unable to get metrics for resource {name}: no pod has been measured yet"
        raise MetricProblem(reason, f"failed to get {name} usage: {text}")
    target = source["target"]
    if by_share:
        goal = int(target["averageUtilization"]) / 100
        wanted = _replicas(samples, replicas, goal=goal, weight=lambda s: s.requested)
        words = f"{name} resource utilization (percentage of request)"
    else:
        goal = quantity(target["averageValue"])
        wanted = _replicas(samples, replicas, goal=goal, weight=lambda _: 1.0)
        words = f"{name} resource"
    current = _current(samples, name, by_share=by_share)
    return Proposal(wanted, words, _entry(kind, name, container, current))


def _sample(
    pod: Object,
    name: str,
    container: str | None,
    *,
    measure: Measure,
    by_share: bool,
    reason: str,
) -> _Sample:
    used, requested = 0.0, 0.0
    measured = measure(pod)
    complete = True
    for each in pod["spec"]["containers"]:
        if container is not None and each["name"] != container:
            continue
        request = ((each.get("resources") or {}).get("requests") or {}).get(name)
        if request is None and by_share:
            where = f"container {each['name']} of Pod {pod['metadata']['name']}"
            raise MetricProblem(
                reason,
                f"failed to get {name} utilization: missing request for {name} in {where}",
            )
        requested += quantity(request or 0)
        found = measured.get(each["name"])
        complete = complete and found is not None
        used += getattr(found, name) if found is not None else 0.0
    return _Sample(used if complete else None, requested, facts.is_ready(pod))


def _replicas(
    samples: Sequence[_Sample],
    replicas: int,
    *,
    goal: float,
    weight: Callable[[_Sample], float],
) -> int:
    """Usage over target times pods, with the doubtful pods counted towards no change."""

    def ratio(pairs: Sequence[tuple[float, float]]) -> float:
        total = sum(weighed for _, weighed in pairs)
        return sum(used for used, _ in pairs) / (total * goal) if total else 1.0

    ready = [(s.used, weight(s)) for s in samples if s.used is not None and s.ready]
    unready = [weight(s) for s in samples if s.used is not None and not s.ready]
    missing = [weight(s) for s in samples if s.used is None]
    first = ratio(ready)
    if not missing and not (unready and first > 1):
        return replicas if abs(first - 1) <= _TOLERANCE else math.ceil(first * len(ready))
    fill = max(1.0, goal) if first < 1 else 0.0
    counted = [*ready, *((w * fill, w) for w in missing)]
    if first > 1:
        counted += [(0.0, w) for w in unready]
    second = ratio(counted)
    if abs(second - 1) <= _TOLERANCE or (first < 1 < second) or (second < 1 < first):
        return replicas
    wanted = math.ceil(second * len(counted))
    against = (second < 1 and wanted > replicas) or (second > 1 and wanted < replicas)
    return replicas if against else wanted


def _current(samples: Sequence[_Sample], name: str, *, by_share: bool) -> Object:
    measured = [s for s in samples if s.used is not None]
    total = sum(s.used or 0.0 for s in measured)
    average = total / len(measured)
    text = _cores(average) if name == "cpu" else str(round(average))
    found: Object = {"averageValue": text}
    requested = sum(s.requested for s in measured)
    if by_share and requested:
        found["averageUtilization"] = int(total * 100 / requested)
    return found


def _cores(number: float) -> str:
    thousandths = round(number * 1000)
    return f"{thousandths}m" if thousandths % 1000 else str(thousandths // 1000)


def _entry(kind: str, name: str, container: str | None, current: Object) -> Object:
    if kind == "Resource":
        return {"type": kind, "resource": {"name": name, "current": current}}
    inner = {"name": name, "container": container, "current": current}
    return {"type": kind, "containerResource": inner}
