"""A delivery from end to end through the real controllers, with a scripted cluster."""

from __future__ import annotations

from datetime import timedelta

import pytest
from tests.controllers.site import Site, condition, model, rollout

from tidegate.kube.resources import MODELS, ROLLOUTS
from tidegate.metrics.base import Error


@pytest.mark.scenario("FD-01")
async def test_the_first_revision_gets_everything_without_steps(site: Site) -> None:
    stable = await site.start()
    found = await site.rollout()
    assert await site.weights() == {stable: 100}
    assert [entry["reason"] for entry in found["status"]["history"]] == ["InitialDeploy"]
    assert not found["status"].get("evidence")


@pytest.mark.scenario("SW-01")
async def test_a_good_version_walks_the_steps_and_is_promoted(site: Site) -> None:
    old = await site.start()
    new = await site.ask_for("https://models/v2")
    await site.until("Promoting")
    found = await site.until("Healthy")
    assert await site.weights() == {new: 100}
    seen = [weights.get(new, 0) for weights in site.weights_seen]
    assert seen == [0, 0, 5, 25, 50, 100]
    assert (await site.model())["status"]["delivery"]["previous"] == old
    assert found["status"]["history"][0]["reason"] == "Promoted"


async def test_a_version_with_errors_is_taken_back_and_remembered(site: Site) -> None:
    stable = await site.start()
    site.metrics.behave(site.cluster(stable), error_rate=0.0)
    new = await site.ask_for("https://models/v3")
    site.metrics.behave(site.cluster(new), error_rate=0.115)
    found = await site.until("Degraded")
    assert await site.weights() == {stable: 100}
    status = (await site.model())["status"]
    assert status["delivery"]["stable"] == stable
    assert "candidate" not in status["delivery"]
    rejected = status["delivery"]["rejected"][0]
    assert rejected["revision"] == new
    assert rejected["reason"] == "EvidenceRollsBack"
    assert condition(found, "Stalled")["reason"] == "RolledBack"
    assert condition(await site.model(), "Available")["status"] == "True"
    assert "retry" in condition(await site.model(), "Ready")["message"]


async def test_a_slow_version_is_taken_back_for_its_latency(site: Site) -> None:
    await site.start()
    new = await site.ask_for("https://models/v4")
    site.metrics.behave(site.cluster(new), latency_ms=60.0)
    found = await site.until("Degraded")
    assert "latency" in condition(found, "Ready")["message"]


@pytest.mark.scenario("AB-05")
async def test_a_rejected_digest_is_not_tried_again_by_itself(site: Site) -> None:
    stable = await site.start()
    new = await site.ask_for("https://models/v3")
    site.metrics.behave(site.cluster(new), error_rate=0.2)
    await site.until("Degraded")
    await site.ask_for("https://models/v1")
    await site.until("Healthy")
    again = await site.ask_for("https://models/v3")
    assert again == new
    found = await site.until("Degraded")
    await site.pass_time(minutes=5)
    assert (await site.rollout())["status"]["attempts"] == found["status"]["attempts"] == 1
    assert (await site.weights()).get(new, 0) == 0
    assert (await site.weights())[stable] == 100


async def test_the_verb_retry_tries_a_rejected_digest_again(site: Site) -> None:
    await site.start()
    new = await site.ask_for("https://models/v3")
    site.metrics.behave(site.cluster(new), error_rate=0.2)
    await site.until("Degraded")
    site.metrics.behave(site.cluster(new), error_rate=0.0)
    await site.command("retry")
    found = await site.until("Healthy")
    assert found["status"]["attempts"] == 2
    assert found["status"]["lastCommand"]["result"] == "Done"
    assert await site.weights() == {new: 100}


@pytest.mark.scenario("ND-08")
async def test_a_prometheus_that_dies_freezes_the_weight(site: Site) -> None:
    await site.start()
    new = await site.ask_for("https://models/v2")
    await site.until("Progressing")
    await site.pass_time(seconds=4)
    site.metrics.outage = Error("connection refused")
    found = await site.until("Holding")
    weight = (await site.weights())[new]
    assert found["status"]["hold"]["reason"] == "MetricsUnavailable"
    await site.pass_time(minutes=5)
    assert (await site.weights())[new] == weight
    site.metrics.outage = None
    await site.until("Healthy")
    assert await site.weights() == {new: 100}


async def test_a_hold_that_lasts_pauses_and_waits_for_a_person(site: Site) -> None:
    await site.start()
    await site.ask_for("https://models/v2")
    await site.until("Progressing")
    site.metrics.outage = Error("connection refused")
    found = await site.until("Paused")
    assert condition(found, "Stalled")["reason"] == "PausedByHold"
    site.metrics.outage = None
    await site.pass_time(minutes=3)
    assert (await site.rollout())["status"]["phase"] == "Paused"
    await site.command("resume")
    await site.until("Healthy")


