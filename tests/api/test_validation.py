"""What the API server refuses of our kinds, and what it makes of the least that it accepts."""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any

import pytest

from tidegate.errors import Invalid
from tidegate.kube.resources import MODELS, ROLLOUTS
from tidegate.testing.kube import FakeKube, resource_of
from tidegate.testing.transport import InProcessTransport

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

type Obj = dict[str, Any]


@pytest.fixture
async def kube() -> AsyncIterator[FakeKube]:
    async with FakeKube.start() as kube:
        yield kube


GATE = {"name": "auc", "metric": "roc_auc", "min": 0.65}


def a_model() -> Obj:
    """The least that makes a Model."""
    return {
        "apiVersion": "tidegate.dev/v1alpha1",
        "kind": "Model",
        "metadata": {"name": "m", "namespace": "demo"},
        "spec": {
            "artifact": {"uri": "https://models/v1", "format": "onnx"},
            "runtime": {"v2": {}},
        },
    }


def a_rollout() -> Obj:
    """The least that makes a Rollout."""
    metric = {"name": "errors", "type": "ErrorRate", "margin": {"ratio": 1.5, "absolute": 0.005}}
    return {
        "apiVersion": "tidegate.dev/v1alpha1",
        "kind": "Rollout",
        "metadata": {"name": "r", "namespace": "demo"},
        "spec": {
            "modelRef": {"name": "m"},
            "strategy": {"canary": {"steps": [{"weight": 5}]}},
            "analysis": {"metrics": [metric]},
        },
    }


def put_at(obj: Obj, path: str, value: Any) -> Obj:
    """A copy with a value at a dotted path; None removes it."""
    changed = copy.deepcopy(obj)
    node: Any = changed
    *parents, last = path.split(".")
    for key in parents:
        node = node[int(key)] if key.isdigit() else node.setdefault(key, {})
    if value is None:
        del node[last]
    elif last.isdigit():
        node[int(last)] = value
    else:
        node[last] = value
    return changed


async def refusal(kube: FakeKube, obj: Obj) -> str:
    """Why an object is refused when it is created, all of it."""
    with pytest.raises(Invalid) as caught:
        await kube.user.create(resource_of(obj), obj, manager="user")
    return f"{caught.value} {json.dumps(caught.value.details)}"


GATEWAY = {"parentRefs": [{"name": "public"}], "hostnames": ["a.example"]}
ISTIO = {"gateways": ["infra/public"], "hosts": ["a.example"]}
LATENCY = {"name": "latency", "type": "Latency", "margin": {"ratio": 1.25}}
ERRORS = {"name": "errors", "type": "ErrorRate", "margin": {"ratio": 1.5, "absolute": 0.005}}


def golden(*outputs: dict[str, Any]) -> dict[str, Any]:
    requests = {"configMapRef": {"name": "golden"}, "outputs": list(outputs)}
    return {"name": "golden", "requests": requests}


SIGNED_BY = {"publicKeys": ["-----BEGIN PUBLIC KEY-----\n" + "A" * 64]}
A, B = {"name": "a", "revision": "stable"}, {"name": "b", "revision": "latest"}
ARTIFACT = {"uri": "https://models/c.onnx", "sha256": "c" * 64, "format": "onnx"}
C = {"name": "c", "artifact": ARTIFACT}


def a_test(*arms: Obj, **more: Any) -> Obj:
    """A strategy that compares arms."""
    return {"abTest": {"arms": list(arms), "goal": "errors", **more}}


