"""What strategies ask of a provider, and what is said to one that cannot do it."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest
from tests.traffic.routings import gateway_api, istio

from tidegate.api.strategy import Strategy
from tidegate.traffic.base import Feature
from tidegate.traffic.features import lacking, needs
from tidegate.traffic.gateway_api import GatewayAPIProvider

CANARY: dict[str, Any] = {"canary": {"steps": [{"weight": 5}, {"weight": 50}]}}
SHADOW_STEP: dict[str, Any] = {"canary": {"steps": [{"shadow": {"percent": 100}}, {"weight": 5}]}}


def ab_test(**more: Any) -> dict[str, Any]:
    arms = [{"name": "a", "revision": "stable"}, {"name": "b", "revision": "latest"}]
    return {"abTest": {"arms": arms, "goal": "errors", **more}}


def strategy(body: dict[str, Any]) -> Strategy:
    return Strategy.model_validate(body)


class WeightsOnly(GatewayAPIProvider):
    """A provider that cannot do much."""

    title: ClassVar[str] = "Old Router"
    features: ClassVar[frozenset[Feature]] = frozenset({Feature.WEIGHTS})

    def __init__(self) -> None:
        pass


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        (CANARY, {"weights"}),
        (SHADOW_STEP, {"weights", "mirror"}),
        (
            {"canary": {"steps": [{"shadow": {"percent": 9}}, {"weight": 5}]}},
            {"weights", "mirror", "percentMirror"},
        ),
        ({"adaptive": {"errorBudget": 100}}, {"weights"}),
        ({"blueGreen": {}}, {"weights"}),
        ({"blueGreen": {"preview": {"header": "x", "value": "y"}}}, {"weights", "preview"}),
        ({"blueGreen": {"shadow": {"percent": 100}}}, {"weights", "mirror"}),
        ({"shadow": {"percent": 100}}, {"mirror"}),
        ({"shadow": {"percent": 10}}, {"mirror", "percentMirror"}),
        (ab_test(), {"weights"}),
        (ab_test(stickyBy={"cookie": "t"}), {"weights", "stickyByCookie"}),
        (ab_test(stickyBy={"header": "x-t"}), {"weights", "stickyByHeader"}),
        ({"aa": {}}, {"weights"}),
    ],
)
def test_a_strategy_needs_what_its_parts_need(body: dict[str, Any], wanted: set[str]) -> None:
    assert needs(strategy(body)) == wanted
    assert lacking(gateway_api(), strategy(body)) is None
    assert lacking(istio(), strategy(body)) is None


@pytest.mark.scenario("XS-05")
def test_what_a_provider_lacks_is_refused_with_its_name_and_what_can_do_it() -> None:
    said = lacking(WeightsOnly(), strategy(SHADOW_STEP))
    assert said is not None
    assert said.reason == "FeatureUnsupported"
    assert "Old Router" in said.message
    assert "mirror; use gatewayAPI or istio" in said.message
    assert lacking(WeightsOnly(), strategy(CANARY)) is None


@pytest.mark.scenario("SW-10")
def test_without_a_provider_nothing_is_approximated() -> None:
    said = lacking(None, strategy(CANARY))
    assert said is not None
    assert said.reason == "TrafficMissing"
    assert "add spec.traffic (gatewayAPI or istio)" in said.message
