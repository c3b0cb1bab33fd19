"""How the tests are divided among processes when several run: whole files, and one process for
whatever starts a whole cluster, because two clusters at once would slow each other down."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xdist.scheduler import LoadScopeScheduling

if TYPE_CHECKING:
    import pytest

ROOT = Path(__file__).parents[1]
CLUSTER = "cluster"
POLITE = 10
"""How much everything else gives way (nice): a cluster's gateways and models answer in time or fail
their tests, and the rest only takes longer."""
_ran: set[bool] = set()


class ByFile(LoadScopeScheduling):  # type: ignore[misc]
    """Sends the tests of one file to one process, and those of all files with clusters to one."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return CLUSTER if starts_clusters(file) else file


@cache
def starts_clusters(file: str) -> bool:
    """Whether a file, named from the root, has tests that are marked e2e."""
    return file.startswith("tests/e2e/") or "mark.e2e" in (ROOT / file).read_text()


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByFile:
    """What xdist asks for when tests run in several processes."""
    return ByFile(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The files with clusters come first: they take longest, and mostly wait."""
    items.sort(key=lambda item: not starts_clusters(item.nodeid.partition("::")[0]))


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Give way to the process with the clusters, in those beside it."""
    clusters = starts_clusters(item.nodeid.partition("::")[0])
    if not _ran and not clusters and hasattr(item.config, "workerinput"):
        os.nice(POLITE)
    _ran.add(clusters)
