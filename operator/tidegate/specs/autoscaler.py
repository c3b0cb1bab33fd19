"""The autoscaler and the disruption budget of one revision. Two arms never share one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidegate.specs.metadata import child, selector

if TYPE_CHECKING:
    from tidegate.api.model import Scaling
    from tidegate.specs.metadata import Object, Parent


def autoscaler(parent: Parent, *, revision: str, floor: int, scaling: Scaling) -> Object:
    """A HorizontalPodAutoscaler on CPU that never goes below `floor` pods."""
    obj = child(
        parent,
        api_version="autoscaling/v2",
        kind="HorizontalPodAutoscaler",
        name=revision,
        revision=revision,
    )
    utilization = {"type": "Utilization", "averageUtilization": scaling.target_cpu}
    obj["spec"] = {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": revision},
        "minReplicas": floor,
        "maxReplicas": max(floor, scaling.max_replicas),
        "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": utilization}}],
    }
    return obj


def disruption_budget(parent: Parent, *, revision: str) -> Object:
    """A PodDisruptionBudget: at most one pod of a revision is evicted at a time. Pods that are not
    ready may always go: a version that does not start must not keep a node from being drained."""
    obj = child(
        parent,
        api_version="policy/v1",
        kind="PodDisruptionBudget",
        name=revision,
        revision=revision,
    )
    obj["spec"] = {
        "maxUnavailable": 1,
        "unhealthyPodEvictionPolicy": "AlwaysAllow",
        "selector": {"matchLabels": selector(parent.name, revision)},
    }
    return obj
