"""How fast and how small the embedded API server is, against the numbers that it is held to.

    PYTHONPATH=operator .tidegate/env/dev/bin/python tests/benchmarks/apiserver.py [--only get,put]

The server runs in a process of its own, with TLS and its state on the disk, as in a cluster, and is
asked by 16 connections of this process, which send requests that were made beforehand. Each number
is the median of several rounds. The exit code is 1 when one misses its aim.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import ssl
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import orjson
import psutil
import uvloop

ROOT = Path(__file__).resolve().parents[2]
# In place of this directory: its file names must not hide the standard library's.
sys.path[0] = str(ROOT / "operator")

from statistics import median  # noqa: E402

from tidegate.local.apiserver import ADMIN, ADMIN_TOKEN, ApiServer, Store, serve  # noqa: E402
from tidegate.local.cluster import daemon  # noqa: E402
from tidegate.local.cluster.loop import run  # noqa: E402
from tidegate.local.cluster.pki import ensure_pki  # noqa: E402
from tidegate.local.cluster.state import StateDir, read_report  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

CLIENTS = 16
ROUNDS = 5
ROUND_S = 2.0
OBJECT_BYTES = 2000
MANY = 10_000
LISTED = 1000
WATCHERS = 50
CHANGES = 40
CONFIGMAPS = "/api/v1/namespaces/{}/configmaps"
WIDGETS = "/apis/bench.tidegate.dev/v1/namespaces/{}/widgets"


@dataclass(frozen=True)
class Row:
    """One measurement; `low` says whether less is better."""

    what: str
    value: float
    unit: str
    aim: float
    low: bool

    @property
    def good(self) -> bool:
        return self.value < self.aim if self.low else self.value > self.aim


# The server's side


async def serve_here(folder: Path, port_file: Path) -> None:
    """Serve until killed; write the port when ready."""
    pki = ensure_pki(folder / "pki")
    api = ApiServer(Store.open(folder / "api.db"), users={ADMIN_TOKEN: ADMIN})
    await api.start()
    running = await serve(api, host="127.0.0.1", port=0, cert=pki.certificate, key=pki.key)
    beside = port_file.with_suffix(".new")
    beside.write_text(str(running.port))
    os.replace(beside, port_file)
    await asyncio.Event().wait()


@dataclass
class Server:
    """The server's process, and how to reach it."""

    folder: Path
    process: subprocess.Popen[bytes]
    port: int
    ready_s: float

    @classmethod
    def start(cls, folder: Path) -> Server:
        """Start it on what lies in `folder`."""
        (folder / "pki").mkdir(exist_ok=True)
        port_file = folder / "port"
        port_file.unlink(missing_ok=True)
        began = time.perf_counter()
        process = subprocess.Popen([sys.executable, __file__, "--serve", str(folder)])
        while not port_file.exists():
            if process.poll() is not None:
                raise SystemExit("the server did not start")
            time.sleep(0.005)
        return cls(folder, process, int(port_file.read_text()), time.perf_counter() - began)

    def stop(self) -> None:
        """Kill it: what it was told must be there afterwards."""
        self.process.kill()
        self.process.wait()

    def resident_mb(self) -> float:
        """The memory that it holds."""
        return float(psutil.Process(self.process.pid).memory_info().rss) / 1e6


# The client's side: nothing but bytes, so that the server is what is measured


class Connection:
    """One kept connection that sends bytes and reads one answer."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    @classmethod
    async def open(cls, server: Server) -> Connection:
        """Connect by TLS, the server's certificate checked."""
        context = ssl.create_default_context(cafile=str(server.folder / "pki" / "ca.crt"))
        return cls(
            *await asyncio.open_connection(
                "127.0.0.1", server.port, ssl=context, limit=64 * 1024 * 1024
            )
        )

    async def ask(self, request: bytes) -> tuple[int, bytes]:
        """Send, and return status and body."""
        self._writer.write(request)
        head = await self._reader.readuntil(b"\r\n\r\n")
        length = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
        body = await self._reader.readexactly(int(length)) if length else b""
        return int(head[9:12]), body

    async def must(self, request: bytes) -> bytes:
        """Send, and fail on anything but success."""
        status, body = await self.ask(request)
        if status not in (200, 201):
            raise SystemExit(f"{status}: {body[:500]!r}")
        return body

    async def begin_watch(self, path: str) -> None:
        """Begin a stream, and read the head of its answer."""
        self._writer.write(http("GET", path))
        await self._reader.readuntil(b"\r\n\r\n")

    async def event(self) -> bytes:
        """Read one piece of a chunked stream."""
        size = int(await self._reader.readuntil(b"\r\n"), 16)
        return (await self._reader.readexactly(size + 2))[:size]

    def close(self) -> None:
        self._writer.close()