@pytest.mark.scenario("ND-09")
async def test_crashing_pods_take_back_even_when_prometheus_is_down(site: Site) -> None:
    stable = await site.start()
    new = await site.ask_for("https://models/v2")
    await site.until("Progressing")
    site.metrics.outage = Error("connection refused")
    await site.pass_time(seconds=20)
    site.harness.world.fail(new, message="boom", container="server", init=False)
    found = await site.until("Degraded", minutes=3)
    assert "server" in condition(found, "Ready")["message"]
    assert (await site.weights())[stable] == 100


async def test_no_traffic_is_a_hold_and_no_verdict(site: Site) -> None:
    await site.start()
    await site.ask_for("https://models/v2")
    await site.until("Progressing")
    site.rate = 0.0
    found = await site.until("Holding")
    assert found["status"]["hold"]["reason"] == "NoData"
    site.rate = 200.0
    await site.until("Healthy")


@pytest.mark.scenario("AV-05")
async def test_a_shared_incident_blames_nobody(site: Site) -> None:
    stable = await site.start()
    new = await site.ask_for("https://models/v2")
    await site.until("Progressing")
    await site.pass_time(seconds=10)
    for revision in (stable, new):
        site.metrics.behave(site.cluster(revision), error_rate=0.4)
    found = await site.until("Holding")
    assert found["status"]["hold"]["reason"] == "CommonCause"
    await site.pass_time(minutes=3)
    for revision in (stable, new):
        site.metrics.behave(site.cluster(revision), error_rate=0.0)
    await site.until("Healthy")
    assert await site.weights() == {new: 100}


@pytest.mark.scenario("SU-01")
async def test_a_newer_version_supersedes_and_starts_from_weight_zero(site: Site) -> None:
    stable = await site.start()
    first = await site.ask_for("https://models/v2")
    for _ in range(200):
        await site.pass_time(seconds=1)
        if (await site.weights()).get(first) == 25:
            break
    second = await site.ask_for("https://models/v3")
    await site.until("Healthy")
    assert await site.weights() == {second: 100}
    for weights in site.weights_seen:
        assert not (weights.get(first, 0) > 0 and second in weights)
    delivery = (await site.model())["status"]["delivery"]
    assert delivery["previous"] == stable
    assert not delivery.get("rejected")


async def test_setting_the_model_back_to_stable_ends_the_attempt(site: Site) -> None:
    stable = await site.start()
    new = await site.ask_for("https://models/v2")
    await site.until("Progressing")
    await site.ask_for("https://models/v1")
    await site.until("Healthy")
    await site.pass_time(seconds=5)
    assert (await site.weights())[stable] == 100
    assert (await site.weights()).get(new, 0) == 0
    assert not (await site.model())["status"]["delivery"].get("rejected")


async def test_setting_it_back_inside_the_window_returns_at_once(site: Site) -> None:
    old = await site.start()
    await site.ask_for("https://models/v2")
    await site.until("Progressing")
    await site.until("Healthy")
    await site.pass_time(minutes=5)
    await site.ask_for("https://models/v1")
    await site.until("Healthy", minutes=2)
    assert await site.weights() == {old: 100}
    reasons = [entry["reason"] for entry in (await site.rollout())["status"]["history"]]
    assert reasons[:2] == ["Promoted", "FastRollback"]


async def test_the_previous_stable_goes_when_its_window_is_over(site: Site) -> None:
    old = await site.start(rollbackWindow={"duration": "5m"})
    await site.ask_for("https://models/v2")
    await site.until("Progressing")
    await site.until("Healthy")
    assert old in await site.deployments()
    await site.pass_time(minutes=6)
    assert old not in await site.deployments()
    assert "previous" not in (await site.model())["status"]["delivery"]


@pytest.mark.scenario("DE-01")
async def test_a_rollout_that_is_deleted_midway_leaves_stable_serving(site: Site) -> None:
    stable = await site.start()
    new = await site.ask_for("https://models/v2")
    await site.until("Progressing")
    await site.kube.user.delete(ROLLOUTS, "flights", namespace="demo")
    await site.harness.settle()
    await site.pass_time(minutes=2)
    assert await site.weights() == {stable: 100}
    found = await site.model()
    assert found["status"]["delivery"]["stable"] == stable
    assert condition(found, "RolloutMissing")["status"] == "True"
    assert condition(found, "Ready")["reason"] == "RolloutMissing"
    assert new not in await site.deployments()


@pytest.mark.scenario("FD-07")
async def test_a_rollout_without_its_model_says_so(site: Site) -> None:
    await site.kube.put(rollout())
    await site.harness.settle()
    found = await site.rollout()
    assert condition(found, "Stalled")["reason"] == "ModelMissing"
    await site.kube.put(model())
    await site.harness.settle()
    found = await site.until("Healthy")
    assert condition(found, "Stalled") == {}
    assert condition(found, "Ready")["status"] == "True"


async def test_a_model_without_its_rollout_waits_and_says_so(site: Site) -> None:
    await site.kube.put(model())
    await site.harness.settle()
    found = await site.model()
    assert condition(found, "Ready")["reason"] == "RolloutMissing"
    assert "create a Rollout" in condition(found, "Ready")["message"]
    assert await site.weights() == {}


