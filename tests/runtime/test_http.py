"""Probes answer what the process says of itself, in a way that a kubelet understands."""

from __future__ import annotations

from dataclasses import dataclass

import aiohttp
import orjson
import pytest

from tidegate.runtime.http import Verdict, serving


@dataclass
class Said:
    """A process that says what a test wants."""

    is_alive: bool
    is_ready: bool

    def alive(self) -> Verdict:
        return Verdict(self.is_alive, "about life")

    def ready(self) -> Verdict:
        return Verdict(self.is_ready, "about readiness")


@pytest.mark.parametrize(
    ("path", "alive", "ready", "status", "why"),
    [
        ("/healthz", True, False, 200, "about life"),
        ("/healthz", False, True, 503, "about life"),
        ("/readyz", False, True, 200, "about readiness"),
        ("/readyz", True, False, 503, "about readiness"),
    ],
)
async def test_each_probe_answers_for_itself(
    path: str, alive: bool, ready: bool, status: int, why: str
) -> None:
    async with (
        serving(Said(alive, ready), host="127.0.0.1", port=0) as port,
        aiohttp.ClientSession() as session,
        session.get(f"http://127.0.0.1:{port}{path}") as answer,
    ):
        assert answer.status == status
        assert orjson.loads(await answer.read()) == {"ok": status == 200, "why": why}


async def test_metrics_are_served_as_prometheus_reads_them() -> None:
    async with (
        serving(Said(True, True), host="127.0.0.1", port=0) as port,
        aiohttp.ClientSession() as session,
        session.get(f"http://127.0.0.1:{port}/metrics") as answer,
    ):
        text = await answer.text()

    assert answer.headers["Content-Type"].startswith("text/plain")
    assert "# TYPE tidegate_reconcile_total counter" in text
    assert "process_resident_memory_bytes" in text
