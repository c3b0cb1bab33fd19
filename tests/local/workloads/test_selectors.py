"""Label selectors match as in Kubernetes."""

from __future__ import annotations

from typing import Any

import pytest

from tidegate.local.workloads.selectors import is_empty, matches

LABELS = {"app": "web", "tier": "front"}


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        (None, False),
        ({}, True),
        ({"matchLabels": {"app": "web"}}, True),
        ({"matchLabels": {"app": "db"}}, False),
        ({"matchExpressions": [{"key": "app", "operator": "In", "values": ["web"]}]}, True),
        ({"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["web"]}]}, False),
        ({"matchExpressions": [{"key": "x", "operator": "NotIn", "values": ["web"]}]}, True),
        ({"matchExpressions": [{"key": "tier", "operator": "Exists"}]}, True),
        ({"matchExpressions": [{"key": "tier", "operator": "DoesNotExist"}]}, False),
    ],
)
def test_a_selector_matches(selector: dict[str, Any] | None, expected: bool) -> None:
    assert matches(selector, LABELS) is expected


def test_an_unknown_operator_is_an_error_not_a_mismatch() -> None:
    with pytest.raises(ValueError, match="unknown operator 'Gt'"):
        matches({"matchExpressions": [{"key": "a", "operator": "Gt"}]}, LABELS)


def test_an_empty_selector_is_recognized() -> None:
    assert is_empty({})
    assert is_empty(None)
    assert not is_empty({"matchLabels": {"a": "b"}})
