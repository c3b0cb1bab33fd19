"""Tidegate's server against others on the same scikit-learn model: seldon-core's wrapper, MLServer
and KServe's Python server.

    .tidegate/env/dev/bin/python tests/benchmarks/serving.py [--runs 5] [--seconds 4]

One machine, one client, one run: all servers are started once, in environments of their own (those
of MLServer and KServe are made for the run and thrown away), and are then asked one after the
other, again and again. The servers run on one core, the client on the others: spread over two,
seldon's threads fight for the interpreter, and a request costs it half as much again. Each gets
single rows of ten columns in the form of its own protocol: first as fast as 16 kept connections go
(answered requests by the seconds of CPU that the server's processes took), then at a fixed rate
that all can keep (p50 and p99; a late request is timed from when it was due). The table has the
medians over all runs; below it stands how v2, for a Model that says nothing of batching, does
against seldon-core's wrapper. What a request costs our server is measured by `request.py`.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import joblib
import numpy as np
import psutil
import skops.io
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parents[2]
ENVIRONMENTS = Path(os.environ.get("TIDEGATE_ENVS", ROOT / ".tidegate" / "env"))
COLUMNS = [f"x{i}" for i in range(10)]
ROW = [0.25 * i for i in range(10)]
MATRIX = {"name": "x", "datatype": "FP64", "shape": [1, 10], "data": ROW}
CONNECTIONS = 16
CORES = sorted(os.sched_getaffinity(0))
RATE = 100
START_S = 120.0
TIMES = 3

MLSERVER = ("mlserver==1.7.1", "mlserver-sklearn==1.7.1", "uvloop<0.22")
"""With a newer uvloop it does not start: it asks for an event loop policy that is gone."""
KSERVE = ("kserve==0.21.0", "scikit-learn", "joblib")

SELDON_CLASS = '''
import joblib


class Plain:
    """A model as the wrapper's own documentation writes it."""

    def __init__(self):
        self._model = None

    def load(self):
        self._model = joblib.load("MODEL")

    def health_status(self):
        return ["ready"] if self._model is not None else 1 / 0

    def predict(self, X, names, meta=None):
        return self._model.predict_proba(X)
