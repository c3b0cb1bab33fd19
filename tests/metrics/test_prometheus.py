"""The adapter: whatever Prometheus does, a query ends in time, in a value or an error."""

from __future__ import annotations

import asyncio
import math
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from tidegate.metrics.base import Error, Value
from tidegate.metrics.prometheus import Prometheus

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.metrics.conftest import ScriptedPrometheus


@pytest.fixture
async def prometheus(scripted: ScriptedPrometheus) -> AsyncIterator[Prometheus]:
    adapter = Prometheus(scripted.url, timeout=timedelta(seconds=1))
    yield adapter
    await adapter.close()


async def test_it_reads_a_range_of_samples(
    prometheus: Prometheus, scripted: ScriptedPrometheus
) -> None:
    scripted.script.add("m", [(990.0, 1.0), (995.0, math.nan), (1000.0, math.inf)], x="y")
    answer = await prometheus.query('m{x="y"}[60000ms]', at=datetime.fromtimestamp(1000, UTC))
    assert isinstance(answer, Value)
    (series,) = answer.value
    assert series.labels["x"] == "y"
    assert [t for t, _ in series.samples] == [990, 995, 1000]
    assert math.isnan(series.samples[1][1])
    assert math.isinf(series.samples[2][1])
    assert scripted.script.queries[0]["time"] == "1000.000"


async def test_no_match_is_an_empty_value(prometheus: Prometheus) -> None:
    assert await prometheus.query('m{x="y"}') == Value(())


async def test_it_tells_prometheus_time(prometheus: Prometheus) -> None:
    assert await prometheus.now() == Value(datetime.fromtimestamp(1000, UTC))


async def test_warnings_are_kept(prometheus: Prometheus, scripted: ScriptedPrometheus) -> None:
    scripted.script.warnings = ["a replica did not answer"]
    answer = await prometheus.query('m{x="y"}')
    assert answer == Value((), ("a replica did not answer",))
    scripted.script.warnings = []
    assert await prometheus.query('m{x="y"}') == Value(())


@pytest.mark.parametrize("status", [400, 422, 500, 503])
async def test_a_refusal_is_an_error_and_is_not_asked_again(
    prometheus: Prometheus, scripted: ScriptedPrometheus, status: int
) -> None:
    scripted.script.status = status
    answer = await prometheus.query("time()")
    assert isinstance(answer, Error)
    assert str(status) in answer.reason
    assert len(scripted.script.queries) == 1


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"[]",
        b"null",
        b'{"status":"success"}',
        b'{"data":{"result":[{"metric":{},"value":["x"]}]}}',
        b'{"data":{"result":[{"value":[1,"2"]}]}}',
        b'{"data":{"result":"7"}}',
        b'{"data":{"result":7}}',
    ],
)
async def test_nonsense_is_an_error(
    prometheus: Prometheus, scripted: ScriptedPrometheus, body: bytes
) -> None:
    scripted.script.body = body
    assert isinstance(await prometheus.query("time()"), Error)


async def test_a_slow_answer_is_an_error_in_time_and_blocks_nothing(
    scripted: ScriptedPrometheus,
) -> None:
    scripted.script.delay_s = 1.5
    adapter = Prometheus(scripted.url, timeout=timedelta(seconds=0.3), threads=2)
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            await asyncio.sleep(0.02)
            ticks += 1

    ticking = asyncio.create_task(tick())
    begin = time.monotonic()
    answers = await asyncio.gather(*(adapter.query("time()") for _ in range(6)))
    took = time.monotonic() - begin
    ticking.cancel()
    await adapter.close()
    assert all(isinstance(answer, Error) for answer in answers)
    assert took < 1.0
    assert ticks >= 5


async def test_nobody_there_is_an_error() -> None:
    adapter = Prometheus("http://127.0.0.1:1", timeout=timedelta(seconds=1))
    answer = await adapter.query("time()")
    await adapter.close()
    assert isinstance(answer, Error)
    assert answer.reason == "Prometheus at http://127.0.0.1:1 cannot be asked: Connection refused"


def test_importing_the_adapter_does_not_import_its_client() -> None:
    code = (
        "import sys, tidegate.metrics.traffic, tidegate.metrics.prometheus; "
        "sys.exit(any(m in sys.modules for m in ('requests', 'numpy', 'pandas', 'scipy')))"
    )
    subprocess.run(
        [sys.executable, "-c", code], check=True, timeout=30, env={"PYTHONPATH": ":".join(sys.path)}
    )
