"""A model server that knows nothing of Tidegate: what an image of a user's own may be like.

    python -m tests.serving.small_server PORT METRICS_PORT

`POST /predict` takes {"rows": [[…], …]}; `GET /ready` says whether it has loaded, which takes it a
moment; SIGTERM lets it finish what it was asked. It counts answers by `status` under names of its
own, probes too.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.exposition import generate_latest

LOADING_S = 0.4
REGISTRY = CollectorRegistry()
ANSWERS = Counter("small_answers", "Answers.", ("route", "status"), registry=REGISTRY)
TOOK = Histogram("small_took_ms", "Milliseconds.", buckets=(1, 5, 25, 125, 625), registry=REGISTRY)
LOADED = threading.Event()


class Handler(BaseHTTPRequestHandler):
    """The model's port."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self.path == "/ready":
            self._answer(200 if LOADED.is_set() else 503, {"loaded": LOADED.is_set()})
        else:
            self._answer(404, {"error": "no such path"})

    def do_POST(self) -> None:
        began = time.perf_counter()
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        try:
            rows = json.loads(body)["rows"]
            scores = [float(temp) - float(wind) for temp, wind in rows]
        except (ValueError, TypeError, KeyError) as error:
            self._answer(400, {"error": f"give rows of two numbers: {error}"})
            return
        self._answer(200, {"scores": scores})
        TOOK.observe((time.perf_counter() - began) * 1000)

    def _answer(self, status: int, body: dict[str, Any]) -> None:
        ANSWERS.labels(self.path, str(status)).inc()
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing."""


class Metrics(Handler):
    """The port of its counters."""

    def do_GET(self) -> None:
        content = generate_latest(REGISTRY)
        self.send_response(200)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


class Server(ThreadingHTTPServer):
    """Waits for its threads when it is closed, so that nobody is cut off."""

    daemon_threads = True
    request_queue_size = 64


def main() -> None:
    port, metrics_port = int(sys.argv[1]), int(sys.argv[2])
    host = os.environ.get("POD_IP", "127.0.0.1")
    server, metrics = (
        Server((host, port), Handler),
        Server((host, metrics_port), Metrics),
    )
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    threading.Thread(target=metrics.serve_forever, daemon=True).start()
    threading.Timer(LOADING_S, LOADED.set).start()
    server.serve_forever(poll_interval=0.05)


if __name__ == "__main__":
    main()
