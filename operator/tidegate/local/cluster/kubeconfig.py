"""Kubeconfig files: for the person who started the cluster, and for service accounts in pods."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import orjson

from tidegate.local.cluster.state import write_private

if TYPE_CHECKING:
    from pathlib import Path


def kubeconfig(
    *, server: str, authority: bytes, token: str, context: str, namespace: str = "default"
) -> dict[str, Any]:
    """A kubeconfig of one cluster, one user and one context, all named `context`."""
    data = base64.b64encode(authority).decode()
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {"name": context, "cluster": {"server": server, "certificate-authority-data": data}}
        ],
        "users": [{"name": context, "user": {"token": token}}],
        "contexts": [
            {
                "name": context,
                "context": {"cluster": context, "user": context, "namespace": namespace},
            }
        ],
        "current-context": context,
    }


def write_kubeconfig(path: Path, document: dict[str, Any]) -> None:
    """Write it, readable by its owner only. JSON is YAML, and kubectl reads it."""
    write_private(path, orjson.dumps(document, option=orjson.OPT_INDENT_2))
