"""Deployments as a backend's controller makes them."""

from __future__ import annotations

from typing import Any

from tidegate.specs.metadata import REVISION_LABEL


def deployment(
    revision: str, pods: int, *, generation: int = 1, available: int | None = None, **status: Any
) -> dict[str, Any]:
    """A Deployment with that many pods, rolled out but for `available` and `status`."""
    ready = pods if available is None else available
    return {
        "metadata": {"name": f"d-{revision}", "generation": generation},
        "spec": {
            "replicas": pods,
            "template": {"metadata": {"labels": {REVISION_LABEL: revision}}},
        },
        "status": {
            "observedGeneration": 1,
            "replicas": pods,
            "updatedReplicas": pods,
            "readyReplicas": ready,
            "availableReplicas": ready,
            **status,
        },
    }
