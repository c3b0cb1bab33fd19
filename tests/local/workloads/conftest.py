"""Controllers that run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.local.workloads.stage import Stage, running_stage

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    async with running_stage() as found:
        yield found
