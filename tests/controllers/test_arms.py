"""Tests between arms and A/A trials through the real controllers: who makes what, and what goes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.controllers.site import NAMESPACE, Site, condition, rollout, sha
from tests.controllers.test_archive import records
from tests.controllers.test_observing import CANCELLED, ERRORS, booked

from tidegate.domain.record import replay
from tidegate.kube.resources import CONTROLLERREVISIONS, ROLLOUTS, SERVICES
from tidegate.specs.record import rows_of
from tidegate.specs.revision import TWIN_ANNOTATION

if TYPE_CHECKING:
    from tidegate.kube.objects import Object

URI = "https://models/challenger"


def a_test(uri: str = URI, pin: str | None = None, **more: Any) -> dict[str, Any]:
    """Stable against the latest and against another artifact."""
    artifact = {"uri": uri, "sha256": pin or sha(uri), "format": "sklearn-skops"}
    return {
        "abTest": {
            "arms": [
                {"name": "a", "revision": "stable"},
                {"name": "b", "revision": "latest"},
                {"name": "c", "artifact": artifact},
            ],
            "goal": "errors",
            "minDuration": "60s",
            **more,
        }
    }


def changed_to(strategy: dict[str, Any]) -> dict[str, Any]:
    """The Rollout with another strategy."""
    return rollout(strategy=strategy)


async def revisions(site: Site) -> dict[str, Object]:
    found = (await site.kube.user.list(CONTROLLERREVISIONS, namespace=NAMESPACE)).items
    return {obj["metadata"]["name"]: obj for obj in found}


async def arm(site: Site) -> dict[str, Any]:
    """What the Model's status says of the arm."""
    return dict((await site.model())["status"]["arms"][0])


async def test_an_arms_artifact_becomes_a_revision_that_is_never_the_latest(site: Site) -> None:
    stable = await site.start()
    await site.kube.put(changed_to(a_test(minDuration="1h")))
    await site.harness.settle()
    entry = await arm(site)
    status = (await site.model())["status"]
    assert (entry["name"], entry["source"]) == ("c", sha(URI))
    assert status["latestRevision"] == stable != entry["revision"]
    made = (await revisions(site))[entry["revision"]]
    assert made["data"]["artifact"]["location"] == URI
    found = await site.until("Progressing")
    assert [(a["name"], a["revision"]) for a in found["status"]["arms"]] == [
        ("stable", stable),
        ("candidate", entry["revision"]),
    ]
    assert await site.weights() == {stable: 50, entry["revision"]: 50}


async def test_three_arms_are_compared_and_the_artifact_that_wins_is_named_and_adopted(
    site: Site,
) -> None:
    stable = await site.start()
    await site.kube.put(changed_to(a_test()))
    site.metrics.behave(site.cluster(stable), error_rate=0.04)
    latest = await site.ask_for("https://models/v2")
    site.metrics.behave(site.cluster(latest), error_rate=0.04)
    challenger = (await arm(site))["revision"]
    site.metrics.behave(site.cluster(challenger), error_rate=0.0)
    await site.until("Progressing")
    assert await site.weights() == {stable: 34, latest: 33, challenger: 33}
    assert (await site.model())["status"]["delivery"]["contenders"] == [challenger]
    found = await site.until("Degraded")
    assert found["status"]["contest"]["winner"] == "c"
    assert sha(URI) in condition(found, "WinnerNamed")["message"]
    await site.pass_time(seconds=45)
    assert await site.weights() == {stable: 100}
    assert challenger in await site.deployments()
    assert await site.ask_for(URI) == challenger
    await site.until("Healthy")
    assert await site.weights() == {challenger: 100}
    reasons = [entry["reason"] for entry in (await site.rollout())["status"]["history"]]
    assert "WinnerAdopted" in reasons


async def test_a_winner_is_found_by_counters_of_the_users_own(site: Site) -> None:
    stable = await site.start()
    declared = changed_to(a_test(goal="cancelled", minDuration="30s"))
    declared["spec"]["analysis"] = {**declared["spec"]["analysis"], "metrics": [ERRORS, CANCELLED]}
    await site.kube.put(declared)
    latest = await site.ask_for("https://models/v2")
    challenger = (await arm(site))["revision"]
    for revision, rate in ((stable, 0.3), (latest, 0.1), (challenger, 0.3)):
        site.metrics.route({booked(revision): 60.0})
        site.metrics.behave(booked(revision), error_rate=rate)
    found = await site.until("Progressing")
    assert "not known before the test" in found["status"]["attempt"]["expected"]["message"]
    assert found["status"]["contest"]["unit"] == "Events"
    found = await site.until("Healthy")
    assert found["status"]["contest"]["winner"] == "b"
    assert await site.weights() == {latest: 100}
    counted = {entry["name"]: entry for entry in found["status"]["contest"]["arms"]}
    assert counted["c"]["n"] >= 60
    assert counted["c"]["estimate"] > counted["b"]["estimate"]
    await site.pass_time(seconds=2)
    (record,) = await records(site)
    assert replay(rows_of(record)).same


