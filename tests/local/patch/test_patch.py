"""Patches as recorded from a real API server."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidegate.local.patch import PatchProblem, json_patch, merge_patch, strategic_merge
from tidegate.local.schema.builtin import schema_for

_WIDGET: dict[str, Any] = {
    "metadata": {"name": "p"},
    "spec": {"size": 2, "tags": ["a", "b"], "env": {"x": "1", "y": "2"}},
}


@pytest.mark.parametrize(
    ("operations", "spec"),
    [
        ([{"op": "add", "path": "/spec/tags/-", "value": "c"}], {"tags": ["a", "b", "c"]}),
        (
            [
                {"op": "replace", "path": "/spec/size", "value": 3},
                {"op": "remove", "path": "/spec/tags/0"},
            ],
            {"size": 3, "tags": ["b"]},
        ),
        (
            [
                {"op": "test", "path": "/spec/size", "value": 2},
                {"op": "replace", "path": "/spec/size", "value": 4},
            ],
            {"size": 4},
        ),
        ([{"op": "replace", "path": "/spec/name", "value": "x"}], {"name": "x"}),
        (
            [
                {"op": "copy", "from": "/spec/size", "path": "/spec/replicas"},
                {"op": "move", "from": "/spec/env/x", "path": "/spec/env/z"},
            ],
            {"replicas": 2, "env": {"y": "2", "z": "1"}},
        ),
        (
            [{"op": "add", "path": "/spec/env/a.b~1c", "value": "3"}],
            {"env": {"x": "1", "y": "2", "a.b/c": "3"}},
        ),
    ],
)
def test_operations_of_a_json_patch(operations: list[dict[str, Any]], spec: dict[str, Any]) -> None:
    assert json_patch(_WIDGET, operations)["spec"] == {**_WIDGET["spec"], **spec}


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "test", "path": "/spec/size", "value": 99},
        {"op": "frob", "path": "/spec/size"},
        {"op": "remove", "path": "/spec/none"},
        {"op": "remove", "path": "/spec/tags/9"},
        {"op": "add", "path": "/none/deep", "value": 1},
        {"op": "add", "path": "/spec/size"},
        {"op": "add"},
        {"op": "copy", "path": "/spec/size", "from": "/none"},
        {"op": "replace", "path": "spec", "value": 1},
    ],
)
def test_an_operation_that_does_not_apply_is_rejected_without_details(
    operation: dict[str, Any],
) -> None:
    before = copy.deepcopy(_WIDGET)
    with pytest.raises(PatchProblem) as raised:
        json_patch(_WIDGET, [{"op": "add", "path": "/spec/new", "value": 1}, operation])
    problem = raised.value
    assert (problem.status, problem.reason, problem.message) == (
        422,
        "Invalid",
        "the server rejected our request due to an error in our request",
    )
    assert before == _WIDGET


def test_what_is_no_list_of_operations_is_malformed() -> None:
    malformed: tuple[Any, ...] = ({}, [1], "x")
    for patch in malformed:
        with pytest.raises(PatchProblem, match="error decoding patch") as raised:
            json_patch(_WIDGET, patch)
        assert raised.value.status == 400
    with pytest.raises(PatchProblem, match="10000"):
        json_patch(_WIDGET, [{}] * 10_001)


def test_a_merge_patch_removes_by_null_and_replaces_lists() -> None:
    patch = {"spec": {"env": {"y": None, "new": "3"}, "tags": ["only"], "more": {"a": None}}}
    assert merge_patch(_WIDGET, patch)["spec"] == {
        "size": 2,
        "tags": ["only"],
        "env": {"x": "1", "new": "3"},
        "more": {},
    }
    with pytest.raises(PatchProblem) as raised:
        merge_patch(_WIDGET, [])
    assert raised.value.status == 400


_json = st.recursive(
    st.integers() | st.text(max_size=2),
    lambda inner: st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=6,
)
_objects = st.dictionaries(st.sampled_from("abc"), _json, max_size=3)


@settings(deadline=None)
@given(obj=_objects, patch=_objects)
def test_a_merge_patch_without_nulls_is_idempotent(
    obj: dict[str, Any], patch: dict[str, Any]
) -> None:
    once = merge_patch(obj, patch)
    assert merge_patch(once, patch) == once


def deployment(*containers: dict[str, Any], **spec: Any) -> dict[str, Any]:
    template = {"spec": {"containers": list(containers), **spec}}
    return {"metadata": {"name": "d"}, "spec": {"template": template}}


def patched(obj: dict[str, Any], pod: dict[str, Any]) -> dict[str, Any]:
    schema = schema_for("apps", "v1", "Deployment")
    result = strategic_merge(obj, {"spec": {"template": {"spec": pod}}}, schema)
    found: dict[str, Any] = result["spec"]["template"]["spec"]
    return found


_APP: dict[str, Any] = {
    "name": "app",
    "image": "app:1",
    "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}],
}
_SIDE: dict[str, Any] = {"name": "side", "image": "side:1"}


def test_containers_merge_by_name_in_the_order_of_the_patch() -> None:
    change = [
        {"name": "side", "image": "side:2"},
        {"name": "app", "env": [{"name": "B", "value": "3"}, {"name": "C", "value": "4"}]},
    ]
    found = patched(deployment(_APP, _SIDE), {"containers": change})["containers"]
    env = [
        {"name": "A", "value": "1"},
        {"name": "B", "value": "3"},
        {"name": "C", "value": "4"},
    ]
    assert found == [{"name": "side", "image": "side:2"}, {**_APP, "env": env}]


def test_directives_delete_and_replace() -> None:
    obj = deployment(_APP, _SIDE)
    gone = patched(obj, {"containers": [{"name": "side", "$patch": "delete"}]})
    assert gone["containers"] == [_APP]
    one = {"name": "one", "image": "one:1"}
    assert patched(obj, {"containers": [{"$patch": "replace"}, one]})["containers"] == [one]


def test_a_list_without_a_merge_key_is_replaced() -> None:
    obj = deployment(_APP, tolerations=[{"key": "a"}])
    assert patched(obj, {"tolerations": [{"key": "b"}]})["tolerations"] == [{"key": "b"}]


def test_the_order_of_elements_can_be_set() -> None:
    order = {"$setElementOrder/containers": [{"name": "zero"}, {"name": "app"}]}
    zero = {"name": "zero", "image": "zero:1"}
    found = patched(deployment(_APP), {**order, "containers": [zero]})["containers"]
    assert found == [zero, _APP]
    swap = {"$setElementOrder/containers": [{"name": "side"}, {"name": "app"}]}
    assert patched(deployment(_APP, _SIDE), swap)["containers"] == [_SIDE, _APP]


def test_only_retained_keys_stay() -> None:
    obj = {"spec": {"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}}}
    schema = schema_for("apps", "v1", "Deployment")
    patch = {"spec": {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}}
    assert strategic_merge(obj, patch, schema)["spec"]["strategy"] == {"type": "Recreate"}
    bad = {"spec": {"strategy": {"$retainKeys": ["x"], "type": "Recreate"}}}
    with pytest.raises(PatchProblem, match="retainKeys"):
        strategic_merge(obj, bad, schema)


def test_finalizers_merge_and_can_be_deleted_from() -> None:
    schema = schema_for("apps", "v1", "Deployment")
    obj = {"metadata": {"finalizers": ["e.com/a"]}}
    both = strategic_merge(obj, {"metadata": {"finalizers": ["e.com/b"]}}, schema)
    assert both["metadata"]["finalizers"] == ["e.com/b", "e.com/a"]
    delete = {"metadata": {"$deleteFromPrimitiveList/finalizers": ["e.com/a", "e.com/b"]}}
    assert "finalizers" not in strategic_merge(both, delete, schema)["metadata"]


def test_an_item_without_its_key_is_refused() -> None:
    with pytest.raises(PatchProblem, match="does not contain declared merge key: name"):
        patched(deployment(_APP), {"containers": [{"image": "x"}]})


def test_null_removes_and_nothing_given_is_changed() -> None:
    obj = deployment(_APP, nodeSelector={"a": "1"})
    before = copy.deepcopy(obj)
    assert "nodeSelector" not in patched(obj, {"nodeSelector": None})
    patched(obj, {"containers": [{"name": "app", "image": "other"}]})
    assert obj == before


_names = st.lists(st.sampled_from("abcde"), unique=True, max_size=5)


@settings(deadline=None)
@given(current=_names, patch=_names)
def test_a_strategic_patch_keeps_every_container_and_is_idempotent(
    current: list[str], patch: list[str]
) -> None:
    obj = deployment(*({"name": one, "image": "old"} for one in current))
    change = {"containers": [{"name": one, "image": "new"} for one in patch]}
    once = patched(obj, change)["containers"]
    assert {one["name"] for one in once} == {*current, *patch}
    assert [one["name"] for one in once if one["name"] in patch] == patch
    again = patched(deployment(*once), change)["containers"]
    assert again == once


def test_copies_that_double_the_document_are_stopped() -> None:
    grow = [{"op": "copy", "from": "/a", "path": f"/a/c{n}"} for n in range(40)]
    with pytest.raises(PatchProblem, match="accumulated size increase of copy") as refusal:
        json_patch({"a": {"text": "x" * 1000}}, grow)
    assert refusal.value.status == 413


def test_an_item_that_is_deleted_and_named_again_is_made_anew() -> None:
    schema = {
        "properties": {
            "l": {
                "type": "array",
                "x-kubernetes-patch-strategy": "merge",
                "x-kubernetes-patch-merge-key": "name",
            }
        }
    }
    live = {"l": [{"name": "a", "v": 1}, {"name": "b"}, {"name": "a", "v": 2}]}
    patch = {"l": [{"name": "a", "$patch": "delete"}, {"name": "a", "w": 3}]}
    merged = strategic_merge(live, patch, schema)
    assert sorted(merged["l"], key=str) == [{"name": "a", "w": 3}, {"name": "b"}]