@pytest.mark.scenario("SW-10")
def custom(**changes: Any) -> dict[str, Any]:
    """A runtime custom, changed."""
    return {"custom": {"image": "a/b:1", "port": 9000, "readyPath": "/ready", **changes}}


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("metadata.name", "m" * 41, "at most 40 characters"),
        ("spec.artifact.uri", "ftp://host/model", "one of file://, pvc://"),
        ("spec.artifact.writeBack", {"onPromoted": {"alias": "champion"}}, "begins with models:/"),
        ("spec.artifact.writeBack", {}, "say onPromoted, onRejected, or both"),
        (
            "spec.artifact",
            {
                "uri": "models:/fraud@champion",
                "format": "onnx",
                "writeBack": {"onPromoted": {"alias": "champion"}},
            },
            "must be another alias",
        ),
        ("spec.artifact.uri", "models:/fraud", "write models:/name@alias"),
        ("spec.artifact.uri", "models:/fraud/latest", "write models:/name@alias"),
        ("spec.artifact.uri", "models:/a/b@champion", "write models:/name@alias"),
        ("spec.artifact.uri", "/models/v1.onnx", "one of file://, pvc://"),
        ("spec.artifact.sha256", "abc", "sha256"),
        ("spec.artifact.sha256", "A" * 64, "sha256"),
        ("spec.artifact.format", "pickle", "sklearn-skops"),
        ("spec.artifact.pollInterval", "5 min", "pollInterval"),
        ("spec.artifact.pollInterval", "-3s", "pollInterval"),
        ("spec.artifact.pollInterval", "", "pollInterval"),
        ("spec.artifact.pollInterval", 60, "pollInterval"),
        ("spec.artifact", None, "artifact"),
        ("spec.runtime", {}, "name one runtime"),
        (
            "spec.runtime",
            {"v2": {}, "custom": {"image": "a:1", "port": 9000, "readyPath": "/"}},
            "name one runtime",
        ),
        ("spec.delivery", "Rollout", "needs spec.traffic"),
        ("spec.delivery", "BlueGreen", "Direct"),
        ("spec.scaling", {"minReplicas": 3, "maxReplicas": 2}, "at least minReplicas"),
        ("spec.scaling", {"minReplicas": 2}, "at least minReplicas"),
        ("spec.scaling", {"minReplicas": 0}, "minReplicas"),
        ("spec.traffic", {}, "exactly one: gatewayAPI or istio"),
        ("spec.traffic", {"gatewayAPI": GATEWAY, "istio": ISTIO}, "exactly one"),
        ("spec.traffic", {"istio": {**ISTIO, "gateways": []}}, "gateways"),
        ("spec.traffic", {"istio": {**ISTIO, "gateways": ["a/b/c"]}}, "gateways"),
        ("spec.traffic", {"istio": {**ISTIO, "hosts": ["Upper.Case"]}}, "hosts"),
        ("spec.traffic", {"istio": {**ISTIO, "path": "/a?b"}}, "path"),
        ("spec.traffic", {"gatewayAPI": {**GATEWAY, "parentRefs": []}}, "parentRefs"),
        ("spec.traffic", {"gatewayAPI": {**GATEWAY, "hostnames": ["Upper.Case"]}}, "hostnames"),
        ("spec.traffic", {"gatewayAPI": {**GATEWAY, "hostnames": ["a.b", "a.b"]}}, "uplicate"),
        ("spec.traffic", {"gatewayAPI": {**GATEWAY, "path": "no-slash"}}, "path"),
        ("spec.runtime.v2", {"env": [{"name": "1X"}]}, "env"),
        ("spec.runtime.v2", {"env": [{"name": "A"}, {"name": "A"}]}, "uplicate"),
        ("spec.runtime.v2", {"resources": {"requests": {"cpu": "lots"}}}, "cpu"),
        ("spec.runtime.v2", {"resources": {"limits": {"nvidia.com/gpu": 0}}}, "nvidia.com/gpu"),
        ("spec.runtime.v2", {"batching": {"maxSize": 1}}, "maxSize"),
        ("spec.runtime.v2", {"batching": {"maxDelay": "2s"}}, "1s at most"),
        ("spec.runtime.v2", {"limits": {"maxRows": 0}}, "maxRows"),
        ("spec.artifact.format", "custom", "is for runtime.custom"),
        ("spec.artifact.allowPickle", True, "allowPickle is for format: mlflow"),
        ("spec.runtime", custom(port=8081), "8081 and 8082 are Tidegate's own"),
        ("spec.runtime", custom(readyPath="ready"), "readyPath"),
        ("spec.runtime", custom(image="two words"), "image"),
        ("spec.runtime", custom(artifactPath="/mnt/"), "artifactPath"),
        ("spec.runtime", custom(metrics={"port": 9001, "requests": []}), "requests"),
        (
            "spec.runtime",
            custom(metrics={"port": 9001, "requests": [{"name": "a"}]}),
            "by codeLabel or by code",
        ),
        ("spec.artifact.uri", "pvc://models/v1", "needs sha256"),
        ("spec.artifact.uri", "az://models/v1", "needs credentialsRef"),
        ("spec.signature", {"inputs": [], "outputs": []}, "inputs"),
        ("spec.artifact.signedBy", {"publicKeys": []}, "names nobody"),
        ("spec.artifact.signedBy", {"certificateAuthorities": ["x" * 100]}, "Authorities"),
        ("spec.artifact.signedBy", {"publicKeys": ["x" * 100]}, "publicKeys"),
        ("spec.gates", [{"name": "a", "metric": "m"}], "needs bounds"),
        ("spec.gates", [{**GATE, "relativeTo": "stable", "maxDrop": 0.1}], "needs bounds"),
        ("spec.gates", [{"name": "a", "metric": "m", "relativeTo": "stable"}], "maxDrop"),
        ("spec.gates", [{**GATE, "maxDrop": 0.1}], "maxDrop"),
        ("spec.gates", [{**GATE, "max": 0.1}], "min must be at most max"),
        ("spec.gates", [GATE, GATE], "uplicate"),
        ("spec.gates", [{"name": "a"}], "exactly one of metric, schema, requests and job"),
        ("spec.gates", [{**GATE, "job": {"image": "a"}}], "exactly one of metric"),
        ("spec.gates", [{**GATE, "tolerance": 0.1}], "go with requests"),
        ("spec.gates", [{"name": "a", "job": {"image": "a"}, "min": 1}], "go with metric"),
        ("spec.gates", [{"name": "a", "job": {"image": "a", "timeout": "5"}}], "timeout"),
        ("spec.gates", [{**GATE, "name": "A b"}], "name"),
        ("spec.gates", [{"name": "a", "schema": {}}], "needs inputs, minRows or both"),
        (
            "spec.gates",
            [{"name": "a", "schema": {"minRows": 1, "outputs": [{"name": "y", "type": "FP64"}]}}],
            "outputs go with inputs",
        ),
        ("spec.gates", [golden({"name": "p"})], "needs either min and/or max, or values"),
        ("spec.gates", [golden({"name": "p", "min": 0, "values": ["1"]})], "needs either min"),
        ("spec.gates", [golden({"name": "p", "min": 2, "max": 1})], "min must be at most max"),
        ("spec.gates", [golden({"name": "p", "values": []})], "values"),
        ("spec.backend", "Ray", "SeldonDeployment"),
        (
            "spec.signature",
            {
                "inputs": [{"name": "x", "type": "FLOAT"}],
                "outputs": [{"name": "y", "type": "FP64"}],
            },
            "FP64",
        ),
    ],
)
async def test_a_wrong_model_is_refused_with_what_is_wrong(
    kube: FakeKube, path: str, value: Any, said: str
) -> None:
    assert said in await refusal(kube, put_at(a_model(), path, value))


