"""What a request costs the model server: CPU and latency, predictions inline and in threads.

    .tidegate/env/dev/bin/python tests/benchmarks/serving.py [--seconds 5]

Starts the server as a pod does (the environment `v2`), one model after the other, and sends single
rows of ten columns at a fixed rate over 16 kept connections; a request that is late is timed from
when it was due. `CPU` is the server process's, user and system, per request, prediction included;
`bare` is what the prediction alone takes in a loop. `probe` is the slowest answer to the readiness
probe, on a new connection, meanwhile.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import psutil
import skops.io
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
ENVIRONMENTS = Path(os.environ.get("TIDEGATE_ENVS", ROOT / ".tidegate" / "env"))
COLUMNS = [f"x{i}" for i in range(10)]
SIGNATURE = {
    "inputs": [{"name": name, "type": "FP64"} for name in COLUMNS],
    "outputs": [{"name": "probability", "type": "FP64"}],
}
BODY = json.dumps(
    {
        "inputs": [
            {"name": name, "datatype": "FP64", "shape": [1], "data": [0.25 * i]}
            for i, name in enumerate(COLUMNS)
        ]
    }
).encode()
INFER = (
    b"POST /v2/models/m/infer HTTP/1.1\r\nhost: m\r\ncontent-type: application/json\r\n"
    b"content-length: %d\r\n\r\n%s" % (len(BODY), BODY)
)
PROBE = b"GET /v2/health/ready HTTP/1.1\r\nhost: m\r\nconnection: close\r\n\r\n"
CONNECTIONS = 16


@dataclass(frozen=True)
class Measured:
    """Milliseconds, but `per_second` and `rss_mb`."""

    per_second: float
    cpu: float
    p50: float
    p99: float
    p999: float
    probe: float
    rss_mb: float


def models() -> dict[str, tuple[Any, tuple[int, ...]]]:
    """Estimators by name, each with the rates to try."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2000, 10))
    y = (x[:, 0] + x[:, 1] > rng.normal(size=2000)).astype(int)
    return {
        "scaler + logistic": (
            make_pipeline(StandardScaler(), LogisticRegression()).fit(x, y),
            (200, 600),
        ),
        "boosting, 60 trees": (
            HistGradientBoostingClassifier(max_iter=60).fit(x, y),
            (200, 600),
        ),
        "forest, 200 trees": (RandomForestClassifier(200, max_depth=5).fit(x, y), (20, 60)),
    }


@contextmanager
def served(artifact: Path, *, inline_ms: float) -> Iterator[tuple[psutil.Process, int]]:
    """A ready server's process and port."""
    log_file = artifact.with_suffix(".log")
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT / "operator"),
        "POD_IP": "127.0.0.1",
        "TIDEGATE_PORT": "0",
        "TIDEGATE_METRICS_PORT": "0",
        "TIDEGATE_OUTPUTS_PORT": "0",
        "TIDEGATE_MODEL": "m",
        "TIDEGATE_REVISION": "m-1",
        "TIDEGATE_ARTIFACT": str(artifact),
        "TIDEGATE_SHA256": hashlib.sha256(artifact.read_bytes()).hexdigest(),
        "TIDEGATE_FORMAT": "sklearn-skops",
        "TIDEGATE_SIGNATURE": json.dumps(SIGNATURE),
        "TIDEGATE_INLINE_MS": str(inline_ms),
    }
    with log_file.open("wb") as log:
        server = subprocess.Popen(
            [ENVIRONMENTS / "v2" / "bin" / "python", "-m", "tidegate.serving.server"],
            env=environment,
            stderr=log,
        )
    try:
        deadline = time.monotonic() + 60
        while "INFO ready" not in log_file.read_text():
            if server.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"the server did not start:\n{log_file.read_text()}")
            time.sleep(0.1)
        found = re.search(r"listening address=\S+ port=(\d+)", log_file.read_text())
        assert found is not None
        yield psutil.Process(server.pid), int(found[1])
    finally:
        server.kill()
        server.wait(timeout=10)


