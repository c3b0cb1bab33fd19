"""Discovery and OpenAPI."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from tidegate.testing.apiserver import CRDS, WIDGET_CRD

if TYPE_CHECKING:
    from tidegate.testing.apiserver import Asker

AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json"


async def test_groups_are_listed_in_the_old_form(widgets: Asker) -> None:
    names = [g["name"] for g in (await widgets.get("/apis"))["groups"]]
    assert {"apps", "batch", "gateway.networking.k8s.io", "example.com"} <= set(names)
    assert (await widgets.get("/api"))["versions"] == ["v1"]


async def test_resources_of_a_custom_group_come_with_their_subresources(widgets: Asker) -> None:
    resources = (await widgets.get("/apis/example.com/v1"))["resources"]
    assert [r["name"] for r in resources] == ["widgets", "widgets/status", "widgets/scale"]
    assert resources[0]["shortNames"] == ["w"]
    assert resources[2]["kind"] == "Scale"


async def test_aggregated_discovery_is_cached_by_its_tag(widgets: Asker) -> None:
    first = await widgets("GET", "/apis", accept=AGGREGATED)
    assert first.body["kind"] == "APIGroupDiscoveryList"
    groups = {g["metadata"]["name"]: g for g in first.body["items"]}
    assert groups["example.com"]["versions"][0]["resources"][0]["resource"] == "widgets"
    tag = first.headers["etag"]
    same = await widgets("GET", "/apis", accept=AGGREGATED, if_none_match=tag)
    assert same.status == 304
    await widgets("DELETE", f"{CRDS}/widgets.example.com")
    await widgets.get("/apis")
    other = await widgets("GET", "/apis", accept=AGGREGATED, if_none_match=tag)
    assert other.status == 200


async def openapi(ask: Asker, name: str) -> dict[str, Any]:
    index = await ask("GET", "/openapi/v3")
    address = orjson.loads(index.body)["paths"][name]["serverRelativeURL"]
    path, _, query = address.partition("?")
    return await ask.get(path, hash=query.removeprefix("hash="))


async def test_the_schema_of_a_custom_kind_is_published_with_its_descriptions(
    widgets: Asker,
) -> None:
    document = await openapi(widgets, "apis/example.com/v1")
    schema = document["components"]["schemas"]["com.example.v1.Widget"]
    assert schema["properties"]["spec"]["description"] == "What the thing should be."
    gvk = {"group": "example.com", "version": "v1", "kind": "Widget"}
    assert schema["x-kubernetes-group-version-kind"] == [gvk]


async def test_clients_learn_that_writes_can_be_validated_and_tried(widgets: Asker) -> None:
    document = await openapi(widgets, "apis/example.com/v1")
    path = "/apis/example.com/v1/namespaces/{namespace}/widgets/{name}"
    names = {p["name"] for p in document["paths"][path]["patch"]["parameters"]}
    assert {"fieldValidation", "dryRun", "fieldManager"} <= names


async def test_every_reference_of_a_published_document_leads_somewhere(ask: Asker) -> None:
    for name in ("api/v1", "apis/apps/v1", "apis/gateway.networking.k8s.io/v1"):
        document = await openapi(ask, name)
        text = orjson.dumps(document).decode()
        schemas = document["components"]["schemas"]
        wanted = {p.partition('"')[0] for p in text.split("#/components/schemas/")[1:]}
        assert wanted <= set(schemas)


async def test_every_kind_is_in_the_one_document_of_version_2(widgets: Asker) -> None:
    document = await widgets.get("/openapi/v2")
    definitions = document["definitions"]
    named = {
        gvk["kind"]: schema
        for schema in definitions.values()
        for gvk in schema.get("x-kubernetes-group-version-kind", ())
    }
    assert {"Widget", "Pod", "HTTPRoute", "Deployment", "WidgetList"} <= set(named)
    text = orjson.dumps(document).decode()
    wanted = {p.partition('"')[0] for p in text.split("#/definitions/")[1:]}
    assert wanted <= set(definitions)
    assert "#/components/" not in text
    widget = named["Widget"]["properties"]
    assert widget["spec"]["properties"]["size"]["type"] == "integer"
    assert (
        widget["metadata"]["$ref"]
        == "#/definitions/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
    )
    groups = {name: "events" in name for name in definitions if name.endswith(".Event")}
    assert sorted(groups.values()) == [False, True]


async def test_version_2_follows_the_kinds_and_is_not_sent_twice(ask: Asker) -> None:
    before = await ask("GET", "/openapi/v2")
    tag = before.headers["etag"]
    again = await ask("GET", "/openapi/v2", if_none_match=tag)
    assert (again.status, again.body) == (304, "")
    await ask.create(CRDS, WIDGET_CRD)
    after = await ask("GET", "/openapi/v2", if_none_match=tag)
    assert after.status == 200
    assert "com.example.v1.Widget" in after.body["definitions"]


async def test_version_2_has_two_forms_and_no_other(ask: Asker) -> None:
    media = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf"
    answer = await ask.raw("GET", "/openapi/v2", accept=media)
    assert answer.headers["content-type"] == media.replace("@", ".")
    assert isinstance(answer.body, bytes)
    # Field 1 is the version, in a text of three characters.
    assert answer.body.startswith(b"\x0a\x032.0")
    assert (await ask("GET", "/openapi/v2", accept="text/html")).status == 406


async def test_an_old_hash_is_redirected_to_the_present_one(ask: Asker) -> None:
    answer = await ask("GET", "/openapi/v3/api/v1", query={"hash": "OLD"})
    assert answer.status == 301
    assert "hash=" in answer.headers["location"]
