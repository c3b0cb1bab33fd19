"""The harness drives controllers to rest, through time, through faults and through deaths."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from tidegate.errors import NotFound
from tidegate.kube.objects import MANAGED_BY, MANAGED_BY_LABEL, Object, name_of, owner_reference
from tidegate.kube.resources import CONFIGMAPS, DEPLOYMENTS, PODS
from tidegate.runtime.controller import Controller
from tidegate.runtime.owners import Watched, itself, owner
from tidegate.runtime.request import Request, Result
from tidegate.testing.harness import Harness
from tidegate.testing.kube import FakeKube
from tidegate.testing.transport import Killed

if TYPE_CHECKING:
    from tidegate.runtime.process import Context

REQUEST = Request("ConfigMap", "demo", "parent")


class Copying:
    """Keeps a child ConfigMap and a Deployment beside each ConfigMap that has a label."""

    def __init__(self, context: Context) -> None:
        self.context = context

    async def reconcile(self, request: Request) -> Result:
        parent = self.context.cache.get(CONFIGMAPS, request.namespace, request.name)
        if parent is None or "copy" not in parent["metadata"].get("labels", {}):
            return Result.done()
        for suffix in ("one", "two"):
            await self.context.client.apply(
                CONFIGMAPS, self.child(parent, suffix), manager="tidegate"
            )
        await self.context.client.apply(DEPLOYMENTS, self.deployment(parent), manager="tidegate")
        found = self.context.cache.get(DEPLOYMENTS, request.namespace, request.name)
        if found is None or not found.get("status", {}).get("readyReplicas"):
            return Result.done()
        return Result.after(3600, "the next look")

    def child(self, parent: Object, suffix: str) -> Object:
        return {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": self.metadata(parent, f"{name_of(parent)}-{suffix}"),
            "data": parent["data"],
        }

    def deployment(self, parent: Object) -> Object:
        labels = {"app": name_of(parent)}
        container = {"name": "main", "image": "image"}
        return {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": self.metadata(parent, name_of(parent)),
            "spec": {
                "replicas": 2,
                "selector": {"matchLabels": labels},
                "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
            },
        }

    def metadata(self, parent: Object, name: str) -> Object:
        return {
            "name": name,
            "namespace": "demo",
            "labels": {MANAGED_BY_LABEL: MANAGED_BY},
            "ownerReferences": [owner_reference(parent)],
        }


def build(context: Context) -> list[Controller]:
    return [
        Controller(
            "copying",
            Copying(context),
            watched=[
                Watched(CONFIGMAPS, itself("ConfigMap")),
                Watched(DEPLOYMENTS, owner("ConfigMap", group=""), managed_only=True),
            ],
            clock=context.clock,
        )
    ]


def parent(value: str = "1") -> Object:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "parent", "namespace": "demo", "labels": {"copy": "yes"}},
        "data": {"value": value},
    }


async def children(kube: FakeKube) -> dict[str, str]:
    listing = await kube.user.list(CONFIGMAPS, namespace="demo", label_selector=MANAGED_BY_LABEL)
    return {name_of(one): one["data"]["value"] for one in listing.items}


async def test_settling_reconciles_until_nothing_is_left_to_do() -> None:
    async with FakeKube.start() as kube:
        harness = Harness(kube, build)
        await kube.put(parent())
        await harness.settle()

        assert await children(kube) == {"parent-one": "1", "parent-two": "1"}
        assert await harness.settle() == 0
        written = len(kube.transport.writes)
        harness.wake_all()
        await harness.settle()
        assert harness.why(REQUEST) == "the next look"
        assert len(kube.transport.writes) == written + 3


async def test_time_passes_through_every_timer_on_the_way() -> None:
    async with FakeKube.start() as kube:
        harness = Harness(kube, build)
        await kube.put(parent())
        await harness.settle()
        before = sum(request == REQUEST for request, _ in harness.outcomes)
        await harness.advance(timedelta(hours=3))

        assert sum(request == REQUEST for request, _ in harness.outcomes) == before + 3


@pytest.mark.parametrize("nth", [1, 2, 3])
@pytest.mark.parametrize("after", [False, True])
async def test_a_process_that_died_at_any_write_is_continued_by_the_next(
    nth: int, after: bool
) -> None:
    async with FakeKube.start() as kube:
        harness = Harness(kube, build)
        await kube.put(parent())
        (kube.transport.kill_after if after else kube.transport.kill_before)(nth)
        with pytest.raises(Killed):
            await harness.settle()
        assert len(await children(kube)) == min(2, nth if after else nth - 1)
        harness.restart()
        await harness.settle()

        assert await children(kube) == {"parent-one": "1", "parent-two": "1"}


async def test_a_fault_is_retried_when_its_back_off_has_passed() -> None:
    async with FakeKube.start() as kube:
        harness = Harness(kube, build)
        await kube.put(parent())
        kube.transport.fail(status=429, retry_after=20, path="parent-two")
        await harness.settle()
        assert set(await children(kube)) == {"parent-one"}
        await harness.advance(timedelta(seconds=19))
        assert set(await children(kube)) == {"parent-one"}
        await harness.advance(timedelta(seconds=1))

        assert set(await children(kube)) == {"parent-one", "parent-two"}


async def test_an_answer_that_was_lost_is_an_unavailable_server() -> None:
    async with FakeKube.start() as kube:
        harness = Harness(kube, build)
        await kube.put(parent())
        kube.transport.lose(path="parent-one", stored=True)
        await harness.settle()

        assert set(await children(kube)) == {"parent-one"}
        assert "made to time out" in harness.why(REQUEST)


async def test_without_events_the_world_looks_as_it_was() -> None:
    async with FakeKube.start() as kube:
        harness = Harness(kube, build)
        await kube.put(parent())
        await harness.settle()
        await kube.put(parent("2"))
        with harness.stale():
            await harness.settle()
            assert set((await children(kube)).values()) == {"1"}
        await harness.settle()

        assert set((await children(kube)).values()) == {"2"}


async def test_deployments_get_ready_unless_the_test_says_otherwise() -> None:
    async with FakeKube.start() as kube:
        harness = Harness(kube, build)
        harness.world.fail("parent", message='{"reason":"DigestMismatch"}')
        await kube.put(parent())
        await harness.settle()

        found = await kube.user.get(DEPLOYMENTS, "parent", namespace="demo")
        assert found["status"].get("readyReplicas", 0) == 0
        (pod,) = (await kube.user.list(PODS, namespace="demo")).items
        (status,) = pod["status"]["initContainerStatuses"]
        assert "DigestMismatch" in status["lastState"]["terminated"]["message"]

        harness.world.recover("parent")
        await harness.settle()
        found = await kube.user.get(DEPLOYMENTS, "parent", namespace="demo")
        assert found["status"]["readyReplicas"] == 2
        assert (await kube.user.list(PODS, namespace="demo")).items == []


async def test_children_go_with_their_owner() -> None:
    async with FakeKube.start() as kube:
        harness = Harness(kube, build)
        await kube.put(parent())
        await harness.settle()
        await kube.user.delete(CONFIGMAPS, "parent", namespace="demo")
        await harness.settle()

        assert await children(kube) == {}
        with pytest.raises(NotFound):
            await kube.user.get(DEPLOYMENTS, "parent", namespace="demo")


class Careless:
    """Does what a reconciler must not do."""

    def __init__(self, context: Context, *, fault: str) -> None:
        self.context = context
        self.fault = fault

    async def reconcile(self, request: Request) -> Result:
        if self.fault == "raises":
            raise ValueError("a bug")
        if self.fault == "never rests":
            return Result.after(0, "again")
        found = self.context.cache.get(CONFIGMAPS, request.namespace, request.name)
        assert found is not None
        found["data"] = {"changed": "in place"}
        return Result.done()


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ("raises", "a bug"),
        ("never rests", "no rest after"),
        ("mutates", "changed an object of the shared cache"),
    ],
)
async def test_what_a_reconciler_must_not_do_fails_the_test(fault: str, told: str) -> None:
    def careless(context: Context) -> list[Controller]:
        return [
            Controller(
                "careless",
                Careless(context, fault=fault),
                watched=[Watched(CONFIGMAPS, itself("ConfigMap"))],
                clock=context.clock,
            )
        ]

    async with FakeKube.start() as kube:
        harness = Harness(kube, careless)
        await kube.put(parent())
        with pytest.raises(AssertionError, match=told):
            await harness.settle()
