"""One cluster for all tests of this folder, and the models that they serve."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import pytest_asyncio
from tests.e2e.rights import refused
from tests.e2e.stage import Stage, running
from tests.e2e.versions import Artifact, train
from tests.serving.contract import make_environment

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@pytest.fixture(scope="session")
def artifacts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Artifact]:
    """The versions by name."""
    return train(tmp_path_factory.mktemp("artifacts"))


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def stage(
    artifacts: dict[str, Artifact],
    tmp_path_factory: pytest.TempPathFactory,
    request: pytest.FixtureRequest,
) -> AsyncIterator[Stage]:
    """The running cluster. What an image is stands in a table that it reads when it starts, so the
    optional runtime's environment is made before, if a test needs it."""
    if any("seldon" in item.name for item in request.session.items):
        make_environment("seldon")
    async with running(tmp_path_factory.mktemp("e2e"), artifacts) as found:
        found.selected = frozenset(item.name for item in request.session.items)
        yield found


@pytest_asyncio.fixture(scope="module", loop_scope="session", autouse=True)
async def _swept(stage: Stage) -> AsyncIterator[None]:
    """The pods of one module do not burden the next, nor the tests of other folders."""
    yield
    assert await refused(stage) == [], "manifests/base lets the operator do less than it does"
    await stage.kubectl(
        "delete", "models.tidegate.dev", "--all", "--all-namespaces", "--wait=false"
    )
