"""Answers that the recording holds in part: brings a whole answer into the recorded form. Pure."""

from __future__ import annotations

import json
from typing import Any

# What the recorded distribution adds to every cluster; it is no part of Kubernetes.
FOREIGN = frozenset({"openshift-service-ca.crt"})


def reduced(expected: Any, text: str) -> tuple[Any, Any]:
    """`(expected, actual)` for an answer's text, both without what cannot be compared."""
    if not isinstance(expected, dict):
        return expected, _decoded(text)
    if "_note" in expected or "_protobuf_bytes" in expected:
        # A protobuf body: only that there is one is known.
        return "a body", "a body" if text else "no body"
    if "_head" in expected:
        return "# HELP", text[:6]
    actual = _decoded(text)
    if not isinstance(actual, dict):
        return expected, actual
    if "_names" in expected:
        actual = {**actual, "_names": [i["metadata"]["name"] for i in actual.get("items", [])]}
        return _without_foreign(expected), actual
    return _openapi(expected, actual)


def _without_foreign(expected: dict[str, Any]) -> dict[str, Any]:
    return {**expected, "_names": [n for n in expected["_names"] if n not in FOREIGN]}


def _openapi(expected: dict[str, Any], actual: dict[str, Any]) -> tuple[Any, Any]:
    """Lists of paths stand for objects; counts of a whole API are another server's."""
    paths = sorted(actual.get("paths") or ())
    if isinstance(expected.get("paths"), list):
        actual = {**actual, "paths": paths}
        expected = {**expected, "paths": sorted(expected["paths"])}
    if isinstance(expected.get("schemas"), list):
        schemas = sorted((actual.get("components") or {}).get("schemas") or ())
        actual = {**actual, "schemas": schemas}
    if "_paths" in expected:
        actual = {**actual, "_paths": paths}
        expected = {**expected, "_paths": sorted(expected["_paths"])}
    expected = {k: v for k, v in expected.items() if not k.startswith("_n_")}
    if expected.get("kind") == "APIGroupDiscoveryList" and "items" in expected:
        expected, actual = _discovery(expected), _discovery(actual)
    return expected, actual


def _discovery(groups: dict[str, Any]) -> dict[str, Any]:
    """Group lists as objects by name, so that a recorded part can be compared."""
    named = {g["metadata"]["name"]: g for g in groups.get("items", [])}
    return {**groups, "items": named}


def _decoded(text: str) -> Any:
    if not text:
        return None
    try:
        return json.loads(text)
    except ValueError:
        return text