def http(method: str, path: str, body: object = None) -> bytes:
    """A request in bytes."""
    content = b"" if body is None else orjson.dumps(body)
    head = (
        f"{method} {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer {ADMIN_TOKEN}\r\n"
        f"accept: application/json\r\nuser-agent: bench\r\ncontent-length: {len(content)}\r\n"
        "content-type: application/json\r\n\r\n"
    )
    return head.encode() + content


def config_map(name: str, *, turn: int = 0) -> dict[str, object]:
    """An object of about 2 kB."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "labels": {"app": "bench", "turn": str(turn)}},
        "data": {f"key-{n}": f"{turn:06d}" * 15 for n in range(OBJECT_BYTES // 110)},
    }


def namespace(name: str) -> bytes:
    """The request that makes a namespace."""
    obj = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    return http("POST", "/api/v1/namespaces", obj)


async def rate(server: Server, turn: Callable[[Connection, int, int], Awaitable[None]]) -> float:
    """Turns a second of 16 clients, the median of the rounds.

    A turn is given the connection, the client's number, and how many came before.
    """
    connections = [await Connection.open(server) for _ in range(CLIENTS)]
    counts = [0] * CLIENTS

    async def client(number: int, until: float) -> None:
        while time.perf_counter() < until:
            await turn(connections[number], number, counts[number])
            counts[number] += 1

    rates = []
    for _ in range(ROUNDS):
        before, began = sum(counts), time.perf_counter()
        await asyncio.gather(*(client(n, began + ROUND_S) for n in range(CLIENTS)))
        rates.append((sum(counts) - before) / (time.perf_counter() - began))
    for connection in connections:
        connection.close()
    return median(rates)


@dataclass
class Bench:
    """The measurements, by the name that `--only` knows them by."""

    server: Server
    rows: list[Row] = field(default_factory=list)

    async def get(self) -> None:
        """Reads of one object each."""
        path = CONFIGMAPS.format("get")
        first = await Connection.open(self.server)
        await first.must(namespace("get"))
        for n in range(CLIENTS):
            await first.must(http("POST", path, config_map(f"c{n}")))
        asked = [http("GET", f"{path}/c{n}") for n in range(CLIENTS)]

        async def turn(connection: Connection, client: int, _: int) -> None:
            await connection.must(asked[client])

        value = await rate(self.server, turn)
        self.rows.append(Row("GET of a 2 kB object, 16 clients", value, "/s", 2000, low=False))

    async def put(self) -> None:
        """Creates and replacements in turn."""
        path = CONFIGMAPS.format("put")
        first = await Connection.open(self.server)
        await first.must(namespace("put"))

        async def turn(connection: Connection, client: int, number: int) -> None:
            name = f"c{client}-{number // 2}"
            if number % 2:
                request = http("PUT", f"{path}/{name}", config_map(name, turn=1))
            else:
                request = http("POST", path, config_map(name))
            await connection.must(request)

        value = await rate(self.server, turn)
        what = "writes of a 2 kB object, 16 clients"
        self.rows.append(Row(what, value, "/s", 500, low=False))

    async def list(self) -> None:
        """A list of 1,000 objects."""
        path = CONFIGMAPS.format("list")
        connection = await Connection.open(self.server)
        await connection.must(namespace("list"))
        for n in range(LISTED):
            await connection.must(http("POST", path, config_map(f"c{n}")))
        times = []
        for _ in range(20):
            began = time.perf_counter()
            body = await connection.must(http("GET", path))
            times.append((time.perf_counter() - began) * 1000)
        if body.count(b'"uid"') != LISTED:
            raise SystemExit("the list is not complete")
        self.rows.append(Row("list of 1,000 objects of 2 kB", median(times), "ms", 100, low=True))

    async def watch(self) -> None:
        """A change to 50 watchers, and the same beside one that has stopped reading."""
        connection = await Connection.open(self.server)
        await connection.must(namespace("watch"))
        path = CONFIGMAPS.format("watch")
        await connection.must(http("POST", path, config_map("c")))
        watchers = [await Connection.open(self.server) for _ in range(WATCHERS)]
        for each in watchers:
            await each.begin_watch(f"{path}?watch=1&resourceVersion=0")
            await each.event()
        before = await self._spread(connection, watchers, path)
        self.rows.append(Row("a change reaches 50 watchers", before, "ms", 20, low=True))
        stuck = await Connection.open(self.server)
        await stuck.begin_watch(f"{path}?watch=1&resourceVersion=0")
        stuck._writer.transport.pause_reading()  # type: ignore[attr-defined]
        for turn in range(3000):
            await connection.must(http("PUT", f"{path}/c", config_map("c", turn=turn)))
            await asyncio.gather(*(each.event() for each in watchers)) if turn % 100 == 0 else None
        for each in watchers:
            each.close()
        watchers = [await Connection.open(self.server) for _ in range(WATCHERS)]
        for each in watchers:
            await each.begin_watch(f"{path}?watch=1&resourceVersion=0")
            await each.event()
        after = await self._spread(connection, watchers, path)
        what = "the same beside a watcher that does not read"
        self.rows.append(Row(what, after, "ms", 20, low=True))

    async def _spread(self, writer: Connection, watchers: Sequence[Connection], path: str) -> float:
        """Milliseconds from the request to each watcher's event, the median of all."""
        times: list[float] = []

        async def hear(each: Connection, began: float) -> None:
            await each.event()
            times.append((time.perf_counter() - began) * 1000)

        for turn in range(CHANGES):
            request = http("PUT", f"{path}/c", config_map("c", turn=10_000 + turn))
            began = time.perf_counter()
            hearing = [asyncio.create_task(hear(each, began)) for each in watchers]
            await writer.must(request)
            await asyncio.gather(*hearing)
        return median(times)

    async def many(self) -> None:
        """The memory that 10,000 objects take, and the start with them."""
        path = CONFIGMAPS.format("many")
        connections = [await Connection.open(self.server) for _ in range(CLIENTS)]
        await connections[0].must(namespace("many"))

        async def fill(client: int) -> None:
            for n in range(client, MANY, CLIENTS):
                await connections[client].must(http("POST", path, config_map(f"c{n}")))

        await asyncio.gather(*(fill(client) for client in range(CLIENTS)))
        value = self.server.resident_mb()
        self.rows.append(Row("memory with 10,000 objects of 2 kB", value, "MB", 250, low=True))
        self.server.stop()
        self.server = Server.start(self.server.folder)
        what = "API server: start to ready with 10,000 objects"
        self.rows.append(Row(what, self.server.ready_s, "s", 2, low=True))

    async def start(self) -> None:
        """A whole new cluster: a process, certificates, Envoy, Prometheus and all."""
        times = []
        for _ in range(3):
            with tempfile.TemporaryDirectory() as folder:
                state = StateDir(Path(folder) / "c")
                began = time.perf_counter()
                daemon.start(state, name="bench", api_port=None)
                await _ready(state)
                times.append(time.perf_counter() - began)
                daemon.stop(state)
        what = "a whole new cluster: start to ready"
        self.rows.append(Row(what, median(times), "s", 2, low=True))


