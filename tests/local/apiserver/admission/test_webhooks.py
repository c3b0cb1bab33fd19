"""Webhooks are asked in order, may change or refuse a write, and what they leave is what counts."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from tests.local.apiserver.admission.hook import (
    MUTATING,
    VALIDATING,
    configuration,
    patch,
)

from tidegate.testing.apiserver import CONFIG_MAPS, MERGE, config_map

if TYPE_CHECKING:
    from tests.local.apiserver.admission.hook import Hook, Obj

    from tidegate.testing.apiserver import Asker

ONE = f"{CONFIG_MAPS}/a"


def label(name: str, value: str) -> Obj:
    return patch({"op": "add", "path": "/metadata/labels", "value": {name: value}})


async def test_webhooks_change_an_object_one_after_the_other(ask: Asker, hook: Hook) -> None:
    hook.answers["/one"] = lambda asked: label("one", "1")
    hook.answers["/two"] = lambda asked: patch(
        {"op": "test", "path": "/metadata/labels/one", "value": "1"},
        {"op": "add", "path": "/data/two", "value": "2"},
    )
    entries = (hook.entry("one", "/one"), hook.entry("two", "/two"))
    await ask.create(MUTATING, configuration("Mutating", "m", *entries))
    made = await ask.create(CONFIG_MAPS, config_map("a"))
    assert made["metadata"]["labels"] == {"one": "1"}
    assert made["data"] == {"k": "v", "two": "2"}
    assert (await ask.get(ONE))["data"] == made["data"]
    owners = made["metadata"]["managedFields"]
    assert "f:labels" not in str(owners)


async def test_a_webhook_that_wants_to_sees_what_a_later_one_changed(
    ask: Asker, hook: Hook
) -> None:
    hook.answers["/first"] = lambda asked: {}
    hook.answers["/second"] = lambda asked: label("late", "1")
    first = hook.entry("first", "/first", reinvocationPolicy="IfNeeded")
    entries = (first, hook.entry("second", "/second"))
    await ask.create(MUTATING, configuration("Mutating", "m", *entries))
    await ask.create(CONFIG_MAPS, config_map("a"))
    assert len(hook.asked) == 3
    assert hook.asked[2]["object"]["metadata"]["labels"] == {"late": "1"}


async def test_an_update_is_changed_too_and_tells_the_old_object(ask: Asker, hook: Hook) -> None:
    await ask.create(CONFIG_MAPS, config_map("a"))
    hook.answers["/m"] = lambda asked: patch({"op": "add", "path": "/data/by", "value": "hook"})
    await ask.create(MUTATING, configuration("Mutating", "m", hook.entry("m", "/m")))
    changed = (await ask.patch(ONE, {"data": {"k": "w"}})).body
    assert changed["data"] == {"k": "w", "by": "hook"}
    assert hook.asked[0]["operation"] == "UPDATE"
    assert hook.asked[0]["oldObject"]["data"] == {"k": "v"}
    assert (await ask.patch(ONE, {"data": {"k": "w"}})).body == changed


async def test_an_applied_object_is_changed_and_still_owned(ask: Asker, hook: Hook) -> None:
    hook.answers["/m"] = lambda asked: patch({"op": "add", "path": "/data/by", "value": "hook"})
    await ask.create(MUTATING, configuration("Mutating", "m", hook.entry("m", "/m")))
    for value in ("v", "w"):
        obj = {**config_map("a"), "data": {"k": value}}
        made = (await ask.apply(ONE, obj, manager="me")).body
        assert made["data"] == {"k": value, "by": "hook"}
        (owner,) = made["metadata"]["managedFields"]
        assert owner["fieldsV1"] == {"f:data": {"f:k": {}}}


@pytest.mark.parametrize("operation", ["POST", "DELETE", "PATCH"])
async def test_a_refusal_changes_nothing(ask: Asker, hook: Hook, operation: str) -> None:
    if operation != "POST":
        await ask.create(CONFIG_MAPS, config_map("a"))
    status = {"code": 418, "message": "no", "reason": "Teapot"}
    hook.answers["/v"] = lambda asked: {"allowed": False, "status": status}
    await ask.create(VALIDATING, configuration("Validating", "v", hook.entry("v", "/v")))
    path = CONFIG_MAPS if operation == "POST" else ONE
    body = None if operation == "DELETE" else {**config_map("a"), "data": {"k": "w"}}
    content = MERGE if operation == "PATCH" else "application/json"
    answer = await ask(operation, path, body, content_type=content)
    assert answer.status == 418
    assert answer.body["message"] == 'admission webhook "v.example.com" denied the request: no'
    kept = await ask("GET", ONE)
    assert kept.status == 404 if operation == "POST" else kept.body["data"] == {"k": "v"}


async def test_warnings_reach_the_client(ask: Asker, hook: Hook) -> None:
    hook.answers["/v"] = lambda asked: {"warnings": ["mind the gap"]}
    await ask.create(VALIDATING, configuration("Validating", "v", hook.entry("v", "/v")))
    answer = await ask("POST", CONFIG_MAPS, config_map("a"))
    assert answer.headers["warning"] == '299 - "mind the gap"'
    gone = await ask("DELETE", ONE)
    assert gone.headers["warning"] == '299 - "mind the gap"'


@pytest.mark.parametrize(("policy", "status"), [("Fail", 500), ("Ignore", 201)])
async def test_a_webhook_that_is_not_there_counts_as_its_policy_says(
    ask: Asker, hook: Hook, policy: str, status: int
) -> None:
    client = {"url": "https://127.0.0.1:1/x", "caBundle": hook.authority}
    entry = hook.entry("dead", "/", clientConfig=client, failurePolicy=policy)
    await ask.create(VALIDATING, configuration("Validating", "v", entry))
    answer = await ask("POST", CONFIG_MAPS, config_map("a"))
    assert answer.status == status
    if status == 500:
        assert answer.body["message"] == (
            'Internal error occurred: failed calling webhook "dead.example.com": failed to call '
            'webhook: Post "https://127.0.0.1:1/x?timeout=10s": dial tcp 127.0.0.1:1: connect: '
            "connection refused"
        )


async def test_a_webhook_of_an_unknown_authority_is_not_believed(ask: Asker, hook: Hook) -> None:
    entry = hook.entry("v", "/v", clientConfig={"url": f"{hook.url}/v"})
    await ask.create(VALIDATING, configuration("Validating", "v", entry))
    answer = await ask("POST", CONFIG_MAPS, config_map("a"))
    assert answer.status == 500
    assert "x509: certificate signed by unknown authority" in answer.body["message"]
    assert not hook.asked


async def test_a_webhook_may_be_behind_a_service(ask: Asker, hook: Hook) -> None:
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "localhost"},
        "spec": {"ports": [{"name": "https", "port": 443}]},
    }
    await ask.create("/api/v1/namespaces/default/services", service)
    client: Obj = {"service": {"name": "kubernetes", "namespace": "default", "path": "/v"}}
    client["caBundle"] = hook.authority
    entry = hook.entry("v", "/v", clientConfig=client)
    await ask.create(VALIDATING, configuration("Validating", "v", entry))
    answer = await ask("POST", CONFIG_MAPS, config_map("a"))
    assert 'service "kubernetes" not found' in answer.body["message"]
    service["metadata"] = {"name": "kubernetes"}
    await ask.create("/api/v1/namespaces/default/services", service)
    answer = await ask("POST", CONFIG_MAPS, config_map("a"))
    assert 'no endpoints available for service "kubernetes"' in answer.body["message"]
    endpoints = {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": "k", "labels": {"kubernetes.io/service-name": "kubernetes"}},
        "addressType": "IPv4",
        "endpoints": [{"addresses": ["127.0.0.1"], "conditions": {"ready": True}}],
        "ports": [{"name": "https", "port": hook.port}],
    }
    path = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices"
    await ask.create(path, endpoints)
    hook.answers["/v"] = lambda asked: {}
    # The certificate of the tests is for kubernetes.default.svc.
    await ask.create(CONFIG_MAPS, config_map("a"))
    assert len(hook.asked) == 1


@pytest.mark.parametrize(
    ("more", "asked"),
    [
        ({}, True),
        ({"objectSelector": {"matchLabels": {"check": "me"}}}, True),
        ({"objectSelector": {"matchLabels": {"check": "no"}}}, False),
        (
            {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "default"}}},
            True,
        ),
        ({"namespaceSelector": {"matchLabels": {"x": "y"}}}, False),
        ({"matchConditions": [{"name": "a", "expression": "object.data.k == 'v'"}]}, True),
        ({"matchConditions": [{"name": "a", "expression": "object.data.k == 'w'"}]}, False),
        ({"matchConditions": [{"name": "a", "expression": "request.dryRun"}]}, False),
        (
            {
                "matchConditions": [
                    {"name": "a", "expression": "object.nope == 1"},
                    {"name": "b", "expression": "false"},
                ]
            },
            False,
        ),
    ],
)
async def test_selectors_and_conditions_say_what_a_webhook_is_asked_about(
    ask: Asker, hook: Hook, more: dict[str, Any], asked: bool
) -> None:
    hook.answers["/v"] = lambda asked: {}
    entry = hook.entry("v", "/v", **more)
    await ask.create(VALIDATING, configuration("Validating", "v", entry))
    await ask.create(CONFIG_MAPS, config_map("a", labels={"check": "me"}))
    assert bool(hook.asked) is asked


async def test_a_condition_that_cannot_be_evaluated_refuses(ask: Asker, hook: Hook) -> None:
    conditions = [{"name": "a", "expression": "object.nope == 1"}]
    entry = hook.entry("v", "/v", matchConditions=conditions)
    await ask.create(VALIDATING, configuration("Validating", "v", entry))
    answer = await ask("POST", CONFIG_MAPS, config_map("a"))
    assert answer.status == 403
    assert "no such key: nope" in answer.body["message"]


@pytest.mark.parametrize(
    ("rule", "asked"),
    [
        ({"operations": ["UPDATE"]}, False),
        ({"resources": ["*"]}, True),
        ({"resources": ["*/*"]}, True),
        ({"resources": ["configmaps/status"]}, False),
        ({"apiGroups": ["*"]}, True),
        ({"apiGroups": ["apps"]}, False),
        ({"apiVersions": ["v2"]}, False),
        ({"scope": "Cluster"}, False),
        ({"scope": "Namespaced"}, True),
    ],
)
async def test_rules_say_what_a_webhook_is_asked_about(
    ask: Asker, hook: Hook, rule: dict[str, Any], asked: bool
) -> None:
    hook.answers["/v"] = lambda asked: {}
    entry = hook.entry("v", "/v")
    entry["rules"][0].update(rule)
    await ask.create(VALIDATING, configuration("Validating", "v", entry))
    await ask.create(CONFIG_MAPS, config_map("a"))
    assert bool(hook.asked) is asked


async def test_what_changes_while_a_webhook_thinks_is_not_overwritten(
    ask: Asker, hook: Hook
) -> None:
    await ask.create(CONFIG_MAPS, config_map("a"))
    hook.answers["/v"] = lambda asked: {}
    hook.delay_s = 0.1
    entry = hook.entry("v", "/v")
    await ask.create(VALIDATING, configuration("Validating", "v", entry))
    patches = [ask.patch(ONE, {"data": {f"n{n}": "1"}}) for n in range(3)]
    answers = await asyncio.gather(*patches)
    assert [a.status for a in answers] == [200, 200, 200]
    assert set((await ask.get(ONE))["data"]) == {"k", "n0", "n1", "n2"}


async def test_two_creations_that_wait_for_a_webhook_make_one_object(
    ask: Asker, hook: Hook
) -> None:
    hook.answers["/v"] = lambda asked: {}
    hook.delay_s = 0.1
    await ask.create(VALIDATING, configuration("Validating", "v", hook.entry("v", "/v")))
    answers = await asyncio.gather(*(ask("POST", CONFIG_MAPS, config_map("a")) for _ in range(2)))
    assert sorted(a.status for a in answers) == [201, 409]


async def test_nobody_is_asked_about_the_webhooks_themselves(ask: Asker, hook: Hook) -> None:
    rule = {"apiGroups": ["*"], "apiVersions": ["*"], "operations": ["*"], "resources": ["*"]}
    entry = hook.entry("v", "/nothing-answers-here", rules=[rule])
    await ask.create(VALIDATING, configuration("Validating", "v", entry))
    assert (await ask("POST", CONFIG_MAPS, config_map("a"))).status == 500
    assert (await ask("DELETE", f"{VALIDATING}/v")).status == 200
    assert (await ask("POST", CONFIG_MAPS, config_map("a"))).status == 201


@pytest.mark.parametrize(
    ("said", "part"),
    [
        ({"uid": "x"}, 'expected response.uid="'),
        ({"patch": "W10="}, "but not response.patchType"),
        ({"patchType": "JSONPatch", "patch": "%"}, "is not base64"),
        (patch({"op": "remove", "path": "/nope"}), "rejected our request"),
    ],
)
async def test_an_answer_that_makes_no_sense_is_an_internal_error(
    ask: Asker, hook: Hook, said: Obj, part: str
) -> None:
    hook.answers["/m"] = lambda asked: said
    await ask.create(MUTATING, configuration("Mutating", "m", hook.entry("m", "/m")))
    answer = await ask("POST", CONFIG_MAPS, config_map("a"))
    assert answer.status == 500
    assert part in answer.body["message"]
