"""What one rule asks for, carried out by real Envoy: shadows, cookies, headers, request ids."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from tests.local.gateway.edge import eventually, to

from tidegate.testing.gateway import backend_ref, http_route

if TYPE_CHECKING:
    from tests.local.gateway.edge import Edge

type Obj = dict[str, Any]

REQUEST_ID = "x-request-id"


def mirror(name: str, **share: Any) -> Obj:
    return {
        "type": "RequestMirror",
        "requestMirror": {"backendRef": backend_ref(name), **share},
    }


def answer_with(**headers: str) -> Obj:
    """A filter that adds headers to the answers of one back end."""
    added = [{"name": name.replace("_", "-"), "value": value} for name, value in headers.items()]
    return {"type": "ResponseHeaderModifier", "responseHeaderModifier": {"add": added}}


def cookie(pattern: str) -> Obj:
    header = {"type": "RegularExpression", "name": "cookie", "value": pattern}
    return {"headers": [header]}


@pytest.mark.parametrize(
    ("share", "fewest", "most"),
    [
        ({}, 200, 200),
        ({"percent": 100}, 200, 200),
        ({"percent": 0}, 0, 0),
        ({"fraction": {"numerator": 5, "denominator": 10}}, 40, 160),
        ({"fraction": {"numerator": 50}}, 40, 160),
        ({"fraction": {"numerator": 0, "denominator": 3}}, 0, 0),
    ],
)
async def test_the_share_of_copies_is_what_the_mirror_says(
    edge: Edge, share: Obj, fewest: int, most: int
) -> None:
    await edge.serve(http_route(to(backend_ref("a"), filters=[mirror("b", **share)])))
    for _ in range(200):
        assert await edge.get() == (200, "a")
    originals, copies = edge.backends["a"].requests, edge.backends["b"].requests

    async def enough() -> bool:
        return len(copies) >= fewest

    await eventually(enough)
    assert len(copies) <= most
    sent = {headers[REQUEST_ID] for _, _, headers in originals}
    assert len(sent) == 200
    assert {headers[REQUEST_ID] for _, _, headers in copies} <= sent


async def test_a_service_may_be_served_and_shadowed_by_one_route(edge: Edge) -> None:
    edge.backends["b"].status = 500
    match = {"path": {"type": "PathPrefix", "value": "/b"}}
    outcome = await edge.serve(
        http_route(
            to(backend_ref("b"), matches=[match]),
            to(backend_ref("a"), backend_ref("b", 0), filters=[mirror("b")]),
        )
    )
    assert outcome.rejected == {}
    assert await edge.get("/b") == (500, "b")
    assert await edge.get("/") == (200, "a")
    await asyncio.sleep(1.2)
    lines = (await edge.series()).splitlines()
    code = 'envoy_response_code_class="5"'
    for cluster in ("default/flights/b", "default/flights/b/shadow"):
        label = f'envoy_cluster_name="{cluster}"'
        assert f"envoy_cluster_upstream_rq_xx{{{code},{label}}} 1" in lines


@pytest.mark.parametrize("given", [None, "", "abc", "4f1c7e5e-0000-4000-8000-000000000001"])
async def test_every_request_has_one_id_that_its_copy_shares(edge: Edge, given: str | None) -> None:
    await edge.serve(http_route(to(backend_ref("a"), filters=[mirror("b")])))
    headers = {} if given is None else {REQUEST_ID: given}
    async with edge.session.get(f"http://127.0.0.1:{edge.port}/", headers=headers) as answer:
        told = answer.headers[REQUEST_ID]

    async def copied() -> bool:
        return bool(edge.backends["b"].requests)

    await eventually(copied)
    seen = [edge.backends[name].requests[0][2][REQUEST_ID] for name in ("a", "b")]
    assert seen == [told, told]
    assert told == given if given else len(told) == 36


async def test_each_arm_sets_its_own_cookie_and_a_cookie_chooses_the_arm(edge: Edge) -> None:
    arms = [
        backend_ref("a", 1) | {"filters": [answer_with(set_cookie="arm=a; Path=/%7e; Secure")]},
        backend_ref("b", 1) | {"filters": [answer_with(set_cookie="arm=b; Path=/%7e; Secure")]},
    ]
    outcome = await edge.serve(
        http_route(
            to(*arms),
            *(
                to(backend_ref(name), matches=[cookie(rf"(?:.*;\s*)?arm={name}(?:;.*)?")])
                for name in ("a", "b")
            ),
        )
    )
    assert outcome.rejected == {}
    seen = set()
    for _ in range(40):
        async with edge.session.get(f"http://127.0.0.1:{edge.port}/") as answer:
            name = await answer.text()
            assert answer.headers["set-cookie"] == f"arm={name}; Path=/%7e; Secure"
            seen.add(name)
        edge.session.cookie_jar.clear()
    assert seen == {"a", "b"}
    for sent, name in (("arm=b", "b"), ("x=1; arm=a; y=2", "a"), ("x=1; arm=b", "b")):
        assert [await edge.get(cookie=sent) for _ in range(5)] == [(200, name)] * 5
    # A name that only ends so is another cookie: such a request is drawn anew each time.
    drawn = {(await edge.get(cookie="charm=b"))[1] for _ in range(40)}
    assert drawn == {"a", "b"}


async def test_a_service_in_two_rules_is_one_cluster(edge: Edge) -> None:
    match = {"path": {"type": "Exact", "value": "/one"}}
    await edge.serve(
        http_route(to(backend_ref("a", 3), matches=[match]), to(backend_ref("a"), backend_ref("b")))
    )
    assert await edge.get("/one") == (200, "a")
    await edge.get("/")
    lines = (await edge.series()).splitlines()
    names = {line.partition('envoy_cluster_name="')[2].partition('"')[0] for line in lines}
    assert {name for name in names if name} == {"default/flights/a", "default/flights/b"}


async def test_percent_signs_and_backslashes_are_taken_as_they_are(edge: Edge) -> None:
    change = {"set": [{"name": "x-share", "value": "100% of %REQ(host)%"}]}
    path = {"type": "ReplaceFullPath", "replaceFullPath": "/a%20b\\1"}
    outcome = await edge.serve(
        http_route(
            to(
                backend_ref("a"),
                filters=[
                    {"type": "RequestHeaderModifier", "requestHeaderModifier": change},
                    {"type": "URLRewrite", "urlRewrite": {"path": path}},
                ],
            )
        )
    )
    assert outcome.rejected == {}
    assert await edge.get("/x") == (200, "a")
    (_, asked, headers) = edge.backends["a"].requests[0]
    assert headers["x-share"] == "100% of %REQ(host)%"
    assert asked in ("/a%20b\\1", "/a%20b%5C1")
