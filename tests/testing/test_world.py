"""The world beside the operator takes up routes and scales Deployments, unless told not to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidegate.kube.resources import DEPLOYMENTS, HTTPROUTES
from tidegate.testing.kube import FakeKube
from tidegate.testing.world import World

if TYPE_CHECKING:
    from tidegate.kube.objects import Object


def route() -> Object:
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": "flights", "namespace": "demo"},
        "spec": {
            "parentRefs": [{"name": "public", "namespace": "demo"}],
            "rules": [{"backendRefs": [{"name": "flights-1", "port": 80, "weight": 100}]}],
        },
    }


def deployment(replicas: int) -> Object:
    labels = {"app": "a"}
    template = {
        "metadata": {"labels": labels},
        "spec": {"containers": [{"name": "main", "image": "image"}]},
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "a", "namespace": "demo"},
        "spec": {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template},
    }


async def programmed(kube: FakeKube) -> list[int]:
    found = await kube.user.get(HTTPROUTES, "flights", namespace="demo")
    return [
        condition["observedGeneration"]
        for parent in found.get("status", {}).get("parents", [])
        for condition in parent["conditions"]
        if (condition["type"], condition["status"]) == ("Programmed", "True")
    ]


async def test_each_generation_of_a_route_is_programmed() -> None:
    async with FakeKube.start() as kube:
        world = World(kube)
        stored = await kube.put(route())
        assert await world.step()
        assert await programmed(kube) == [1]
        assert not await world.step()

        await kube.edit(stored, hostnames=["flights.example"])
        assert await world.step()
        assert await programmed(kube) == [2]


async def test_a_route_stays_as_it_is_while_the_gateway_is_stuck() -> None:
    async with FakeKube.start() as kube:
        world = World(kube, unprogrammed={"flights"})
        await kube.put(route())

        assert not await world.step()
        assert await programmed(kube) == []


async def test_a_deployment_gets_as_many_ready_as_it_wants_and_may() -> None:
    async with FakeKube.start() as kube:
        world = World(kube, ready={"a": 1})
        await kube.put(deployment(3))
        await world.step()
        found = await kube.user.get(DEPLOYMENTS, "a", namespace="demo")
        assert (found["status"]["readyReplicas"], found["status"]["replicas"]) == (1, 3)

        world.recover("a")
        await world.step()
        found = await kube.user.get(DEPLOYMENTS, "a", namespace="demo")
        assert found["status"]["readyReplicas"] == 3
        assert not await world.step()
