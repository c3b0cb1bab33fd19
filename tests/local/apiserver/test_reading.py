"""Get and list: selectors, pages and versions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tidegate.local.apiserver import store
from tidegate.testing.apiserver import CONFIG_MAPS, WIDGETS, config_map, widget

if TYPE_CHECKING:
    from tidegate.testing.apiserver import Asker


def names(listing: dict[str, Any]) -> list[str]:
    return [i["metadata"]["name"] for i in listing["items"]]


async def seed(ask: Asker) -> None:
    for index in range(5):
        labels = {"app": "ab"[index % 2], "i": str(index)}
        await ask.create(CONFIG_MAPS, config_map(f"c{index}", labels=labels))


@pytest.mark.parametrize(
    ("selector", "found"),
    [
        ("app=a", ["c0", "c2", "c4"]),
        ("app==b", ["c1", "c3"]),
        ("app!=a", ["c1", "c3"]),
        ("i in (1, 3)", ["c1", "c3"]),
        ("i notin (1,3),app", ["c0", "c2", "c4"]),
        ("!nope,i>2", ["c3", "c4"]),
        ("i<1", ["c0"]),
        ("nope", []),
        ("", ["c0", "c1", "c2", "c3", "c4"]),
    ],
)
async def test_label_selectors(ask: Asker, selector: str, found: list[str]) -> None:
    await seed(ask)
    assert names(await ask.get(CONFIG_MAPS, labelSelector=selector)) == found


@pytest.mark.parametrize("selector", ["a in b", "=x", "a=b,,", "a b", "i in (1"])
async def test_a_label_selector_that_cannot_be_read_is_a_400(ask: Asker, selector: str) -> None:
    assert (await ask("GET", CONFIG_MAPS, query={"labelSelector": selector})).status == 400


async def test_field_selectors(widgets: Asker) -> None:
    await widgets.create(WIDGETS, widget("a", color="green"))
    await widgets.create(WIDGETS, widget("b"))
    assert names(await widgets.get(WIDGETS, fieldSelector="spec.color=green")) == ["a"]
    assert names(await widgets.get(WIDGETS, fieldSelector="metadata.name!=a")) == ["b"]
    answer = await widgets("GET", WIDGETS, query={"fieldSelector": "spec.size=2"})
    assert answer.status == 400


async def test_pages_show_one_moment_even_when_objects_change(ask: Asker) -> None:
    await seed(ask)
    first = await ask.get(CONFIG_MAPS, limit="2")
    assert names(first) == ["c0", "c1"]
    assert first["metadata"]["remainingItemCount"] == 3
    await ask("DELETE", f"{CONFIG_MAPS}/c3")
    await ask.create(CONFIG_MAPS, config_map("c2x"))
    rest = await ask.get(CONFIG_MAPS, limit="9", **{"continue": first["metadata"]["continue"]})
    assert names(rest) == ["c2", "c3", "c4"]
    assert rest["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]
    assert names(await ask.get(CONFIG_MAPS)) == ["c0", "c1", "c2", "c2x", "c4"]


async def test_a_page_of_a_forgotten_moment_is_gone_with_a_token_to_go_on(
    ask: Asker, monkeypatch: pytest.MonkeyPatch
) -> None:
    await seed(ask)
    first = await ask.get(CONFIG_MAPS, limit="2")
    ask.api.store.collection("/configmaps").floor = ask.api.store.revision
    await ask.create(CONFIG_MAPS, config_map("c9"))
    monkeypatch.setattr(ask.api.store.collection("/configmaps"), "floor", ask.api.store.revision)
    query = {"limit": "2", "continue": first["metadata"]["continue"]}
    answer = await ask("GET", CONFIG_MAPS, query=query)
    assert answer.status == 410
    token = answer.body["metadata"]["continue"]
    assert names(await ask.get(CONFIG_MAPS, **{"continue": token})) == ["c2", "c3", "c4", "c9"]


async def test_pages_over_all_namespaces_keep_their_order(ask: Asker) -> None:
    await seed(ask)
    await ask.create("/api/v1/namespaces/kube-system/configmaps", config_map("a"))
    seen: list[str] = []
    token = ""
    for _ in range(3):
        page = await ask.get("/api/v1/configmaps", limit="2", **{"continue": token})
        seen += names(page)
        token = page["metadata"].get("continue", "")
    assert seen == ["c0", "c1", "c2", "c3", "c4", "a"]
    assert token == ""


async def test_an_exact_version_shows_the_past(ask: Asker) -> None:
    await seed(ask)
    version = (await ask.get(CONFIG_MAPS))["metadata"]["resourceVersion"]
    await ask("DELETE", f"{CONFIG_MAPS}/c1")
    query = {"resourceVersion": version, "resourceVersionMatch": "Exact"}
    assert names(await ask.get(CONFIG_MAPS, **query)) == ["c0", "c1", "c2", "c3", "c4"]


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({"resourceVersion": "abc"}, 400),
        ({"resourceVersion": "999999"}, 504),
        ({"resourceVersionMatch": "Exact"}, 422),
        ({"resourceVersion": "1", "resourceVersionMatch": "Foo"}, 422),
        ({"limit": "abc"}, 400),
        ({"continue": "abc"}, 400),
        ({"sendInitialEvents": "true"}, 422),
    ],
)
async def test_list_options_that_make_no_sense(
    ask: Asker, query: dict[str, str], status: int
) -> None:
    assert (await ask("GET", CONFIG_MAPS, query=query)).status == status


async def test_partial_metadata_leaves_out_the_rest(ask: Asker) -> None:
    await seed(ask)
    accept = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
    listing = (await ask("GET", CONFIG_MAPS, accept=accept)).body
    assert listing["kind"] == "PartialObjectMetadataList"
    assert set(listing["items"][0]) == {"kind", "apiVersion", "metadata"}


async def test_yaml_is_answered_when_it_is_asked_for(ask: Asker) -> None:
    await seed(ask)
    answer = await ask("GET", f"{CONFIG_MAPS}/c0", accept="application/yaml")
    assert "kind: ConfigMap" in answer.body


def test_a_collection_keeps_its_order() -> None:
    collection = store.Collection()
    for name in ("b", "a", "c"):
        obj = {"metadata": {"name": name, "namespace": "n", "uid": name}}
        collection.put(store.record_of("x", obj, 1))
    collection.drop(("n", "b"))
    assert [r.name for r in collection.select("n")] == ["a", "c"]
    assert collection.select("other") == []


async def test_a_list_of_a_built_in_kind_does_not_repeat_what_its_items_are(
    widgets: Asker,
) -> None:
    await widgets.create(CONFIG_MAPS, config_map("a"))
    await widgets.create(WIDGETS, widget("w"))
    (found,) = (await widgets.get(CONFIG_MAPS))["items"]
    assert not {"kind", "apiVersion"} & set(found)
    (custom,) = (await widgets.get(WIDGETS))["items"]
    assert (custom["kind"], custom["apiVersion"]) == ("Widget", "example.com/v1")


@pytest.mark.parametrize(
    ("query", "why"),
    [
        (
            {"resourceVersion": "0", "resourceVersionMatch": "Exact"},
            'resourceVersionMatch "exact" is forbidden for resourceVersion "0"',
        ),
        (
            {"resourceVersion": "1", "resourceVersionMatch": "Exact", "continue": "x"},
            "resourceVersionMatch is forbidden when continue is provided",
        ),
    ],
)
async def test_options_that_contradict_each_other_are_refused(
    ask: Asker, query: dict[str, str], why: str
) -> None:
    answer = await ask("GET", CONFIG_MAPS, query=query)
    assert answer.status == 422
    assert why in answer.body["message"]
