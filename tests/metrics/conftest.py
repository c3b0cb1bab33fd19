"""Two Prometheus for the tests: a scripted one over real HTTP, and the real one.

The scripted one answers the few query shapes that Tidegate sends, from series that a test writes;
the real one scrapes an exporter whose page a test writes.
"""

from __future__ import annotations

import json
import math
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Self

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

SELECTOR = re.compile(r"^(?P<name>[a-zA-Z_:]*)\{(?P<matchers>.*)\}(?:\[(?P<ms>\d+)ms\])?$", re.S)
MATCHER = re.compile(r'(\w+)(=~|=)"((?:[^"\\]|\\.)*)"', re.S)


@dataclass
class Script:
    """What the scripted Prometheus knows, how it answers, and what it was asked."""

    series: list[tuple[dict[str, str], list[tuple[float, float]]]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    status: int = 200
    body: bytes | None = None
    delay_s: float = 0.0
    now: float = 1000.0
    queries: list[dict[str, str]] = field(default_factory=list)

    def add(self, name: str, samples: list[tuple[float, float]], **labels: str) -> None:
        named = {"__name__": name, "job": "envoy", "instance": "gw-1:9901"}
        self.series.append((named | labels, samples))

    def answer(self, params: dict[str, str]) -> bytes:
        if self.body is not None:
            return self.body
        query, at = params["query"], float(params.get("time", self.now))
        if query == "time()":
            result: object = [self.now, str(self.now)]
        else:
            result = self._select(query, at)
        document = {"status": "success", "data": {"resultType": "any", "result": result}}
        return json.dumps(
            document | ({"warnings": self.warnings} if self.warnings else {})
        ).encode()

    def _select(self, query: str, at: float) -> list[dict[str, object]]:
        parts = SELECTOR.match(query)
        assert parts, f"the scripted Prometheus does not know {query}"
        wanted = [
            (key, op, _unquoted(value)) for key, op, value in MATCHER.findall(parts["matchers"])
        ]
        if parts["name"]:
            wanted.append(("__name__", "=", parts["name"]))
        found: list[dict[str, object]] = []
        for labels, samples in self.series:
            if not all(
                labels.get(key, "") == value
                if op == "="
                else re.fullmatch(value, labels.get(key, ""))
                for key, op, value in wanted
            ):
                continue
            span = float(parts["ms"]) / 1000 if parts["ms"] else 300.0
            values = [[t, _text(v)] for t, v in samples if at - span <= t <= at]
            if values and parts["ms"]:
                found.append({"metric": labels, "values": values})
            elif values:
                found.append({"metric": labels, "value": values[-1]})
        return found


def _unquoted(value: str) -> str:
    return re.sub(r"\\(.)", lambda m: {"n": "\n"}.get(m[1], m[1]), value, flags=re.S)


def _text(value: float) -> str:
    return "NaN" if math.isnan(value) else "+Inf" if math.isinf(value) else repr(value)


@dataclass
class ScriptedPrometheus:
    url: str
    script: Script


@pytest.fixture
def scripted() -> Iterator[ScriptedPrometheus]:
    script = Script()

    class Answers(Quiet):
        def reply(self) -> tuple[int, bytes]:
            params = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(self.path).query))
            script.queries.append(params)
            time.sleep(script.delay_s)
            return script.status, script.answer(params)

    with _served(Answers) as url:
        yield ScriptedPrometheus(url, script)


class _served:
    """A threaded HTTP server on a free port of loopback, for the length of a with block."""

    def __init__(self, handler: type[BaseHTTPRequestHandler]) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    def __enter__(self) -> str:
        self._thread.start()
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class Exporter:
    """A page of metrics that a test writes: counters by (name, labels), served while `up`."""

    def __init__(self) -> None:
        self.lines: dict[str, float] = {}
        self.up = True

    def set(
        self, cluster: str, *, fast: float = 0, slow: float = 0, bad: float | None = None
    ) -> None:
        """Cumulative answers of a cluster: good ones at 5 or 50 ms, bad ones without a latency."""
        name = cluster.replace("\\", "\\\\").replace('"', '\\"')
        of = f'envoy_cluster_name="{name}"'
        self.lines[f"envoy_cluster_membership_total{{{of}}}"] = 1
        good = f'envoy_cluster_upstream_rq_xx{{envoy_response_code_class="2",{of}}}'
        self.lines[good] = fast + slow
        if bad is not None:
            self.lines[f'envoy_cluster_upstream_rq_xx{{envoy_response_code_class="5",{of}}}'] = bad
        bucket = "envoy_cluster_upstream_rq_time_bucket"
        for bound, count in (("1", 0.0), ("10", fast), ("100", fast + slow), ("+Inf", fast + slow)):
            self.lines[f'{bucket}{{{of},le="{bound}"}}'] = count

    def restart(self) -> None:
        self.lines.clear()

    def page(self) -> bytes:
        return "".join(f"{key} {value}\n" for key, value in self.lines.items()).encode()


