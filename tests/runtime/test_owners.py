"""An object's change wakes whom it concerns."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidegate.kube.resources import DEPLOYMENTS, MODELS
from tidegate.runtime.cache import Cache
from tidegate.runtime.owners import ToRequests, Watched, itself, named_by, owner
from tidegate.runtime.request import Request
from tidegate.testing.clock import FakeClock

if TYPE_CHECKING:
    from tidegate.kube.objects import Object


def woken(to_requests: ToRequests, obj: Object) -> list[Request]:
    return list(to_requests(obj, Cache(FakeClock())))


def reference(kind: str, name: str, *, version: str = "tidegate.dev/v1alpha1") -> Object:
    return {"apiVersion": version, "kind": kind, "name": name, "uid": f"uid-{name}"}


def test_an_object_wakes_itself() -> None:
    obj = {"metadata": {"name": "a", "namespace": "demo"}}

    assert woken(itself("Model"), obj) == [Request("Model", "demo", "a")]


def test_a_cluster_scoped_object_has_no_namespace() -> None:
    assert woken(itself("Node"), {"metadata": {"name": "n"}}) == [Request("Node", "", "n")]


def test_a_child_wakes_its_owners_of_the_kind() -> None:
    owners = [
        reference("Model", "a"),
        reference("Rollout", "r"),
        reference("Model", "stranger", version="other.dev/v1"),
        reference("Model", "b", version="tidegate.dev/v2"),
    ]
    obj = {"metadata": {"name": "c", "namespace": "demo", "ownerReferences": owners}}

    assert woken(owner("Model"), obj) == [
        Request("Model", "demo", "a"),
        Request("Model", "demo", "b"),
    ]


def test_an_object_wakes_whom_a_field_names() -> None:
    rollout = {
        "metadata": {"name": "r", "namespace": "demo"},
        "spec": {"modelRef": {"name": "a"}},
    }

    assert woken(named_by("Model", "spec", "modelRef", "name"), rollout) == [
        Request("Model", "demo", "a")
    ]


def test_a_field_that_is_not_there_wakes_nobody() -> None:
    by_field = named_by("Model", "spec", "modelRef", "name")

    for spec in ({}, {"modelRef": None}, {"modelRef": {"name": ""}}, {"modelRef": "text"}):
        obj: Object = {"metadata": {"name": "r", "namespace": "demo"}, "spec": spec}
        assert woken(by_field, obj) == []


def test_only_our_own_children_are_asked_for_where_wanted() -> None:
    assert Watched(MODELS, itself("Model")).label_selector is None
    assert (
        Watched(DEPLOYMENTS, owner("Model"), managed_only=True).label_selector
        == "app.kubernetes.io/managed-by=tidegate"
    )
