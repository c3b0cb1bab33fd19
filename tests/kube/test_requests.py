"""Requests are built as the API's conventions want them; nothing is sent here."""

from __future__ import annotations

import orjson

from tidegate.kube import requests
from tidegate.kube.resources import DEPLOYMENTS, MODELS, SERVICES

SERVICE = {"metadata": {"name": "a", "namespace": "demo"}, "spec": {"ports": []}}


def test_an_apply_names_its_manager_and_carries_kind_and_version() -> None:
    request = requests.apply(SERVICES, SERVICE, manager="tidegate", force=True)

    assert (request.method, request.path) == ("PATCH", "/api/v1/namespaces/demo/services/a")
    assert request.params == {"fieldManager": "tidegate", "force": "true"}
    assert request.headers["content-type"] == "application/apply-patch+yaml"
    body = orjson.loads(request.body or b"")
    assert (body["apiVersion"], body["kind"]) == ("v1", "Service")


def test_a_status_is_applied_through_its_subresource() -> None:
    model = {"metadata": {"name": "a", "namespace": "demo"}, "status": {}}

    request = requests.apply(MODELS, model, manager="m", force=False, subresource="status")

    assert request.path.endswith("/models/a/status")
    assert request.params["force"] == "false"


def test_a_deletion_says_which_object_it_means() -> None:
    request = requests.delete(
        DEPLOYMENTS,
        "a",
        namespace="demo",
        propagation="Background",
        uid="u",
        resource_version="7",
        grace_period_seconds=0,
    )

    assert orjson.loads(request.body or b"") == {
        "kind": "DeleteOptions",
        "apiVersion": "v1",
        "propagationPolicy": "Background",
        "preconditions": {"uid": "u", "resourceVersion": "7"},
        "gracePeriodSeconds": 0,
    }


def test_a_deletion_without_preconditions_sends_none() -> None:
    request = requests.delete(
        DEPLOYMENTS,
        "a",
        namespace="demo",
        propagation="Foreground",
        uid=None,
        resource_version=None,
        grace_period_seconds=None,
    )

    assert set(orjson.loads(request.body or b"")) == {"kind", "apiVersion", "propagationPolicy"}


def test_a_watch_asks_for_bookmarks_from_its_version_on() -> None:
    request = requests.watch(
        MODELS,
        namespace=None,
        resource_version="12",
        label_selector="a=b",
        field_selector=None,
        timeout_seconds=300,
        bookmarks=True,
    )

    assert request.params == {
        "watch": "true",
        "resourceVersion": "12",
        "labelSelector": "a=b",
        "timeoutSeconds": "300",
        "allowWatchBookmarks": "true",
    }
