"""Servers to test: in memory, with a clock that stands still, with and without the Widget CRD."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tidegate.local.apiserver import ApiServer
from tidegate.testing.apiserver import CRDS, WIDGET_CRD, Asker
from tidegate.testing.clock import FakeClock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def api(clock: FakeClock) -> AsyncIterator[ApiServer]:
    server = ApiServer.in_memory(clock=clock.now)
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
def ask(api: ApiServer) -> Asker:
    return Asker(api)


@pytest.fixture
async def widgets(ask: Asker) -> Asker:
    """An asker of a server that has the Widget CRD."""
    await ask.create(CRDS, WIDGET_CRD)
    return ask
