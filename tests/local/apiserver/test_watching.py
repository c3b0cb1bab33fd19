"""Watches: what they say, from when on, and how they end."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from tidegate.local.apiserver import watching
from tidegate.testing.apiserver import CONFIG_MAPS, CRDS, WIDGETS, config_map, widget

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tidegate.testing.apiserver import Asker


async def take(events: AsyncIterator[Any], count: int) -> list[tuple[str, str]]:
    """The next events, as type and name."""
    found: list[tuple[str, str]] = []
    async with asyncio.timeout(5):
        async for event in events:
            found.append((event["type"], event["object"]["metadata"].get("name", "")))
            if len(found) == count:
                return found
    return found


async def test_a_watch_begins_with_what_is_there_and_goes_on(ask: Asker) -> None:
    await ask.create(CONFIG_MAPS, config_map("a"))
    events = ask.watch(CONFIG_MAPS)
    assert await take(events, 1) == [("ADDED", "a")]
    await ask.patch(f"{CONFIG_MAPS}/a", {"data": {"k": "w"}})
    await ask.create(CONFIG_MAPS, config_map("b"))
    await ask("DELETE", f"{CONFIG_MAPS}/a")
    assert await take(events, 3) == [("MODIFIED", "a"), ("ADDED", "b"), ("DELETED", "a")]


async def test_a_watch_resumes_from_a_version(ask: Asker) -> None:
    await ask.create(CONFIG_MAPS, config_map("a"))
    version = (await ask.get(CONFIG_MAPS))["metadata"]["resourceVersion"]
    await ask.create(CONFIG_MAPS, config_map("b"))
    events = ask.watch(CONFIG_MAPS, resourceVersion=version)
    assert await take(events, 1) == [("ADDED", "b")]


async def test_a_deletion_carries_its_own_version(ask: Asker) -> None:
    created = await ask.create(CONFIG_MAPS, config_map("a"))
    version = created["metadata"]["resourceVersion"]
    await ask("DELETE", f"{CONFIG_MAPS}/a")
    async for event in ask.watch(CONFIG_MAPS, resourceVersion=version):
        assert event["type"] == "DELETED"
        assert int(event["object"]["metadata"]["resourceVersion"]) > int(version)
        break


async def test_entering_and_leaving_a_selector_is_added_and_deleted(ask: Asker) -> None:
    await ask.create(CONFIG_MAPS, config_map("a"))
    events = ask.watch(CONFIG_MAPS, labelSelector="in=yes", timeoutSeconds="5")
    version = (await ask.get(CONFIG_MAPS))["metadata"]["resourceVersion"]
    events = ask.watch(CONFIG_MAPS, labelSelector="in=yes", resourceVersion=version)
    for labels in ({"in": "yes"}, {"in": "yes", "x": "y"}, {"in": None}):
        await ask.patch(f"{CONFIG_MAPS}/a", {"metadata": {"labels": labels}})
    assert [kind for kind, _ in await take(events, 3)] == ["ADDED", "MODIFIED", "DELETED"]


async def test_a_version_that_is_no_longer_kept_is_gone(
    ask: Asker, monkeypatch: pytest.MonkeyPatch
) -> None:
    await ask.create(CONFIG_MAPS, config_map("a"))
    monkeypatch.setattr(ask.api.store.collection("/configmaps"), "floor", ask.api.store.revision)
    found = [e async for e in ask.watch(CONFIG_MAPS, resourceVersion="1")]
    assert [(e["type"], e["object"]["code"]) for e in found] == [("ERROR", 410)]
    assert found[0]["object"]["reason"] == "Expired"


async def test_history_forgets_the_oldest_changes(ask: Asker) -> None:
    await ask.create(CONFIG_MAPS, config_map("a"))
    collection = ask.api.store.collection("/configmaps")
    assert collection.history.maxlen is not None
    for index in range(collection.history.maxlen):
        obj = collection.records["default", "a"].decode() | {"data": {"k": str(index)}}
        ask.api.store.put("/configmaps", obj)
    assert collection.floor == collection.history[0].revision - 1


async def test_initial_events_end_with_an_annotated_bookmark(ask: Asker) -> None:
    await ask.create(CONFIG_MAPS, config_map("a"))
    events = ask.watch(
        CONFIG_MAPS,
        sendInitialEvents="true",
        resourceVersionMatch="NotOlderThan",
        allowWatchBookmarks="true",
        timeoutSeconds="5",
    )
    found = []
    async for event in events:
        found.append(event)
        if event["type"] == "BOOKMARK":
            break
    assert [e["type"] for e in found] == ["ADDED", "BOOKMARK"]
    annotations = found[-1]["object"]["metadata"]["annotations"]
    assert annotations == {"k8s.io/initial-events-end": "true"}


async def test_a_watch_ends_at_its_timeout_with_a_bookmark_before(
    ask: Asker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "BOOKMARK_BEFORE_END_S", 0.5)
    async with asyncio.timeout(5):
        found = [
            e["type"]
            async for e in ask.watch(CONFIG_MAPS, allowWatchBookmarks="1", timeoutSeconds="1")
        ]
    assert found == ["BOOKMARK"]
    assert ask.api.cluster.hub.count() == 0


async def test_a_watcher_that_does_not_keep_up_is_cut_off(
    ask: Asker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "BACKLOG", 3)
    await ask.create(CONFIG_MAPS, config_map("a"))
    events = ask.watch(CONFIG_MAPS)
    assert await take(events, 1) == [("ADDED", "a")]
    for index in range(5):
        await ask.create(CONFIG_MAPS, config_map(f"x{index}"))
    assert await take(events, 9) == []


async def test_watches_of_a_kind_end_when_its_crd_goes(widgets: Asker) -> None:
    await widgets.create(WIDGETS, widget("a"))
    events = widgets.watch(WIDGETS)
    assert await take(events, 1) == [("ADDED", "a")]
    await widgets("DELETE", f"{CRDS}/widgets.example.com")
    assert await take(events, 9) == [("DELETED", "a")]


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({"resourceVersion": "abc"}, 500),
        ({"sendInitialEvents": "true"}, 422),
        ({"labelSelector": "a in b"}, 400),
    ],
)
async def test_watch_options_that_make_no_sense(
    ask: Asker, query: dict[str, str], status: int
) -> None:
    assert (await ask("GET", CONFIG_MAPS, query={"watch": "1", **query})).status == status


async def test_a_watch_of_tables_describes_its_columns_once(widgets: Asker) -> None:
    await widgets.create(WIDGETS, widget("a"))
    accept = "application/json;as=Table;v=v1;g=meta.k8s.io"
    answer = await widgets.raw("GET", WIDGETS, query={"watch": "1"}, accept=accept)
    assert not isinstance(answer.body, bytes)
    pieces = aiter(answer.body)
    assert b'"columnDefinitions":[{' in await anext(pieces)
    await widgets.patch(f"{WIDGETS}/a", {"spec": {"size": 3}})
    assert b'"columnDefinitions":null' in await anext(pieces)
