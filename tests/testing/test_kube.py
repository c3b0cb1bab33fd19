"""The API server in memory is the real one: schemas, apply, watches; its time is the test's."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tidegate.errors import Invalid, NotFound
from tidegate.kube.resources import CONFIGMAPS, MODELS
from tidegate.testing.clock import START
from tidegate.testing.kube import FakeKube, resource_of

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


async def test_what_is_not_there_is_not_found() -> None:
    async with FakeKube.start() as kube:
        with pytest.raises(NotFound):
            await kube.user.get(MODELS, "nothing", namespace="demo")


def test_a_kind_that_nobody_knows_is_an_error() -> None:
    with pytest.raises(KeyError):
        resource_of({"apiVersion": "v1", "kind": "Unheard"})
