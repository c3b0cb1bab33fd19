"""Pods are read from where they were left, whatever they answer meanwhile."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import httpx
import pytest

from tidegate.comparing.poller import PAGE_BYTES, Poller, addresses_of
from tidegate.comparing.settings import Side
from tidegate.serving.outputs import Ring
from tidegate.serving.records import encode_page

if TYPE_CHECKING:
    from tidegate.serving.records import Page


def a_ring(revision: str = "m-1") -> Ring:
    return Ring(model="m", revision=revision, rate=1, max_entries=1000, max_bytes=10**6)


@dataclass
class Pods:
    """Rings behind an HTTP transport, by address; `answers` stands in for one that misbehaves."""

    rings: dict[str, Ring] = field(default_factory=dict)
    answers: dict[str, httpx.Response | httpx.HTTPError] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        address = request.url.host
        self.asked.append(address)
        assert (request.url.port, request.url.path) == (8082, "/tidegate/v1/outputs")
        if isinstance(answer := self.answers.get(address), httpx.HTTPError):
            raise answer
        if answer is not None:
            return answer
        if address not in self.rings:
            raise httpx.ConnectError("connection refused")
        query = dict(request.url.params)
        page = self.rings[address].read(query.get("since"), limit=int(query["limit"]), now=1)
        return httpx.Response(200, content=encode_page(page))


@dataclass
class Reading:
    """A poller of one arm, and what it handed on."""

    pods: Pods
    hosts: tuple[str, ...] = ("10.0.0.1",)
    names: dict[str, set[str]] = field(default_factory=dict)
    pages: list[Page] = field(default_factory=list)
    failures: int = 0

    def __post_init__(self) -> None:
        self.poller = Poller(
            Side(revision="m-1", hosts=self.hosts),
            model="m",
            port=8082,
            client=httpx.AsyncClient(transport=httpx.MockTransport(self.pods)),
            take=self.pages.append,
            on_failure=self._failed,
            resolve=self._resolve,
        )

    def _failed(self) -> None:
        self.failures += 1

    async def _resolve(self, host: str) -> set[str]:
        if host not in self.names:
            raise OSError("no such name")
        return self.names[host]

    @property
    def ids(self) -> list[str]:
        return [record.id for page in self.pages for record in page.records]


def reading(pods: Pods, *hosts: str) -> Reading:
    return Reading(pods, hosts, {host: {host} for host in hosts})


def keep(ring: Ring, *names: str) -> None:
    for name in names:
        ring.record(name.encode(), now=1, status=500)


async def test_a_pod_is_read_from_the_present_on_and_then_from_where_it_was_left() -> None:
    ring = a_ring()
    ring.read(None, limit=1, now=0)
    keep(ring, "before")
    found = reading(Pods({"10.0.0.1": ring}), "10.0.0.1")
    await found.poller.poll(now=0)
    keep(ring, "a", "b")
    await found.poller.poll(now=1)
    await found.poller.poll(now=2)
    keep(ring, "c")
    await found.poller.poll(now=3)
    assert found.ids == ["a", "b", "c"]
    assert found.poller.answering == 1


async def test_every_pod_of_the_arm_is_read() -> None:
    rings = {f"10.0.0.{i}": a_ring() for i in range(1, 4)}
    found = Reading(Pods(rings), ("pods.svc",), {"pods.svc": set(rings)})
    await found.poller.poll(now=0)
    for address, ring in rings.items():
        keep(ring, address)
    await found.poller.poll(now=1)
    assert sorted(found.ids) == sorted(rings)


@pytest.mark.parametrize(
    "answer",
    [
        httpx.ConnectError("refused"),
        httpx.ReadTimeout("slow"),
        httpx.Response(503),
        httpx.Response(200, content=b"<html>"),
        httpx.Response(200, content=b" " * (PAGE_BYTES + 1)),
    ],
)
async def test_a_pod_that_fails_is_asked_less_often_and_goes_on_where_it_was_left(
    answer: httpx.Response | httpx.HTTPError,
) -> None:
    ring = a_ring()
    pods = Pods({"10.0.0.1": ring})
    found = reading(pods, "10.0.0.1")
    await found.poller.poll(now=0)
    keep(ring, "a")
    pods.answers["10.0.0.1"] = answer
    for second in range(1, 11):
        await found.poller.poll(now=second)
    assert found.failures == 4
    assert found.poller.answering == 0
    del pods.answers["10.0.0.1"]
    await found.poller.poll(now=30)
    assert found.ids == ["a"]
    assert found.poller.answering == 1


async def test_an_address_that_another_revision_has_by_now_is_not_read() -> None:
    ring = a_ring("m-2")
    found = reading(Pods({"10.0.0.1": ring}), "10.0.0.1")
    await found.poller.poll(now=0)
    keep(ring, "a")
    await found.poller.poll(now=9)
    assert (found.pages, found.failures, found.poller.answering) == ([], 2, 0)


async def test_one_silent_pod_keeps_no_other_waiting() -> None:
    ring = a_ring()
    found = reading(Pods({"10.0.0.2": ring}), "10.0.0.1", "10.0.0.2")
    await found.poller.poll(now=0)
    keep(ring, "a")
    await found.poller.poll(now=1)
    assert found.ids == ["a"]


async def test_pods_come_and_go_with_what_the_name_resolves_to() -> None:
    pods = Pods({"10.0.0.1": a_ring(), "10.0.0.2": a_ring()})
    found = Reading(pods, ("pods.svc",), {"pods.svc": {"10.0.0.1"}})
    await found.poller.poll(now=0)
    found.names["pods.svc"] = {"10.0.0.2"}
    pods.asked.clear()
    await found.poller.poll(now=1)
    await found.poller.poll(now=6)
    assert pods.asked == ["10.0.0.1", "10.0.0.2"]


async def test_a_name_that_does_not_resolve_for_a_moment_changes_nothing() -> None:
    pods = Pods({"10.0.0.1": a_ring()})
    found = Reading(pods, ("pods.svc",), {"pods.svc": {"10.0.0.1"}})
    await found.poller.poll(now=0)
    found.names.clear()
    keep(pods.rings["10.0.0.1"], "a")
    await found.poller.poll(now=10)
    assert found.ids == ["a"]


async def test_an_address_resolves_to_itself() -> None:
    assert await addresses_of("127.64.0.9") == {"127.64.0.9"}
    assert await addresses_of("fd00::1") == {"fd00::1"}
    assert "127.0.0.1" in await addresses_of("localhost")
    with pytest.raises(OSError):  # noqa: PT011 - the resolver's own words differ
        await addresses_of("no-such-name.invalid")
