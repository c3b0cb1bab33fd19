"""wandb:// in a pod: continued, with fresh addresses, within limits, and what was resolved."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import pytest
from tests.artifacts.test_wandb import ALL, FILES, MODEL, resolve

from tidegate.artifacts.credentials import Credentials
from tidegate.artifacts.fetching import fetcher_for
from tidegate.artifacts.wandb.source import WandbSource
from tidegate.errors import Terminal
from tidegate.serving.cache import Wanted
from tidegate.serving.fetch import fetch as bring
from tidegate.testing.wandb import FakeWandb

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tidegate.artifacts.base import Resolved


@pytest.fixture
async def server() -> AsyncIterator[FakeWandb]:
    async with FakeWandb.start() as found:
        found.log(FILES, "prod")
        yield found


@pytest.fixture
async def source() -> AsyncIterator[WandbSource]:
    found = WandbSource()
    yield found
    await found.close()


def wanted(found: Resolved, cache: Path, *, max_bytes: int = 10**6) -> Wanted:
    return Wanted(
        source=found.location, sha256=found.sha256, cache=cache, kind=found.kind,
        deadline=time.monotonic() + 20, max_bytes=max_bytes,
        credentials=Credentials("wandb", {}),
    )  # fmt: skip


async def test_a_pod_goes_on_where_a_connection_broke_off_with_an_address_that_is_new(
    server: FakeWandb, source: WandbSource, tmp_path: Path
) -> None:
    found = await resolve(server, source)
    server.cut = 3000
    path = await asyncio.to_thread(bring, wanted(found, tmp_path))
    assert path.read_bytes() == MODEL
    tree = await resolve(server, source, ALL, format="custom")
    server.cut = 3
    path = await asyncio.to_thread(bring, wanted(tree, tmp_path))
    assert {name: (path / name).read_bytes() for name in FILES} == FILES


async def test_an_address_that_ended_is_asked_for_anew(
    server: FakeWandb, source: WandbSource
) -> None:
    found = await resolve(server, source, ALL, format="custom")
    fetcher = fetcher_for(found.location, Credentials("wandb", {}))
    entries = await asyncio.to_thread(lambda: [*fetcher.files(found.location)])
    assert server.asked.count("ArtifactMembershipFiles") == 4  # two pages, here and there
    server.end_addresses()

    def content(place: str) -> bytes:
        with fetcher.open(place, offset=0) as stream:
            return b"".join(stream.chunks)

    for entry in entries:
        assert await asyncio.to_thread(content, entry.location) == FILES[entry.path]


async def test_a_pod_refuses_what_is_larger_than_its_limit_or_not_what_was_resolved(
    server: FakeWandb, source: WandbSource, tmp_path: Path
) -> None:
    found = await resolve(server, source)
    with pytest.raises(Terminal) as large:
        await asyncio.to_thread(bring, wanted(found, tmp_path, max_bytes=100))
    assert large.value.reason == "TooLarge"
    server.memberships[0].version.stored["model.onnx"] = b"tampered" * 1000
    with pytest.raises(Terminal) as wrong:
        await asyncio.to_thread(bring, wanted(found, tmp_path))
    assert wrong.value.reason == "DigestMismatch"