@pytest.mark.parametrize("backend", ["SeldonDeployment", "KServe"])
@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("spec.traffic", {"gatewayAPI": GATEWAY}, "route requests themselves"),
        ("spec.scaling", {"minReplicas": 1, "maxReplicas": 3}, "a fixed number of pods"),
        (
            "spec.gates",
            [{"name": "golden", "requests": {"configMapRef": {"name": "golden"}}}],
            "no pod to spare for a trial",
        ),
        ("spec.artifact.signedBy", SIGNED_BY, "no pod checks what it loads"),
        (
            "spec.artifact",
            {"uri": "s3://models/v1/", "sha256": "c" * 64, "format": "mlflow"},
            "run pickles and code that come with a model",
        ),
    ],
)
async def test_what_a_backend_does_itself_or_cannot_do_is_refused(
    kube: FakeKube, backend: str, path: str, value: Any, said: str
) -> None:
    backed = put_at(a_model(), "spec.backend", backend)
    assert said in await refusal(kube, put_at(backed, path, value))


@pytest.mark.parametrize("backend", ["SeldonDeployment", "KServe"])
async def test_a_backend_needs_no_traffic_for_a_rollout_and_cannot_be_changed(
    kube: FakeKube, backend: str
) -> None:
    backed = put_at(put_at(a_model(), "spec.backend", backend), "spec.delivery", "Rollout")
    backed["spec"]["gates"] = [GATE]
    created = await kube.user.create(MODELS, backed, manager="user")
    with pytest.raises(Invalid, match="backend cannot be changed"):
        await kube.edit(created, backend="Native", delivery="Direct")


