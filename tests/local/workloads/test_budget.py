"""A disruption budget counts what may go."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from tidegate.local.workloads.budget import Guarded, status

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)


def pod(*, ready: bool = True, deleted: bool = False) -> dict[str, Any]:
    metadata = {"deletionTimestamp": "2026-11-27T12:00:00Z"} if deleted else {}
    conditions = [{"type": "Ready", "status": "True" if ready else "False"}]
    return {"metadata": metadata, "status": {"phase": "Running", "conditions": conditions}}


def counted(spec: dict[str, Any], *pods: dict[str, Any], expected: int) -> tuple[int, int, int]:
    budget = {"metadata": {"generation": 2}, "spec": spec}
    found = status(budget, Guarded(pods, expected), now=NOW)
    allowed = found["disruptionsAllowed"]
    assert found["observedGeneration"] == 2
    assert found["conditions"][0]["reason"] == ("SufficientPods" if allowed else "InsufficientPods")
    return found["expectedPods"], found["desiredHealthy"], allowed


@pytest.mark.parametrize(
    ("spec", "numbers"),
    [
        ({"minAvailable": 2}, (3, 2, 1)),
        ({"minAvailable": 3}, (3, 3, 0)),
        ({"minAvailable": "50%"}, (3, 2, 1)),
        ({"maxUnavailable": 1}, (3, 2, 1)),
        ({"maxUnavailable": "34%"}, (3, 1, 2)),
        ({"maxUnavailable": 0}, (3, 3, 0)),
        ({}, (3, 1, 2)),
    ],
)
def test_three_healthy_pods_can_spare(spec: dict[str, Any], numbers: tuple[int, int, int]) -> None:
    assert counted(spec, pod(), pod(), pod(), expected=3) == numbers


def test_unready_and_leaving_pods_are_not_healthy() -> None:
    pods = (pod(), pod(ready=False), pod(deleted=True))
    assert counted({"maxUnavailable": 1}, *pods, expected=3) == (3, 2, 0)


def test_without_pods_nothing_may_go() -> None:
    assert counted({"minAvailable": 0}, expected=0) == (0, 0, 0)
