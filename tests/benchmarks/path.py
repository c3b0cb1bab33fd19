"""How long a weight takes: from a batch being complete in Prometheus to Envoy's own configuration.

    PYTHONPATH=operator:. .tidegate/env/dev/bin/python tests/benchmarks/path.py

A Model is delivered in ten steps on an embedded cluster, with real pods, Envoy and Prometheus under
load. `status.step.nextEvaluationAt` says when the batch that ends a step is complete; Envoy's admin
page says when it routes by the next weight. Both are asked every 20 ms. Aim: under 2 s.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from tests.e2e.objects import model, rollout
from tests.e2e.stage import running
from tests.e2e.versions import train

if TYPE_CHECKING:
    from tests.e2e.stage import Stage

WHERE = "path"
WEIGHTS = (5, 10, 15, 20, 30, 40, 50, 60, 70, 80)
EVERY_S = 0.02
LIMIT = timedelta(seconds=150)
AIM_S = 2.0


async def changes(stage: Stage) -> list[float]:
    """Seconds from each batch that ended a step to the next weight in Envoy."""
    good, better = stage.artifacts["good"], stage.artifacts["better"]
    steps = [(weight, "3s") for weight in WEIGHTS]
    await stage.serve(WHERE, model(WHERE, good.uri), rollout(WHERE, *steps))
    found: list[float] = []
    async with stage.load(WHERE).flowing():
        await stage.apply(model(WHERE, better.uri))
        due, before = None, await stage.envoy_weights(WHERE)
        until = datetime.now(UTC) + LIMIT
        while len(found) < len(WEIGHTS) - 1 and datetime.now(UTC) < until:
            weights, now = await stage.envoy_weights(WHERE), datetime.now(UTC)
            if weights != before and len(before) > 1 and due is not None:
                found.append((now - due).total_seconds())
            before = weights
            step = (await stage.rollout(WHERE)).get("status", {}).get("step") or {}
            asked = step.get("nextEvaluationAt")
            if asked is not None and datetime.fromisoformat(asked) <= datetime.now(UTC):
                due = datetime.fromisoformat(asked)
            await asyncio.sleep(EVERY_S)
    return found


async def main() -> int:
    """Measure and print; the exit code is 1 when the aim is missed."""
    with tempfile.TemporaryDirectory() as folder:
        artifacts = train(Path(folder))
        async with running(Path(folder), artifacts) as stage:
            found = await changes(stage)
    if len(found) < 2:
        sys.stdout.write("the delivery did not get far enough to measure anything\n")
        return 1
    sys.stdout.write(
        f"batch complete to weight in Envoy, {len(found)} changes: median"
        f" {statistics.median(found):.2f} s, longest {max(found):.2f} s (aim: under {AIM_S:g})\n"
    )
    return int(max(found) >= AIM_S)


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