async def test_an_artifact_that_is_not_what_it_should_be_is_said_with_its_arm(site: Site) -> None:
    stable = await site.start()
    await site.kube.put(changed_to(a_test(pin=sha("something else"))))
    await site.ask_for("https://models/v2")
    await site.pass_time(seconds=5)
    said = condition(await site.rollout(), "Ready")
    assert (said["status"], said["reason"]) == ("False", "DigestMismatch")
    assert said["message"].startswith("arm c: ")
    assert await site.weights() == {stable: 100}
    asked = site.shelf.asked
    await site.pass_time(seconds=30)
    assert site.shelf.asked == asked, "a refusal stands for a while"
    site.shelf.content[URI] = "something else"
    await site.until("Progressing", minutes=3)


async def test_by_cookie_each_arm_has_a_service_for_new_callers_and_they_are_counted(
    site: Site,
) -> None:
    stable = await site.start()
    strategy = a_test(stickyBy={"cookie": "tg-arm"}, minDuration="1h")
    strategy["abTest"]["arms"].pop()
    await site.kube.put(changed_to(strategy))
    latest = await site.ask_for("https://models/v2")
    await site.until("Progressing")
    names = (f"{stable}-new", f"{latest}-new")
    for name in names:
        await site.kube.user.get(SERVICES, name, namespace=NAMESPACE)
        site.metrics.route({site.cluster(name): 20.0})
    await site.pass_time(seconds=60)
    contest = (await site.rollout())["status"]["contest"]
    assert contest["unit"] == "Users"
    assert all(entry["users"] > 200 for entry in contest["arms"])
    await site.command("abort")
    await site.until("Degraded")
    await site.pass_time(seconds=60)
    left = (await site.kube.user.list(SERVICES, namespace=NAMESPACE)).items
    assert not {obj["metadata"]["name"] for obj in left} & set(names)


async def test_a_rollout_that_is_deleted_in_the_middle_of_a_test_leaves_stable_alone(
    site: Site,
) -> None:
    stable = await site.start()
    await site.kube.put(changed_to(a_test(minDuration="1h")))
    await site.ask_for("https://models/v2")
    await site.until("Progressing")
    await site.kube.user.delete(ROLLOUTS, "flights", namespace=NAMESPACE)
    await site.pass_time(seconds=60)
    assert await site.weights() == {stable: 100}
    assert list(await site.deployments()) == [stable]
    assert "arms" not in (await site.model())["status"]


async def test_the_twin_is_stable_under_another_name_and_goes_when_the_trials_end(
    site: Site,
) -> None:
    stable = await site.start()
    await site.kube.put(changed_to({"aa": {"trials": 2, "duration": "20s", "weight": 20}}))
    await site.harness.settle()
    twin = (await arm(site))["revision"]
    await site.until("Progressing")
    made = await revisions(site)
    assert made[twin]["metadata"]["annotations"][TWIN_ANNOTATION] == stable
    assert made[twin]["data"]["artifact"] == made[stable]["data"]["artifact"]
    text = str(made[twin]["data"]["podTemplate"])
    assert text.replace(twin, stable) == str(made[stable]["data"]["podTemplate"])
    assert await site.weights() == {stable: 80, twin: 20}
    assert condition(await site.model(), "Ready")["status"] == "True"
    await site.until("Healthy")
    trials = (await site.rollout())["status"]["aa"]
    assert (trials["done"], trials["ended"]) == (2, "TrialsDone")
    await site.pass_time(seconds=60)
    assert list(await site.deployments()) == [stable]
    await site.kube.put(changed_to({"canary": {"steps": [{"weight": 5}]}}))
    await site.pass_time(seconds=5)
    assert twin not in await revisions(site)


async def test_a_new_revision_ends_the_trials_and_the_twin_has_no_weight_first(
    site: Site,
) -> None:
    stable = await site.start()
    await site.kube.put(changed_to({"aa": {"trials": 50}}))
    await site.until("Progressing")
    latest = await site.ask_for("https://models/v2")
    await site.pass_time(seconds=60)
    assert await site.weights() == {stable: 100}
    assert list(await site.deployments()) == [stable]
    said = condition(await site.rollout(), "Ready")
    assert said["reason"] == "DeliversNothing"
    assert latest in said["message"]
    assert condition(await site.model(), "Ready")["reason"] == "DeliversNothing"
