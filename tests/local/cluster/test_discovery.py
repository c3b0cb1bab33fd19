"""Which resource an object is of: asked of a real API server in memory."""

from __future__ import annotations

import pytest

from tidegate.errors import NotFound, Terminal
from tidegate.kube.client import Client
from tidegate.local.apiserver import ApiServer
from tidegate.local.cluster.discovery import Discovery
from tidegate.testing.transport import InProcessTransport


@pytest.mark.parametrize(
    ("api_version", "kind", "plural", "namespaced"),
    [
        ("v1", "ServiceAccount", "serviceaccounts", True),
        ("v1", "Namespace", "namespaces", False),
        ("apps/v1", "Deployment", "deployments", True),
        ("rbac.authorization.k8s.io/v1", "ClusterRole", "clusterroles", False),
    ],
)
async def test_kinds_are_found_by_what_the_server_says(
    api_version: str, kind: str, plural: str, namespaced: bool
) -> None:
    discovery = Discovery(Client(InProcessTransport(ApiServer.in_memory())))
    found = await discovery.resource_of({"apiVersion": api_version, "kind": kind})
    assert (found.plural, found.namespaced) == (plural, namespaced)
    assert found.api_version == api_version


async def test_what_is_not_served_is_told() -> None:
    discovery = Discovery(Client(InProcessTransport(ApiServer.in_memory())))
    with pytest.raises(Terminal, match="does not serve Teapot in v1"):
        await discovery.resource_of({"apiVersion": "v1", "kind": "Teapot"})
    with pytest.raises(NotFound):
        await discovery.resource_of({"apiVersion": "example.com/v1", "kind": "Teapot"})
