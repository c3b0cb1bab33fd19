"""Parts: started in order, started again, reported, stopped backwards."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import orjson
import pytest

from tidegate.local.cluster import supervisor
from tidegate.local.cluster.report import FAILED, READY, Report
from tidegate.local.cluster.supervisor import PartSpec, Supervisor

if TYPE_CHECKING:
    from pathlib import Path


class Recorded:
    """A part that notes when it starts and ends; `faults` says how often it fails first."""

    def __init__(self, name: str, notes: list[str], *, faults: int = 0) -> None:
        self.name, self.notes, self.faults = name, notes, faults
        self.answers = False

    async def run(self) -> None:
        self.notes.append(f"+{self.name}")
        if self.faults:
            self.faults -= 1
            raise OSError("the disk is on fire")
        self.answers = True
        try:
            await asyncio.Event().wait()
        finally:
            self.answers = False
            self.notes.append(f"-{self.name}")

    async def ready(self) -> bool:
        return self.answers

    def spec(self, *, needed: bool = False) -> PartSpec:
        return PartSpec(self.name, self.run, self.ready, needed=needed)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "_FIRST_WAIT_S", 0.05)
    monkeypatch.setattr(supervisor, "_PROBE_READY_S", 0.05)


async def test_parts_start_in_order_and_stop_backwards(tmp_path: Path) -> None:
    notes: list[str] = []
    parts = [Recorded(name, notes) for name in ("api", "gateway", "node")]
    report = Report(tmp_path / "report.json")
    running = Supervisor([parts[0].spec(needed=True), *(p.spec() for p in parts[1:])], report)
    task = asyncio.create_task(running.run())
    async with asyncio.timeout(5):
        await running.all_ready()
    assert report.ready
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert notes == ["+api", "+gateway", "+node", "-node", "-gateway", "-api"]


async def test_a_part_that_fails_is_told_and_started_again(tmp_path: Path) -> None:
    notes: list[str] = []
    part = Recorded("api", notes, faults=1)
    report = Report(tmp_path / "report.json")
    running = Supervisor([part.spec()], report)
    task = asyncio.create_task(running.run())
    seen: list[tuple[str, str]] = []
    for _ in range(500):
        written = report.path.exists() and orjson.loads(report.path.read_bytes())["parts"]["api"]
        if written and (not seen or seen[-1][0] != written["state"]):
            seen.append((written["state"], written["message"]))
        if seen and seen[-1][0] == READY:
            break
        await asyncio.sleep(0.01)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert [state for state, _ in seen][-2:] == [FAILED, READY]
    assert "the disk is on fire" in seen[-2][1]


async def test_a_part_that_stops_answering_is_no_longer_ready(tmp_path: Path) -> None:
    part = Recorded("api", [])
    report = Report(tmp_path / "report.json")
    running = Supervisor([part.spec()], report)
    task = asyncio.create_task(running.run())
    async with asyncio.timeout(5):
        await running.all_ready()
    part.answers = False
    await asyncio.sleep(0.2)
    assert (report.ready, report.parts["api"].state) == (False, FAILED)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
