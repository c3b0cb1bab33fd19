"""Programs beside the supervisor: started again, logged, stopped, and never left behind."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from typing import TYPE_CHECKING

from tidegate.local.cluster import children
from tidegate.local.cluster.children import Child

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pytest

STUBBORN = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("deaf", flush=True)
time.sleep(60)
"""
PARENT = """
import asyncio, sys
from pathlib import Path
from tidegate.local.cluster.children import Child
child = Child("sleep", lambda: ["sleep", "60"], log=Path(sys.argv[1]))
async def main():
    task = asyncio.create_task(child.run())
    while child.pid is None:
        await asyncio.sleep(0.01)
    print(child.pid, flush=True)
    await task
asyncio.run(main())
"""


async def until(holds: Callable[[], bool]) -> None:
    for _ in range(1000):
        if holds():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it did not become true within 10 s")


def runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        return file.read().rpartition(")")[2].split()[0] != "Z"


async def stopped(task: asyncio.Task[None]) -> None:
    task.cancel()
    async with asyncio.timeout(10):
        await asyncio.gather(task, return_exceptions=True)


async def test_a_program_that_ends_is_started_again_and_its_words_are_kept(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    child = Child("short", lambda: ["sh", "-c", "echo here; exit 3"], log=log)
    task = asyncio.create_task(child.run())
    await until(lambda: child.starts >= 3)
    await stopped(task)
    assert log.read_text().count("here") >= 2


async def test_stopping_ends_the_program(tmp_path: Path) -> None:
    child = Child("sleep", lambda: ["sleep", "60"], log=tmp_path / "x.log")
    task = asyncio.create_task(child.run())
    await until(lambda: child.pid is not None)
    pid = child.pid
    assert pid is not None
    await stopped(task)
    assert not runs(pid)


async def test_a_program_that_ignores_being_told_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(children, "_GRACE_S", 0.2)
    log = tmp_path / "x.log"
    child = Child("deaf", lambda: [sys.executable, "-c", STUBBORN], log=log)
    task = asyncio.create_task(child.run())
    await until(lambda: log.exists() and "deaf" in log.read_text())
    pid = child.pid
    assert pid is not None
    await stopped(task)
    assert not runs(pid)


async def test_a_program_does_not_outlive_a_killed_supervisor(tmp_path: Path) -> None:
    parent = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", PARENT, str(tmp_path / "x.log")),
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert parent.stdout is not None
    async with asyncio.timeout(10):
        pid = int(await parent.stdout.readline())
    assert runs(pid)
    parent.send_signal(signal.SIGKILL)
    await parent.wait()
    await until(lambda: not runs(pid))


def test_a_log_that_grew_long_is_moved_aside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(children, "_KEPT_LOG_BYTES", 10)
    log = tmp_path / "x.log"
    log.write_text("short")
    children.shorten(log)
    assert log.exists()
    log.write_text("longer than that")
    children.shorten(log)
    assert not log.exists()
    assert (tmp_path / "x.log.1").read_text() == "longer than that"
