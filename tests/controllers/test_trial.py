"""Gates in front of the delivery, through the real controllers: nothing starts that has not
passed."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.controllers.named import break_pods, direct, revision_of, traffic
from tests.controllers.site import NAME, NAMESPACE, Site, condition, model, rollout

from tidegate.api.origin import Origin
from tidegate.controllers.trial import pod_url
from tidegate.kube.resources import DEPLOYMENTS, MODELS
from tidegate.testing.kube import FakeKube
from tidegate.testing.transport import Killed

V1, V2, V3 = "https://models/v1", "https://models/v2", "https://models/v3"
GATES = [
    {"name": "auc", "metric": "roc_auc", "min": 0.65, "dataset": "sha256:aa"},
    {"name": "no-regression", "metric": "roc_auc", "relativeTo": "stable", "maxDrop": 0.01},
]


def measured(auc: float, *, version: str = "1") -> Origin:
    metric = {"metric": "roc_auc", "value": auc, "dataset": "holdout", "digest": "sha256:aa"}
    return Origin.model_validate(
        {"registry": "mlflow", "name": "flights", "version": version, "metrics": [metric]}
    )


def results(found: dict[str, Any], revision: str) -> dict[str, str]:
    """What every gate said of a revision: result and reason."""
    entry = next(one for one in found["status"]["revisions"] if one["name"] == revision)
    return {one["name"]: f"{one['result']} {one['reason']}" for one in entry["gates"]}


def phase(found: dict[str, Any], revision: str) -> str:
    entry = next(one for one in found["status"]["revisions"] if one["name"] == revision)
    return str(entry["phase"])


async def put(site: Site, document: dict[str, Any], *, seconds: int = 5) -> dict[str, Any]:
    await site.kube.put(document)
    await site.harness.settle()
    await site.pass_time(seconds=seconds)
    return await site.model()


async def uid(site: Site, revision: str) -> str:
    found = await site.kube.user.get(DEPLOYMENTS, revision, namespace=NAMESPACE)
    return str(found["metadata"]["uid"])


@pytest.mark.parametrize("delivery", ["Direct", "Rollout"])
@pytest.mark.scenario("FD-08")
async def test_a_first_revision_that_fails_a_gate_serves_nothing(site: Site, delivery: str) -> None:
    site.shelf.origins[V1] = measured(0.60)
    if delivery == "Rollout":
        await site.kube.put(rollout())
    found = await put(site, model(V1, delivery=delivery, gates=GATES))
    said = condition(found, "GatesPassed")
    assert (said["status"], said["reason"]) == ("False", "GateFailed")
    assert "roc_auc is 0.6, below min 0.65 on data holdout sha256:aa" in said["message"]
    assert results(found, revision_of(V1)) == {
        "auc": "Failed BelowMin",
        "no-regression": "Passed NoStable",
    }
    assert condition(found, "Ready")["reason"] == "GateFailed"
    assert condition(found, "Stalled")["status"] == "True"
    assert await site.deployments() == {}
    assert await site.weights() == {}
    assert "stable" not in found["status"]["delivery"]


async def test_a_revision_that_passes_is_loaded_on_one_pod_and_then_serves(site: Site) -> None:
    site.shelf.origins[V1] = measured(0.70)
    revision = revision_of(V1)
    site.harness.world.ready[revision] = 0
    found = await put(site, direct(V1, gates=GATES))
    assert phase(found, revision) == "Trial"
    assert await site.deployments() == {revision: 1}
    assert condition(found, "GatesPassed")["status"] == "True"
    assert condition(found, "Ready")["reason"] == "TrialStarting"
    assert found["status"]["delivery"].get("candidate") is None
    on_trial = await uid(site, revision)
    site.harness.world.recover(revision)
    await site.pass_time(seconds=10)
    assert await traffic(site) == {revision: 100}
    assert await site.deployments() == {revision: 2}
    assert await uid(site, revision) == on_trial
    assert condition(await site.model(), "Ready")["status"] == "True"


async def test_a_worse_version_is_refused_and_stable_serves_on(site: Site) -> None:
    site.shelf.origins = {V1: measured(0.70), V2: measured(0.68, version="2")}
    await put(site, direct(V1, gates=GATES))
    found = await put(site, direct(V2, gates=GATES))
    assert results(found, revision_of(V2)) == {
        "auc": "Passed Passed",
        "no-regression": "Failed WorseThanStable",
    }
    assert phase(found, revision_of(V2)) == "Failed"
    assert condition(found, "Available")["status"] == "True"
    assert await traffic(site) == {revision_of(V1): 100}
    assert set(await site.deployments()) == {revision_of(V1)}


async def test_the_same_bytes_registered_anew_with_a_metric_are_judged_anew(site: Site) -> None:
    site.shelf.origins[V1] = Origin(registry="mlflow", name="flights", version="1")
    document = direct(V1, gates=[GATES[0]])
    del document["spec"]["artifact"]["sha256"]
    found = await put(site, document)
    assert results(found, revision_of(V1)) == {"auc": "Failed MetricMissing"}
    site.shelf.origins[V1] = measured(0.70, version="2")
    await site.pass_time(minutes=2)
    assert await traffic(site) == {revision_of(V1): 100}


async def test_a_status_has_room_for_as_many_gates_and_words_as_there_may_be(site: Site) -> None:
    many = [
        {"name": f"gate-{number}", "metric": f"metric-{number}-{'x' * 200}", "min": 0.5}
        for number in range(20)
    ]
    for uri in (V1, V2, V3, "https://models/v4", "https://models/v5"):
        metrics = [{"metric": gate["metric"], "value": 0.4, "digest": "d" * 200} for gate in many]
        site.shelf.origins[uri] = Origin.model_validate(
            {"registry": "mlflow", "name": "n" * 200, "version": "1", "metrics": metrics}
        )
        found = await put(site, direct(uri, gates=many), seconds=1)
    entry = found["status"]["revisions"][0]
    assert len(entry["gates"]) == 20
    assert all(one["message"].startswith("metric-") for one in entry["gates"])
    assert len(json.dumps(found["status"])) < 48_000
    before = len(site.kube.transport.writes)
    await site.pass_time(minutes=1)
    assert len(site.kube.transport.writes) == before, "a quiet Model is not written"


async def test_an_edited_gate_is_judged_anew_and_restarts_nothing(site: Site) -> None:
    site.shelf.origins = {V1: measured(0.70), V2: measured(0.68, version="2")}
    await put(site, direct(V1, gates=GATES))
    await put(site, direct(V2, gates=GATES))
    before = await uid(site, revision_of(V1))
    found = await put(site, direct(V2, gates=[GATES[0]]))
    assert await traffic(site) == {revision_of(V2): 100}
    assert condition(found, "GatesPassed")["status"] == "True"
    stricter = [{**GATES[0], "min": 0.9}]
    found = await put(site, direct(V2, gates=stricter))
    assert results(found, revision_of(V2)) == {"auc": "Skipped AlreadyStable"}
    assert condition(found, "Ready")["status"] == "True"
    assert await traffic(site) == {revision_of(V2): 100}
    assert before


async def test_an_attempt_under_way_goes_on_while_a_newer_revision_is_refused(site: Site) -> None:
    site.shelf.origins = {V1: measured(0.70), V2: measured(0.71), V3: measured(0.5)}
    await site.kube.put(rollout())
    await put(site, model(V1, gates=GATES))
    await site.until("Healthy")
    await site.pass_time(seconds=15)
    await put(site, model(V2, gates=GATES))
    await site.until("Progressing")
    found = await put(site, model(V3, gates=GATES))
    assert condition(found, "Ready")["reason"] == "GateFailed"
    attempt = (await site.rollout())["status"]["attempt"]
    assert attempt["revision"] == revision_of(V2)
    assert set(await site.deployments()) == {revision_of(V1), revision_of(V2)}
    await site.until("Healthy")
    assert await site.weights() == {revision_of(V2): 100}


async def test_a_pod_that_cannot_load_is_refused_on_trial_and_goes_after_a_while(
    site: Site,
) -> None:
    site.shelf.origins = {V1: measured(0.70), V2: measured(0.72)}
    await put(site, direct(V1, gates=GATES))
    new = revision_of(V2)
    break_pods(site, new, "LoadFailed", "the artifact is no skops file")
    found = await put(site, direct(V2, gates=GATES))
    assert phase(found, new) == "Failed"
    assert condition(found, "Verified")["reason"] == "LoadFailed"
    assert condition(found, "Ready")["reason"] == "LoadFailed"
    assert "no skops file" in condition(found, "Ready")["message"]
    assert found["status"]["delivery"].get("candidate") is None
    assert set(await site.deployments()) == {revision_of(V1), new}
    await site.pass_time(minutes=11)
    assert set(await site.deployments()) == {revision_of(V1)}
    assert phase(await site.model(), new) == "Failed"
    assert await traffic(site) == {revision_of(V1): 100}


async def test_a_revision_that_was_rolled_back_is_tried_once_more_before_a_retry(
    site: Site,
) -> None:
    site.shelf.origins = {V1: measured(0.70), V2: measured(0.71)}
    await site.kube.put(rollout(keepFailed="30s"))
    await put(site, model(V1, gates=GATES))
    await site.until("Healthy")
    await site.pass_time(seconds=15)
    new = revision_of(V2)
    site.metrics.behave(site.cluster(new), error_rate=0.3)
    await put(site, model(V2, gates=GATES))
    await site.until("Degraded")
    await site.pass_time(minutes=2)
    found = await site.model()
    assert condition(found, "Ready")["reason"] == "RolledBack"
    assert set(await site.deployments()) == {revision_of(V1)}
    site.metrics.behave(site.cluster(new), error_rate=0.0)
    await site.command("retry", revision=new)
    await site.until("Progressing")
    await site.until("Healthy")
    assert await site.weights() == {new: 100}


async def test_what_is_under_way_stays_admitted_while_its_pods_come_and_go(site: Site) -> None:
    site.shelf.origins[V1] = measured(0.70)
    revision = revision_of(V1)
    await put(site, direct(V1, gates=GATES))
    admitted = (await site.model())["status"]["revisions"][0]["admission"]
    site.harness.world.ready[revision] = 0
    await site.pass_time(seconds=5)
    found = await site.model()
    assert condition(found, "Available")["status"] == "False"
    assert found["status"]["revisions"][0]["admission"] == admitted


def taking(*names: str) -> Origin:
    signature = {
        "inputs": [{"name": name, "type": "FP64"} for name in names],
        "outputs": [{"name": "p", "type": "FP64"}],
    }
    return Origin.model_validate(
        {"registry": "mlflow", "name": "flights", "version": "1", "signature": signature}
    )


async def test_a_version_that_would_break_callers_is_refused_unless_it_is_meant(
    site: Site,
) -> None:
    site.shelf.origins = {V1: taking("temp"), V2: taking("temp", "wind")}
    await put(site, direct(V1))
    found = await put(site, direct(V2))
    for type_ in ("Resolved", "Verified"):
        assert condition(found, type_)["reason"] == "SignatureIncompatible"
    assert "input wind FP64 is needed" in condition(found, "Ready")["message"]
    assert await traffic(site) == {revision_of(V1): 100}
    declared = site.shelf.origins[V2].signature
    assert declared is not None
    await put(site, direct(V2, signature=declared.wire()))
    assert await traffic(site) == {revision_of(V2, signature=declared.wire()): 100}
    await put(site, direct(V1))
    assert await traffic(site) == {revision_of(V1): 100}, "going back is always possible"


async def test_a_schema_gate_is_judged_by_the_artifacts_signature(site: Site) -> None:
    site.shelf.origins = {V1: taking("temp", "wind")}
    gate = {"name": "contract", "schema": {"inputs": [{"name": "temp", "type": "FP64"}]}}
    found = await put(site, direct(V1, gates=[gate]))
    assert results(found, revision_of(V1)) == {"contract": "Failed SchemaViolated"}
    assert await site.deployments() == {}


async def test_a_model_without_gates_has_no_trial(site: Site) -> None:
    found = await put(site, direct(V1))
    assert condition(found, "GatesPassed") == {}
    entry = found["status"]["revisions"][0]
    assert "admission" not in entry
    assert await traffic(site) == {revision_of(V1): 100}


async def test_an_arm_with_its_own_artifact_does_not_pass_by_the_gates(site: Site) -> None:
    site.shelf.origins = {V1: measured(0.70)}
    arm = {"name": "b", "artifact": {"uri": V2, "sha256": "0" * 64, "format": "onnx"}}
    test = {
        "arms": [{"name": "a", "revision": "stable"}, arm],
        "goal": "errors",
        "minDuration": "60s",
    }
    await site.kube.put(rollout(strategy={"abTest": test}))
    found = await put(site, model(V1, gates=GATES))
    entry = found["status"]["arms"][0]
    assert (entry["reason"], entry.get("revision")) == ("ArmNotAdmitted", None)
    assert await site.deployments() == {revision_of(V1): 2}


async def _delivered(first: int) -> tuple[dict[str, int], dict[str, str], int]:
    """v1 replaced by v2 with gates, while the operator dies at the `first`-th write and at every
    third after that, after it and before it by turns; 0 for never. Returns how often it died."""
    async with FakeKube.start(namespace=NAMESPACE) as kube:
        site = Site(kube)
        site.shelf.origins = {V1: measured(0.70), V2: measured(0.71, version="2")}
        await put(site, direct(V1, gates=GATES), seconds=1)
        await site.kube.put(direct(V2, gates=GATES))
        died = 0
        for _ in range(40):
            if first:
                kill = kube.transport.kill_after if died % 2 else kube.transport.kill_before
                kill(3 if died else first)
            try:
                await site.harness.settle()
                await site.pass_time(seconds=1)
            except Killed:
                died += 1
                site.harness.restart()
                site.harness.wake_all()
        found = await site.model()
        return await site.deployments(), results(found, revision_of(V2)), died


async def test_an_operator_that_dies_again_and_again_comes_to_the_same_end() -> None:
    deployments, judged, _ = await _delivered(0)
    assert deployments == {revision_of(V2): 2}
    for first in (1, 2, 3):
        *ended, died = await _delivered(first)
        assert ended == [deployments, judged], f"killed from write {first} on"
        assert died > 3


async def annotate(site: Site, value: str) -> None:
    metadata = {"annotations": {"tidegate.dev/judge-again": value}}
    await site.kube.user.patch(
        MODELS, NAME, {"metadata": metadata}, namespace=NAMESPACE, manager="user"
    )
    await site.harness.settle()


@pytest.mark.parametrize("minutes", [0, 11], ids=["while its pod is there", "later"])
async def test_what_was_refused_is_judged_again_when_somebody_asks(
    site: Site, minutes: int
) -> None:
    site.shelf.origins = {V1: measured(0.70), V2: measured(0.72)}
    await put(site, direct(V1, gates=GATES))
    new = revision_of(V2)
    break_pods(site, new, "LoadFailed", "the disk was full")
    await put(site, direct(V2, gates=GATES))
    await site.pass_time(minutes=minutes)
    first = set(await site.deployments())
    assert (new in first) == (minutes == 0)
    await annotate(site, "1")
    await site.pass_time(seconds=5)
    assert condition(await site.model(), "Ready")["reason"] == "LoadFailed", "it still is broken"
    site.harness.world.recover(new)
    await annotate(site, "1")
    await site.pass_time(minutes=1)
    assert await traffic(site) == {revision_of(V1): 100}, "one value is heeded once"
    await annotate(site, "2")
    await site.pass_time(seconds=20)
    assert await traffic(site) == {new: 100}


@pytest.mark.parametrize(
    ("owner", "url"),
    [
        ({"name": "flights-1-5d4f", "kind": "ReplicaSet"}, "http://10.0.0.9:8080"),
        ({"name": "flights-1-5d4f", "kind": "ReplicaSet", "controller": False}, None),
        ({"name": "flights-1-5d4f", "kind": "Job"}, None),
        ({"name": "flights-1-5d4f", "kind": "ReplicaSet", "apiVersion": "evil.example/v1"}, None),
        ({"name": "flights-1-other", "kind": "ReplicaSet"}, None),
        ({"name": "else-5d4f", "kind": "ReplicaSet"}, None),
        (None, None),
    ],
)
def test_only_a_pod_of_the_revisions_own_deployment_is_judged(
    owner: dict[str, Any] | None, url: str | None
) -> None:
    port = {"name": "http", "containerPort": 8080}
    revision = {"data": {"podTemplate": {"spec": {"containers": [{"ports": [port]}]}}}}
    deployment = {"metadata": {"name": "flights-1"}}
    owners = [{"apiVersion": "apps/v1", "controller": True, **owner}] if owner else []
    pod = {
        "metadata": {"labels": {"pod-template-hash": "5d4f"}, "ownerReferences": owners},
        "status": {"podIP": "10.0.0.9", "conditions": [{"type": "Ready", "status": "True"}]},
    }
    assert pod_url(revision, deployment, [pod]) == url
    assert pod_url(revision, None, [pod]) is None
