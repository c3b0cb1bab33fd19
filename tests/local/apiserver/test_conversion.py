"""Custom resources that a webhook converts: stored in one version, spoken in each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson
import pytest
from tests.local.apiserver.admission.hook import listening

from tidegate.testing.apiserver import APPLY, CRDS, MERGE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.local.apiserver.admission.hook import Hook

    from tidegate.testing.apiserver import Asker

Obj = dict[str, Any]
GROUP = "/apis/example.com"
V1 = f"{GROUP}/v1/namespaces/default/things"
OLD = f"{GROUP}/v1alpha1/namespaces/default/things"


def crd(hook: Hook) -> Obj:
    schema: Obj = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    versions: list[Obj] = [
        {
            "name": name,
            "served": True,
            "storage": name == "v1",
            "schema": {"openAPIV3Schema": schema},
            "subresources": {"status": {}},
        }
        for name in ("v1", "v1alpha1")
    ]
    client = {"url": f"{hook.url}/convert", "caBundle": hook.authority}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "things.example.com"},
        "spec": {
            "group": "example.com",
            "scope": "Namespaced",
            "names": {"plural": "things", "singular": "thing", "kind": "Thing"},
            "versions": versions,
            "conversion": {
                "strategy": "Webhook",
                "webhook": {"clientConfig": client, "conversionReviewVersions": ["v1"]},
            },
        },
    }


def thing(version: str, **spec: Any) -> Obj:
    return {
        "apiVersion": f"example.com/{version}",
        "kind": "Thing",
        "metadata": {"name": "t"},
        "spec": spec,
    }


def convert(asked: Obj) -> Obj:
    """v1 has `hosts` where v1alpha1 has `host`."""
    converted = []
    for obj in asked["objects"]:
        spec = dict(obj["spec"])
        if asked["desiredAPIVersion"].endswith("/v1"):
            spec["hosts"] = [spec.pop("host")]
        else:
            spec["host"] = spec.pop("hosts")[0]
        converted.append({**obj, "apiVersion": asked["desiredAPIVersion"], "spec": spec})
    return {"convertedObjects": converted, "result": {"status": "Success"}}


@pytest.fixture
async def hook(tmp_path: Path, ask: Asker) -> AsyncIterator[Hook]:
    folder = tmp_path / "pki"
    folder.mkdir()
    async with listening(folder) as found:
        found.answers["/convert"] = convert
        await ask.create(CRDS, crd(found))
        yield found


async def test_an_object_is_what_each_version_says_of_it(ask: Asker, hook: Hook) -> None:
    made = await ask.create(OLD, thing("v1alpha1", host="a", more=1))
    assert (made["apiVersion"], made["spec"]) == (
        "example.com/v1alpha1",
        {"host": "a", "more": 1},
    )
    assert (await ask.get(f"{V1}/t"))["spec"] == {"hosts": ["a"], "more": 1}
    assert await ask.get(f"{OLD}/t") == made
    assert (await ask.get(OLD))["items"] == [made]


async def test_a_patch_in_another_version_changes_what_is_stored(ask: Asker, hook: Hook) -> None:
    await ask.create(V1, thing("v1", hosts=["a"]))
    changed = await ask.patch(f"{OLD}/t", {"spec": {"host": "b"}})
    assert changed.body["spec"] == {"host": "b"}
    assert (await ask.get(f"{V1}/t"))["spec"] == {"hosts": ["b"]}
    whole = {**changed.body, "spec": {"host": "c"}}
    assert (await ask("PUT", f"{OLD}/t", whole)).body["spec"] == {"host": "c"}
    applied = await ask.apply(f"{OLD}/t", thing("v1alpha1", host="d"), force="true")
    assert applied.body["spec"] == {"host": "d"}
    assert (await ask.get(f"{V1}/t"))["spec"] == {"hosts": ["d"]}


async def test_a_status_and_a_deletion_speak_the_version_too(ask: Asker, hook: Hook) -> None:
    obj = thing("v1", hosts=["a"])
    obj["metadata"]["finalizers"] = ["example.com/x"]
    await ask.create(V1, obj)
    status = await ask.patch(f"{OLD}/t/status", {"status": {"ok": True}})
    assert (status.body["spec"], status.body["status"]) == ({"host": "a"}, {"ok": True})
    gone = await ask("DELETE", f"{OLD}/t")
    assert gone.body["spec"] == {"host": "a"}
    assert gone.body["metadata"]["deletionTimestamp"]


async def test_a_watch_shows_the_version_that_it_asks_for(ask: Asker, hook: Hook) -> None:
    await ask.create(V1, thing("v1", hosts=["a"]))
    events = ask.watch(OLD, timeoutSeconds="1")
    event = await anext(events)
    assert (event["type"], event["object"]["spec"]) == ("ADDED", {"host": "a"})
    await ask.patch(f"{V1}/t", {"spec": {"hosts": ["b"]}})
    event = await anext(events)
    assert (event["type"], event["object"]["spec"]) == ("MODIFIED", {"host": "b"})


async def test_a_table_and_metadata_alone_can_be_had_of_it(ask: Asker, hook: Hook) -> None:
    await ask.create(V1, thing("v1", hosts=["a"]))
    table = await ask("GET", OLD, accept="application/json;as=Table;v=v1;g=meta.k8s.io")
    assert table.body["rows"][0]["cells"][0] == "t"
    partial = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"
    found = await ask("GET", OLD, accept=partial)
    assert found.body["items"][0]["metadata"]["name"] == "t"


async def test_a_webhook_is_asked_once_for_an_object_as_it_is(ask: Asker, hook: Hook) -> None:
    await ask.create(V1, thing("v1", hosts=["a"]))
    for _ in range(3):
        await ask.get(f"{OLD}/t")
    assert len(hook.asked) == 1


@pytest.mark.parametrize(
    ("said", "part"),
    [
        ({"result": {"status": "Failure", "message": "no idea"}}, "no idea"),
        ({"result": {"status": "Success"}, "convertedObjects": []}, "returned 0 objects"),
        ({"uid": "x"}, "invalid response"),
        (
            {"result": {"status": "Success"}, "convertedObjects": [thing("v1", host="a")]},
            "invalid converted object",
        ),
        (
            {"result": {"status": "Success"}, "convertedObjects": [thing("v1alpha1", host="a")]},
            "its identity was changed",
        ),
    ],
)
async def test_what_cannot_be_converted_is_a_500_that_says_why(
    ask: Asker, hook: Hook, said: Obj, part: str
) -> None:
    await ask.create(V1, thing("v1", hosts=["a"]))
    hook.answers["/convert"] = lambda asked: said
    answer = await ask("GET", f"{OLD}/t")
    assert answer.status == 500
    assert answer.body["message"].startswith("conversion webhook for example.com/v1, Kind=Thing")
    assert part in answer.body["message"]
    listed = await ask("GET", OLD)
    assert (listed.status, listed.headers["retry-after"]) == (429, "1")
    for method, media in (("PATCH", MERGE), ("PATCH", APPLY), ("DELETE", "application/json")):
        query = {"fieldManager": "me"} if media == APPLY else {}
        body = None if method == "DELETE" else thing("v1alpha1", host="x")
        answer = await ask(method, f"{OLD}/t", body, query=query, content_type=media)
        assert answer.status == 500
    assert (await ask.get(f"{V1}/t"))["spec"] == {"hosts": ["a"]}


async def test_a_watch_ends_with_an_error_where_nothing_can_be_converted(
    ask: Asker, hook: Hook
) -> None:
    await ask.create(V1, thing("v1", hosts=["a"]))
    hook.answers["/convert"] = lambda asked: {"result": {"status": "Failure"}}
    events = [event async for event in ask.watch(OLD, timeoutSeconds="1")]
    assert [e["type"] for e in events] == ["ERROR"]
    assert events[0]["object"]["code"] == 500


@pytest.mark.parametrize(
    ("conversion", "part"),
    [
        ({"strategy": "Webhook"}, "spec.conversion.webhook.clientConfig: Required value"),
        ({"strategy": "Magic"}, 'supported values: "None", "Webhook"'),
        (
            {"strategy": "Webhook", "webhook": {"clientConfig": {"url": "http://x"},
                                                "conversionReviewVersions": ["v1"]}},
            "is the only allowed URL scheme",
        ),
    ],
)  # fmt: skip
async def test_a_conversion_that_could_never_work_is_refused(
    ask: Asker, hook: Hook, conversion: Obj, part: str
) -> None:
    wrong = orjson.loads(orjson.dumps(crd(hook)))
    wrong["metadata"]["name"] = "others.example.com"
    wrong["spec"]["names"] = {"plural": "others", "kind": "Other"}
    wrong["spec"]["conversion"] = conversion
    answer = await ask("POST", CRDS, wrong)
    assert answer.status == 422
    assert part in answer.body["message"]
