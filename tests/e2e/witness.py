"""Somebody who watches deliveries from outside: whatever died when, they must be in order."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

from tests.e2e.stage import Stage, eventually

from tidegate.domain.record import replay
from tidegate.kube.resources import CONFIGMAPS, DEPLOYMENTS, HTTPROUTES
from tidegate.specs.record import rows_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@dataclass
class Witness:
    """Everything that is seen of the routes and Rollouts of some namespaces, as often as one
    looks: whatever died when, it must be in order."""

    stage: Stage
    attempts: dict[str, int] = field(default_factory=dict)
    seen: dict[str, set[tuple[tuple[str, int], ...]]] = field(default_factory=dict)

    async def look(self, where: str) -> None:
        """Look once."""
        routes = await self.stage.client.list(HTTPROUTES, namespace=where)
        for route in routes.items:
            backends = route["spec"]["rules"][0]["backendRefs"]
            weights = {each["name"]: each.get("weight", 1) for each in backends}
            assert all(0 <= weight <= 100 for weight in weights.values()), weights
            assert sum(weights.values()) == 100, weights
            assert sum(weight > 0 for weight in weights.values()) <= 2, weights
            seen, now = self.seen.setdefault(where, set()), tuple(sorted(weights.items()))
            if now not in seen:
                await self._ready(where, weights)
            seen.add(now)
        status = (await self.stage.rollout(where)).get("status", {})
        attempts = status.get("attempts", 0)
        assert self.attempts.get(where, 0) <= attempts, "an attempt was forgotten"
        self.attempts[where] = attempts
        delivery = (await self.stage.model(where)).get("status", {}).get("delivery", {})
        if stable := delivery.get("stable"):
            found = await self.stage.client.get(DEPLOYMENTS, stable, namespace=where)
            assert found["spec"]["replicas"] > 0, f"there is no way back to {stable}"

    async def _ready(self, where: str, weights: dict[str, int]) -> None:
        """Who gets traffic now was ready for it; later a busy machine may be late with a probe."""
        for name in (name for name, weight in weights.items() if weight):
            found = await self.stage.client.get(DEPLOYMENTS, name, namespace=where)
            assert found["status"].get("readyReplicas", 0) > 0, f"traffic to {name}, not ready"

    @asynccontextmanager
    async def watching(self, *namespaces: str) -> AsyncIterator[None]:
        """Look all the time inside the block."""

        async def watch() -> None:
            while True:
                for where in namespaces:
                    await self.look(where)
                await asyncio.sleep(0.1)

        async with asyncio.TaskGroup() as group:
            task = group.create_task(watch())
            try:
                yield
            finally:
                task.cancel()


async def whole_records(stage: Stage, where: str, *, attempts: int) -> None:
    """The record of each attempt: every batch once, no verdict that its batches do not give."""

    async def written() -> bool:
        found = (await stage.client.list(CONFIGMAPS, namespace=where)).items
        ended = [each for each in found if each.get("immutable")]
        return len(ended) == attempts

    await eventually(written)
    for record in (await stage.client.list(CONFIGMAPS, namespace=where)).items:
        if record.get("immutable"):
            rows = rows_of(record)
            assert replay(rows).same
            ends = [row.at for row in rows if row.kind == "batch"]
            assert all(earlier < later for earlier, later in pairwise(ends))
