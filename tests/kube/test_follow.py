"""Following never misses, however the watch breaks."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from tidegate.kube.follow import follow
from tidegate.kube.objects import Object, name_of, namespace_of
from tidegate.kube.resources import CONFIGMAPS
from tidegate.testing.kube import FakeKube
from tidegate.testing.transport import WATCH

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tidegate.kube.client import WatchEvent


@dataclass
class Following:
    """Follows the ConfigMaps of one namespace and keeps what it was shown."""

    kube: FakeKube
    events: list[tuple[str, str]] = field(default_factory=list)
    objects: list[Object] = field(default_factory=list)
    lists: int = 0
    task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self.task = asyncio.create_task(
            follow(
                self.kube.client,
                CONFIGMAPS,
                namespace="demo",
                on_event=self.on_event,
                on_listed=self.on_listed,
            )
        )

    async def on_event(self, event: WatchEvent) -> None:
        self.events.append((event.type, name_of(event.object)))
        self.objects.append(event.object)

    async def on_listed(self) -> None:
        self.lists += 1

    async def put(self, name: str, value: str = "1") -> None:
        obj = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": name, "namespace": "demo"},
            "data": {"key": value},
        }
        await self.kube.put(obj)
        await self.kube.clock.rest()

    async def drop(self, name: str) -> None:
        await self.kube.user.delete(CONFIGMAPS, name, namespace="demo")
        await self.kube.clock.rest()

    async def cut(self) -> None:
        """End every open watch, as a server that is restarted does."""
        self.kube.api.cluster.hub.close()
        await self.kube.clock.rest()


@pytest.fixture
async def following() -> AsyncIterator[Following]:
    async with FakeKube.start() as kube:
        one = Following(kube)
        yield one
        if one.task is not None:
            one.task.cancel()
            await asyncio.gather(one.task, return_exceptions=True)


async def test_what_is_there_is_shown_before_what_changes(following: Following) -> None:
    await following.put("a")
    following.start()
    await following.kube.clock.rest()
    assert (following.events, following.lists) == ([("ADDED", "a")], 1)

    await following.put("b")
    await following.put("b", "2")
    await following.drop("a")
    assert following.events[1:] == [("ADDED", "b"), ("MODIFIED", "b"), ("DELETED", "a")]


async def test_a_watch_that_ends_is_taken_up_where_it_ended(following: Following) -> None:
    following.start()
    await following.kube.clock.rest()
    await following.put("a")
    await following.cut()
    await following.put("meanwhile")
    await following.kube.clock.advance(1)
    await following.put("later")

    assert [name for _, name in following.events] == ["a", "meanwhile", "later"]
    assert following.lists == 1


async def test_after_a_gap_only_the_difference_is_shown(following: Following) -> None:
    for name in ("changed", "gone", "kept"):
        await following.put(name)
    following.start()
    await following.kube.clock.rest()
    following.events.clear()
    following.objects.clear()
    following.kube.transport.fail(status=410, reason="Expired", method=WATCH)
    await following.cut()
    await following.drop("gone")
    await following.put("changed", "2")
    await following.put("new")
    await following.kube.clock.advance(1)

    assert following.events == [("DELETED", "gone"), ("MODIFIED", "changed"), ("ADDED", "new")]
    assert following.lists == 2
    assert namespace_of(following.objects[0]) == "demo"
    assert following.objects[0]["kind"] == "ConfigMap"


async def test_a_server_that_is_down_is_waited_for_with_growing_patience(
    following: Following,
) -> None:
    await following.put("a")
    following.kube.transport.fail(status=503, path="configmaps", times=12)
    following.start()
    await following.kube.clock.advance(10)
    tries_at_first = len(following.kube.transport.sent)
    assert following.events == []
    await following.kube.clock.advance(300)

    assert following.events == [("ADDED", "a")]
    assert tries_at_first <= 9


async def test_retry_after_is_obeyed(following: Following) -> None:
    await following.put("a")
    following.kube.transport.fail(status=429, retry_after=40, path="configmaps")
    following.start()
    await following.kube.clock.advance(39)
    assert following.events == []
    await following.kube.clock.advance(2)

    assert following.events == [("ADDED", "a")]


async def test_a_server_that_forgot_our_version_is_listed_anew(following: Following) -> None:
    await following.put("a")
    following.start()
    await following.kube.clock.rest()
    following.kube.transport.fail(status=504, reason="Timeout", method=WATCH, times=3)
    await following.cut()
    await following.put("b")
    await following.kube.clock.advance(30)

    assert following.events == [("ADDED", "a"), ("ADDED", "b")]
    assert following.lists == 2


async def test_what_a_callback_raises_ends_the_following(following: Following) -> None:
    async def broken(event: WatchEvent) -> None:
        raise ValueError("a bug")

    await following.put("a")
    with pytest.raises(ValueError, match="a bug"):
        await follow(following.kube.client, CONFIGMAPS, on_event=broken, namespace="demo")
