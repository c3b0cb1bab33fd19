"""The meter tells what a container with all its children uses, from one question to the next."""

from __future__ import annotations

import asyncio
import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from tidegate.local.node.meter import Meter, tree_usage
from tidegate.local.node.process import Process

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tidegate.local.node.process import Identity

BUSY = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'while True: pass'])"
IDLE = "import time; time.sleep(60)"


class Pod:
    """A pod with one container."""

    def __init__(self, process: Identity) -> None:
        self._process = process

    def processes(self) -> dict[str, Identity]:
        return {"c": self._process}


@asynccontextmanager
async def running(script: str, folder: Path) -> AsyncIterator[Identity]:
    process = await Process.start(
        [sys.executable, "-c", script], env={}, directory=folder, log=folder / "log"
    )
    try:
        yield process.identity
    finally:
        process.kill_group()
        await process.wait()


async def uses(process: Identity, cpu_s: float) -> None:
    """Wait until it has used that much in all."""
    for _ in range(400):
        if tree_usage(process.pid)[0] >= cpu_s:
            return
        await asyncio.sleep(0.05)
    raise AssertionError("it used nothing within 20 s")


async def test_a_busy_child_counts_and_an_idle_process_does_not(tmp_path: Path) -> None:
    async with running(BUSY, tmp_path) as busy, running(IDLE, tmp_path) as idle:
        pods = {"busy": Pod(busy), "idle": Pod(idle)}
        meter = Meter(lambda _, name: pods.get(name))
        await uses(busy, 0.2)
        assert meter.used("demo", "busy") == {}
        assert meter.used("demo", "idle") == {}
        before = tree_usage(busy.pid)[0]
        await uses(busy, before + 0.3)
        await asyncio.sleep(0.5)
        used, rest = meter.used("demo", "busy")["c"], meter.used("demo", "idle")["c"]
        assert used.cpu > 0.05
        assert used.cpu > 4 * rest.cpu
        assert used.memory > 1e6
        # Asked again at once it says the same, instead of dividing by almost nothing.
        assert meter.used("demo", "busy")["c"] == used
        assert meter.used("demo", "nobody") == {}


def test_a_process_that_is_gone_uses_nothing() -> None:
    assert tree_usage(2**22 + 1) == (0.0, 0)
