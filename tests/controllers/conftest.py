"""One operator with its cluster for each test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.controllers.site import NAMESPACE, Site

from tidegate.testing.kube import FakeKube

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    async with FakeKube.start(namespace=NAMESPACE) as kube:
        yield Site(kube)
