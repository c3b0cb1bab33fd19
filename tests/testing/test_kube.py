"""The API server in memory is the real one: schemas, apply, watches; its time is the test's."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from tidegate.errors import Invalid, NotFound
from tidegate.kube.resources import CONFIGMAPS, MODELS
from tidegate.testing.clock import START, FakeClock
from tidegate.testing.kube import FakeKube, resource_of
from tidegate.testing.transport import Killed

if TYPE_CHECKING:
    from tidegate.kube.transport import Response
    from tidegate.testing.transport import Sent

MODEL = {
    "apiVersion": "tidegate.dev/v1alpha1",
    "kind": "Model",
    "metadata": {"name": "flights", "namespace": "demo"},
    "spec": {
        "artifact": {"uri": "file:///models/a.skops", "format": "sklearn-skops"},
        "runtime": {"v2": {}},
    },
}


def config(name: str) -> dict[str, object]:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": "demo"},
        "data": {"a": "b"},
    }


async def test_our_kinds_are_served_with_their_schemas() -> None:
    async with FakeKube.start() as kube:
        stored = await kube.put(MODEL)

        assert stored["spec"]["delivery"] == "Direct"
        with pytest.raises(Invalid):
            await kube.put({**MODEL, "spec": {"runtime": {"v2": {}}}})


async def test_objects_carry_the_time_of_the_test() -> None:
    async with FakeKube.start() as kube:
        await kube.clock.advance(90)
        stored = await kube.put(config("a"))

        moment = (START + timedelta(seconds=90)).strftime("%Y-%m-%dT%H:%M:%SZ")
        assert stored["metadata"]["creationTimestamp"] == moment


async def test_only_the_operators_writes_are_counted() -> None:
    async with FakeKube.start() as kube:
        await kube.put(config("a"))
        await kube.client.get(CONFIGMAPS, "a", namespace="demo")
        assert kube.transport.writes == []

        await kube.client.apply(CONFIGMAPS, config("b"), manager="tidegate")
        assert [str(sent) for sent in kube.transport.writes] == [
            "PATCH /api/v1/namespaces/demo/configmaps/b"
        ]


async def test_a_spec_can_be_edited_and_a_status_set() -> None:
    async with FakeKube.start() as kube:
        stored = await kube.put(MODEL)
        await kube.edit(stored, scaling={"minReplicas": 2, "maxReplicas": 3})
        await kube.set_status(stored, {"latestRevision": "flights-12345678"})

        found = await kube.user.get(MODELS, "flights", namespace="demo")
        assert found["spec"]["scaling"]["minReplicas"] == 2
        assert found["status"]["latestRevision"] == "flights-12345678"


async def test_a_server_over_a_copy_goes_its_own_way() -> None:
    async with FakeKube.start() as kube:
        put = await kube.put(MODEL)
        revision = kube.revision
        async with FakeKube.over(kube.api.store.copy(), clock=FakeClock()) as other:
            assert other.revision == revision
            stored = await other.user.get(MODELS, "flights", namespace="demo")
            await other.edit(stored, scaling={"minReplicas": 2, "maxReplicas": 3})
            await other.put(config("b"))

        assert await kube.user.get(MODELS, "flights", namespace="demo") == put
        assert (await kube.user.list(CONFIGMAPS, namespace="demo")).items == []
        assert kube.revision == revision


async def test_an_onlooker_sees_each_write_and_its_answer_and_may_kill_at_it() -> None:
    class Onlooker:
        def __init__(self) -> None:
            self.seen: list[str] = []

        async def before(self, sent: Sent) -> None:
            self.seen.append(f"before {sent}")

        async def after(self, sent: Sent, answer: Response) -> None:
            self.seen.append(f"{answer.status} to {sent}")
            raise Killed

    async with FakeKube.start() as kube:
        onlooker = kube.transport.onlooker = Onlooker()
        with pytest.raises(Killed):
            await kube.client.apply(CONFIGMAPS, config("b"), manager="tidegate")
        await kube.client.get(CONFIGMAPS, "b", namespace="demo")
        path = "PATCH /api/v1/namespaces/demo/configmaps/b"
        assert onlooker.seen == [f"before {path}", f"201 to {path}"]


async def test_what_is_not_there_is_not_found() -> None:
    async with FakeKube.start() as kube:
        with pytest.raises(NotFound):
            await kube.user.get(MODELS, "nothing", namespace="demo")


def test_a_kind_that_nobody_knows_is_an_error() -> None:
    with pytest.raises(KeyError):
        resource_of({"apiVersion": "v1", "kind": "Unheard"})