'''
KSERVE_SERVER = """
import sys
import joblib, numpy as np
from kserve import InferOutput, InferResponse, Model, ModelServer


class Plain(Model):
    def load(self):
        self._model = joblib.load("MODEL")
        self.ready = True

    def predict(self, payload, headers=None, response_headers=None):
        scores = self._model.predict_proba(payload.inputs[0].as_numpy())[:, 1]
        output = InferOutput("probability", list(scores.shape), "FP64")
        output.set_data_from_numpy(scores, binary_data=False)
        return InferResponse(payload.id or "", self.name, [output])


model = Plain("m")
model.load()
ModelServer(http_port=int(sys.argv[1]), enable_grpc=False, workers=1).start([model])
"""


@dataclass(frozen=True)
class Server:
    """How one is started, and what it is asked."""

    name: str
    command: list[str]
    env: dict[str, str]
    port: int
    ready: str
    path: str
    body: bytes

    @property
    def request(self) -> bytes:
        head = (
            f"POST {self.path} HTTP/1.1\r\nhost: m\r\ncontent-type: application/json\r\n"
            f"content-length: {len(self.body)}\r\n\r\n"
        )
        return head.encode() + self.body


@dataclass(frozen=True)
class Measured:
    """Requests per second of CPU; milliseconds; megabytes of all its processes."""

    per_cpu_second: float
    p50: float
    p99: float
    rss_mb: float


def fitted() -> Any:
    """A pipeline that predicts in a fraction of a millisecond: servers differ, not models."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2000, 10))
    y = (x[:, 0] + x[:, 1] > rng.normal(size=2000)).astype(int)
    return make_pipeline(StandardScaler(), LogisticRegression()).fit(x, y)


def environment(folder: Path, *requirements: str) -> Path:
    """A throw-away environment; its `bin`."""
    uv = shutil.which("uv") or str(ENVIRONMENTS / "uv" / "bin" / "uv")
    python = ENVIRONMENTS / "v2" / "bin" / "python"
    subprocess.run([uv, "venv", "-q", "--python", python, folder], check=True)
    subprocess.run(
        [uv, "pip", "install", "-q", "--python", folder / "bin" / "python", *requirements],
        check=True,
    )
    return folder / "bin"


def ours(folder: Path, sha256: str, *, batching: bool) -> Server:
    """The runtime v2, as its pods run it."""
    port = free_port()
    signature = {
        "inputs": [{"name": name, "type": "FP64"} for name in COLUMNS],
        "outputs": [{"name": "probability", "type": "FP64"}],
    }
    tensors = [
        {"name": name, "datatype": "FP64", "shape": [1], "data": [value]}
        for name, value in zip(COLUMNS, ROW, strict=True)
    ]
    env = {
        "PYTHONPATH": str(ROOT / "operator"), "POD_IP": "127.0.0.1",
        "TIDEGATE_PORT": str(port), "TIDEGATE_METRICS_PORT": "0", "TIDEGATE_OUTPUTS_PORT": "0",
        "TIDEGATE_MODEL": "m", "TIDEGATE_REVISION": "m-1",
        "TIDEGATE_ARTIFACT": str(folder / "model.skops"), "TIDEGATE_SHA256": sha256,
        "TIDEGATE_FORMAT": "sklearn-skops", "TIDEGATE_SIGNATURE": json.dumps(signature),
        "TIDEGATE_BATCH_ROWS": "32" if batching else "0",
    }  # fmt: skip
    return Server(
        "v2, batching" if batching else "v2",
        [str(ENVIRONMENTS / "v2" / "bin" / "python"), "-m", "tidegate.serving.server"],
        env, port, "/v2/health/ready", "/v2/models/m/infer",
        json.dumps({"inputs": tensors}).encode(),
    )  # fmt: skip


def seldon(folder: Path) -> Server:
    """seldon-core's wrapper with a plain class, at its best: threads, kept connections, no gRPC."""
    port = free_port()
    (folder / "plain.py").write_text(SELDON_CLASS.replace("MODEL", str(folder / "model.joblib")))
    program = str(ENVIRONMENTS / "seldon" / "bin" / "seldon-core-microservice")
    flags = {
        "--http-port": str(port), "--metrics-port": str(free_port()), "--workers": "1",
        "--threads": "4", "--grpc-workers": "0", "--keepalive": "3600", "--log-level": "WARNING",
    }  # fmt: skip
    arguments = [word for pair in flags.items() for word in pair]
    return Server(
        "seldon-core 1.19", [program, "plain.Plain", *arguments],
        {"PYTHONPATH": str(folder), "INCLUDE_METRICS_IN_CLIENT_RESPONSE": "false"},
        port, "/health/status", "/api/v1.0/predictions",
        json.dumps({"data": {"ndarray": [ROW]}}).encode(),
    )  # fmt: skip


def mlserver(folder: Path, bin_: Path) -> Server:
    """MLServer in one process, which costs least."""
    port = free_port()
    settings = {
        "HTTP_PORT": port, "GRPC_PORT": free_port(), "METRICS_PORT": free_port(),
        "METRICS_DIR": folder, "HOST": "127.0.0.1", "PARALLEL_WORKERS": 0, "MODEL_NAME": "m",
        "MODEL_IMPLEMENTATION": "mlserver_sklearn.SKLearnModel",
        "MODEL_URI": folder / "model.joblib", "DEBUG": "false",
    }  # fmt: skip
    env = {f"MLSERVER_{name}": str(value) for name, value in settings.items()}
    body = {"inputs": [MATRIX], "outputs": [{"name": "predict_proba"}]}
    empty = folder / "empty"
    empty.mkdir(exist_ok=True)
    return Server(
        "MLServer 1.7.1", [str(bin_ / "mlserver"), "start", str(empty)], env, port,
        "/v2/models/m/ready", "/v2/models/m/infer", json.dumps(body).encode(),
    )  # fmt: skip


def kserve(folder: Path, bin_: Path) -> Server:
    """KServe's Python server with a plain class."""
    port = free_port()
    program = folder / "kserve_server.py"
    program.write_text(KSERVE_SERVER.replace("MODEL", str(folder / "model.joblib")))
    return Server(
        "KServe 0.21", [str(bin_ / "python"), str(program), str(port)], {}, port,
        "/v2/models/m/ready", "/v2/models/m/infer", json.dumps({"inputs": [MATRIX]}).encode(),
    )  # fmt: skip


@contextmanager
def running(server: Server, folder: Path) -> Iterator[psutil.Process]:
    """The server once it is ready. It and its children are killed at the end."""
    log = (folder / f"{server.port}.log").open("wb")
    # One thread each, and what this machine says of its BLAS: alike for all.
    blas = {name: value for name, value in os.environ.items() if name.startswith("OPENBLAS_")}
    own = {"PATH": os.environ["PATH"], "HOME": str(folder), "OMP_NUM_THREADS": "1"}
    env = {**blas, **own, **server.env}
    os.sched_setaffinity(0, CORES[:1])  # a child inherits it
    process = subprocess.Popen(
        server.command, env=env, stdout=log, stderr=log, cwd=folder, start_new_session=True
    )
    os.sched_setaffinity(0, CORES[1:] or CORES)
    try:
        wait_until_ready(server, process, folder)
        yield psutil.Process(process.pid)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, 9)
        process.wait(timeout=10)
        log.close()


def wait_until_ready(server: Server, process: subprocess.Popen[bytes], folder: Path) -> None:
    deadline = time.monotonic() + START_S
    while True:
        with suppress(httpx.TransportError):
            if httpx.get(f"http://127.0.0.1:{server.port}{server.ready}").status_code == 200:
                return
        if process.poll() is not None or time.monotonic() > deadline:
            log = (folder / f"{server.port}.log").read_text()
            raise SystemExit(f"{server.name} did not start:\n{log[-3000:]}")
        time.sleep(0.2)


def spent(process: psutil.Process) -> float:
    """Seconds of CPU of a process and all its children, user and system."""
    return sum(sum(each.cpu_times()[:2]) for each in (process, *process.children(recursive=True)))


async def ask(server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(server.request)
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    if not head.startswith(b"http/1.1 200"):
        raise SystemExit(f"{server.name}: {head.decode()}{(await reader.read(2000)).decode()}")
    length = re.search(rb"content-length: (\d+)", head)
    assert length is not None, head
    await reader.readexactly(int(length[1]))


async def measure(server: Server, process: psutil.Process, *, seconds: float) -> Measured:
    """As fast as it goes, then at the fixed rate."""
    opened = [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(CONNECTIONS)]
    for connection in opened * 3:
        await ask(server, *connection)
    answered = 0

    async def hurry(connection: tuple[asyncio.StreamReader, asyncio.StreamWriter]) -> None:
        nonlocal answered
        while time.perf_counter() < until:
            await ask(server, *connection)
            answered += 1

    cpu, until = spent(process), time.perf_counter() + seconds
    await asyncio.gather(*map(hurry, opened))
    per_cpu_second = answered / (spent(process) - cpu)
    waits = await _steadily(lambda connection: ask(server, *connection), opened, seconds=seconds)
    for _, writer in opened:
        writer.close()
    p50, p99 = np.quantile(waits, [0.5, 0.99]) * 1000
    rss = sum(each.memory_info().rss for each in (process, *process.children(recursive=True)))
    return Measured(per_cpu_second, p50, p99, rss / 2**20)


async def _steadily(
    call: Callable[[Any], Any], connections: list[Any], *, seconds: float
) -> list[float]:
    """Seconds from when each request was due to its answer."""
    due: asyncio.Queue[float | None] = asyncio.Queue()
    waits: list[float] = []

    async def work(connection: Any) -> None:
        while (at := await due.get()) is not None:
            await call(connection)
            waits.append(time.perf_counter() - at)

    working = [asyncio.create_task(work(connection)) for connection in connections]
    began = time.perf_counter()
    for number in range(int(RATE * seconds)):
        at = began + number / RATE
        await asyncio.sleep(max(0.0, at - time.perf_counter()))
        due.put_nowait(at)
    for _ in connections:
        due.put_nowait(None)
    await asyncio.gather(*working)
    return waits


def compare(*, runs: int, seconds: float) -> None:
    """Measure all of them in turn, and print the medians."""
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        skops.io.dump(fitted(), folder / "model.skops")
        joblib.dump(fitted(), folder / "model.joblib")
        sha256 = hashlib.sha256((folder / "model.skops").read_bytes()).hexdigest()
        subprocess.run([sys.executable, ROOT / "tools" / "setup.py", "seldon"], check=True)
        servers = [
            ours(folder, sha256, batching=False),
            ours(folder, sha256, batching=True),
            seldon(folder),
            mlserver(folder, environment(folder / "mlserver", *MLSERVER)),
            kserve(folder, environment(folder / "kserve", *KSERVE)),
        ]
        started = [stack.enter_context(running(server, folder)) for server in servers]
        found: dict[str, list[Measured]] = {server.name: [] for server in servers}
        for run in range(runs):
            for server, process in zip(servers, started, strict=True):
                measured = asyncio.run(measure(server, process, seconds=seconds))
                found[server.name].append(measured)
                sys.stdout.write(f"run {run + 1}: {server.name}: {measured}\n")
                sys.stdout.flush()
    show(found, runs=runs)


def median(measured: list[Measured]) -> Measured:
    """Of each field."""
    columns = zip(*map(astuple, measured), strict=True)
    return Measured(*(float(np.median(column)) for column in columns))


def show(found: dict[str, list[Measured]], *, runs: int) -> None:
    """The table, as Markdown."""
    medians = {name: median(measured) for name, measured in found.items()}
    v2, base = medians["v2"], medians["seldon-core 1.19"]
    load = ", ".join(f"{each:.1f}" for each in os.getloadavg())
    sys.stdout.write(
        f"\nmedians of {runs} alternating runs, {RATE} requests/s for the latencies; load at the "
        f"end {load} on {os.cpu_count()} cores\n\n"
        "| server | requests per CPU-second | times seldon's | p50 ms | p99 ms | RSS MB |\n"
        "|---|---:|---:|---:|---:|---:|\n"
    )
    for name, m in medians.items():
        times = m.per_cpu_second / base.per_cpu_second
        sys.stdout.write(
            f"| {name} | {m.per_cpu_second:.0f} | {times:.1f} | {m.p50:.1f} | {m.p99:.1f} | "
            f"{m.rss_mb:.0f} |\n"
        )
    sys.stdout.write(
        f"\nv2: {v2.per_cpu_second / base.per_cpu_second:.1f} times seldon's requests per "
        f"CPU-second (wanted: {TIMES} or more); p99 {v2.p99:.1f} ms, seldon's {base.p99:.1f} ms\n"
    )


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5, help="of each server")
    parser.add_argument("--seconds", type=float, default=4.0, help="of each measurement")
    given = parser.parse_args()
    compare(runs=given.runs, seconds=given.seconds)


if __name__ == "__main__":
    main()
