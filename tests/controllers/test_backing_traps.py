"""What statuses of backends say that is not so, and what is done about it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.controllers.backed import BackedSite, backed_model, backed_site
from tests.controllers.site import NAME, NAMESPACE, condition, rollout
from tests.controllers.test_backing import CANARY, until_weight

from tidegate.kube.resources import CRDS, INFERENCESERVICES
from tidegate.testing.kserve import KServeController, kserve_definition
from tidegate.testing.seldon import SeldonController

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tidegate.kube.objects import Object


@pytest.fixture
async def seldon() -> AsyncIterator[BackedSite]:
    async with backed_site("SeldonDeployment") as found:
        found.rate = 1000.0
        yield found


@pytest.fixture
async def kserve() -> AsyncIterator[BackedSite]:
    async with backed_site("KServe") as found:
        found.rate = 1000.0
        yield found


async def step_of(site: BackedSite) -> Object:
    found: Object = (await site.rollout())["status"].get("step") or {}
    return found


async def phase_of(site: BackedSite) -> str:
    return str((await site.rollout())["status"]["phase"])


# -- Seldon Core -----------------------------------------------------------------------------------


async def test_available_of_the_spec_before_starts_nothing(seldon: BackedSite) -> None:
    assert isinstance(seldon.controller, SeldonController)
    old = await seldon.start(strategy=CANARY)
    seldon.controller.asleep = True
    new = await seldon.ask_for("https://models/v2")
    await seldon.pass_time(seconds=40)
    assert (await seldon.object())["status"]["state"] == "Available"
    assert await phase_of(seldon) == "Starting"
    assert await seldon.route() == {old: 100}
    seldon.controller.asleep = False
    await seldon.until("Healthy", minutes=5)
    assert await seldon.weights() == {new: 100}


async def test_failed_that_passes_is_no_verdict(seldon: BackedSite) -> None:
    assert isinstance(seldon.controller, SeldonController)
    await seldon.start(strategy=CANARY)
    new = await seldon.ask_for("https://models/v2")
    await until_weight(seldon, new, 10)
    seldon.controller.error = "Operation cannot be fulfilled on deployments.apps"
    await seldon.pass_time(seconds=40)
    assert (await seldon.object())["status"]["state"] == "Failed"
    assert await phase_of(seldon) in ("Progressing", "Holding")
    assert (await seldon.weights())[new] == 10
    seldon.controller.error = ""
    await seldon.until("Healthy", minutes=5)
    assert await seldon.weights() == {new: 100}
    assert (await seldon.rollout())["status"]["attempts"] == 1


async def test_a_rollback_is_done_when_nobody_is_left_in_the_status_who_left(
    seldon: BackedSite,
) -> None:
    """Seldon Core forgets a predictor after it has written the routes."""
    assert isinstance(seldon.controller, SeldonController)
    old = await seldon.start(strategy=CANARY)
    new = await seldon.ask_for("https://models/v2")
    await until_weight(seldon, new, 10)
    seldon.controller.asleep = True
    world = seldon.harness.world
    world.fail(seldon.deployment(new), message="exit code 1", container="server", init=False)
    await seldon.pass_time(minutes=2)
    assert await phase_of(seldon) == "RollingBack"
    assert [one["name"] for one in (await seldon.object())["spec"]["predictors"]] == [
        old.rpartition("-")[2]
    ]
    seldon.controller.asleep = False
    await seldon.until("Degraded", minutes=1)
    assert await seldon.weights() == {old: 100}


# -- KServe ----------------------------------------------------------------------------------------


async def test_a_step_begins_when_the_weight_is_as_asked_for(kserve: BackedSite) -> None:
    assert isinstance(kserve.controller, KServeController)
    await kserve.start(strategy=CANARY)
    kserve.controller.late = True
    new = await kserve.ask_for("https://models/v2")
    for _ in range(60):
        await kserve.pass_time(seconds=1)
        if await step_of(kserve):
            break
    assert (await kserve.object())["spec"]["canary"][0]["trafficPercent"] == 10
    await kserve.pass_time(seconds=20)
    assert "startedAt" not in await step_of(kserve)
    kserve.controller.late = False
    await kserve.pass_time(seconds=3)
    assert "startedAt" in await step_of(kserve)
    await kserve.until("Healthy", minutes=5)
    assert await kserve.weights() == {new: 100}


async def test_old_pods_that_are_available_do_not_hide_new_ones_that_crash(
    kserve: BackedSite,
) -> None:
    """An upgrade of KServe changes a template: `PredictorReady` stays True on the old pods."""
    await kserve.start(strategy=CANARY)
    new = await kserve.ask_for("https://models/v2")
    await until_weight(kserve, new, 50)
    kserve.harness.world.drifting.add(kserve.deployment(new))
    await kserve.pass_time(minutes=2)
    said = {one["type"]: one["status"] for one in (await kserve.object())["status"]["conditions"]}
    assert said["PredictorReady"] == said["CanaryPredictorReady"] == "True"
    assert (await kserve.model())["status"]["delivery"]["stable"] != new, "not promoted on them"
    kserve.harness.world.drifting.clear()
    await kserve.until("Healthy", minutes=5)
    assert await kserve.weights() == {new: 100}


async def test_the_pods_of_a_canary_are_not_taken_from_stable(kserve: BackedSite) -> None:
    old = await kserve.start(strategy=CANARY)
    new = await kserve.ask_for("https://models/v2")
    sizes = []
    while (await kserve.weights()).get(new, 0) < 50:
        sizes.append((await kserve.deployments())[old])
        await kserve.pass_time(seconds=1)
    assert min(sizes) == 2
    assert (await kserve.deployments()) == {old: 2, new: 1}


async def test_an_observed_generation_of_somebody_else_is_not_believed(kserve: BackedSite) -> None:
    await kserve.start(strategy=CANARY)
    obj = await kserve.object()
    assert obj["status"]["observedGeneration"] == 1
    kserve.controller.asleep = True
    new = await kserve.ask_for("https://models/v2")
    obj = await kserve.object()
    await kserve.kube.set_status(obj, {"observedGeneration": obj["metadata"]["generation"]})
    await kserve.pass_time(seconds=40)
    assert new not in await kserve.route()
    assert await phase_of(kserve) == "Starting"


# -- what is refused -------------------------------------------------------------------------------


async def ready_of(site: BackedSite) -> tuple[str, str, str]:
    found = condition(await site.model(), "Ready")
    return found["status"], found["reason"], found["message"]


@pytest.mark.parametrize("backend", ["SeldonDeployment", "KServe"])
async def test_a_backend_that_is_not_installed_is_named_and_waited_for(backend: str) -> None:
    async with backed_site(backend, installed=False) as site:
        await site.kube.put(backed_model(backend, delivery="Direct"))
        await site.harness.settle()
        status, reason, message = await ready_of(site)
        assert (status, reason) == ("False", "BackendNotInstalled")
        assert site.res.kind in message
        assert "backend: Native" in message
        await site.install()
        await site.pass_time(seconds=60)
        assert (await ready_of(site))[0] == "True"


async def test_an_inference_service_that_has_no_canary_yet_is_too_old() -> None:
    async with backed_site("KServe", installed=False) as site:
        old = kserve_definition(canary=False)
        await site.kube.user.apply(CRDS, old, manager="setup")
        await site.kube.clock.rest()
        await site.kube.put(backed_model("KServe", delivery="Direct"))
        await site.harness.settle()
        status, reason, message = await ready_of(site)
        assert (status, reason) == ("False", "BackendTooOld")
        assert "KServe 0.20" in message
        assert (await site.kube.user.list(INFERENCESERVICES)).items == []


async def test_an_object_of_somebody_else_is_left_alone(kserve: BackedSite) -> None:
    theirs = {
        "apiVersion": INFERENCESERVICES.api_version,
        "kind": "InferenceService",
        "metadata": {"name": NAME, "namespace": NAMESPACE},
        "spec": {"predictor": {"name": "mine", "minReplicas": 1, "labels": {
            "tidegate.dev/revision": "none"}, "model": {"storageUri": "s3://mine"}}},
    }  # fmt: skip
    await kserve.kube.put(theirs)
    await kserve.kube.put(backed_model("KServe", delivery="Direct"))
    await kserve.harness.settle()
    assert (await ready_of(kserve))[1] == "NameTaken"
    assert (await kserve.object())["spec"] == theirs["spec"]


async def test_an_artifact_that_the_backend_cannot_open_is_refused(kserve: BackedSite) -> None:
    kserve.shelf.place = lambda uri: "file:///models/model.joblib"
    await kserve.kube.put(backed_model("KServe"))
    await kserve.harness.settle()
    found = condition(await kserve.model(), "Resolved")
    assert (found["status"], found["reason"]) == ("False", "SchemeUnsupported")
    assert "backend: Native" in found["message"]


async def test_another_content_at_the_same_place_is_refused(kserve: BackedSite) -> None:
    """The pods of the revision before would load it when they restart."""
    old = await kserve.start(strategy=CANARY)
    kserve.shelf.place = lambda uri: "s3://models/v1/model.joblib"
    await kserve.kube.put(kserve.model_of("https://models/v2"))
    await kserve.harness.settle()
    found = condition(await kserve.model(), "Resolved")
    assert (found["status"], found["reason"]) == ("False", "ArtifactMutable")
    assert old in found["message"]
    assert await kserve.route() == {old: 100}


SHADOW = {"canary": {"steps": [{"shadow": {"percent": 100}, "duration": "5s"}, {"weight": 5}]}}
REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "a shadow step": ({"strategy": SHADOW}, "FeatureUnsupported"),
    "trials": ({"strategy": {"aa": {"trials": 2, "duration": "10s"}}}, "FeatureUnsupported"),
    "the servers' counters": (
        {"analysis": {**rollout()["spec"]["analysis"], "source": "Server",
                      "sourceReason": "no gateway"}},
        "MetricsUnsupported",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSED)
async def test_what_the_backend_cannot_do_is_refused_by_name(kserve: BackedSite, what: str) -> None:
    spec, reason = REFUSED[what]
    await kserve.kube.put(backed_model("KServe"))
    await kserve.kube.put(rollout(**spec))
    await kserve.harness.settle()
    found = condition(await kserve.rollout(), "Ready")
    assert found["reason"] == reason
    assert "KServe" in found["message"]
