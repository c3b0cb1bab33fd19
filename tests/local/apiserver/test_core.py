"""Who is let in, and what becomes of requests that make no sense."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tidegate.testing.apiserver import CONFIG_MAPS, PODS, WIDGETS, config_map, pod

if TYPE_CHECKING:
    from tidegate.testing.apiserver import Asker, Obj


async def test_a_token_that_nobody_has_is_unauthorized(ask: Asker) -> None:
    answer = await ask("GET", CONFIG_MAPS, token="wrong")
    assert answer.status == 401
    assert answer.body["reason"] == "Unauthorized"


async def test_a_caller_without_a_token_is_nobody_and_may_nothing(ask: Asker) -> None:
    answer = await ask("GET", CONFIG_MAPS, token="")
    assert answer.status == 403
    assert 'User "system:anonymous" cannot list resource "configmaps"' in answer.body["message"]


@pytest.mark.parametrize("path", ["/version", "/healthz", "/livez", "/readyz"])
async def test_health_and_version_are_open_to_everybody(ask: Asker, path: str) -> None:
    assert (await ask("GET", path, token="")).status == 200


async def test_a_body_over_the_limit_is_refused_with_413(ask: Asker) -> None:
    answer = await ask.raw("POST", CONFIG_MAPS, b"x" * (3 * 1024 * 1024 + 1))
    assert answer.status == 413


@pytest.mark.parametrize(
    ("body", "part"),
    [
        (b"", "unexpected end of JSON input (<empty>)"),
        (b"{", "unexpected end of JSON input"),
        (b"[1]", "cannot unmarshal array"),
        (b"[" * 100_000, "json parse error"),
        (b'{"apiVersion":"v1","kind":"ConfigMap","metadata":3}', "Go struct field"),
        (b'{"apiVersion":"v1","kind":"ConfigMap","metadata":{"labels":[]}}', "ObjectMeta"),
        (b'{"apiVersion":"v1","kind":"ConfigMap","metadata":{"labels":{"a":1}}}', "of type string"),
        (b'{"apiVersion":"v1","kind":"ConfigMap","metadata":{"finalizers":[{}]}}', "of type"),
    ],
)
async def test_a_malformed_body_is_a_400_that_says_why(ask: Asker, body: bytes, part: str) -> None:
    answer = await ask.raw("POST", CONFIG_MAPS, body, content_type="application/json")
    assert answer.status == 400
    assert isinstance(answer.body, bytes)
    assert part in answer.body.decode()


@pytest.mark.parametrize("given", [{}, {"kind": "ConfigMap"}, {"apiVersion": "v1"}])
async def test_the_path_says_what_a_typed_object_is(ask: Asker, given: dict[str, str]) -> None:
    answer = await ask("POST", CONFIG_MAPS, {"metadata": {"name": "c"}, **given})
    assert answer.status == 201
    assert (answer.body["apiVersion"], answer.body["kind"]) == ("v1", "ConfigMap")


@pytest.mark.parametrize(
    ("given", "missing"),
    [({"kind": "Widget"}, "apiVersion"), ({"apiVersion": "example.com/v1"}, "Kind")],
)
async def test_a_custom_object_says_itself_what_it_is(
    widgets: Asker, given: dict[str, str], missing: str
) -> None:
    answer = await widgets("POST", WIDGETS, {"metadata": {"name": "w"}, **given})
    assert answer.status == 400
    assert f"Object '{missing}' is missing" in answer.body["message"]


async def test_a_media_type_that_is_not_spoken_is_a_415(ask: Asker) -> None:
    answer = await ask("POST", CONFIG_MAPS, config_map("a"), content_type="text/plain")
    assert answer.status == 415


async def test_an_accept_header_that_cannot_be_met_is_a_406(ask: Asker) -> None:
    assert (await ask("GET", CONFIG_MAPS, accept="text/html")).status == 406


@pytest.mark.parametrize("path", ["/nope", "/apis/nope.example.com/v1/things", "/apis/nope/v1"])
async def test_a_path_that_no_api_serves_is_a_plain_404(ask: Asker, path: str) -> None:
    answer = await ask("GET", path)
    assert (answer.status, answer.body) == (404, "404 page not found\n")


async def test_a_resource_that_a_known_group_lacks_is_a_json_404(ask: Asker) -> None:
    answer = await ask("GET", "/api/v1/nopes")
    assert answer.status == 404
    assert answer.body["message"] == "the server could not find the requested resource"


async def test_a_verb_that_a_resource_lacks_is_a_405(ask: Asker) -> None:
    assert (await ask("OPTIONS", CONFIG_MAPS)).status == 405
    assert (await ask("DELETE", "/api/v1/namespaces")).status == 405


async def test_requests_are_counted_by_user_verb_resource_and_code(ask: Asker) -> None:
    await ask("GET", PODS)
    await ask("GET", f"{PODS}/none")
    assert ask.api.requests["admin", "list", "pods", 200] == 1
    assert ask.api.requests["admin", "get", "pods", 404] == 1
    metrics = (await ask("GET", "/metrics")).body
    assert 'requests_total{user="admin",verb="list",resource="pods",code="200"} 1' in metrics


@pytest.mark.parametrize("number", ["\u00b2", "9" * 5000, "1e3"])
@pytest.mark.parametrize("option", ["limit", "resourceVersion", "timeoutSeconds"])
async def test_a_number_that_go_could_not_read_is_refused(
    ask: Asker, option: str, number: str
) -> None:
    query = {option: number, **({"watch": "1"} if option == "timeoutSeconds" else {})}
    answer = await ask("GET", CONFIG_MAPS, query=query)
    assert answer.status == 400
    assert answer.body["kind"] == "Status"


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("DELETE", f"{CONFIG_MAPS}/a", {"preconditions": ["x"]}),
        ("DELETE", f"{CONFIG_MAPS}/a", {"gracePeriodSeconds": 1 << 63}),
        ("DELETE", f"{CONFIG_MAPS}/a", {"gracePeriodSeconds": "soon"}),
        ("POST", "/api/v1/namespaces/default/serviceaccounts/default/token", {"spec": True}),
        (
            "POST",
            "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
            {
                "apiVersion": "authorization.k8s.io/v1",
                "kind": "SelfSubjectAccessReview",
                "spec": True,
            },
        ),
        (
            "POST",
            "/apis/authentication.k8s.io/v1/tokenreviews",
            {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": [1]},
        ),
    ],
)
async def test_options_and_reviews_of_the_wrong_type_are_a_400(
    ask: Asker, method: str, path: str, body: Obj
) -> None:
    await ask.create(CONFIG_MAPS, config_map("a"))
    answer = await ask(method, path, body)
    assert answer.status == 400
    assert answer.body["kind"] == "Status"


async def test_a_grace_period_of_forever_ends_in_a_time_that_can_be_written(ask: Asker) -> None:
    obj = pod("p")
    obj["spec"]["nodeName"] = "n"
    await ask.create(PODS, obj)
    answer = await ask("DELETE", f"{PODS}/p", {"gracePeriodSeconds": (1 << 63) - 1})
    assert answer.status == 200
    assert answer.body["metadata"]["deletionTimestamp"].endswith("Z")
