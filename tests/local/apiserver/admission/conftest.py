"""A webhook to be asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.local.apiserver.admission.hook import Hook, listening

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@pytest.fixture
async def hook(tmp_path: Path) -> AsyncIterator[Hook]:
    folder = tmp_path / "pki"
    folder.mkdir()
    async with listening(folder) as found:
        yield found
