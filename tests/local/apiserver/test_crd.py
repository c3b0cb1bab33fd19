"""The life of CustomResourceDefinitions."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import pytest

from tidegate.local.apiserver import ADMIN, ADMIN_TOKEN, ApiServer, Store
from tidegate.testing.apiserver import CRDS, WIDGET_CRD, WIDGETS, Asker, config_map, widget

if TYPE_CHECKING:
    from pathlib import Path

NAME = f"{CRDS}/widgets.example.com"


def conditions(crd: dict[str, Any]) -> dict[str, str]:
    return {c["type"]: c["status"] for c in crd["status"]["conditions"]}


def changed(**spec: Any) -> dict[str, Any]:
    crd = copy.deepcopy(WIDGET_CRD)
    crd["spec"].update(spec)
    return crd


async def test_a_crd_is_established_and_its_kind_is_served(widgets: Asker) -> None:
    crd = await widgets.get(NAME)
    assert conditions(crd) == {"NamesAccepted": "True", "Established": "True"}
    assert crd["status"]["acceptedNames"]["listKind"] == "WidgetList"
    assert crd["status"]["storedVersions"] == ["v1"]
    assert (await widgets.get(WIDGETS))["kind"] == "WidgetList"


@pytest.mark.parametrize(
    ("crd", "field"),
    [
        ({**WIDGET_CRD, "metadata": {"name": "wrong"}}, "metadata.name"),
        (changed(versions=[{"name": "v1", "served": True, "storage": True}]), "openAPIV3Schema"),
        (changed(versions=[]), "spec.versions"),
        (changed(names={"kind": "Widget"}), "spec.names.plural"),
        (changed(scope="Galactic"), "spec.scope"),
    ],
)
async def test_a_crd_that_cannot_be_served_is_refused(
    ask: Asker, crd: dict[str, Any], field: str
) -> None:
    answer = await ask("POST", CRDS, crd)
    assert answer.status == 422
    assert any(field in c["field"] for c in answer.body["details"]["causes"])


async def test_a_schema_that_is_not_structural_is_refused(ask: Asker) -> None:
    crd = copy.deepcopy(WIDGET_CRD)
    schema = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    schema["properties"]["spec"]["properties"]["size"] = {"minimum": 1}
    answer = await ask("POST", CRDS, crd)
    assert answer.status == 422
    assert "properties[size].type: Required value" in answer.body["message"]


async def test_a_group_of_kubernetes_itself_needs_an_approval(ask: Asker) -> None:
    crd = changed(group="foo.k8s.io")
    crd["metadata"]["name"] = "widgets.foo.k8s.io"
    assert (await ask("POST", CRDS, crd)).status == 422
    crd["metadata"]["annotations"] = {"api-approved.kubernetes.io": "unapproved"}
    assert (await ask("POST", CRDS, crd)).status == 201


async def test_names_that_are_taken_are_not_accepted_until_they_are_free(widgets: Asker) -> None:
    other = changed(names={"plural": "others", "kind": "Widget"})
    other["metadata"]["name"] = "others.example.com"
    await widgets.create(CRDS, other)
    crd = await widgets.get(f"{CRDS}/others.example.com")
    assert conditions(crd) == {"NamesAccepted": "False", "Established": "False"}
    assert (await widgets("GET", "/apis/example.com/v1/others")).status == 404
    await widgets("DELETE", NAME)
    await widgets.get("/api/v1/namespaces")
    crd = await widgets.get(f"{CRDS}/others.example.com")
    assert conditions(crd)["Established"] == "True"


async def test_a_changed_schema_holds_for_the_next_request(widgets: Asker) -> None:
    path = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/added"
    added = [{"op": "add", "path": path, "value": {"type": "string", "default": "late"}}]
    answer = await widgets("PATCH", NAME, added, content_type="application/json-patch+json")
    assert answer.status == 200
    assert (await widgets.create(WIDGETS, widget("a")))["spec"]["added"] == "late"


async def test_what_an_older_schema_stored_has_the_defaults_of_the_newer_one(
    widgets: Asker,
) -> None:
    await widgets.create(WIDGETS, widget("w"))
    crd = await widgets.get(NAME)
    spec = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    spec["properties"]["mode"] = {"type": "string", "default": "plain"}
    spec["x-kubernetes-validations"] = [{"rule": "self.mode == oldSelf.mode"}]
    assert (await widgets("PUT", NAME, crd)).status == 200
    answer = await widgets.patch(f"{WIDGETS}/w", {"spec": {"size": 3}})
    assert answer.status == 200, answer.body
    assert answer.body["spec"]["mode"] == "plain"
    refused = await widgets.patch(f"{WIDGETS}/w", {"spec": {"mode": "other"}})
    assert refused.status == 422


async def test_the_group_and_scope_of_a_crd_are_fixed(widgets: Asker) -> None:
    assert (await widgets.patch(NAME, {"spec": {"scope": "Cluster"}})).status == 422


async def test_a_deleted_crd_takes_its_instances_and_waits_for_their_finalizers(
    widgets: Asker,
) -> None:
    held = widget("held")
    held["metadata"]["finalizers"] = ["e.com/hold"]
    await widgets.create(WIDGETS, widget("free"))
    await widgets.create(WIDGETS, held)
    deleted = (await widgets("DELETE", NAME)).body
    assert deleted["metadata"]["deletionTimestamp"]
    assert (await widgets("GET", f"{WIDGETS}/free")).status == 404
    assert conditions(await widgets.get(NAME))["Terminating"] == "True"
    await widgets.patch(f"{WIDGETS}/held", {"metadata": {"finalizers": None}})
    await widgets.get("/api/v1/namespaces")
    assert (await widgets("GET", NAME)).status == 404
    assert (await widgets("GET", WIDGETS)).body == "404 page not found\n"


async def test_every_served_version_shows_the_same_object(ask: Asker) -> None:
    schema = WIDGET_CRD["spec"]["versions"][0]["schema"]
    versions = [
        {"name": "v1", "served": True, "storage": True, "schema": schema},
        {"name": "v1beta1", "served": True, "storage": False, "deprecated": True, "schema": schema},
    ]
    await ask.create(CRDS, changed(versions=versions))
    old = widget("a") | {"apiVersion": "example.com/v1beta1"}
    path = "/apis/example.com/v1beta1/namespaces/default/widgets"
    answer = await ask("POST", path, old)
    assert answer.status == 201
    assert "use example.com/v1 Widget" in answer.headers["warning"]
    assert (await ask.get(f"{WIDGETS}/a"))["apiVersion"] == "example.com/v1"
    listing = await ask.get(path)
    assert listing["items"][0]["apiVersion"] == "example.com/v1beta1"
    group = await ask.get("/apis/example.com")
    assert group["preferredVersion"]["version"] == "v1"


async def test_kinds_are_served_again_after_a_restart(tmp_path: Path) -> None:
    users = {ADMIN_TOKEN: ADMIN}
    first = ApiServer(Store.open(tmp_path / "state.db"), users=users)
    await first.start()
    await Asker(first).create(CRDS, WIDGET_CRD)
    created = await Asker(first).create(WIDGETS, widget("a"))
    await first.stop()
    second = ApiServer(Store.open(tmp_path / "state.db"), users=users)
    await second.start()
    assert await Asker(second).get(f"{WIDGETS}/a") == created
    await second.stop()


async def test_instances_of_a_crd_that_is_being_deleted_are_cleaned_up_after_a_restart(
    tmp_path: Path,
) -> None:
    users = {ADMIN_TOKEN: ADMIN}
    first = ApiServer(Store.open(tmp_path / "state.db"), users=users)
    await first.start()
    ask = Asker(first)
    await ask.create(CRDS, WIDGET_CRD)
    held = widget("held")
    held["metadata"]["finalizers"] = ["e.com/hold"]
    await ask.create(WIDGETS, held)
    await ask("DELETE", NAME)
    await first.stop()
    second = ApiServer(Store.open(tmp_path / "state.db"), users=users)
    await second.start()
    ask = Asker(second)
    await ask.patch(f"{WIDGETS}/held", {"metadata": {"finalizers": None}})
    await ask.create("/api/v1/namespaces/default/configmaps", config_map("a"))
    assert (await ask("GET", NAME)).status == 404
    assert not second.store.collection("example.com/widgets").records
    await second.stop()
