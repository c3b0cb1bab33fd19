"""Which Model a host and path belong to."""

from __future__ import annotations

from typing import Any

import pytest

from tidegate.api.model import ModelSpec
from tidegate.domain.claims import Claimant, claims, conflict


def claimant(name: str, created: str = "2026-01-01T00:00:00Z", **gateway: Any) -> Claimant:
    body: dict[str, Any] = {
        "artifact": {"uri": "https://models/v1", "format": "onnx"},
        "runtime": {"v2": {}},
        "traffic": {
            "gatewayAPI": {"parentRefs": [{"name": "g"}], "hostnames": ["a.example"], **gateway}
        },
    }
    return Claimant("demo", name, created, ModelSpec.model_validate(body))


OLD = claimant("old")


@pytest.mark.parametrize(
    ("gateway", "conflicts"),
    [
        ({}, True),
        ({"hostnames": ["b.example", "a.example"]}, True),
        ({"hostnames": ["b.example"]}, False),
        ({"path": "/other"}, False),
        ({"parentRefs": [{"name": "other"}]}, False),
        ({"parentRefs": [{"name": "g", "namespace": "elsewhere"}]}, False),
        ({"parentRefs": [{"name": "g", "namespace": "demo"}]}, True),
    ],
)
def test_a_younger_model_gets_no_route_for_what_an_older_one_claims(
    gateway: dict[str, Any], conflicts: bool
) -> None:
    young = claimant("young", "2026-01-02T00:00:00Z", **gateway)
    said = conflict(young, [young, OLD])
    assert (said is not None) is conflicts
    assert said is None or ("demo/old" in said and "a.example/" in said)
    assert conflict(OLD, [young, OLD]) is None


def test_of_two_models_of_one_moment_the_first_by_name_wins() -> None:
    first, second = claimant("a"), claimant("b")
    assert conflict(first, [second, first]) is None
    assert conflict(second, [second, first]) is not None


def test_a_model_without_traffic_claims_nothing() -> None:
    body = {"artifact": {"uri": "https://models/v1", "format": "onnx"}, "runtime": {"v2": {}}}
    silent = Claimant("demo", "x", "2025-01-01T00:00:00Z", ModelSpec.model_validate(body))
    assert claims(silent) == set()
    assert conflict(silent, [OLD]) is None
    assert conflict(OLD, [silent, OLD]) is None
