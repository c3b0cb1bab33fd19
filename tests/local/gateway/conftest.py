"""A running Envoy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.local.gateway.edge import Edge, running_edge

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@pytest.fixture
async def edge(tmp_path: Path) -> AsyncIterator[Edge]:
    async with running_edge(tmp_path) as found:
        yield found
