"""What may change in the spec of a pod that exists."""

from __future__ import annotations

from typing import Any

import pytest

from tidegate.local.apiserver.podrules import problems

TOLERATION = {"key": "a", "operator": "Exists"}
SPEC: dict[str, Any] = {
    "nodeName": "n",
    "containers": [{"name": "c", "image": "i:1"}],
    "tolerations": [TOLERATION],
    "terminationGracePeriodSeconds": 30,
}


def refused(changed: dict[str, Any], before: dict[str, Any] | None = None) -> bool:
    old = {"spec": {**SPEC, **(before or {})}}
    return bool(problems({"spec": {**old["spec"], **changed}}, old))


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"containers": [{"name": "c", "image": "i:2"}]},
        {"activeDeadlineSeconds": 5},
        {"tolerations": [{"key": "b"}, TOLERATION]},
    ],
)
def test_images_deadlines_and_more_tolerations_may_change(changed: dict[str, Any]) -> None:
    assert not refused(changed)


@pytest.mark.parametrize(
    "changed",
    [
        {"nodeName": "other"},
        {"containers": [{"name": "d", "image": "i:1"}]},
        {"tolerations": []},
        {"terminationGracePeriodSeconds": 5},
        {"hostNetwork": True},
    ],
)
def test_nothing_else_may_change(changed: dict[str, Any]) -> None:
    assert refused(changed)


def test_a_pod_is_bound_once_and_a_negative_grace_period_is_mended() -> None:
    assert not refused({"nodeName": "n"}, {"nodeName": ""})
    below = {"terminationGracePeriodSeconds": -1}
    assert not refused({"terminationGracePeriodSeconds": 1}, below)
    assert refused({"terminationGracePeriodSeconds": 2}, below)


def test_a_new_pod_is_as_it_is() -> None:
    assert problems({"spec": SPEC}, None) == []


@pytest.mark.parametrize(
    ("spec", "fields"),
    [
        ({"containers": [{"name": "a", "image": "i"}]}, []),
        ({}, ["spec.containers"]),
        (
            {"containers": [{"name": "", "image": ""}]},
            ["spec.containers[0].name", "spec.containers[0].image"],
        ),
        (
            {"containers": [{"name": "a", "image": "i"}], "initContainers": [{"name": "a"}]},
            ["spec.initContainers[0].image", "spec.initContainers[0].name"],
        ),
    ],
)
def test_a_pod_needs_containers_with_names_of_their_own_and_images(
    spec: dict[str, Any], fields: list[str]
) -> None:
    assert [p["field"] for p in problems({"spec": spec}, None)] == fields
