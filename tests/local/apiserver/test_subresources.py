"""Scale, logs, evictions, tokens and reviews."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tidegate.errors import NotFound
from tidegate.testing.apiserver import CONFIG_MAPS, PODS, WIDGETS, Asker, pod, widget

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tidegate.testing.clock import FakeClock


class Logs:
    """A node that keeps one log, and what it was asked for."""

    def __init__(self) -> None:
        self.asked: dict[str, Any] = {}

    async def read(
        self, namespace: str, pod: str, container: str, **options: Any
    ) -> AsyncIterator[bytes]:
        self.asked = {"pod": f"{namespace}/{pod}/{container}", **options}
        yield b"one\n"
        yield b"two\n"


class NoLogs:
    """A node that knows no log."""

    def read(
        self, namespace: str, pod: str, container: str, **options: Any
    ) -> AsyncIterator[bytes]:
        raise NotFound("previous terminated container not found", status=404, reason="NotFound")


async def running(ask: Asker, **more: Any) -> None:
    await ask.create(PODS, pod("p"))
    await ask.patch(f"{PODS}/p", {"spec": {"nodeName": "local"}})


async def test_the_log_of_a_pod_comes_from_the_node(ask: Asker) -> None:
    logs = Logs()
    ask.api.log_provider = logs
    await running(ask)
    query = {"follow": "true", "tailLines": "5", "sinceSeconds": "60", "container": "c"}
    answer = await ask.raw("GET", f"{PODS}/p/log", query=query)
    assert not isinstance(answer.body, bytes)
    assert [piece async for piece in answer.body] == [b"one\n", b"two\n"]
    assert logs.asked == {
        "pod": "default/p/c",
        "follow": True,
        "tail": 5,
        "previous": False,
        "timestamps": False,
        "since": 60.0,
    }


async def test_a_log_that_is_not_there_says_so(ask: Asker) -> None:
    ask.api.log_provider = NoLogs()
    await running(ask)
    answer = await ask("GET", f"{PODS}/p/log", query={"previous": "true"})
    assert answer.status == 404
    assert "previous terminated container" in answer.body["message"]


async def test_logs_of_unknown_containers_and_pods_are_refused(ask: Asker) -> None:
    ask.api.log_provider = Logs()
    await running(ask)
    assert (await ask("GET", f"{PODS}/p/log", query={"container": "x"})).status == 400
    assert (await ask("GET", f"{PODS}/p/log", query={"tailLines": "x"})).status == 400
    assert (await ask("GET", f"{PODS}/none/log")).status == 404


async def test_without_a_node_there_are_no_logs(ask: Asker) -> None:
    await running(ask)
    assert (await ask("GET", f"{PODS}/p/log")).status == 501


async def test_scaling_changes_the_replicas_and_nothing_else(widgets: Asker) -> None:
    await widgets.create(WIDGETS, widget("a"))
    scale = (await widgets.patch(f"{WIDGETS}/a/scale", {"spec": {"replicas": 3}})).body
    assert (scale["kind"], scale["spec"]) == ("Scale", {"replicas": 3})
    obj = await widgets.get(f"{WIDGETS}/a")
    assert obj["spec"] == {"size": 2, "color": "red", "replicas": 3}
    assert obj["metadata"]["generation"] == 2
    scale["spec"]["replicas"] = 4
    put = await widgets("PUT", f"{WIDGETS}/a/scale", scale)
    assert put.body["spec"]["replicas"] == 4
    assert (await widgets("PUT", f"{WIDGETS}/a/scale", scale)).status == 409


@pytest.mark.parametrize(("replicas", "status"), [(-1, 422), ("x", 400), (True, 400)])
async def test_replicas_that_are_no_count_are_refused(
    widgets: Asker, replicas: Any, status: int
) -> None:
    await widgets.create(WIDGETS, widget("a"))
    answer = await widgets.patch(f"{WIDGETS}/a/scale", {"spec": {"replicas": replicas}})
    assert answer.status == status


async def test_an_eviction_deletes_the_pod(ask: Asker) -> None:
    await ask.create(PODS, pod("p"))
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "p"}}
    assert (await ask("POST", f"{PODS}/p/eviction", eviction)).status == 201
    assert (await ask("GET", f"{PODS}/p")).status == 404


async def test_a_token_of_a_service_account_lets_it_in(ask: Asker) -> None:
    path = "/api/v1/namespaces/default/serviceaccounts/default/token"
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    answer = await ask("POST", path, request)
    token = answer.body["status"]["token"]
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    reviews = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
    who = (await ask("POST", reviews, review, token=token)).body["status"]["userInfo"]
    assert who["username"] == "system:serviceaccount:default:default"
    assert who["groups"] == [
        "system:serviceaccounts",
        "system:serviceaccounts:default",
        "system:authenticated",
    ]
    assert (await ask("GET", CONFIG_MAPS, token=token)).status == 403


async def test_a_token_runs_out(ask: Asker, clock: FakeClock) -> None:
    token = await _token(ask, expirationSeconds=600)
    assert (await ask("GET", "/apis", token=token)).status == 200
    clock.jump(601)
    assert (await ask("GET", "/apis", token=token)).status == 401


async def test_a_token_ends_with_its_service_account(ask: Asker) -> None:
    token = await _token(ask)
    await ask("DELETE", "/api/v1/namespaces/default/serviceaccounts/default")
    assert (await ask("GET", "/apis", token=token)).status == 401


async def test_a_token_for_others_does_not_open_this_server(ask: Asker) -> None:
    token = await _token(ask, audiences=["vault"])
    assert (await ask("GET", "/apis", token=token)).status == 401


@pytest.mark.parametrize("seconds", [1, 599, 1 << 33])
async def test_a_token_of_a_senseless_life_is_refused(ask: Asker, seconds: Any) -> None:
    body = {**TOKEN_REQUEST, "spec": {"expirationSeconds": seconds}}
    answer = await ask("POST", TOKENS, body)
    assert answer.status == 422
    assert "may not specify a duration" in answer.body["message"]


TOKENS = "/api/v1/namespaces/default/serviceaccounts/default/token"
TOKEN_REQUEST = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest"}


async def _token(ask: Asker, **spec: Any) -> str:
    answer = await ask("POST", TOKENS, {**TOKEN_REQUEST, "spec": spec})
    assert answer.status == 201, answer.body
    token: str = answer.body["status"]["token"]
    return token


@pytest.mark.parametrize("sub", ["scale", "status", "nope"])
async def test_a_subresource_that_a_kind_lacks_is_a_404(ask: Asker, sub: str) -> None:
    await ask.create(
        CONFIG_MAPS, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}}
    )
    assert (await ask("GET", f"{CONFIG_MAPS}/a/{sub}")).status == 404


async def test_a_scale_of_another_object_is_refused(widgets: Asker) -> None:
    await widgets.create(WIDGETS, widget("w"))
    body = {
        "apiVersion": "autoscaling/v1",
        "kind": "Scale",
        "metadata": {"name": "other", "namespace": "default"},
        "spec": {"replicas": 2},
    }
    answer = await widgets("PUT", f"{WIDGETS}/w/scale", body)
    assert answer.status == 400
    assert "does not match the name on the URL" in answer.body["message"]
