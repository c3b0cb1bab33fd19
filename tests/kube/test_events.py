"""Events tell people what happened, without flooding the API server."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from tidegate.kube.events import Recorder
from tidegate.kube.resources import EVENTS
from tidegate.testing.kube import FakeKube

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tidegate.kube.objects import Object

MODEL: Object = {
    "apiVersion": "tidegate.dev/v1alpha1",
    "kind": "Model",
    "metadata": {"name": "flights", "namespace": "demo", "uid": "u1", "resourceVersion": "7"},
}


@dataclass
class Telling:
    """A recorder and what came of it."""

    kube: FakeKube
    recorder: Recorder

    async def tell(self, note: str = "v2 was promoted", *, about: Object = MODEL) -> None:
        await self.recorder.emit(
            about, type="Normal", reason="Promoted", note=note, action="Promote"
        )

    async def stored(self) -> list[Object]:
        return (await self.kube.user.list(EVENTS)).items


@pytest.fixture
async def telling() -> AsyncIterator[Telling]:
    async with FakeKube.start() as kube:
        yield Telling(kube, Recorder(kube.client))


async def test_an_event_says_what_happened_to_whom(telling: Telling) -> None:
    await telling.tell()

    (event,) = await telling.stored()
    assert (event["reason"], event["action"], event["type"]) == ("Promoted", "Promote", "Normal")
    assert event["note"] == "v2 was promoted"
    assert event["regarding"]["name"] == "flights"
    assert event["regarding"]["uid"] == "u1"
    assert event["reportingController"] == "tidegate.dev/tidegate"
    assert event["metadata"]["namespace"] == "demo"
    assert "series" not in event


async def test_the_same_again_becomes_a_series(telling: Telling) -> None:
    await telling.tell()
    await telling.kube.clock.advance(5)
    await telling.tell()

    (event,) = await telling.stored()
    assert event["series"]["count"] == 2


async def test_a_series_is_written_at_most_once_a_minute(telling: Telling) -> None:
    for _ in range(300):
        await telling.tell()
        await telling.kube.clock.advance(1)

    assert len(telling.kube.transport.writes) <= 2 + 5
    (event,) = await telling.stored()
    assert event["series"]["count"] >= 240


async def test_something_else_is_another_event(telling: Telling) -> None:
    await telling.tell()
    await telling.tell("v3 was promoted")
    await telling.tell(about={**MODEL, "metadata": {**MODEL["metadata"], "uid": "u2"}})

    assert len(await telling.stored()) == 3


async def test_after_half_an_hour_the_same_is_news_again(telling: Telling) -> None:
    await telling.tell()
    await telling.kube.clock.advance(31 * 60)
    await telling.tell()

    assert len(await telling.stored()) == 2


async def test_an_event_that_the_server_dropped_is_told_anew(telling: Telling) -> None:
    await telling.tell()
    for event in await telling.stored():
        name = event["metadata"]["name"]
        await telling.kube.user.delete(EVENTS, name, namespace="demo")
    await telling.tell()

    (event,) = await telling.stored()
    assert "series" not in event


async def test_a_long_note_is_cut_to_what_the_server_takes(telling: Telling) -> None:
    await telling.tell("ü" * 2000)

    (event,) = await telling.stored()
    assert len(event["note"].encode()) <= 1024
    assert event["note"].endswith("…")


async def test_what_is_in_no_namespace_is_told_in_default(telling: Telling) -> None:
    await telling.kube.ensure_namespace("default")
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n", "uid": "u3"}}
    await telling.tell(about=node)

    (event,) = await telling.stored()
    assert event["metadata"]["namespace"] == "default"


async def test_an_event_that_cannot_be_written_is_logged_and_forgotten(
    telling: Telling, caplog: pytest.LogCaptureFixture
) -> None:
    telling.kube.transport.fail(status=503)
    with caplog.at_level(logging.WARNING):
        await telling.tell()

    assert "event was not written" in caplog.text
    assert await telling.stored() == []
    await telling.tell()
    assert len(await telling.stored()) == 1