@pytest.mark.scenario("SW-05", "BI-01", "BI-02", "BI-04", "BI-05", "BI-06")
@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("metadata.name", "r" * 41, "at most 40 characters"),
        ("spec.strategy", {}, "exactly one strategy"),
        ("spec.strategy.blueGreen", {}, "exactly one strategy"),
        ("spec.strategy", {"adaptive": {}}, "errorBudget"),
        ("spec.strategy", {"adaptive": {"errorBudget": 0}}, "errorBudget"),
        (
            "spec.strategy",
            {"adaptive": {"errorBudget": 9, "minWeight": 60}},
            "minWeight must not be above maxWeight",
        ),
        ("spec.strategy", {"adaptive": {"errorBudget": 9, "maxWeight": 100}}, "maxWeight"),
        ("spec.strategy", {"shadow": {"percent": 0}}, "percent"),
        ("spec.strategy", {"blueGreen": {"preview": {"header": "a b"}}}, "header"),
        ("spec.strategy", {"blueGreen": {"preview": {"value": "a;b"}}}, "value"),
        ("spec.strategy", {"blueGreen": {"minRequests": 9}}, "without shadow and preview"),
        (
            "spec.strategy.canary.steps",
            [{"weight": 0, "minRequests": 9}, {"weight": 5}],
            "at weight 0 no request reaches",
        ),
        ("spec.deadline", "0s", "must be from 1s to 90d"),
        ("spec.holds", {"deadline": "0h0m"}, "must be from 1s to 30d"),
        ("spec.strategy.canary.steps.0.shadow", {}, "exactly one of weight, shadow and approval"),
        ("spec.strategy.canary.steps.0.approval", {}, "exactly one of weight, shadow and approval"),
        (
            "spec.strategy.canary.steps",
            [{"approval": {}, "duration": "1m"}, {"weight": 5}],
            "an approval waits for a person",
        ),
        (
            "spec.strategy.canary.steps",
            [{"weight": 0}, {"approval": {}}],
            "one step must have a weight above 0",
        ),
        (
            "spec.strategy.canary.steps",
            [{"weight": 5}, {"shadow": {}}, {"weight": 50}],
            "steps of shadow come before the first weight above 0",
        ),
        ("spec.strategy", a_test(A), "arms"),
        ("spec.strategy", a_test(A, B, *({**C, "name": n} for n in "cdef")), "arms"),
        ("spec.strategy", a_test(A, {**B, "name": "a"}), "uplicate"),
        ("spec.strategy", a_test(B, C), "exactly one arm has revision: stable"),
        ("spec.strategy", a_test(A, {**A, "name": "b"}), "exactly one arm has revision: stable"),
        ("spec.strategy", a_test(A, B, {**B, "name": "c"}), "at most one arm has revision: latest"),
        ("spec.strategy", a_test(A, C, {**C, "name": "d"}), "use strategy aa"),
        ("spec.strategy", a_test(A, {"name": "b"}), "exactly one of revision"),
        ("spec.strategy", a_test(A, {**B, "artifact": ARTIFACT}), "exactly one of revision"),
        ("spec.strategy", a_test(A, {**B, "name": "B_1"}), "name"),
        ("spec.strategy", a_test(A, {**C, "artifact": {**ARTIFACT, "sha256": None}}), "sha256"),
        (
            "spec.strategy",
            a_test(A, {**C, "artifact": {**ARTIFACT, "uri": "ftp://b/m"}}),
            "file://",
        ),
        ("spec.strategy", a_test(A, B, goal="revenue"), "abTest.goal must be the name of a metric"),
        ("spec.strategy", a_test(A, B, allocation="Greedy"), "TopTwo"),
        ("spec.strategy", a_test(A, B, stickyBy={}), "exactly one of cookie"),
        ("spec.strategy", a_test(A, B, stickyBy={"cookie": "a", "header": "b"}), "exactly one of"),
        ("spec.strategy", a_test(A, B, stickyBy={"cookie": "a b"}), "cookie"),
        ("spec.strategy", a_test(A, B, minDuration="soon"), "minDuration"),
        ("spec.strategy", {"abTest": {"arms": [A, B]}}, "goal"),
        ("spec.strategy", {"aa": {"weight": 51}}, "weight"),
        ("spec.strategy", {"aa": {"trials": 0}}, "trials"),
        ("spec.strategy", {"aa": {"duration": "x"}}, "duration"),
        ("spec.strategy", {"aa": {}, "shadow": {}}, "exactly one strategy"),
        ("spec.baking", {"duration": "long"}, "duration"),
        (
            "spec.analysis.metrics",
            [ERRORS, {"name": "a", "type": "Disagreement", "max": 0.1, "tolerance": 0}],
            "Disagreement needs mirrored requests",
        ),
        ("spec.supersede", "Never", "WhenNewer"),
        ("spec.strategy.canary.steps", [], "steps"),
        ("spec.strategy.canary.steps", [{"weight": 5}] * 2, "weights must rise"),
        ("spec.strategy.canary.steps", [{"weight": 50}, {"weight": 10}], "weights must rise"),
        ("spec.strategy.canary.steps", [{"weight": w} for w in range(1, 32)], "steps"),
        ("spec.strategy.canary.steps.0.weight", 0, "a weight above 0"),
        ("spec.strategy.canary.steps.0.weight", -1, "weight"),
        ("spec.strategy.canary.steps.0.weight", 101, "weight"),
        ("spec.strategy.canary.steps.0.weight", 5.5, "weight"),
        ("spec.strategy.canary.steps.0.weight", "5", "weight"),
        ("spec.strategy.canary.steps.0", {"duration": "5m"}, "weight"),
        ("spec.strategy.canary.steps.0.duration", "5 min", "duration"),
        ("spec.strategy.canary.steps.0.duration", "-3s", "duration"),
        ("spec.strategy.canary.steps.0.duration", "1w", "duration"),
        ("spec.strategy.canary.steps.0.minRequests", -1, "minRequests"),
        ("spec.analysis.metrics", [], "metrics"),
        ("spec.analysis.metrics.0.margin", {"ratio": 1.5}, "margin.absolute is required"),
        ("spec.analysis.metrics.0.margin", {"ratio": 0.9, "absolute": 0.1}, "at least 1"),
        ("spec.analysis.metrics.0.margin", {"ratio": 1.5, "absolute": 0}, "absolute"),
        ("spec.analysis.metrics.0.margin", {"ratio": 1.5, "absolute": 1}, "absolute"),
        ("spec.analysis.metrics.0.margin", {"ratio": 1.5, "absolute": 1e-9}, "absolute"),
        ("spec.analysis.metrics.0.margin", None, "either margin"),
        ("spec.analysis.metrics.0.max", 0.05, "either margin"),
        ("spec.analysis.metrics.0.quantiles", [0.5], "quantiles belong to type Latency"),
        ("spec.analysis.metrics.0.type", "Vibes", "ErrorRate"),
        ("spec.analysis.metrics.0.name", "Not A Name", "name"),
        ("spec.analysis.metrics", [{**LATENCY, "margin": None, "max": 0.1}], "margin"),
        ("spec.analysis.metrics", [{"name": "l", "type": "Latency", "max": 0.1}], "margin.ratio"),
        ("spec.analysis.metrics", [{**LATENCY, "margin": {"ratio": 1}}], "above 1"),
        (
            "spec.analysis.metrics",
            [{**LATENCY, "margin": {"ratio": 1.25, "absolute": 0.1}}],
            "no other margin",
        ),
        ("spec.analysis.metrics", [{**LATENCY, "margin": {}}], "ratio"),
        ("spec.analysis.metrics", [{**LATENCY, "quantiles": [1.0]}], "quantiles"),
        ("spec.analysis.metrics", [{**LATENCY, "quantiles": [0.5, 0.5]}], "uplicate"),
        ("spec.analysis.metrics", [{**LATENCY, "quantiles": []}], "quantiles"),
        ("spec.analysis.metrics", [ERRORS, {**ERRORS}], "uplicate"),
        (
            "spec.analysis.metrics",
            [ERRORS, *({**LATENCY, "name": f"l{i}"} for i in range(5))],
            "too much evidence for one status",
        ),
        (
            "spec.analysis.metrics",
            [{"name": "slo", "type": "ErrorRate", "max": 0.05}],
            "needs a margin",
        ),
        ("spec.analysis.falseRollbackRate", 0, "falseRollbackRate"),
        ("spec.analysis.falsePromotionRate", 0.5, "falsePromotionRate"),
        ("spec.analysis.interval", "soon", "write a duration like 90s, 10m, 2h30m or 7d"),
        ("spec.analysis.interval", "1m2h", "largest unit first"),
        ("spec.analysis.interval", "", "like 90s"),
        ("spec.analysis.interval", "10000d", "must be from 1s to 1h, like 15s"),
        ("spec.analysis.interval", "59m60s1ms", "must be from 1s to 1h"),
        ("spec.analysis.interval", "999ms", "must be from 1s to 1h"),
        ("spec.analysis.warmup", "1d1ms", "must be from 0s to 1d"),
        ("spec.deadline", "91d", "must be from 1s to 90d"),
        ("spec.keepFailed", "31d", "must be from 0s to 30d"),
        ("spec.baking", {"duration": "0s"}, "must be from 1s to 90d"),
        ("spec.rollbackWindow", {"duration": "2161h"}, "must be from 0s to 90d"),
        ("spec.strategy.canary.steps.0.duration", "999999m", "must be from 0s to 30d"),
        ("spec.strategy", {"aa": {"duration": "0s"}}, "must be from 1s to 7d"),
        ("spec.strategy", {"blueGreen": {"duration": "31d"}}, "must be from 0s to 30d"),
        (
            "spec.strategy",
            {"adaptive": {"errorBudget": 9, "soak": "31d"}},
            "must be from 0s to 30d",
        ),
        ("spec.strategy", a_test(A, B, minDuration="3h"), "must be shorter than deadline"),
        ("spec.analysis.falseRollbackRate", 1e-9, "falseRollbackRate"),
        ("spec.analysis.falsePromotionRate", 1e-9, "falsePromotionRate"),
        ("spec.holds", {"then": "Promote"}, "Rollback"),
        ("spec.onFailure", "Ignore", "Rollback"),
        ("spec.deadline", "2", "like 90s, 10m"),
        ("spec.modelRef", {}, "name"),
        ("spec.modelRef.name", "UPPER", "name"),
    ],
)
async def test_a_wrong_rollout_is_refused_with_what_is_wrong(
    kube: FakeKube, path: str, value: Any, said: str
) -> None:
    assert said in await refusal(kube, put_at(a_rollout(), path, value))


