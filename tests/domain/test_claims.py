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


def istio(name: str, created: str = "2026-01-01T00:00:00Z", **member: Any) -> Claimant:
    body: dict[str, Any] = {
        "artifact": {"uri": "https://models/v1", "format": "onnx"},
        "runtime": {"v2": {}},
        "traffic": {"istio": {"gateways": ["demo/g"], "hosts": ["a.example"], **member}},
    }
    return Claimant("demo", name, created, ModelSpec.model_validate(body))


@pytest.mark.parametrize(
    ("member", "conflicts"),
    [
        ({}, True),
        ({"path": "/v2"}, False),
        ({"path": "/v1"}, True),
        ({"path": "/v1/"}, True),
        ({"path": "/v1/models"}, True),
        ({"path": "/v1models"}, False),
        ({"hosts": ["b.example"]}, False),
        ({"gateways": ["g"]}, True),
        ({"gateways": ["elsewhere/g"]}, False),
        ({"gateways": ["mesh"]}, False),
    ],
)
def test_istio_has_no_order_between_paths_so_nested_ones_conflict(
    member: dict[str, Any], conflicts: bool
) -> None:
    old = istio("old", path="/v1")
    young = istio("young", "2026-01-02T00:00:00Z", **{"path": "/", **member})
    said = conflict(young, [young, old])
    assert (said is not None) is conflicts
    assert said is None or "Istio Gateway demo/g" in said


def test_in_the_mesh_a_host_belongs_to_one_model() -> None:
    old = istio("old", gateways=["mesh"], path="/v1")
    young = istio("young", "2026-01-02T00:00:00Z", gateways=["mesh"], path="/v2")
    assert conflict(young, [young, old]) is not None


def test_gateways_of_one_name_and_two_kinds_are_two_gateways() -> None:
    young = istio("young", "2026-01-02T00:00:00Z")
    assert conflict(young, [young, OLD]) is None


def test_a_model_without_traffic_claims_nothing() -> None:
    body = {"artifact": {"uri": "https://models/v1", "format": "onnx"}, "runtime": {"v2": {}}}
    silent = Claimant("demo", "x", "2025-01-01T00:00:00Z", ModelSpec.model_validate(body))
    assert claims(silent) == set()
    assert conflict(silent, [OLD]) is None
    assert conflict(OLD, [silent, OLD]) is None
