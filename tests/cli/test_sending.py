"""Sending a command while others write too: what is bound, what is refused, what is tried again."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest
from tests.controllers.site import NAMESPACE, Site

from tidegate.cli.finding import Place, who_am_i
from tidegate.cli.sending import answer, send
from tidegate.domain.rollout.commands import ANNOTATION
from tidegate.errors import ServerUnavailable, Terminal
from tidegate.kube.client import Client
from tidegate.kube.resources import ROLLOUTS
from tidegate.testing.transport import FaultyTransport, InProcessTransport

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from tidegate.kube.transport import Response


class Person(FaultyTransport):
    """A person's connection; `before_write` happens between their read and their write."""

    def __init__(self, site: Site) -> None:
        super().__init__(InProcessTransport(site.kube.api))
        self.before_write: Callable[[], Awaitable[Any]] | None = None

    async def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str],
        headers: Mapping[str, str],
        body: bytes | None,
        timeout: float,
    ) -> Response:
        if method == "PATCH" and self.before_write is not None:
            before, self.before_write = self.before_write, None
            await before()
        return await super().request(
            method, path, params=params, headers=headers, body=body, timeout=timeout
        )


def person(site: Site) -> tuple[Place, Person]:
    transport = Person(site)
    return Place(Client(transport, clock=site.kube.clock), NAMESPACE, "kubeconfig-name"), transport


async def under_way(site: Site) -> None:
    await site.start()
    await site.ask_for("https://models/v2")
    await site.until("Progressing")


async def stored(site: Site) -> dict[str, Any]:
    found = await site.rollout()
    command: dict[str, Any] = json.loads(found["metadata"]["annotations"][ANNOTATION])
    return command


async def test_two_people_at_the_same_time_cannot_overwrite_each_other(site: Site) -> None:
    await under_way(site)
    alice, hers = person(site)
    bob, _ = person(site)
    hers.before_write = lambda: send(bob, "flights", "pause")
    with pytest.raises(Terminal, match=r"CommandWaiting: .*pause"):
        await send(alice, "flights", "abort")
    assert (await stored(site))["verb"] == "pause"


async def test_newer_evidence_meanwhile_is_no_reason_to_give_up(site: Site) -> None:
    await under_way(site)
    alice, transport = person(site)
    transport.before_write = lambda: site.pass_time(seconds=12)
    sent = await send(alice, "flights", "abort")
    assert (await stored(site))["id"] == sent.command["id"]
    assert len([write for write in transport.writes if write.method == "PATCH"]) == 2


async def test_what_was_meant_for_one_candidate_never_reaches_the_next(site: Site) -> None:
    await under_way(site)
    alice, transport = person(site)

    async def another() -> None:
        await site.ask_for("https://models/v3")
        await site.until("Progressing")

    transport.before_write = another
    with pytest.raises(Terminal, match="AttemptChanged: something else is under way at flights"):
        await send(alice, "flights", "promote")
    assert "annotations" not in (await site.rollout())["metadata"]


async def test_a_write_whose_answer_was_lost_is_not_sent_twice(site: Site) -> None:
    await under_way(site)
    alice, transport = person(site)
    transport.lose(method="PATCH", path="/rollouts", stored=True)
    sent = await send(alice, "flights", "abort")
    assert (await stored(site))["id"] == sent.command["id"]
    assert len([write for write in transport.writes if write.method == "PATCH"]) == 1


async def test_the_wait_outlives_a_server_that_is_away_for_a_moment(site: Site) -> None:
    await under_way(site)
    alice, transport = person(site)
    sent = await send(alice, "flights", "abort")
    transport.fail(status=503, path="/rollouts", times=3)
    waiting = asyncio.create_task(answer(alice, sent, timeout=30))
    await site.pass_time(seconds=4)
    assert (await waiting).done


async def test_the_wait_ends_at_its_time(site: Site) -> None:
    await under_way(site)
    alice, _ = person(site)
    sent = await send(alice, "flights", "abort")
    began = site.kube.clock.monotonic()
    waiting = asyncio.create_task(answer(alice, sent, timeout=3))
    await site.kube.clock.advance(10)
    assert (await waiting).result is None
    assert began + 3 <= site.kube.clock.monotonic()


async def test_a_rollout_that_goes_while_one_waits_is_told(site: Site) -> None:
    await under_way(site)
    alice, _ = person(site)
    sent = await send(alice, "flights", "abort")
    await site.kube.user.delete(ROLLOUTS, "flights", namespace=NAMESPACE)
    with pytest.raises(Terminal, match="RolloutDeleted"):
        await answer(alice, sent, timeout=3)


@pytest.mark.parametrize("status", [403, 404])
async def test_a_server_that_does_not_say_who_asks_leaves_the_name_in_the_kubeconfig(
    site: Site, status: int
) -> None:
    where, transport = person(site)
    assert await who_am_i(where) == "admin"
    transport.fail(status=status, path="selfsubjectreviews")
    assert await who_am_i(where) == "kubeconfig-name"
    transport.fail(status=503, path="selfsubjectreviews")
    with pytest.raises(ServerUnavailable):
        await who_am_i(where)