async def _ready(state: StateDir) -> None:
    for _ in range(3000):
        if read_report(state).get("ready"):
            return
        await asyncio.sleep(0.01)
    raise SystemExit("the cluster was not ready within 30 s")


MEASURES = ("get", "put", "list", "watch", "many", "start")


async def measure(names: Sequence[str]) -> list[Row]:
    """Every named measurement, each on a server of its own."""
    rows: list[Row] = []
    for name in names:
        with tempfile.TemporaryDirectory() as folder:
            bench = Bench(Server.start(Path(folder)))
            try:
                await getattr(bench, name)()
            finally:
                bench.server.stop()
            rows += bench.rows
    return rows


def main() -> int:
    """Measure and print. Returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--only", default=",".join(MEASURES), help=", ".join(MEASURES))
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve is not None:
        run(serve_here(options.serve, options.serve / "port"))
        return 0
    rows = uvloop.run(measure(options.only.split(",")))
    load = ", ".join(f"{each:.1f}" for each in os.getloadavg())
    out = [f"Python {platform.python_version()}, {os.cpu_count()} cores, load {load}"]
    for row in rows:
        aim = f"{'<' if row.low else '>'} {row.aim:g} {row.unit}"
        verdict = "ok" if row.good else "MISSED"
        out.append(f"{row.what:<48} {row.value:>9.1f} {row.unit:<3} {aim:>12}  {verdict}")
    sys.stdout.write("\n".join(out) + "\n")
    return 0 if all(row.good for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