@pytest.mark.parametrize(
    ("obj", "path"),
    [
        (a_model(), "spec.artefact"),
        (a_model(), "spec.runtime.v2.gpu"),
        (a_rollout(), "spec.strategy.recreate"),
        (a_rollout(), "spec.strategy.canary.steps.0.setWeight"),
        (a_rollout(), "spec.analysis.sources"),
    ],
)
async def test_an_unknown_field_is_named_when_fields_are_validated_strictly(
    kube: FakeKube, obj: Obj, path: str
) -> None:
    body = put_at(obj, path, {"x": 1})
    plural = {"Model": MODELS, "Rollout": ROLLOUTS}[obj["kind"]]
    answer = await InProcessTransport(kube.api).request(
        "POST",
        plural.path("demo"),
        params={"fieldValidation": "Strict"},
        headers={"content-type": "application/json"},
        body=json.dumps(body).encode(),
        timeout=10,
    )
    assert answer.status in (400, 422)
    assert f'unknown field \\"{_indexed(path)}\\"' in answer.body.decode()


def _indexed(path: str) -> str:
    return path.replace(".0.", "[0].")


async def test_a_test_is_judged_by_what_the_gateway_counts_of_every_arm(kube: FakeKube) -> None:
    wrong = put_at(a_rollout(), "spec.strategy", a_test(A, B, goal="latency"))
    wrong["spec"]["analysis"]["metrics"] = [ERRORS, LATENCY]
    assert "of type ErrorRate" in await refusal(kube, wrong)


