"""One operator with its cluster for each test."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from tests.controllers.site import NAMESPACE, Site

from tidegate.testing.kube import FakeKube


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    async with FakeKube.start(namespace=NAMESPACE) as kube:
        yield Site(kube)
