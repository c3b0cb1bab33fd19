"""How the tests are divided among processes when several run: whole files, and the clusters apart.

Clusters whose answers decide a verdict go one after another in one process: two of them at once
would slow each other down. Those that only start, stop and are looked at have a second one.
"""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xdist.scheduler import LoadScopeScheduling

if TYPE_CHECKING:
    import pytest

ROOT = Path(__file__).parents[1]
DECIDING = "clusters that decide"
OTHER = "other clusters"
POLITE = 10
"""How much everything else gives way (nice): a cluster's gateways and models answer in time or fail
their tests, and the rest only takes longer."""
_ran: set[bool] = set()


class ByFile(LoadScopeScheduling):  # type: ignore[misc]
    """Sends the tests of one file to one process, and those of files with clusters to two."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        if not starts_clusters(file):
            return file
        return DECIDING if file.startswith(("tests/e2e/", "tests/demo/")) else OTHER


@cache
def starts_clusters(file: str) -> bool:
    """Whether a file, named from the root, has tests that are marked e2e."""
    return file.startswith("tests/e2e/") or "mark.e2e" in (ROOT / file).read_text()


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByFile:
    """What xdist asks for when tests run in several processes."""
    return ByFile(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The files with clusters come first: they take longest, and mostly wait. Of these the demo is
    the last: the less runs beside it, the better."""
    items.sort(key=lambda item: _turn(item.nodeid.partition("::")[0]))


def _turn(file: str) -> int:
    if not starts_clusters(file):
        return 2
    return 1 if file.startswith("tests/demo/") else 0


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Give way to the process with the clusters, in those beside it."""
    clusters = starts_clusters(item.nodeid.partition("::")[0])
    if not _ran and not clusters and hasattr(item.config, "workerinput"):
        os.nice(POLITE)
    _ran.add(clusters)