async def test_too_many_metrics_for_so_many_arms_are_refused(kube: FakeKube) -> None:
    arms: list[Obj] = [
        A,
        B,
        *({**C, "name": n, "artifact": {**ARTIFACT, "sha256": n * 64}} for n in "cde"),
    ]
    rollout = put_at(a_rollout(), "spec.strategy", a_test(*arms))
    rollout["spec"]["analysis"]["metrics"] = [{**ERRORS, "name": f"m{i}"} for i in range(4)]
    rollout["spec"]["strategy"]["abTest"]["goal"] = "m0"
    assert "five arms can have three metrics" in await refusal(kube, rollout)


async def test_the_least_test_and_the_least_trials_are_accepted_with_their_defaults(
    kube: FakeKube,
) -> None:
    test = put_at(a_rollout(), "spec.strategy", a_test(A, B))
    found = (await kube.put(test))["spec"]["strategy"]["abTest"]
    assert (found["allocation"], found["minDuration"]) == ("Equal", "1h")
    other = put_at(put_at(a_rollout(), "spec.strategy", {"aa": {}}), "metadata.name", "r2")
    found = (await kube.put(other))["spec"]["strategy"]["aa"]
    assert found == {"weight": 10, "trials": 20, "duration": "30m"}


async def test_the_least_model_is_accepted_with_its_defaults(kube: FakeKube) -> None:
    spec = (await kube.put(a_model()))["spec"]
    assert spec["delivery"] == "Direct"
    assert spec["artifact"]["pollInterval"] == "1m"
    assert spec["scaling"] == {"minReplicas": 1, "maxReplicas": 1, "targetCPU": 70}
    assert spec["revisionHistoryLimit"] == 10
    assert "traffic" not in spec


