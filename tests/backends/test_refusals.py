"""What a backend cannot do for a Rollout is said before anything moves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.backends.rendered import KSERVE, SELDON

from tidegate.api.rollout import RolloutSpec
from tidegate.backends.refusals import lacking

if TYPE_CHECKING:
    from tidegate.backends.base import Backend

ERRORS = {"name": "errors", "type": "ErrorRate", "margin": {"ratio": 1.5, "absolute": 0.005}}
LATENCY = {"name": "latency", "type": "Latency", "margin": {"ratio": 1.25}}
DRIFT = {"name": "drift", "type": "PredictionDrift", "max": 0.1}
CANARY: dict[str, Any] = {"canary": {"steps": [{"weight": 5}]}}
PREVIEW: dict[str, Any] = {"blueGreen": {"preview": {"header": "x-preview", "value": "yes"}}}
ARMS = [{"name": "a", "revision": "stable"}, {"name": "b", "revision": "latest"}]
TEST: dict[str, Any] = {"abTest": {"arms": ARMS, "goal": "errors"}}


def spec(strategy: dict[str, Any] = CANARY, **analysis: Any) -> RolloutSpec:
    metrics = analysis.pop("metrics", [ERRORS, LATENCY])
    return RolloutSpec.model_validate(
        {
            "modelRef": {"name": "m"},
            "strategy": strategy,
            "analysis": {"metrics": metrics, **analysis},
        }
    )


@pytest.mark.parametrize(
    "strategy", [CANARY, {"adaptive": {"errorBudget": 100}}, {"blueGreen": {}}]
)
@pytest.mark.parametrize(("backend", "profile"), [(SELDON, "envoy"), (KSERVE, "istio")])
def test_weights_errors_and_latency_are_all_that_is_needed(
    backend: Backend, profile: str, strategy: dict[str, Any]
) -> None:
    assert lacking(backend, spec(strategy), profile=profile) is None


@pytest.mark.parametrize(
    ("wanted", "reason", "said"),
    [
        (spec(PREVIEW), "FeatureUnsupported", "preview"),
        (spec({"shadow": {"percent": 50}}), "FeatureUnsupported", "mirror, percentMirror"),
        (spec(TEST), "FeatureUnsupported", "abTest"),
        (spec({"aa": {}}), "FeatureUnsupported", "aa"),
        (spec(metrics=[ERRORS, DRIFT]), "MetricsUnsupported", "drift"),
        (spec(source="Server", sourceReason="x"), "MetricsUnsupported", "source: Gateway"),
    ],
)
@pytest.mark.parametrize("backend", [SELDON, KSERVE], ids=["SeldonDeployment", "KServe"])
def test_everything_else_is_refused_by_name(
    backend: Backend, wanted: RolloutSpec, reason: str, said: str
) -> None:
    found = lacking(backend, wanted, profile="istio")
    assert found is not None
    assert (found.status, found.reason) == ("False", reason)
    assert said in found.message
    assert backend.name in found.message


def test_kserves_arms_are_told_apart_by_istio_alone() -> None:
    found = lacking(KSERVE, spec(), profile="envoy-gateway")
    assert found is not None
    assert found.reason == "MetricsUnsupported"
    assert "TIDEGATE_METRICS_PROFILE=istio" in found.message