def prometheus_binary() -> str:
    """Where the real one is; its absence is a failure and not a reason to skip."""
    named = os.environ.get("TIDEGATE_PROMETHEUS_BIN") or shutil.which("prometheus")
    local = Path(__file__).parents[2] / ".tidegate" / "bin" / "prometheus"
    found = named or (str(local) if local.exists() else None)
    assert found, "no Prometheus: run `make test`, which fetches it, or set TIDEGATE_PROMETHEUS_BIN"
    return found


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class RealPrometheus:
    """A real Prometheus that scrapes one exporter five times a second."""

    SCRAPE_S: ClassVar[float] = 0.2

    def __init__(self, folder: Path, target: str, *, path: str = "/metrics") -> None:
        self.folder, self.target = folder, target
        self._process: subprocess.Popen[bytes] | None = None
        self._port = free_port()
        self.url = f"http://127.0.0.1:{self._port}"
        self._targets = folder / "targets.json"
        self.look_for(target)
        (folder / "prometheus.yml").write_text(
            f"""
global: {{scrape_interval: 200ms, scrape_timeout: 200ms}}
scrape_configs:
- job_name: envoy
  metrics_path: {path}
  file_sd_configs: [{{files: ['{self._targets}'], refresh_interval: 1s}}]
"""
        )

    def look_for(self, *targets: str) -> None:
        draft = self._targets.with_suffix(".tmp")
        draft.write_text(json.dumps([{"targets": list(targets)}]))
        draft.rename(self._targets)

    def start(self) -> None:
        self._process = subprocess.Popen(
            [
                prometheus_binary(),
                f"--config.file={self.folder / 'prometheus.yml'}",
                f"--storage.tsdb.path={self.folder / 'data'}",
                f"--web.listen-address=127.0.0.1:{self._port}",
                "--log.level=error",
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        _wait_for(f"{self.url}/-/ready")

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)
            self._process = None

    def lose_everything(self) -> None:
        self.stop()
        shutil.rmtree(self.folder / "data")
        self.start()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


class Quiet(BaseHTTPRequestHandler):
    """A handler that answers GET with what `reply` says, and logs nothing."""

    protocol_version = "HTTP/1.1"

    def reply(self) -> tuple[int, bytes]:
        raise NotImplementedError

    def do_GET(self) -> None:
        status, body = self.reply()
        self.send_response(status)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Silence."""


@dataclass
class Scraped:
    """A real Prometheus and the page that it scrapes."""

    prometheus: RealPrometheus
    exporter: Exporter


@pytest.fixture
def scraped(tmp_path: Path) -> Iterator[Scraped]:
    exporter = Exporter()

    class Page(Quiet):
        def reply(self) -> tuple[int, bytes]:
            return (200, exporter.page()) if exporter.up else (503, b"down")

    with (
        _served(Page) as url,
        RealPrometheus(tmp_path, url.removeprefix("http://")) as prometheus,
    ):
        yield Scraped(prometheus, exporter)


@dataclass
class Gateway:
    """A real Envoy, scraped by a real Prometheus: one cluster with a server, one without any."""

    prometheus: RealPrometheus
    url: str

    def get(self, path: str) -> int:
        try:
            with urllib.request.urlopen(f"{self.url}{path}", timeout=5) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as refused:
            with refused:
                return refused.code


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Gateway]:
    class Server(Quiet):
        def reply(self) -> tuple[int, bytes]:
            if "slow" in self.path:
                time.sleep(0.06)
            return (500 if "bad" in self.path else 200), b""

    envoy = Path(sys.executable).parent / "envoy"
    admin, listener = free_port(), free_port()
    with _served(Server) as server:
        config = tmp_path / "envoy.json"
        config.write_text(json.dumps(_bootstrap(admin, listener, int(server.split(":")[-1]))))
        process = subprocess.Popen(
            [envoy, "-c", config, "--use-dynamic-base-id", "--concurrency", "1", "-l", "off"]
        )
        try:
            _wait_for(f"http://127.0.0.1:{admin}/ready")
            target = f"127.0.0.1:{admin}"
            with RealPrometheus(tmp_path, target, path="/stats/prometheus") as prometheus:
                yield Gateway(prometheus, f"http://127.0.0.1:{listener}")
        finally:
            process.terminate()
            process.wait(10)


def _wait_for(url: str) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            urllib.request.urlopen(url, timeout=1).close()
            return
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.05)
    raise AssertionError(f"nothing ready at {url} in 20 s")


def _bootstrap(admin: int, listener: int, server: int) -> dict[str, object]:
    types = "type.googleapis.com/envoy.extensions.filters"

    def address(port: int) -> dict[str, object]:
        return {"socket_address": {"address": "127.0.0.1", "port_value": port}}

    def cluster(name: str, ports: list[int]) -> dict[str, object]:
        endpoints = [{"endpoint": {"address": address(port)}} for port in ports]
        load = {"cluster_name": name, "endpoints": [{"lb_endpoints": endpoints}]}
        return {"name": name, "type": "STATIC", "load_assignment": load}

    routes = [
        {"match": {"prefix": "/empty"}, "route": {"cluster": "shop/m/empty"}},
        {"match": {"prefix": "/"}, "route": {"cluster": "shop/m/full"}},
    ]
    router = {"name": "r", "typed_config": {"@type": f"{types}.http.router.v3.Router"}}
    connections = {
        "@type": f"{types}.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "x",
        "route_config": {"virtual_hosts": [{"name": "v", "domains": ["*"], "routes": routes}]},
        "http_filters": [router],
    }
    chain = {"filters": [{"name": "h", "typed_config": connections}]}
    buckets = {"match": {"suffix": "upstream_rq_time"}, "buckets": [1, 5, 50, 500]}
    return {
        "admin": {"address": address(admin)},
        "stats_flush_interval": "1s",
        "stats_config": {"histogram_bucket_settings": [buckets]},
        "static_resources": {
            "clusters": [cluster("shop/m/full", [server]), cluster("shop/m/empty", [])],
            "listeners": [{"address": address(listener), "filter_chains": [chain]}],
        },
    }
