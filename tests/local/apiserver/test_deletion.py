"""Finalizers, grace, owners and namespaces: how objects go, and what goes with them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from tidegate.testing.apiserver import CONFIG_MAPS, PODS, config_map, pod

if TYPE_CHECKING:
    from tidegate.testing.apiserver import Asker
    from tidegate.testing.clock import FakeClock


async def settle() -> None:
    """Let the reactors finish."""
    for _ in range(20):
        await asyncio.sleep(0)


async def exists(ask: Asker, path: str) -> bool:
    return (await ask("GET", path)).status == 200


def owned(name: str, *owners: dict[str, Any], block: bool = False, **metadata: Any) -> Any:
    references = [
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "name": o["metadata"]["name"],
            "uid": o["metadata"]["uid"],
            "blockOwnerDeletion": block,
        }
        for o in owners
    ]
    return config_map(name, ownerReferences=references, **metadata)


async def test_deleting_answers_with_a_status_that_names_the_uid(ask: Asker) -> None:
    created = await ask.create(CONFIG_MAPS, config_map("a"))
    answer = await ask("DELETE", f"{CONFIG_MAPS}/a")
    assert answer.body["status"] == "Success"
    assert answer.body["details"]["uid"] == created["metadata"]["uid"]
    assert not await exists(ask, f"{CONFIG_MAPS}/a")


async def test_an_object_with_finalizers_stays_until_they_are_gone(ask: Asker) -> None:
    await ask.create(CONFIG_MAPS, config_map("a", finalizers=["e.com/hold"]))
    first = (await ask("DELETE", f"{CONFIG_MAPS}/a")).body
    again = (await ask("DELETE", f"{CONFIG_MAPS}/a")).body
    assert first["metadata"]["deletionTimestamp"] == again["metadata"]["deletionTimestamp"]
    more = {"metadata": {"finalizers": ["e.com/hold", "e.com/new"]}}
    assert (await ask.patch(f"{CONFIG_MAPS}/a", more)).status == 422
    released = await ask.patch(f"{CONFIG_MAPS}/a", {"metadata": {"finalizers": None}})
    assert released.status == 200
    assert not await exists(ask, f"{CONFIG_MAPS}/a")


@pytest.mark.parametrize("field", ["uid", "resourceVersion"])
async def test_a_precondition_that_does_not_hold_is_a_conflict(ask: Asker, field: str) -> None:
    await ask.create(CONFIG_MAPS, config_map("a"))
    options = {"preconditions": {field: "1"}}
    answer = await ask("DELETE", f"{CONFIG_MAPS}/a", options)
    assert answer.status == 409
    assert await exists(ask, f"{CONFIG_MAPS}/a")


async def test_a_pod_on_a_node_is_given_its_grace_period(ask: Asker, clock: FakeClock) -> None:
    await ask.create(PODS, pod("p"))
    await ask.patch(f"{PODS}/p", {"spec": {"nodeName": "local"}})
    obj = (await ask("DELETE", f"{PODS}/p")).body
    assert obj["metadata"]["deletionGracePeriodSeconds"] == 30
    assert obj["metadata"]["deletionTimestamp"] == "2026-01-05T12:00:30Z"
    shorter = await ask("DELETE", f"{PODS}/p", query={"gracePeriodSeconds": "5"})
    assert shorter.body["metadata"]["deletionGracePeriodSeconds"] == 5
    longer = await ask("DELETE", f"{PODS}/p", query={"gracePeriodSeconds": "50"})
    assert longer.body["metadata"]["deletionGracePeriodSeconds"] == 5
    assert await exists(ask, f"{PODS}/p")
    await ask("DELETE", f"{PODS}/p", {"gracePeriodSeconds": 0})
    assert not await exists(ask, f"{PODS}/p")


async def test_a_pod_that_runs_nowhere_goes_at_once(ask: Asker) -> None:
    await ask.create(PODS, pod("waiting"))
    await ask.create(PODS, pod("done"))
    await ask.patch(f"{PODS}/done", {"spec": {"nodeName": "local"}})
    await ask.patch(f"{PODS}/done/status", {"status": {"phase": "Succeeded"}})
    for name in ("waiting", "done"):
        await ask("DELETE", f"{PODS}/{name}")
        assert not await exists(ask, f"{PODS}/{name}")


async def test_dependents_go_with_their_last_owner(ask: Asker) -> None:
    first = await ask.create(CONFIG_MAPS, config_map("first"))
    second = await ask.create(CONFIG_MAPS, config_map("second"))
    await ask.create(CONFIG_MAPS, owned("child", first, second))
    await ask("DELETE", f"{CONFIG_MAPS}/first")
    await settle()
    child = await ask.get(f"{CONFIG_MAPS}/child")
    assert [o["name"] for o in child["metadata"]["ownerReferences"]] == ["second"]
    await ask("DELETE", f"{CONFIG_MAPS}/second")
    await settle()
    assert not await exists(ask, f"{CONFIG_MAPS}/child")


async def test_an_object_whose_owner_never_was_is_collected(ask: Asker) -> None:
    ghost = {"metadata": {"name": "ghost", "uid": "never"}}
    await ask.create(CONFIG_MAPS, owned("child", ghost))
    await settle()
    assert not await exists(ask, f"{CONFIG_MAPS}/child")


async def test_a_foreground_deletion_waits_for_dependents_that_block(ask: Asker) -> None:
    owner = await ask.create(CONFIG_MAPS, config_map("owner"))
    await ask.create(CONFIG_MAPS, owned("child", owner, block=True, finalizers=["e.com/hold"]))
    await ask("DELETE", f"{CONFIG_MAPS}/owner", {"propagationPolicy": "Foreground"})
    await settle()
    assert await exists(ask, f"{CONFIG_MAPS}/owner")
    await ask.patch(f"{CONFIG_MAPS}/child", {"metadata": {"finalizers": None}})
    await settle()
    assert not await exists(ask, f"{CONFIG_MAPS}/child")
    assert not await exists(ask, f"{CONFIG_MAPS}/owner")


async def test_orphans_survive_without_the_reference(ask: Asker) -> None:
    owner = await ask.create(CONFIG_MAPS, config_map("owner"))
    await ask.create(CONFIG_MAPS, owned("child", owner))
    await ask("DELETE", f"{CONFIG_MAPS}/owner", {"propagationPolicy": "Orphan"})
    await settle()
    assert not await exists(ask, f"{CONFIG_MAPS}/owner")
    assert "ownerReferences" not in (await ask.get(f"{CONFIG_MAPS}/child"))["metadata"]


async def test_a_collection_is_deleted_by_selector(ask: Asker) -> None:
    await ask.create(CONFIG_MAPS, config_map("a", labels={"x": "1"}))
    await ask.create(CONFIG_MAPS, config_map("b", labels={"x": "2"}))
    answer = await ask("DELETE", CONFIG_MAPS, query={"labelSelector": "x=1"})
    assert [i["metadata"]["name"] for i in answer.body["items"]] == ["a"]
    left = await ask.get(CONFIG_MAPS)
    assert [i["metadata"]["name"] for i in left["items"]] == ["b"]


async def test_a_deleted_namespace_takes_everything_with_it(ask: Asker) -> None:
    space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "n"}}
    await ask.create("/api/v1/namespaces", space)
    path = "/api/v1/namespaces/n/configmaps"
    await ask.create(path, config_map("free"))
    await ask.create(path, config_map("held", finalizers=["e.com/hold"]))
    gone = (await ask("DELETE", "/api/v1/namespaces/n")).body
    assert gone["status"]["phase"] == "Terminating"
    await settle()
    refused = await ask("POST", path, config_map("late"))
    assert refused.status == 403
    assert not await exists(ask, f"{path}/free")
    waiting = await ask.get("/api/v1/namespaces/n")
    conditions = {c["type"]: c for c in waiting["status"]["conditions"]}
    assert "e.com/hold in 1" in conditions["NamespaceFinalizersRemaining"]["message"]
    await ask.patch(f"{path}/held", {"metadata": {"finalizers": None}})
    await settle()
    assert not await exists(ask, "/api/v1/namespaces/n")


async def test_the_default_namespace_cannot_be_deleted(ask: Asker) -> None:
    assert (await ask("DELETE", "/api/v1/namespaces/default")).status == 403


async def test_every_namespace_has_a_default_service_account(ask: Asker) -> None:
    space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "n"}}
    await ask.create("/api/v1/namespaces", space)
    await settle()
    assert await exists(ask, "/api/v1/namespaces/n/serviceaccounts/default")


async def test_a_pod_is_told_to_be_let_go_before_it_goes(ask: Asker) -> None:
    await ask.create(PODS, pod("p"))
    revision = ask.api.store.revision
    answer = await ask("DELETE", f"{PODS}/p", query={"gracePeriodSeconds": "0"})
    assert answer.body["metadata"]["deletionGracePeriodSeconds"] == 0
    events = ask.watch(PODS, resourceVersion=str(revision), timeoutSeconds="1")
    kinds = [event["type"] async for event in events]
    assert kinds == ["MODIFIED", "DELETED"]


async def test_the_body_of_a_deletion_is_its_options(ask: Asker) -> None:
    await ask.create(CONFIG_MAPS, config_map("a"))
    answer = await ask("DELETE", f"{CONFIG_MAPS}/a", {"kind": "ConfigMap", "apiVersion": "v1"})
    assert answer.status == 400
    assert answer.body["message"] == 'no kind "ConfigMap" is registered for version "v1"'
