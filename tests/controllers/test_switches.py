"""Changes of what a Model is, in the middle of its delivery, against a whole operator."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.controllers.site import NAME, NAMESPACE, Site, condition, model, rollout

from tidegate.kube.resources import DEPLOYMENTS, HORIZONTALPODAUTOSCALERS, MODELS, ROLLOUTS

if TYPE_CHECKING:
    from typing import Any


async def until_weight(site: Site, revision: str, weight: int) -> None:
    for _ in range(300):
        if (await site.weights()).get(revision) == weight:
            return
        await site.pass_time(seconds=1)
    raise AssertionError(await site.weights())


async def test_direct_in_the_middle_of_an_attempt_ends_it_and_rollout_goes_on_from_there(
    site: Site,
) -> None:
    await site.start()
    new = await site.ask_for("https://models/v2")
    await until_weight(site, new, 25)
    await site.kube.put(model("https://models/v2", delivery="Direct"))
    await site.harness.settle()
    stalled = await site.rollout()
    assert condition(stalled, "Stalled")["reason"] == "DeliveryDirect"
    assert stalled["status"]["phase"] == "Pending"
    assert not stalled["status"].get("arms")
    await site.pass_time(seconds=60)
    assert await site.weights() == {new: 100}
    await site.kube.put(model("https://models/v2"))
    site.weights_seen.clear()
    await site.harness.settle()
    await site.pass_time(seconds=30)
    assert (await site.rollout())["status"]["phase"] == "Healthy"
    assert all(seen.get(new) == 100 for seen in site.weights_seen)


async def test_direct_and_back_at_once_starts_the_attempt_over(site: Site) -> None:
    await site.start()
    new = await site.ask_for("https://models/v2")
    await until_weight(site, new, 25)
    await site.kube.put(model("https://models/v2", delivery="Direct"))
    await site.kube.put(model("https://models/v2"))
    await site.harness.settle()
    await site.pass_time(seconds=5)
    assert (await site.rollout())["status"]["phase"] != "Promoting"
    await site.until("Healthy")
    assert await site.weights() == {new: 100}


async def test_a_model_deleted_and_created_again_is_served_again(site: Site) -> None:
    await site.start()
    await site.kube.user.delete(MODELS, NAME, namespace=NAMESPACE)
    await site.harness.settle()
    assert condition(await site.rollout(), "Stalled")["reason"] == "ModelMissing"
    await site.kube.put(model("https://models/v2"))
    await site.harness.settle()
    await site.pass_time(seconds=20)
    found = await site.rollout()
    assert found["status"]["phase"] == "Healthy"
    assert condition(found, "Ready")["status"] == "True"
    assert await site.weights() == {str((await site.model())["status"]["latestRevision"]): 100}


async def test_hostnames_that_change_midway_keep_the_weights(site: Site) -> None:
    await site.start()
    new = await site.ask_for("https://models/v2")
    await until_weight(site, new, 25)
    other: dict[str, Any] = {
        "gatewayAPI": {
            "parentRefs": [{"name": "public", "namespace": "infra"}],
            "hostnames": ["other.example"],
        }
    }
    await site.kube.put(model("https://models/v2", traffic=other))
    await site.harness.settle()
    assert (await site.weights())[new] == 25
    await site.pass_time(seconds=5)
    assert (await site.weights())[new] >= 25
    assert (await site.rollout())["status"]["attempts"] == 1


async def test_a_command_on_a_rollout_that_is_created_with_it_does_nothing_later(
    site: Site,
) -> None:
    await site.kube.put(model())
    fresh = rollout()
    fresh["metadata"]["annotations"] = {"tidegate.dev/command": '{"id": "old", "verb": "abort"}'}
    await site.kube.put(fresh)
    await site.harness.settle()
    await site.until("Healthy")
    await site.pass_time(seconds=15)
    assert (await site.rollout())["status"]["lastCommand"]["result"].startswith("Ignored")
    new = await site.ask_for("https://models/v2")
    await site.until("Progressing")
    await site.until("Healthy")
    assert await site.weights() == {new: 100}


async def test_a_rollout_created_again_knows_what_was_rejected_and_retries_it_by_name(
    site: Site,
) -> None:
    await site.start()
    bad = await site.ask_for("https://models/v2")
    site.metrics.behave(site.cluster(bad), error_rate=0.5)
    await site.until("Degraded")
    await site.kube.user.delete(ROLLOUTS, "flights", namespace=NAMESPACE)
    await site.harness.settle()
    await site.kube.put(rollout())
    await site.harness.settle()
    found = await site.until("Degraded", minutes=1)
    assert "was rejected" in condition(found, "Ready")["message"]
    assert bad not in await site.weights()
    await site.command("retry", revision=bad)
    assert (await site.rollout())["status"]["lastCommand"]["result"] == "Done"
    assert (await site.rollout())["status"]["attempts"] == 1


async def test_evidence_broken_by_hand_starts_the_attempt_over(site: Site) -> None:
    await site.start()
    new = await site.ask_for("https://models/v2")
    await until_weight(site, new, 25)
    found = await site.rollout()
    broken = [{**entry, "state": "{"} for entry in found["status"]["evidence"]]
    await site.kube.user.patch(
        ROLLOUTS,
        "flights",
        {"status": {"evidence": broken}},
        namespace=NAMESPACE,
        manager="user",
        subresource="status",
    )
    await site.harness.settle()
    reasons = [entry["reason"] for entry in (await site.rollout())["status"]["history"]]
    assert "StatusLost" in reasons
    assert (await site.weights()).get(new, 0) == 0
    await site.until("Healthy")
    assert await site.weights() == {new: 100}


async def test_elastic_arms_keep_the_way_back_at_full_size(site: Site) -> None:
    scaling = {"minReplicas": 2, "maxReplicas": 6}
    await site.kube.put(model(scaling=scaling))
    await site.kube.put(rollout())
    await site.harness.settle()
    await site.until("Healthy")
    await site.pass_time(seconds=15)
    old = str((await site.model())["status"]["delivery"]["stable"])
    await site.kube.user.scale(DEPLOYMENTS, old, namespace=NAMESPACE, replicas=5, manager="hpa")
    await site.harness.settle()
    await site.kube.put(model("https://models/v2", scaling=scaling))
    await site.harness.settle()
    new = str((await site.model())["status"]["latestRevision"])
    await site.until("Healthy")
    floors = {
        hpa["metadata"]["name"]: hpa["spec"]["minReplicas"]
        for hpa in (await site.kube.user.list(HORIZONTALPODAUTOSCALERS, namespace=NAMESPACE)).items
    }
    assert floors == {old: 5, new: 2}
    assert (await site.deployments()) == {old: 5, new: 5}
    await site.pass_time(minutes=61)
    assert (await site.deployments()) == {new: 5}
