"""A real Prometheus: found, configured, ready, and with the series of an HTTP server."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from aiohttp import web

from tidegate import listening
from tidegate.errors import Terminal
from tidegate.local.metrics.prometheus import is_ready, prometheus_binary, prometheus_command
from tidegate.testing.gateway import free_port

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

BESIDE = Path(__file__).parents[3] / ".tidegate" / "bin"
SERIES = """\
envoy_cluster_upstream_rq_xx{envoy_response_code_class="5",envoy_cluster_name="demo/a.b/c"} 7
envoy_cluster_external_upstream_rq_xx{envoy_response_code_class="5",envoy_cluster_name="d"} 7
envoy_cluster_lb_healthy_panic{envoy_cluster_name="demo/a.b/c"} 1
"""


def test_the_variable_comes_first_then_the_path_then_the_checkout(tmp_path: Path) -> None:
    def program(folder: str) -> Path:
        path = tmp_path / folder / "prometheus"
        path.parent.mkdir()
        path.write_text("#!/bin/sh\n")
        path.chmod(0o755)
        return path

    named, on_path, beside = program("named"), program("path"), program("beside")
    environment = {"TIDEGATE_PROMETHEUS_BIN": str(named), "PATH": str(on_path.parent)}
    assert prometheus_binary(beside=beside.parent, environment=environment) == named
    del environment["TIDEGATE_PROMETHEUS_BIN"]
    assert prometheus_binary(beside=beside.parent, environment=environment) == on_path
    environment["PATH"] = str(tmp_path)
    assert prometheus_binary(beside=beside.parent, environment=environment) == beside
    with pytest.raises(Terminal, match="apt-get install prometheus"):
        prometheus_binary(beside=None, environment=environment)


async def test_a_wrong_address_is_not_ready() -> None:
    assert not await is_ready(f"http://127.0.0.1:{free_port()}")


@pytest.fixture
async def envoy_like() -> AsyncIterator[str]:
    """Serves the series of an Envoy at its path."""

    async def metrics(request: web.Request) -> web.Response:
        return web.Response(text=SERIES)

    app = web.Application()
    app.router.add_get("/stats/prometheus", metrics)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    port = free_port()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    yield f"127.0.0.1:{port}"
    await listening.end(runner)


async def query(url: str, expression: str) -> list[Any]:
    async with (
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=2)) as session,
        session.get(f"{url}/api/v1/query", params={"query": expression}) as answer,
    ):
        document = await answer.json()
    result: list[Any] = document["data"]["result"]
    return result


async def test_it_scrapes_the_cluster_series_of_envoy_each_second(
    tmp_path: Path, envoy_like: str
) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = prometheus_command(
        binary=prometheus_binary(beside=BESIDE),
        folder=tmp_path,
        port=port,
        envoy_admin=envoy_like,
        targets=tmp_path / "targets.json",
    )
    with (tmp_path / "log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(*command, stdout=log, stderr=log)
    try:
        found: list[Any] = []
        for _ in range(200):
            if await is_ready(url):
                found = await query(url, '{job="envoy", __name__=~"envoy_.*"}[5s]')
            if found and len(found[0]["values"]) >= 3:
                break
            await asyncio.sleep(0.1)
        assert [f["metric"]["envoy_cluster_name"] for f in found] == ["demo/a.b/c"]
        assert found[0]["metric"]["__name__"] == "envoy_cluster_upstream_rq_xx"
        times = [time for time, _ in found[0]["values"]]
        assert times[-1] - times[-2] == pytest.approx(1, abs=0.2)
    finally:
        with suppress(ProcessLookupError):
            process.terminate()
        async with asyncio.timeout(10):
            await process.wait()