async def ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(INFER)
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    if not head.startswith(b"http/1.1 200 "):
        raise SystemExit(head.decode())
    length = re.search(rb"content-length: (\d+)", head)
    assert length is not None
    await reader.readexactly(int(length[1]))


async def measure(process: psutil.Process, port: int, *, rate: int, seconds: float) -> Measured:
    """Send `rate` requests a second for `seconds`."""
    connections = [await asyncio.open_connection("127.0.0.1", port) for _ in range(CONNECTIONS)]
    for connection in connections * 5:
        await ask(*connection)
    due: asyncio.Queue[float | None] = asyncio.Queue()
    waits: list[float] = []
    probes: list[float] = []

    async def work(connection: tuple[asyncio.StreamReader, asyncio.StreamWriter]) -> None:
        while (at := await due.get()) is not None:
            await ask(*connection)
            waits.append(time.perf_counter() - at)

    async def probe() -> None:
        while True:
            began = time.perf_counter()
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(PROBE)
            await reader.read()
            writer.close()
            probes.append(time.perf_counter() - began)
            await asyncio.sleep(0.1)

    cpu = sum(process.cpu_times()[:2])
    began = time.perf_counter()
    async with asyncio.TaskGroup() as tasks:
        probing = tasks.create_task(probe())
        working = [tasks.create_task(work(connection)) for connection in connections]
        for number in range(int(rate * seconds)):
            at = began + number / rate
            await asyncio.sleep(max(0.0, at - time.perf_counter()))
            due.put_nowait(at)
        for _ in connections:
            due.put_nowait(None)
        await asyncio.wait(working)
        probing.cancel()
    took = time.perf_counter() - began
    spent = sum(process.cpu_times()[:2]) - cpu
    for _, writer in connections:
        writer.close()
    p50, p99, p999 = np.quantile(waits, [0.5, 0.99, 0.999]) * 1000
    return Measured(
        per_second=len(waits) / took,
        cpu=1000 * spent / len(waits),
        p50=p50,
        p99=p99,
        p999=p999,
        probe=1000 * max(probes),
        rss_mb=process.memory_info().rss / 2**20,
    )


def bare_ms(estimator: Any) -> float:
    """CPU of one prediction of one row, in a hot loop."""
    row = np.full((1, len(COLUMNS)), 0.25)
    estimator.predict_proba(row)
    times = 0
    began = time.process_time()
    while time.process_time() - began < 0.5:
        estimator.predict_proba(row)
        times += 1
    return 1000 * (time.process_time() - began) / times


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=5.0, help="of each measurement")
    seconds = parser.parse_args().seconds
    if os.environ.get("OMP_NUM_THREADS") != "1":
        # As the server does; the libraries read it when they are imported.
        os.execve(
            sys.executable, [sys.executable, *sys.argv], os.environ | {"OMP_NUM_THREADS": "1"}
        )
    line = "{:20} {:>9} {:>6} {:>8} {:>8} {:>8} {:>8} {:>8} {:>8} {:>7}\n"
    sys.stdout.write(
        line.format(
            "model", "run", "bare", "asked/s", "CPU ms", "p50 ms", "p99 ms", "p99.9 ms",
            "probe ms", "RSS MB",
        )
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        for name, (estimator, rates) in models().items():
            artifact = Path(folder) / "model.skops"
            skops.io.dump(estimator, artifact)
            bare = bare_ms(estimator)
            for run, inline_ms in (("by time", 5.0), ("threads", 0.0)):
                with served(artifact, inline_ms=inline_ms) as (process, port):
                    for rate in rates:
                        found = asyncio.run(measure(process, port, rate=rate, seconds=seconds))
                        sys.stdout.write(
                            line.format(
                                name, run, f"{bare:.2f}", f"{found.per_second:.0f}",
                                f"{found.cpu:.2f}", f"{found.p50:.1f}", f"{found.p99:.1f}",
                                f"{found.p999:.1f}", f"{found.probe:.1f}", f"{found.rss_mb:.0f}",
                            )
                        )  # fmt: skip


if __name__ == "__main__":
    main()
