"""What a request costs the model server: CPU and latency, predictions inline and in threads.

    .tidegate/env/dev/bin/python tests/benchmarks/request.py [--seconds 5]

Starts the server as a pod does (the environment `v2`), one model after the other, and sends single
rows of ten columns at a fixed rate over 16 kept connections; a request that is late is timed from
when it was due. `CPU` is the server process's, user and system, per request, prediction included;
`bare` is what the prediction alone takes in a loop. `probe` is the slowest answer to the readiness
probe, on a new connection, meanwhile.

Below it: what counting and keeping cost, in microseconds of CPU a request (or a pair, in the
comparer), and how many times as much a request then costs as without; the ratio takes the
quickest model's request, which is hurt most. `--parts` measures these alone. How other servers
compare is measured by `serving.py`.
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

from tidegate.comparing.arms import Arm
from tidegate.comparing.comparison import compare
from tidegate.comparing.join import Join
from tidegate.serving.distribution import Distributions
from tidegate.serving.outputs import Ring
from tidegate.serving.records import decode_page, encode_page
from tidegate.serving.signature import Signature, TensorSpec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

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


def cpu_us(call: Callable[[int], object], *, times: int) -> float:
    """Microseconds of CPU for each of `times` calls, which get their number."""
    began = time.process_time()
    for number in range(times):
        call(number)
    return 1e6 * (time.process_time() - began) / times


def parts(*, times: int = 20_000) -> dict[str, float]:
    """Microseconds of CPU by part, for single rows of ten columns."""
    columns = tuple(TensorSpec(name, "FP64") for name in COLUMNS)
    output = TensorSpec("probability", "FP64")
    counted = Distributions(Signature(columns, (output,)), model="m", revision="m-1")
    row = {name: np.array([0.25]) for name in COLUMNS}
    scores = np.array([[0.7, 0.3]])
    ids = [b"%036x" % number for number in range(times)]

    def ring(*, on: bool) -> Ring:
        made = Ring(model="m", revision="m-1", rate=1, max_entries=times, max_bytes=2**30)
        if on:
            made.read(None, limit=1, now=0)
        return made

    def keep(kept: Ring) -> float:
        outputs = [(output, scores[:, 1])]
        return cpu_us(
            lambda number: kept.record(ids[number], now=1, status=200, outputs=outputs),
            times=times,
        )

    idle, busy = ring(on=False), ring(on=True)
    found = {
        "count by bins": cpu_us(
            lambda _: counted.note(row, {"probability": scores[:, 1]}, rows=1), times=times
        ),
        "keep, nobody reads": keep(idle),
        "keep, a comparer reads": keep(busy),
    }
    began = time.process_time()
    page, pages = busy.read("", limit=5000, now=1), []
    while page.records:
        pages.append(encode_page(page))
        page = busy.read(page.next, limit=5000, now=1)
    found["be read"] = 1e6 * (time.process_time() - began) / times
    join = Join(max_waiting=times)
    began = time.process_time()
    for body in pages:
        for arm in Arm:
            for record in decode_page(body).records:
                if pair := join.add(arm, record, now=1):
                    compare(pair.stable, pair.candidate, tolerance=1e-6)
    found["comparer, a pair"] = 1e6 * (time.process_time() - began) / times
    return found


def show_parts(request_ms: float) -> None:
    """Print the second table; `request_ms` is the CPU of a whole request of the quickest model."""
    sys.stdout.write(f"\n{'part':24} {'CPU us':>7} {'ratio':>7}\n")
    found = parts()
    for name, us in found.items():
        ratio = "" if "pair" in name else f"{1 + us / (1000 * request_ms - us):.3f}"
        sys.stdout.write(f"{name:24} {us:7.2f} {ratio:>7}\n")


QUICKEST_MS = 0.42
"""CPU of a request of the quickest model here, as measured by this very benchmark."""


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=5.0, help="of each measurement")
    parser.add_argument("--parts", action="store_true", help="only what counting and keeping cost")
    given = parser.parse_args()
    if given.parts:
        show_parts(QUICKEST_MS)
        return
    seconds = given.seconds
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
    quickest = float("inf")
    with tempfile.TemporaryDirectory() as folder:
        for name, (estimator, rates) in models().items():
            artifact = Path(folder) / "model.skops"
            skops.io.dump(estimator, artifact)
            bare = bare_ms(estimator)
            for run, inline_ms in (("by time", 5.0), ("threads", 0.0)):
                with served(artifact, inline_ms=inline_ms) as (process, port):
                    for rate in rates:
                        found = asyncio.run(measure(process, port, rate=rate, seconds=seconds))
                        quickest = min(quickest, found.cpu)
                        sys.stdout.write(
                            line.format(
                                name, run, f"{bare:.2f}", f"{found.per_second:.0f}",
                                f"{found.cpu:.2f}", f"{found.p50:.1f}", f"{found.p99:.1f}",
                                f"{found.p999:.1f}", f"{found.probe:.1f}", f"{found.rss_mb:.0f}",
                            )
                        )  # fmt: skip
    show_parts(quickest)


if __name__ == "__main__":
    main()
