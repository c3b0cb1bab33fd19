"""Rendered HTTPRoutes at a real Envoy: callers keep their arm, previews and mirrors go where they
should, and the gateway's counters tell new callers from returning ones."""

from __future__ import annotations

import asyncio
import random
import re
from collections import Counter
from http.cookies import SimpleCookie
from typing import TYPE_CHECKING, Any

import pytest
from tests.local.gateway.edge import Edge, eventually, running_edge
from tests.traffic.routings import gateway_api, route_of

from tidegate.domain.route import Detours, Mirror, Preview, Routing, Sticky
from tidegate.testing.gateway import http_route

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

type Obj = dict[str, Any]

HOST = "a.example"
COOKIE = Sticky("cookie", "tg-arm", (("one", "a"), ("two", "b")))
USERS, ANSWERS_EACH = 2000, 4


@pytest.fixture
async def edge(tmp_path: Path) -> AsyncIterator[Edge]:
    """Envoy before two revisions named `a` and `b`, each also behind its assignment Service."""
    async with running_edge(tmp_path) as found:
        found.backends |= {f"{name}-new": found.backends[name] for name in ("a", "b")}
        yield found


async def serve(edge: Edge, routing: Routing, *, attempt: int = 1) -> None:
    provider = gateway_api(parentRefs=[{"name": "public"}])
    live = http_route(name="m")
    live["spec"] = route_of(provider, routing, attempt=attempt)["spec"]
    outcome = await edge.serve(live)
    assert outcome.rejected == {}


async def ask(edge: Edge, **headers: str) -> tuple[str, str]:
    """(the revision that answered, the cookie that it set)"""
    url = f"http://127.0.0.1:{edge.port}/"
    sent = {key.replace("_", "-"): value for key, value in headers.items()}
    async with edge.session.get(url, headers={"host": HOST, **sent}) as answer:
        assert answer.status == 200
        return await answer.text(), answer.headers.get("set-cookie", "")


async def requests_by_cluster(edge: Edge) -> Counter[str]:
    await asyncio.sleep(1.2)  # Envoy writes its counters down once a second
    pattern = r'cluster_upstream_rq_total\{envoy_cluster_name="default/m/([^"]+)"\} (\d+)'
    return Counter({name: int(n) for name, n in re.findall(pattern, await edge.series())})


class User:
    """Somebody with a browser: keeps the cookies that they get, and has others besides."""

    def __init__(self, edge: Edge, number: int) -> None:
        self.edge = edge
        self.cookies = {f"other{number % 3}": "tg-arm=two.1"}
        self.seen: list[str] = []

    async def ask(self) -> None:
        pairs = list(self.cookies.items())
        random.shuffle(pairs)
        cookie = "; ".join(f"{name}={value}" for name, value in pairs)
        revision, said = await ask(self.edge, cookie=cookie)
        for name, morsel in SimpleCookie(said).items():
            assert (morsel["path"], morsel["httponly"], morsel["samesite"]) == ("/", True, "Lax")
            self.cookies[name] = morsel.value
        self.seen.append(revision)


@pytest.mark.timeout(120)
async def test_every_caller_sees_one_arm_and_new_ones_are_counted_apart(edge: Edge) -> None:
    await serve(edge, Routing({"a": 70, "b": 30}, Detours(sticky=COOKIE)))
    users = [User(edge, number) for number in range(USERS)]
    for _ in range(ANSWERS_EACH):
        for user in users:
            await user.ask()
    assert all(len(set(user.seen)) == 1 for user in users)
    assert all(len(user.seen) == ANSWERS_EACH for user in users)
    arms = Counter(user.seen[0] for user in users)
    five_deviations = 5 * (USERS * 0.7 * 0.3) ** 0.5
    assert abs(arms["a"] - 0.7 * USERS) < five_deviations
    counted = await requests_by_cluster(edge)
    assert (counted["a-new"], counted["b-new"]) == (arms["a"], arms["b"])
    assert counted["a"] == arms["a"] * (ANSWERS_EACH - 1)
    assert counted["b"] == arms["b"] * (ANSWERS_EACH - 1)
    assert counted.total() == USERS * ANSWERS_EACH


async def test_a_cookie_that_is_not_of_this_test_is_replaced(edge: Edge) -> None:
    await serve(edge, Routing({"a": 100, "b": 0}, Detours(sticky=COOKIE)), attempt=2)
    for cookie in ("tg-arm=two.1", "tg-arm=three.2", "xtg-arm=two.2", "tg-arm=two.22", "tg-arm="):
        revision, said = await ask(edge, cookie=cookie)
        assert (revision, said.partition(";")[0]) == ("a", "tg-arm=one.2"), cookie
    for cookie in ("tg-arm=two.2", "x=1; tg-arm=two.2", "x=1;tg-arm=two.2 ; y=2"):
        assert await ask(edge, cookie=cookie) == ("b", ""), cookie


async def test_callers_without_the_header_go_by_weight(edge: Edge) -> None:
    by_header = Sticky("header", "X-Arm", (("one", "a"), ("two", "b")))
    await serve(edge, Routing({"a": 100, "b": 0}, Detours(sticky=by_header)))
    assert await ask(edge, x_arm="two") == ("b", "")
    assert await ask(edge, x_arm="one") == ("a", "")
    assert await ask(edge, x_arm="three") == ("a", "")
    assert await ask(edge) == ("a", "")


async def test_a_preview_reaches_its_revision_and_nobody_else_does(edge: Edge) -> None:
    preview = Preview("X-Preview", "yes", "b")
    await serve(edge, Routing({"a": 100, "b": 0}, Detours(preview=preview, sticky=COOKIE)))
    assert (await ask(edge, x_preview="yes"))[0] == "b"
    assert (await ask(edge, x_preview="yes", cookie="tg-arm=one.1"))[0] == "b"
    assert (await ask(edge, x_preview="no"))[0] == "a"
    assert (await ask(edge))[0] == "a"


async def test_mirrored_requests_are_counted_apart_and_unseen(edge: Edge) -> None:
    edge.backends["b"].status = 500
    await serve(edge, Routing({"a": 100, "b": 0}, Detours(mirror=Mirror("b"))))
    assert {await ask(edge) for _ in range(20)} == {("a", "")}

    async def mirrored() -> bool:
        return len(edge.backends["b"].requests) == 20

    await eventually(mirrored)
    counted = await requests_by_cluster(edge)
    assert (counted["a"], counted["b"], counted["b/shadow"]) == (20, 0, 20)


async def test_a_part_of_the_requests_is_mirrored(edge: Edge) -> None:
    await serve(edge, Routing({"a": 100, "b": 0}, Detours(mirror=Mirror("b", 30))))
    for _ in range(300):
        await ask(edge)
    counted = await requests_by_cluster(edge)
    assert counted["a"] == 300
    assert abs(counted["b/shadow"] - 90) < 5 * (300 * 0.3 * 0.7) ** 0.5
