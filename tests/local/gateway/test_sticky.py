"""Callers of a test by cookie, through real Envoy: each keeps to one arm."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from tests.traffic.routings import gateway_api

from tidegate.domain.route import Detours, Routing, Sticky
from tidegate.specs.metadata import Parent
from tidegate.testing.gateway import backend_ref, http_route
from tidegate.traffic.assignment import service_name

if TYPE_CHECKING:
    from tests.local.gateway.edge import Edge

USERS, REQUESTS = 400, 20
PARENT = Parent("m", "default", {"kind": "Model", "name": "m", "uid": "u", "apiVersion": "x/v1"})
ROUTING = Routing(
    {"a": 50, "b": 50}, Detours(sticky=Sticky("cookie", "arm", (("a", "a"), ("b", "b"))))
)


async def visit(edge: Edge, turns: asyncio.Semaphore, *, carries: bool) -> list[str]:
    """The arms that one caller meets, and whether it carries the cookie that it was given."""
    url, headers, met = f"http://127.0.0.1:{edge.port}/", {"host": "a.example"}, []
    async with turns:
        for _ in range(REQUESTS):
            async with edge.session.get(url, headers=headers) as answer:
                met.append(await answer.text())
                if given := answer.headers.get("set-cookie"):
                    if carries:
                        headers["cookie"] = given.partition(";")[0]
                    edge.session.cookie_jar.clear()
    return met


@pytest.mark.scenario("XS-10")
async def test_each_caller_meets_one_arm_and_the_share_does_not_creep(edge: Edge) -> None:
    for name in ("a", "b"):
        edge.backends[service_name(name)] = edge.backends[name]
    refs = http_route({"backendRefs": [backend_ref("a")]})["spec"]["parentRefs"]
    rendered = gateway_api(parentRefs=refs).render(PARENT, routing=ROUTING, attempt=1)
    (route,) = [obj for obj in rendered if obj["kind"] == "HTTPRoute"]
    assert (await edge.serve(route)).rejected == {}
    turns = asyncio.Semaphore(16)
    visits = await asyncio.gather(*(visit(edge, turns, carries=True) for _ in range(USERS)))
    assert all(len(set(met)) == 1 for met in visits)
    # Five standard deviations of a fair coin over so many callers.
    users = Counter(met[0] for met in visits)
    assert abs(users["a"] - USERS / 2) <= 2.5 * USERS**0.5
    last = Counter(met[-1] for met in visits)
    assert last == users
    stranger = await visit(edge, turns, carries=False)
    assert set(stranger) == {"a", "b"}
