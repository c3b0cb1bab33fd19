"""The client against an API server: what goes in, what comes out, and what is raised."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING

import pytest
from aiohttp import web

from tidegate.errors import (
    AlreadyExists,
    Conflict,
    Gone,
    Invalid,
    NotFound,
    ServerUnavailable,
    Unauthorized,
)
from tidegate.kube import client as client_module
from tidegate.kube.client import Client
from tidegate.kube.objects import Object, name_of, resource_version_of
from tidegate.kube.requests import JSON_PATCH
from tidegate.kube.resources import CONFIGMAPS, DEPLOYMENTS, PODS, SERVICES
from tidegate.testing.http import answering
from tidegate.testing.kube import FakeKube
from tidegate.testing.transport import InProcessTransport

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


def config(name: str = "a", **more: object) -> Object:
    return {"metadata": {"name": name, "namespace": "demo"}, "data": {"key": "1"}, **more}


def deployment() -> Object:
    labels = {"app": "a"}
    template = {
        "metadata": {"labels": labels},
        "spec": {"containers": [{"name": "main", "image": "image"}]},
    }
    return {
        "metadata": {"name": "a", "namespace": "demo"},
        "spec": {"replicas": 1, "selector": {"matchLabels": labels}, "template": template},
    }


@pytest.fixture
async def kube() -> AsyncIterator[FakeKube]:
    async with FakeKube.start() as one:
        yield one


async def test_what_is_created_can_be_read_replaced_and_deleted(kube: FakeKube) -> None:
    created = await kube.client.create(CONFIGMAPS, config(), manager="m")
    assert await kube.client.get(CONFIGMAPS, "a", namespace="demo") == created

    replaced = await kube.client.replace(CONFIGMAPS, {**created, "data": {"key": "2"}}, manager="m")
    assert replaced["data"] == {"key": "2"}
    await kube.client.delete(CONFIGMAPS, "a", namespace="demo")
    with pytest.raises(NotFound):
        await kube.client.get(CONFIGMAPS, "a", namespace="demo")


async def test_creating_twice_says_that_it_exists(kube: FakeKube) -> None:
    await kube.client.create(CONFIGMAPS, config(), manager="m")

    with pytest.raises(AlreadyExists):
        await kube.client.create(CONFIGMAPS, config(), manager="m")


async def test_replacing_an_old_version_is_a_conflict(kube: FakeKube) -> None:
    old = await kube.client.create(CONFIGMAPS, config(), manager="m")
    await kube.client.replace(CONFIGMAPS, {**old, "data": {"key": "2"}}, manager="m")

    with pytest.raises(Conflict):
        await kube.client.replace(CONFIGMAPS, {**old, "data": {"key": "3"}}, manager="m")


async def test_an_identical_apply_changes_nothing(kube: FakeKube) -> None:
    first = await kube.client.apply(CONFIGMAPS, config(), manager="m")
    again = await kube.client.apply(CONFIGMAPS, config(), manager="m")

    assert resource_version_of(again) == resource_version_of(first)


async def test_an_apply_with_the_uid_of_what_is_gone_is_a_conflict(kube: FakeKube) -> None:
    first = await kube.client.apply(CONFIGMAPS, config(), manager="m")
    await kube.client.delete(CONFIGMAPS, "a", namespace="demo")
    with_uid = config()
    with_uid["metadata"]["uid"] = first["metadata"]["uid"]

    with pytest.raises(Conflict):
        await kube.client.apply(CONFIGMAPS, with_uid, manager="m")


async def test_another_managers_field_is_a_conflict_without_force(kube: FakeKube) -> None:
    await kube.client.apply(CONFIGMAPS, config(), manager="first")
    other = config(data={"key": "2"})

    with pytest.raises(Conflict):
        await kube.client.apply(CONFIGMAPS, other, manager="second", force=False)
    forced = await kube.client.apply(CONFIGMAPS, other, manager="second")
    assert forced["data"] == {"key": "2"}


async def test_a_status_is_applied_apart_from_the_spec(kube: FakeKube) -> None:
    await kube.client.create(DEPLOYMENTS, deployment(), manager="m")
    status = {
        "metadata": {"name": "a", "namespace": "demo"},
        "spec": {"replicas": 7},
        "status": {"readyReplicas": 1, "replicas": 1},
    }
    stored = await kube.client.apply_status(DEPLOYMENTS, status, manager="m")

    assert stored["status"]["readyReplicas"] == 1
    assert stored["spec"]["replicas"] == 1


async def test_patches_of_two_kinds(kube: FakeKube) -> None:
    await kube.client.create(CONFIGMAPS, config(), manager="m")
    merged = await kube.client.patch(
        CONFIGMAPS, "a", {"data": {"more": "2"}}, namespace="demo", manager="m"
    )
    assert merged["data"] == {"key": "1", "more": "2"}
    patched = await kube.client.patch(
        CONFIGMAPS,
        "a",
        [{"op": "remove", "path": "/data/key"}],
        namespace="demo",
        manager="m",
        content_type=JSON_PATCH,
    )
    assert patched["data"] == {"more": "2"}


async def test_scaling_goes_through_the_subresource(kube: FakeKube) -> None:
    await kube.client.create(DEPLOYMENTS, deployment(), manager="m")
    await kube.client.scale(DEPLOYMENTS, "a", namespace="demo", replicas=3, manager="m")

    found = await kube.client.get(DEPLOYMENTS, "a", namespace="demo")
    assert found["spec"]["replicas"] == 3
    assert kube.transport.writes[-1].path.endswith("/deployments/a/scale")


async def test_a_deletion_of_another_uid_is_a_conflict(kube: FakeKube) -> None:
    await kube.client.create(CONFIGMAPS, config(), manager="m")

    with pytest.raises(Conflict):
        await kube.client.delete(CONFIGMAPS, "a", namespace="demo", uid="of-another")


async def test_what_the_schema_refuses_is_invalid(kube: FakeKube) -> None:
    service = {"metadata": {"name": "a", "namespace": "demo"}, "spec": {"ports": "none"}}

    with pytest.raises(Invalid):
        await kube.client.create(SERVICES, service, manager="m")


async def test_somebody_unknown_is_refused(kube: FakeKube) -> None:
    stranger = Client(InProcessTransport(kube.api, token="wrong"), clock=kube.clock)

    with pytest.raises(Unauthorized):
        await stranger.list(CONFIGMAPS)


async def test_a_list_is_put_together_from_pages(
    kube: FakeKube, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in "abcde":
        await kube.user.create(CONFIGMAPS, config(name), manager="m")
    monkeypatch.setattr(client_module, "PAGE_SIZE", 2)
    listing = await kube.client.list(CONFIGMAPS, namespace="demo")

    assert [name_of(obj) for obj in listing.items] == list("abcde")
    assert {(obj["apiVersion"], obj["kind"]) for obj in listing.items} == {("v1", "ConfigMap")}
    assert len(kube.transport.sent) == 3


async def test_pages_that_came_too_late_are_asked_for_again_as_a_whole(
    kube: FakeKube, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in "abc":
        await kube.user.create(CONFIGMAPS, config(name), manager="m")
    monkeypatch.setattr(client_module, "PAGE_SIZE", 2)
    kube.transport.fail(status=410, reason="Expired", path="configmaps")
    listing = await kube.client.list(CONFIGMAPS, namespace="demo")

    assert len(listing.items) == 3
    assert "limit" not in kube.transport.sent[-1].params


async def test_a_watch_shows_changes_from_a_version_on(kube: FakeKube) -> None:
    await kube.user.create(CONFIGMAPS, config("before"), manager="m")
    listing = await kube.client.list(CONFIGMAPS, namespace="demo")
    stream = kube.client.watch(
        CONFIGMAPS, namespace="demo", resource_version=listing.resource_version
    )
    created = await kube.user.create(CONFIGMAPS, config("after"), manager="m")
    await kube.user.delete(CONFIGMAPS, "before", namespace="demo")

    async with asyncio.timeout(5):
        seen = [await anext(stream), await anext(stream)]
    assert [(event.type, name_of(event.object)) for event in seen] == [
        ("ADDED", "after"),
        ("DELETED", "before"),
    ]
    assert seen[0].object["metadata"]["uid"] == created["metadata"]["uid"]
    await stream.aclose()


async def lines(request: web.Request, *texts: bytes) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    for text in texts:
        await response.write(text + b"\n")
    return response


async def test_an_error_inside_a_watch_is_raised() -> None:
    async def expired(request: web.Request) -> web.StreamResponse:
        return await lines(
            request,
            b'{"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"7"}}}',
            b'{"type":"ERROR","object":{"kind":"Status","code":410,"reason":"Expired"}}',
        )

    seen: set[str] = set()

    async def watch(client: Client) -> None:
        async for event in client.watch(PODS, resource_version="1"):
            seen.add(event.type)

    async with answering(expired) as server:
        client = server.client()
        with pytest.raises(Gone):
            await watch(client)
        await client.close()

    assert seen == {"BOOKMARK"}


async def test_a_document_that_was_cut_off_is_an_unavailable_server() -> None:
    async def cut(request: web.Request) -> web.StreamResponse:
        return await lines(request, b'{"type":"ADDED","object":{"meta')

    async with answering(cut) as server:
        client = server.client()
        with pytest.raises(ServerUnavailable, match="not JSON"):
            await anext(client.watch(PODS, resource_version="1"))
        await client.close()


async def test_the_clock_is_the_servers() -> None:
    ahead = datetime.now(UTC) + timedelta(hours=5)

    async def dated(request: web.Request) -> web.StreamResponse:
        date = format_datetime(ahead.replace(microsecond=0), usegmt=True)
        return web.json_response({}, headers={"Date": date})

    async with answering(dated) as server:
        client = server.client()
        await client.get(PODS, "a", namespace="demo")
        await client.close()

    assert abs(client.clock.now() - ahead) < timedelta(seconds=5)