async def test_adaptive_without_a_metric_that_can_spend_its_budget_is_refused(
    kube: FakeKube,
) -> None:
    wrong = put_at(a_rollout(), "spec.analysis.metrics", [LATENCY])
    wrong["spec"]["strategy"] = {"adaptive": {"errorBudget": 100}}
    assert "adaptive spends an error budget" in await refusal(kube, wrong)


LABELS = {
    "name": "quality",
    "type": "Labels",
    "prometheus": {"bad": "wrong", "total": "labelled"},
    "margin": {"ratio": 1.2, "absolute": 0.01},
}


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"baking": {"duration": "1d"}}, "longer than the metric's delay"),
        ({"baking": {"duration": "25h"}}, ""),
        ({}, "longer than the metric's delay"),
        ({"strategy": {"blueGreen": {}}}, "longer than the metric's delay"),
        ({"strategy": {"blueGreen": {}}, "rollbackWindow": {"duration": "2d"}}, ""),
        ({"strategy": {"aa": {}}, "baking": {"duration": "2d"}}, "aa and shadow promote nothing"),
        ({"strategy": {"shadow": {}}, "baking": {"duration": "2d"}}, "promote nothing"),
    ],
)
async def test_labels_must_come_while_somebody_still_judges(
    kube: FakeKube, more: Obj, said: str
) -> None:
    wanted = put_at(a_rollout(), "spec.analysis.metrics", [ERRORS, {**LABELS, "delay": "24h"}])
    wanted["spec"] |= more
    if said:
        assert said in await refusal(kube, wanted)
    else:
        await kube.put(wanted)