@pytest.mark.scenario("TR-10")
async def test_of_two_rollouts_for_one_model_only_the_older_acts(site: Site) -> None:
    await site.start()
    second = rollout()
    second["metadata"]["name"] = "second"
    await site.pass_time(seconds=2)
    await site.kube.put(second)
    await site.harness.settle()
    found = await site.kube.user.get(ROLLOUTS, "second", namespace="demo")
    assert condition(found, "Stalled")["reason"] == "DuplicateRollout"
    assert "flights" in condition(found, "Stalled")["message"]
    assert condition(await site.rollout(), "Ready")["status"] == "True"


async def test_of_two_models_for_one_hostname_only_the_older_gets_a_route(site: Site) -> None:
    stable = await site.start()
    await site.pass_time(seconds=2)
    second = model("https://models/other", delivery="Direct")
    second["metadata"]["name"] = "other"
    await site.kube.put(second)
    await site.harness.settle()
    found = await site.kube.user.get(MODELS, "other", namespace="demo")
    assert condition(found, "Conflicted")["status"] == "True"
    assert "flight-delay" in condition(found, "Ready")["message"]
    assert await site.weights() == {stable: 100}
    await site.kube.user.delete(MODELS, "flight-delay", namespace="demo")
    await site.harness.settle()
    await site.pass_time(seconds=3)
    found = await site.kube.user.get(MODELS, "other", namespace="demo")
    assert condition(found, "Conflicted") == {}
    assert condition(found, "Ready")["status"] == "True"


@pytest.mark.scenario("SU-07")
async def test_a_changed_step_list_starts_the_attempt_over(site: Site) -> None:
    await site.start()
    new = await site.ask_for("https://models/v2")
    await site.until("Progressing")
    await site.pass_time(seconds=5)
    found = await site.rollout()
    steps = [{"weight": 1, "duration": "5s"}, {"weight": 10, "duration": "5s"}]
    await site.kube.edit(found, strategy={"canary": {"steps": steps}})
    await site.harness.settle()
    found = await site.until("Healthy")
    assert found["status"]["attempts"] == 2
    assert await site.weights() == {new: 100}
    assert {weights.get(new) for weights in site.weights_seen} >= {0, 5, 1, 10, 100}


async def test_abort_takes_back_and_is_answered_once(site: Site) -> None:
    stable = await site.start()
    await site.ask_for("https://models/v2")
    await site.until("Progressing")
    await site.command("abort", by="alice")
    found = await site.until("Degraded")
    assert found["status"]["lastCommand"] | {"at": ""} == {
        "id": "abort-1", "verb": "abort", "by": "alice", "at": "", "result": "Done",
    }  # fmt: skip
    assert (await site.weights())[stable] == 100
    await site.command("abort", number=2)
    await site.pass_time(seconds=3)
    found = await site.rollout()
    assert found["status"]["lastCommand"]["result"].startswith("Ignored: there is nothing to abort")


@pytest.mark.scenario("PA-02")
async def test_paused_keeps_the_weight_and_still_rolls_back(site: Site) -> None:
    stable = await site.start()
    new = await site.ask_for("https://models/v2")
    await site.until("Progressing")
    await site.kube.edit(await site.rollout(), paused=True)
    await site.harness.settle()
    await site.pass_time(minutes=2)
    assert (await site.weights())[new] == 5
    assert (await site.rollout())["status"]["phase"] == "Paused"
    site.metrics.behave(site.cluster(new), error_rate=0.5)
    await site.until("Degraded", minutes=3)
    assert (await site.weights())[stable] == 100


@pytest.mark.scenario("TR-02")
async def test_at_rest_nothing_is_written(site: Site) -> None:
    await site.start()
    await site.pass_time(seconds=5)
    before = len(site.kube.transport.writes)
    await site.harness.advance(timedelta(minutes=30))
    site.harness.wake_all()
    await site.harness.settle()
    assert [str(write) for write in site.kube.transport.writes[before:]] == []


@pytest.mark.scenario("ST-04")
async def test_a_step_that_has_lasted_says_which_evidence_is_short(site: Site) -> None:
    await site.start()
    await site.ask_for("https://models/v2")
    site.rate = 20.0
    said = ""
    for _ in range(400):
        await site.pass_time(seconds=1)
        said = condition(await site.rollout(), "Ready")["message"]
        if "step 3 of 3" in said and "verdict" in said:
            break
    assert "20 of 20 s; no verdict yet from" in said


async def test_a_window_that_is_edited_while_it_is_open_ends_when_it_now_says(site: Site) -> None:
    old = await site.start(rollbackWindow={"duration": "1h"})
    await site.ask_for("https://models/v2")
    await site.until("Progressing")
    await site.until("Healthy")
    await site.pass_time(minutes=2)
    await site.kube.edit(await site.rollout(), rollbackWindow={"duration": "3m"})
    await site.pass_time(seconds=100)
    assert old not in await site.deployments()
