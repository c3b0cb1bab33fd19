"""A cluster for each module, a namespace for each test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.local.clients.server import Kubectl, Running, running_cluster

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running_cluster(tmp_path_factory.mktemp("cluster")) as found:
        yield found


@pytest.fixture
def kubectl(cluster: Running, request: pytest.FixtureRequest) -> Kubectl:
    """kubectl in a new namespace."""
    name = request.node.name.partition("[")[0].removeprefix("test_").replace("_", "-")[:50]
    found = Kubectl(cluster, name.strip("-"))
    found("create", "namespace", found.namespace)
    return found
