"""Each type of metric: what the API server accepts of it, and how it says what is wrong."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tidegate.errors import Invalid
from tidegate.kube.resources import ROLLOUTS
from tidegate.testing.kube import FakeKube

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

MARGIN = {"ratio": 1.2, "absolute": 0.01}
COUNTED = {"bad": 'cancelled_total{rev="{{revision}}"}', "total": "booked_total"}
ERRORS = {"name": "errors", "type": "ErrorRate", "margin": MARGIN}
CANCELLED = {"name": "cancelled", "type": "Counters", "prometheus": COUNTED, "margin": MARGIN}
BUDGET = {
    "name": "budget",
    "type": "Value",
    "prometheus": {"query": 'sum(rate(spent{model="{{model}}"}[5m]))'},
    "condition": "value < 0.2",
}
AGREE = {"name": "agree", "type": "Disagreement", "tolerance": 1.0e-6, "max": 0.02}
DRIFT = {"name": "drift", "type": "PredictionDrift", "max": 0.1}
QUALITY = {
    "name": "quality",
    "type": "Labels",
    "delay": "24h",
    "margin": {"absolute": 0.01},
    "prometheus": COUNTED,
}
ALL: list[dict[str, Any]] = [ERRORS, CANCELLED, BUDGET, AGREE, DRIFT, QUALITY]


@pytest.fixture
async def kube() -> AsyncIterator[FakeKube]:
    async with FakeKube.start() as kube:
        yield kube


def rollout(*metrics: dict[str, Any], **analysis: Any) -> dict[str, Any]:
    return {
        "apiVersion": "tidegate.dev/v1alpha1",
        "kind": "Rollout",
        "metadata": {"name": "r", "namespace": "demo"},
        "spec": {
            "modelRef": {"name": "m"},
            "strategy": {"canary": {"steps": [{"shadow": {}}, {"weight": 5}]}},
            "analysis": {"metrics": list(metrics), **analysis},
            "baking": {"duration": "48h"},
        },
    }


def without(metric: dict[str, Any], *keys: str) -> dict[str, Any]:
    return {key: value for key, value in metric.items() if key not in keys}


def asking(**queries: str) -> dict[str, Any]:
    return {**CANCELLED, "prometheus": queries}


async def test_every_type_is_accepted(kube: FakeKube) -> None:
    made = rollout(*ALL, source="Server", sourceReason="the gateway is a TCP balancer")
    created = await kube.user.create(ROLLOUTS, made, manager="user")
    assert [metric["type"] for metric in created["spec"]["analysis"]["metrics"]] == [
        metric["type"] for metric in ALL
    ]


UP = "up"
WRONG: list[tuple[dict[str, Any], str]] = [
    (asking(bad=UP), "give bad and total"),
    (asking(bad=UP, total=UP, query=UP), "give bad and total"),
    (asking(bad='a{b="{{revison}}"}', total=UP), "placeholders are {{revision}}"),
    (asking(bad="a{b={{revision}}}", total=UP), "inside quotes"),
    (asking(bad="sum(a)", total=UP), "no function"),
    (asking(bad="rate(a[5m])", total=UP), "no function"),
    (asking(bad="a[5m]", total=UP), "no function, range or offset"),
    (asking(bad="a offset 5m", total=UP), "no function, range or offset"),
    (asking(bad="a + b", total=UP), "each a counter by name"),
    (asking(bad=UP, total='a{b="x}'), "each a counter by name"),
    (asking(query=UP), "prometheus.bad and prometheus.total"),
    (without(CANCELLED, "prometheus"), "prometheus is needed by Counters"),
    ({**ERRORS, "prometheus": COUNTED}, "prometheus is needed by Counters"),
    (without(CANCELLED, "margin"), "either margin"),
    ({**CANCELLED, "margin": {"ratio": 1.2}}, "margin.absolute is required"),
    (without(BUDGET, "condition"), "condition belongs to type Value"),
    ({**ERRORS, "condition": "true"}, "condition belongs to type Value"),
    ({**BUDGET, "prometheus": COUNTED}, "Value needs prometheus.query"),
    ({**BUDGET, "prometheus": {"query": "{{revision}}"}}, "unknown placeholder"),
    ({**BUDGET, "prometheus": {"query": 'a{b="{{rev}}"}'}}, "unknown placeholder"),
    ({**BUDGET, "max": 0.1}, "max does not belong"),
    ({**BUDGET, "margin": MARGIN}, "margin belongs to"),
    ({**BUDGET, "failures": 0}, "failures"),
    ({**ERRORS, "failures": 3}, "failures belongs to type Value"),
    (without(AGREE, "tolerance"), "tolerance belongs to type Disagreement"),
    (without(AGREE, "max"), "needs max"),
    ({**DRIFT, "tolerance": 0.1}, "tolerance belongs to type Disagreement"),
    ({**DRIFT, "margin": MARGIN}, "margin belongs to"),
    (without(QUALITY, "delay"), "delay belongs to type Labels"),
    (without(QUALITY, "margin"), "Labels needs margin"),
    ({**QUALITY, "delay": "a day"}, "delay"),
    ({**ERRORS, "delay": "24h"}, "delay belongs to type Labels"),
]


@pytest.mark.scenario("BI-04")
@pytest.mark.parametrize(("metric", "said"), WRONG)
async def test_a_wrong_metric_is_refused_with_the_mend(
    kube: FakeKube, metric: dict[str, Any], said: str
) -> None:
    with pytest.raises(Invalid) as caught:
        await kube.user.create(
            ROLLOUTS, rollout({**ERRORS, "name": "other"}, metric), manager="user"
        )
    assert said in f"{caught.value} {json.dumps(caught.value.details)}"


@pytest.mark.parametrize(
    ("metric", "changed", "said"),
    [
        (AGREE, {"strategy": {"canary": {"steps": [{"weight": 5}]}}}, "needs mirrored requests"),
        (AGREE, {"strategy": {"adaptive": {"errorBudget": 100}}}, "needs mirrored requests"),
        (QUALITY, {"baking": None}, "judged while baking"),
    ],
)
async def test_a_metric_that_would_never_be_judged_is_refused(
    kube: FakeKube, metric: dict[str, Any], changed: dict[str, Any], said: str
) -> None:
    made = rollout(ERRORS, metric)
    spec = {**made["spec"], **changed}
    made["spec"] = {key: value for key, value in spec.items() if value is not None}
    with pytest.raises(Invalid) as caught:
        await kube.user.create(ROLLOUTS, made, manager="user")
    assert said in f"{caught.value} {json.dumps(caught.value.details)}"


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (rollout(QUALITY), "other than Labels needs a margin"),
        (rollout(DRIFT, AGREE), "needs a margin"),
        (rollout(ERRORS, source="Server"), "needs sourceReason"),
        (rollout(ERRORS, sourceReason="because"), "needs sourceReason"),
        (rollout(ERRORS, source="Mesh"), "Gateway"),
    ],
)
async def test_a_wrong_analysis_is_refused_with_the_mend(
    kube: FakeKube, made: dict[str, Any], said: str
) -> None:
    with pytest.raises(Invalid) as caught:
        await kube.user.create(ROLLOUTS, made, manager="user")
    assert said in f"{caught.value} {json.dumps(caught.value.details)}"
