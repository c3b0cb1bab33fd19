"""Paths are those that an API server serves."""

from __future__ import annotations

import pytest

from tidegate.kube.resources import DEPLOYMENTS, MODELS, NODES, PODS


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (PODS.path(), "/api/v1/pods"),
        (PODS.path("demo"), "/api/v1/namespaces/demo/pods"),
        (PODS.path("demo", "a"), "/api/v1/namespaces/demo/pods/a"),
        (NODES.path(None, "local"), "/api/v1/nodes/local"),
        (NODES.path("demo", "local"), "/api/v1/nodes/local"),
        (
            DEPLOYMENTS.path("demo", "a", "scale"),
            "/apis/apps/v1/namespaces/demo/deployments/a/scale",
        ),
        (MODELS.path("demo"), "/apis/tidegate.dev/v1alpha1/namespaces/demo/models"),
    ],
)
def test_paths_are_those_of_an_api_server(path: str, expected: str) -> None:
    assert path == expected


def test_a_namespaced_object_without_a_namespace_is_refused() -> None:
    with pytest.raises(ValueError, match="needs its namespace"):
        PODS.path(None, "a")


def test_a_subresource_without_a_name_is_refused() -> None:
    with pytest.raises(ValueError, match="needs a name"):
        DEPLOYMENTS.path("demo", None, "scale")


def test_the_core_group_has_a_bare_version() -> None:
    assert PODS.api_version == "v1"
    assert MODELS.api_version == "tidegate.dev/v1alpha1"
