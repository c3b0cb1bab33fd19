"""Artifacts, revisions and their pods, good and bad, through the real controllers."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from tests.controllers.named import break_pods, direct, revision_of, traffic
from tests.controllers.site import NAME, NAMESPACE, SETTINGS, Site, condition, model, rollout, sha

from tidegate.errors import NotFound
from tidegate.kube.resources import (
    CONTROLLERREVISIONS,
    DEPLOYMENTS,
    HORIZONTALPODAUTOSCALERS,
    HTTPROUTES,
    MODELS,
    NETWORKPOLICIES,
    SERVICES,
)

V1, V2, V3 = "https://models/v1", "https://models/v2", "https://models/v3"


async def serve(site: Site, uri: str = V1, **spec: Any) -> str:
    """A Direct Model whose first revision serves; returns the revision."""
    await site.kube.put(direct(uri, **spec))
    await site.harness.settle()
    stable = str((await site.model())["status"]["delivery"]["stable"])
    assert await traffic(site) == {stable: 100}
    return stable


async def change(site: Site, document: dict[str, Any], *, seconds: int = 5) -> dict[str, Any]:
    await site.kube.put(document)
    await site.harness.settle()
    await site.pass_time(seconds=seconds)
    return await site.model()


async def numbers(site: Site) -> dict[str, int]:
    found = (await site.kube.user.list(CONTROLLERREVISIONS, namespace=NAMESPACE)).items
    return {revision["metadata"]["name"]: revision["revision"] for revision in found}


async def test_a_direct_model_serves_and_says_where(site: Site) -> None:
    stable = await serve(site)
    status = (await site.model())["status"]
    assert stable == revision_of(V1)
    assert status["endpoint"] == "http://flights.example/v2/models/flight-delay"
    assert status["revisions"][0]["phase"] == "Ready"
    for type_ in ("Resolved", "Verified", "Available", "Ready"):
        assert condition(await site.model(), type_)["status"] == "True", type_
    service = await site.kube.user.get(SERVICES, NAME, namespace=NAMESPACE)
    assert service["spec"]["selector"]["tidegate.dev/revision"] == stable


@pytest.mark.parametrize("delivery", ["Direct", "Rollout"])
async def test_a_wrong_sha256_is_refused_and_stable_serves_on(site: Site, delivery: str) -> None:
    stable = await (serve(site) if delivery == "Direct" else site.start())
    wrong = model(V2, delivery=delivery)
    wrong["spec"]["artifact"]["sha256"] = "0" * 64
    found = await change(site, wrong)
    for type_ in ("Resolved", "Verified"):
        assert condition(found, type_)["status"] == "False"
        assert condition(found, type_)["reason"] == "DigestMismatch"
    assert condition(found, "Ready")["reason"] == "DigestMismatch"
    assert condition(found, "Stalled")["status"] == "True"
    assert condition(found, "Available")["status"] == "True"
    assert (await site.weights())[stable] == 100
    assert set(await site.deployments()) == {stable}


async def test_a_missing_artifact_is_looked_for_again_and_found_when_it_appears(site: Site) -> None:
    uri = "https://models/missing"
    document = direct(uri)
    del document["spec"]["artifact"]["sha256"]
    found = await change(site, document)
    assert condition(found, "Resolved")["reason"] == "ArtifactNotFound"
    assert "put it there" in condition(found, "Ready")["message"]
    assert await site.deployments() == {}
    site.shelf.content[uri] = "here now"
    await site.pass_time(minutes=2)
    assert condition(await site.model(), "Ready")["status"] == "True"


async def test_an_unreachable_source_recovers_by_itself(site: Site) -> None:
    stable = await serve(site)
    site.shelf.silent = True
    found = await change(site, direct(V2))
    said = condition(found, "Resolved")
    assert (said["status"], said["reason"]) == ("Unknown", "Unreachable")
    assert condition(found, "Reconciling")["status"] == "True"
    assert condition(found, "Stalled") == {}
    assert await traffic(site) == {stable: 100}
    site.shelf.silent = False
    await site.pass_time(seconds=30)
    found = await site.model()
    assert condition(found, "Ready")["status"] == "True"
    assert await traffic(site) == {revision_of(V2): 100}


FAILURES = [
    ("LoadFailed", "the artifact is no skops file", False),
    ("SignatureMismatch", "the model takes 5 columns, the signature has 4", False),
    ("FormatUnsupported", "onnx opset 99 is not supported", False),
    ("DigestMismatch", "what was fetched has another sha256", True),
    ("ArtifactNotFound", "it is not there any more", True),
]


@pytest.mark.parametrize(("reason", "message", "init"), FAILURES)
async def test_a_direct_model_whose_next_artifact_does_not_serve_keeps_the_last_one(
    site: Site, reason: str, message: str, init: bool
) -> None:
    stable = await serve(site)
    new = revision_of(V2)
    break_pods(site, new, reason, message, init=init)
    found = await change(site, direct(V2))
    verified = condition(found, "Verified")
    assert (verified["status"], verified["reason"]) == ("False", reason)
    assert message in verified["message"]
    assert condition(found, "Ready")["reason"] == "RevisionFailed"
    assert message in condition(found, "Ready")["message"]
    assert condition(found, "Stalled")["status"] == "True"
    assert condition(found, "Available")["status"] == "True"
    assert await traffic(site) == {stable: 100}
    assert [entry["revision"] for entry in found["status"]["delivery"]["rejected"]] == [new]
    await site.pass_time(minutes=11)
    assert set(await site.deployments()) == {stable}
    assert await traffic(site) == {stable: 100}


@pytest.mark.parametrize(("reason", "message", "init"), FAILURES)
async def test_a_rollout_whose_next_artifact_does_not_serve_never_gets_weight(
    site: Site, reason: str, message: str, init: bool
) -> None:
    stable = await site.start()
    new = revision_of(V2)
    break_pods(site, new, reason, message, init=init)
    await site.ask_for(V2)
    declared = await site.until("Degraded", minutes=1)
    found = await site.model()
    verified = condition(found, "Verified")
    assert (verified["status"], verified["reason"]) == ("False", reason)
    assert found["status"]["delivery"]["rejected"][0]["reason"] == reason
    assert message in condition(declared, "Stalled")["message"]
    assert condition(found, "Available")["status"] == "True"
    assert all(weights.get(new, 0) == 0 for weights in site.weights_seen)
    assert (await site.weights())[stable] == 100


@pytest.mark.scenario("FD-03")
@pytest.mark.parametrize("delivery", ["Direct", "Rollout"])
async def test_a_crash_looping_first_revision_gives_way_to_a_good_one(
    site: Site, delivery: str
) -> None:
    first, second = revision_of(V1), revision_of(V2)
    site.harness.world.fail(first, message="exit at once", container="server", init=False)
    await site.kube.put(model(V1, delivery=delivery))
    if delivery == "Rollout":
        await site.kube.put(rollout())
    await site.harness.settle()
    await site.pass_time(seconds=5)
    found = await site.model()
    assert await traffic(site) == {}
    assert "exit at once" in condition(found, "Ready")["message"]
    assert condition(found, "Stalled")["status"] == "True"
    await site.kube.put(model(V2, delivery=delivery))
    await site.harness.settle()
    await site.pass_time(minutes=12)
    found = await site.model()
    assert await traffic(site) == {second: 100}
    assert found["status"]["delivery"]["stable"] == second
    assert [entry["revision"] for entry in found["status"]["delivery"]["rejected"]] == [first]
    assert set(await site.deployments()) == {second}
    if delivery == "Rollout":
        status = (await site.rollout())["status"]
        assert status["attempts"] == 0
        reasons = [entry["reason"] for entry in status["history"]]
        assert reasons == ["InitialDeploy", "Reset", "RevisionFailed"]


async def test_direct_delivery_switches_only_when_every_pod_is_ready(site: Site) -> None:
    stable = await serve(site)
    new = revision_of(V2)
    site.harness.world.ready[new] = 1
    found = await change(site, direct(V2), seconds=60)
    assert await traffic(site) == {stable: 100}
    assert condition(found, "Ready")["status"] == "False"
    assert "1 of 2" in condition(found, "Ready")["message"]
    site.harness.world.recover(new)
    await site.pass_time(seconds=5)
    assert await traffic(site) == {new: 100}
    assert stable in await site.deployments()
    await site.pass_time(minutes=1)
    assert set(await site.deployments()) == {new}


async def test_a_moving_artifact_that_is_polled_becomes_a_new_revision(site: Site) -> None:
    uri = "http://models/latest"
    site.shelf.content[uri] = "january"
    document = direct(uri)
    document["spec"]["artifact"] |= {"pollInterval": "30s"}
    del document["spec"]["artifact"]["sha256"]
    await site.kube.put(document)
    await site.harness.settle()
    first = (await site.model())["status"]["latestRevision"]
    site.shelf.content[uri] = "february"
    await site.pass_time(seconds=40)
    status = (await site.model())["status"]
    assert status["latestRevision"] != first
    assert status["resolved"]["sha256"] == sha("february")
    assert await traffic(site) == {status["latestRevision"]: 100}


async def test_a_pinned_artifact_is_asked_for_once(site: Site) -> None:
    await serve(site)
    asked = site.shelf.asked
    await site.pass_time(minutes=5)
    site.harness.wake_all()
    await site.harness.settle()
    assert site.shelf.asked == asked == 1


async def test_a_digest_that_comes_back_reuses_its_revision_under_the_next_number(
    site: Site,
) -> None:
    first = await serve(site)
    await change(site, direct(V2), seconds=60)
    before = await site.kube.user.get(CONTROLLERREVISIONS, first, namespace=NAMESPACE)
    await change(site, direct(V1), seconds=60)
    after = await site.kube.user.get(CONTROLLERREVISIONS, first, namespace=NAMESPACE)
    assert after["metadata"]["uid"] == before["metadata"]["uid"]
    assert await numbers(site) == {first: 3, revision_of(V2): 2}
    listed = (await site.model())["status"]["revisions"]
    assert [(entry["name"], entry["number"]) for entry in listed] == [
        (first, 3),
        (revision_of(V2), 2),
    ]
    assert await traffic(site) == {first: 100}


async def test_old_revisions_are_pruned_beyond_the_limit(site: Site) -> None:
    await serve(site, revisionHistoryLimit=1)
    for uri in (V2, V3, "https://models/v4"):
        await change(site, direct(uri, revisionHistoryLimit=1), seconds=60)
    assert set(await numbers(site)) == {revision_of(V3), revision_of("https://models/v4")}


@pytest.mark.scenario("DE-02")
async def test_deleting_the_model_drops_the_route_and_everything_else(site: Site) -> None:
    await site.start()
    await site.ask_for(V2)
    await site.until("Progressing")
    await site.kube.user.delete(MODELS, NAME, namespace=NAMESPACE)
    await site.harness.settle()
    await site.kube.clock.rest()
    for res in (HTTPROUTES, DEPLOYMENTS, SERVICES, CONTROLLERREVISIONS):
        assert (await site.kube.user.list(res, namespace=NAMESPACE)).items == [], res.kind
    assert condition(await site.rollout(), "Stalled")["reason"] == "ModelMissing"


async def test_the_route_goes_before_the_pods_of_a_deleted_model(site: Site) -> None:
    await serve(site)
    await site.kube.user.delete(MODELS, NAME, namespace=NAMESPACE, propagation="Orphan")
    await site.harness.settle()
    with pytest.raises(NotFound):
        await site.kube.user.get(HTTPROUTES, NAME, namespace=NAMESPACE)


@pytest.mark.scenario("RE-01")
async def test_scaling_alone_makes_no_revision_and_no_attempt(site: Site) -> None:
    stable = await site.start()
    wide = {"minReplicas": 5, "maxReplicas": 5, "targetCPU": 50}
    found = await change(site, model(scaling=wide))
    assert found["status"]["latestRevision"] == stable
    assert await site.deployments() == {stable: 5}
    assert (await site.rollout())["status"]["attempts"] == 0
    elastic = {"minReplicas": 3, "maxReplicas": 9, "targetCPU": 50}
    await change(site, model(scaling=elastic))
    scaler = await site.kube.user.get(HORIZONTALPODAUTOSCALERS, stable, namespace=NAMESPACE)
    assert (scaler["spec"]["minReplicas"], scaler["spec"]["maxReplicas"]) == (3, 9)
    assert scaler["spec"]["metrics"][0]["resource"]["target"]["averageUtilization"] == 50
    assert await numbers(site) == {stable: 1}
    assert await traffic(site) == {stable: 100}


async def test_a_retry_of_a_rejected_digest_starts_its_pods_again(site: Site) -> None:
    stable = await site.start()
    new = revision_of(V2)
    break_pods(site, new, "LoadFailed", "out of memory")
    await site.ask_for(V2)
    await site.until("Degraded", minutes=1)
    await site.pass_time(minutes=11)
    assert set(await site.deployments()) == {stable}
    site.harness.world.recover(new)
    await site.command("retry")
    await site.until("Healthy")
    found = await site.model()
    assert found["status"]["delivery"]["stable"] == new
    assert not found["status"]["delivery"].get("rejected")
    assert condition(found, "Verified")["status"] == "True"
    assert (await site.rollout())["status"]["attempts"] == 2


async def test_a_model_with_pods_has_a_network_policy_unless_the_installation_wants_none(
    site: Site,
) -> None:
    await serve(site)
    found = await site.kube.user.get(NETWORKPOLICIES, NAME, namespace=NAMESPACE)
    assert [rule["ports"][0]["port"] for rule in found["spec"]["ingress"]] == [
        "http",
        "metrics",
        "outputs",
    ]
    site.harness.settings = dataclasses.replace(SETTINGS, network_policy=False)
    site.harness.restart()
    site.harness.wake_all()
    await site.harness.settle()
    with pytest.raises(NotFound):
        await site.kube.user.get(NETWORKPOLICIES, NAME, namespace=NAMESPACE)
