"""How fast an autoscaler may move: windows, policies, bounds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.local.workloads.autoscaler_limits import History, Limited, limit

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)


def ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


def limited(wanted: int, current: int, history: History | None = None, **spec: Any) -> Limited:
    spec = {"minReplicas": 1, "maxReplicas": 100, **spec}
    return limit(spec, wanted, current=current, history=history or History(), now=NOW)


@pytest.mark.parametrize(
    ("wanted", "current", "allowed", "reason"),
    [
        (3, 2, 3, None),
        (50, 1, 5, "ScaleUpLimit"),
        (50, 10, 20, "ScaleUpLimit"),
        (200, 90, 100, "TooManyReplicas"),
        (0, 5, 1, "TooFewReplicas"),
        (5, 5, 5, None),
    ],
)
def test_without_a_behaviour_it_may_double_or_add_four(
    wanted: int, current: int, allowed: int, reason: str | None
) -> None:
    found = limited(wanted, current)
    assert found.replicas == allowed
    assert (found.limited or (None,))[0] == reason


def test_it_shrinks_only_to_the_highest_recommendation_of_five_minutes() -> None:
    history = History(recommended=((ago(301), 9), (ago(200), 6), (ago(10), 2)))
    found = limited(2, 8, history)
    assert found.replicas == 6
    assert found.able[0] == "ScaleDownStabilized"


def test_a_window_of_the_behaviour_holds_growth_back() -> None:
    history = History(recommended=((ago(20), 3),))
    behavior = {"scaleUp": {"stabilizationWindowSeconds": 60}}
    found = limited(8, 2, history, behavior=behavior)
    assert (found.replicas, found.able[0]) == (3, "ScaleUpStabilized")


def test_what_was_changed_within_a_period_counts_against_its_policy() -> None:
    policy = {"type": "Pods", "value": 3, "periodSeconds": 60}
    behavior = {"scaleUp": {"policies": [policy]}}
    assert limited(50, 4, History(changed=((ago(30), 2),)), behavior=behavior).replicas == 5
    assert limited(50, 4, History(changed=((ago(61), 2),)), behavior=behavior).replicas == 7


def test_disabled_and_minimal_choices_are_kept() -> None:
    assert limited(50, 4, behavior={"scaleUp": {"selectPolicy": "Disabled"}}).replicas == 4
    policies = [
        {"type": "Pods", "value": 1, "periodSeconds": 15},
        {"type": "Percent", "value": 50, "periodSeconds": 15},
    ]
    least = {"scaleDown": {"selectPolicy": "Min", "policies": policies}}
    assert limited(1, 10, behavior=least).replicas == 9
    most = {"scaleDown": {"policies": policies}}
    assert limited(1, 10, behavior=most).replicas == 5


@given(
    wanted=st.integers(0, 300),
    current=st.integers(1, 100),
    recommended=st.lists(st.tuples(st.integers(0, 4000), st.integers(0, 200)), max_size=8),
    changed=st.lists(st.tuples(st.integers(0, 4000), st.integers(-20, 20)), max_size=8),
)
def test_it_stays_in_bounds_and_never_moves_away_from_what_is_wanted(
    wanted: int,
    current: int,
    recommended: list[tuple[int, int]],
    changed: list[tuple[int, int]],
) -> None:
    history = History(
        recommended=tuple((ago(s), n) for s, n in recommended),
        changed=tuple((ago(s), n) for s, n in changed),
    )
    found = limited(wanted, current, history).replicas
    assert 1 <= found <= 100
    if wanted > current:
        # Held back by the past at most; a higher recommendation of late keeps it from shrinking.
        assert current <= found <= max(wanted, current)
    if wanted < current:
        assert min(wanted, 1) <= found <= current
