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
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

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

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            params = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(self.path).query))
            script.queries.append(params)
            time.sleep(script.delay_s)
            body = script.answer(params)
            self.send_response(script.status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Silence."""

    with _served(Handler) as url:
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


class RealPrometheus:
    """A real Prometheus that scrapes one exporter five times a second."""

    SCRAPE_S: ClassVar[float] = 0.2

    def __init__(self, folder: Path, exporter: Exporter, target: str) -> None:
        self.folder, self.exporter, self.target = folder, exporter, target
        self._process: subprocess.Popen[bytes] | None = None
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self._port}"
        self._targets = folder / "targets.json"
        self.look_for(target)
        (folder / "prometheus.yml").write_text(
            f"""
global: {{scrape_interval: 200ms, scrape_timeout: 200ms}}
scrape_configs:
- job_name: envoy
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
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            try:
                urllib.request.urlopen(f"{self.url}/-/ready", timeout=1).close()
                return
            except (urllib.error.URLError, ConnectionError):
                time.sleep(0.05)
        raise AssertionError("Prometheus did not get ready in 20 s")

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)
            self._process = None

    def lose_everything(self) -> None:
        self.stop()
        shutil.rmtree(self.folder / "data")
        self.start()


@pytest.fixture
def real(tmp_path: Path) -> Iterator[RealPrometheus]:
    exporter = Exporter()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = exporter.page() if exporter.up else b"down"
            self.send_response(200 if exporter.up else 503)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Silence."""

    with _served(Handler) as url:
        prometheus = RealPrometheus(tmp_path, exporter, url.removeprefix("http://"))
        prometheus.start()
        try:
            yield prometheus
        finally:
            prometheus.stop()