@pytest.mark.parametrize("delay", ["0s", "61d", "1 day"])
async def test_a_delay_of_labels_that_makes_no_sense_is_refused(kube: FakeKube, delay: str) -> None:
    wrong = put_at(a_rollout(), "spec.analysis.metrics", [ERRORS, {**LABELS, "delay": delay}])
    wrong["spec"]["baking"] = {"duration": "90d"}
    assert "like 24h" in await refusal(kube, wrong) or delay == "1 day"


async def test_the_least_rollout_is_accepted_with_its_defaults(kube: FakeKube) -> None:
    spec = (await kube.put(a_rollout()))["spec"]
    assert spec["strategy"]["canary"]["steps"] == [{"weight": 5}]
    analysis = {key: value for key, value in spec["analysis"].items() if key != "metrics"}
    assert analysis == {
        "interval": "15s",
        "warmup": "30s",
        "minRequests": 500,
        "falseRollbackRate": 0.01,
        "falsePromotionRate": 0.05,
        "source": "Gateway",
    }
    assert spec["holds"] == {"deadline": "10m", "then": "Pause"}
    assert spec["rollbackWindow"] == {"duration": "1h"}
    policies = ("deadline", "onFailure", "onInconclusive", "keepFailed", "paused")
    assert [spec[field] for field in policies] == ["2h", "Rollback", "Rollback", "10m", False]


async def test_thirty_rising_steps_are_accepted(kube: FakeKube) -> None:
    steps = [{"weight": 3 * n, "duration": "1m"} for n in range(1, 31)]
    stored = await kube.put(put_at(a_rollout(), "spec.strategy.canary.steps", steps))
    assert len(stored["spec"]["strategy"]["canary"]["steps"]) == 30


async def test_a_rollout_cannot_be_pointed_at_another_model(kube: FakeKube) -> None:
    await kube.put(a_rollout())
    with pytest.raises(Invalid, match="modelRef cannot be changed"):
        await kube.put(put_at(a_rollout(), "spec.modelRef.name", "other"))


@pytest.mark.scenario("BI-01")
async def test_an_accepted_object_does_not_suffer_from_a_refused_sibling(kube: FakeKube) -> None:
    await refusal(kube, put_at(a_rollout(), "spec.deadline", "never"))
    stored = await kube.put(a_model())
    assert stored["metadata"]["generation"] == 1
