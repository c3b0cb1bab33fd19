"""Real Envoy, fed by the writer: what it serves, what it refuses, and that no request is lost."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import aiohttp
from tests.local.gateway.edge import eventually, to

from tidegate.local.gateway.envoy_docs import LATENCY_BUCKETS_MS
from tidegate.local.gateway.last_good import LastGood
from tidegate.local.gateway.snapshot import Snapshot
from tidegate.local.gateway.translate import translate
from tidegate.testing.gateway import (
    backend_ref,
    endpoint_slice,
    free_port,
    gateway,
    http_route,
    service,
)

if TYPE_CHECKING:
    from tests.local.gateway.edge import Edge

type Obj = dict[str, Any]


async def test_requests_go_where_host_path_and_headers_say(edge: Edge) -> None:
    by_header: Obj = {"headers": [{"name": "x-arm", "value": "b"}]}
    by_query: Obj = {"queryParams": [{"name": "arm", "value": "b"}]}
    outcome = await edge.serve(
        http_route(
            to(backend_ref("a"), matches=[{"path": {"type": "PathPrefix", "value": "/v2"}}]),
            to(backend_ref("b"), matches=[by_header, by_query]),
            hostnames=["flights.example"],
        )
    )
    assert outcome.rejected == {}
    host = "flights.example"
    assert await edge.get("/v2/x", host=host) == (200, "a")
    assert await edge.get("/v2", host=f"{host}:{edge.port}") == (200, "a")
    assert (await edge.get("/v2x", host=host))[0] == 404
    assert await edge.get("/other", host=host, x_arm="b") == (200, "b")
    assert await edge.get("/other?arm=b", host=host) == (200, "b")
    assert (await edge.get("/v2", host="other.example"))[0] == 404


async def test_changing_weights_under_load_loses_no_request(edge: Edge) -> None:
    await edge.serve(http_route(to(backend_ref("a", 100), backend_ref("b", 0))))
    stop = asyncio.Event()
    answers: list[tuple[int, str]] = []

    async def load() -> None:
        while not stop.is_set():
            answers.append(await edge.get())

    async with asyncio.TaskGroup() as tasks:
        for _ in range(4):
            tasks.create_task(load())
        for weight in (5, 50, 100, 0, 100):
            refs = [backend_ref("a", 100 - weight), backend_ref("b", weight)]
            # At either end the other Service goes altogether, with its cluster.
            outcome = await edge.serve(http_route(to(*[r for r in refs if r["weight"]])))
            assert outcome.rejected == {}
            await asyncio.sleep(0.1)
        stop.set()
    assert len(answers) > 100
    assert {status for status, _ in answers} == {200}
    assert {name for _, name in answers} == {"a", "b"}
    assert await edge.get() == (200, "b")


async def test_a_new_weight_counts_when_the_push_returns(edge: Edge) -> None:
    for name in ("a", "b", "a"):
        refs = [backend_ref(each, 100 if each == name else 0) for each in ("a", "b")]
        await edge.serve(http_route(to(*refs)))
        assert [await edge.get() for _ in range(20)] == [(200, name)] * 20


async def test_series_carry_the_whole_cluster_name_and_fine_buckets(edge: Edge) -> None:
    edge.backends["b"].status = 500
    await edge.serve(http_route(to(backend_ref("a", 1), backend_ref("b", 1)), name="my.route"))
    statuses = [(await edge.get())[0] for _ in range(40)]
    failed = statuses.count(500)
    assert 0 < failed < 40
    await asyncio.sleep(1.2)
    lines = (await edge.series()).splitlines()
    label = 'envoy_cluster_name="default/my.route/b"'
    code = 'envoy_response_code_class="5"'
    assert f"envoy_cluster_upstream_rq_xx{{{code},{label}}} {failed}" in lines
    buckets = [
        line for line in lines if "cluster_upstream_rq_time_bucket" in line and label in line
    ]
    bounds = [line.partition('le="')[2].partition('"')[0] for line in buckets]
    assert [float(bound) for bound in bounds] == [*LATENCY_BUCKETS_MS, float("inf")]


async def test_a_mirrored_request_is_charged_to_the_shadow_only(edge: Edge) -> None:
    mirror: Obj = {"backendRef": backend_ref("b"), "percent": 100}
    filters = [{"type": "RequestMirror", "requestMirror": mirror}]
    await edge.serve(
        http_route(
            to(backend_ref("a"), backend_ref("b", 0), filters=filters), hostnames=["f.example"]
        )
    )
    assert await edge.get("/x", host="f.example") == (200, "a")

    async def mirrored() -> bool:
        return bool(edge.backends["b"].requests)

    await eventually(mirrored)
    _, path, headers = edge.backends["b"].requests[0]
    assert (path, headers["host"]) == ("/x", "f.example")
    assert headers["x-request-id"] == edge.backends["a"].requests[0][2]["x-request-id"]
    await asyncio.sleep(1.2)
    lines = (await edge.series()).splitlines()
    total = "envoy_cluster_upstream_rq_total"
    assert f'{total}{{envoy_cluster_name="default/flights/b"}} 0' in lines
    assert f'{total}{{envoy_cluster_name="default/flights/b/shadow"}} 1' in lines


async def test_an_error_is_never_retried_even_if_the_caller_asks(edge: Edge) -> None:
    edge.backends["a"].status = 503
    await edge.serve(http_route(to(backend_ref("a"))))
    status, _ = await edge.get(x_envoy_retry_on="5xx", x_envoy_max_retries="3")
    assert status == 503
    assert len(edge.backends["a"].requests) == 1


async def test_a_callers_request_id_is_kept_and_answered(edge: Edge) -> None:
    await edge.serve(http_route(to(backend_ref("a"))))
    headers = {"x-request-id": "4f1c7e5e-0000-4000-8000-000000000001"}
    async with edge.session.get(f"http://127.0.0.1:{edge.port}/", headers=headers) as answer:
        assert answer.headers["x-request-id"] == headers["x-request-id"]
    assert edge.backends["a"].requests[0][2]["x-request-id"] == headers["x-request-id"]
    async with edge.session.get(f"http://127.0.0.1:{edge.port}/") as answer:
        assert len(answer.headers["x-request-id"]) == 36


async def test_headers_redirects_and_rewrites_are_carried_out(edge: Edge) -> None:
    def rule(prefix: str, *filters: Obj) -> Obj:
        match = {"path": {"type": "PathPrefix", "value": prefix}}
        return to(backend_ref("a"), matches=[match], filters=list(filters))

    change: Obj = {"set": [{"name": "x-set", "value": "new"}], "remove": ["x-gone"]}
    path = {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/"}
    await edge.serve(
        http_route(
            rule("/h", {"type": "RequestHeaderModifier", "requestHeaderModifier": change}),
            rule("/w", {"type": "URLRewrite", "urlRewrite": {"path": path}}),
            rule("/r", {"type": "RequestRedirect", "requestRedirect": {"statusCode": 301}}),
        )
    )
    await edge.get("/h", x_set="old", x_gone="here")
    await edge.get("/w/v2/models")
    (_, _, headers), (_, rewritten, _) = edge.backends["a"].requests
    assert (headers["x-set"], "x-gone" in headers, rewritten) == ("new", False, "/v2/models")
    assert (await edge.get("/r"))[0] == 301


async def test_every_back_end_gone_answers_503(edge: Edge) -> None:
    await edge.serve(http_route(to(backend_ref("missing"))))
    status, text = await edge.get()
    assert (status, text) == (503, "this route has no back end that exists\n")


async def test_a_port_in_use_is_told_and_other_ports_are_served(edge: Edge) -> None:
    busy = edge.backends["a"].port
    gateways = (gateway(port=edge.port), gateway(port=busy, name="second"))
    outcome = await edge.serve(http_route(to(backend_ref("b"))), gateways=gateways)
    assert outcome.rejected.keys() == {f"http-{busy}"}
    assert "in use" in outcome.rejected[f"http-{busy}"]
    assert await edge.get() == (200, "b")
    # Told again, and at once, while nothing has changed.
    again = await edge.serve(http_route(to(backend_ref("b"))), gateways=gateways)
    assert again.rejected.keys() == {f"http-{busy}"}


async def test_a_table_that_envoy_rejects_is_told_and_the_old_one_goes_on(edge: Edge) -> None:
    await edge.serve(http_route(to(backend_ref("a"))))
    match = {"path": {"type": "RegularExpression", "value": "/x{2000}"}}
    bad = http_route(to(backend_ref("b"), matches=[match]), name="bad")
    for _ in range(2):
        outcome = await edge.serve(http_route(to(backend_ref("a"))), bad)
        assert outcome.rejected.keys() == {f"http-{edge.port}"}
        assert await edge.get() == (200, "a")
    assert (await edge.serve(http_route(to(backend_ref("b"))))).rejected == {}
    assert await edge.get() == (200, "b")


async def test_a_rejected_route_is_held_and_freezes_nobody_else(edge: Edge) -> None:
    last_good = LastGood(edge.writer, root=edge.root)
    match: Obj = {"path": {"type": "PathPrefix", "value": "/x"}}

    def mine(generation: int, to_name: str, pattern: str | None = None) -> Obj:
        path = {"type": "RegularExpression", "value": pattern} if pattern else match["path"]
        route = http_route(to(backend_ref(to_name), matches=[{"path": path}]), name="mine")
        route["metadata"]["generation"] = generation
        return route

    def neighbour(generation: int, to_name: str) -> Obj:
        route = http_route(to(backend_ref(to_name)), name="neighbour")
        route["metadata"]["generation"] = generation
        return route

    async def serve(*routes: Obj) -> dict[str, str]:
        served = await last_good.serve(edge.snapshot(*routes), again=False)
        assert served.rejected == {}
        return dict(served.held)

    assert await serve(mine(1, "a"), neighbour(1, "b")) == {}
    # Both change at once, one of them to what Envoy refuses.
    held = await serve(mine(2, "b", "/x{2000}"), neighbour(2, "a"))
    assert held.keys() == {"uid-mine"}
    assert await edge.get("/x") == (200, "a")
    assert await edge.get("/other") == (200, "a")
    # The neighbour moves on while the other is held.
    assert (await serve(mine(2, "b", "/x{2000}"), neighbour(3, "b"))).keys() == {"uid-mine"}
    assert await edge.get("/x") == (200, "a")
    assert await edge.get("/other") == (200, "b")
    assert await serve(mine(3, "b"), neighbour(3, "b")) == {}
    assert await edge.get("/x") == (200, "b")


async def test_a_service_address_reaches_its_endpoints(edge: Edge) -> None:
    address = "127.191.7.7"
    port = free_port(address)
    found = service("a", cluster_ip=address)
    found["spec"]["ports"][0]["port"] = port
    await edge.serve(services=(found,))
    async with edge.session.get(f"http://{address}:{port}/") as answer:
        assert await answer.text() == "a"


async def test_a_service_is_balanced_over_what_is_ready(edge: Edge) -> None:
    address = "127.191.7.8"
    port = free_port(address)
    found = service("s", cluster_ip=address)
    found["spec"]["ports"][0]["port"] = port
    ready = {name: endpoint_slice("s", each.port) for name, each in edge.backends.items()}

    async def answer() -> set[str]:
        """Who answers 20 connections: that is what is balanced, not requests."""
        seen = set()
        for _ in range(20):
            async with aiohttp.request("GET", f"http://{address}:{port}/") as got:
                seen.add(await got.text())
        return seen

    for names in (("a", "b"), ("b",), ("a", "b")):
        slices = tuple(ready[name] for name in names)
        snapshot = Snapshot(services=(found,), slices=slices)
        await edge.writer.push(translate(snapshot, root=edge.root).documents)

        async def only_these(names: tuple[str, ...] = names) -> bool:
            return await answer() == set(names)

        # Envoy says nothing of endpoints that it has taken.
        await eventually(only_these)
