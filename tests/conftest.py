"""How the tests are divided among processes when several run: whole files, and one process for
whatever starts a whole cluster, because two clusters at once would slow each other down."""

from __future__ import annotations

import pytest

CLUSTER = "cluster"


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Name each test's group for `--dist loadgroup`. The clusters come first: they take longest,
    and mostly wait."""
    for item in items:
        whole = item.get_closest_marker("e2e") is not None
        item.add_marker(pytest.mark.xdist_group(CLUSTER if whole else item.location[0]))
    items.sort(key=lambda item: item.get_closest_marker("e2e") is None)
