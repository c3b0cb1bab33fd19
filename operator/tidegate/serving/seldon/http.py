"""What the wrapper's HTTP application is given beside its own routes, through the one door that it
has: a blueprint named `model_error_handler`.

Left alone, the wrapper answers every mistake of a caller with 500 and the exception's text, counts
no requests, and says nowhere which revision answered.
"""

from __future__ import annotations

import logging
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from flask import Blueprint, Response, g, jsonify, request
from werkzeug.exceptions import HTTPException

from tidegate.serving.model import ForeignError
from tidegate.serving.protocol import CallerMistake
from tidegate.serving.telemetry import CONTENT_TYPE

if TYPE_CHECKING:
    from tidegate.serving.telemetry import Telemetry

log = logging.getLogger(__name__)

PREDICTIONS = frozenset({"/predict", "/api/v1.0/predictions", "/api/v0.1/predictions"})
BAD_DATA = "MICROSERVICE_BAD_DATA"
INTERNAL = "MICROSERVICE_INTERNAL_ERROR"


class NotReady(Exception):
    """The model is not loaded, or the server is about to end."""


def blueprint(*, revision: str, telemetry: Telemetry, max_body: int) -> Blueprint:
    """Statuses for what goes wrong, the revision's header, and counting."""
    made = Blueprint("tidegate", __name__)

    def configure(state: Any) -> None:
        state.app.config["MAX_CONTENT_LENGTH"] = max_body

    def begin() -> None:
        g.tidegate_began = time.perf_counter()

    def end(response: Response) -> Response:
        response.headers["x-tidegate-revision"] = revision
        if request.path in PREDICTIONS:
            seconds = time.perf_counter() - g.get("tidegate_began", time.perf_counter())
            telemetry.observe(code=response.status_code, seconds=seconds)
        return response

    def callers(mistake: CallerMistake) -> Response:
        return _error(mistake.status, mistake.message, BAD_DATA)

    def refused(error: HTTPException) -> Response:
        code = error.code or 500
        return _error(code, error.description or "", BAD_DATA if code < 500 else INTERNAL)

    def unready(error: NotReady) -> Response:
        answer = _error(503, str(error), INTERNAL)
        answer.headers["retry-after"] = "1"
        return answer

    def malformed(error: Exception) -> Response:
        # What the model raises is a ForeignError, so this is of the wrapper's own decoding.
        log.info("a body that the wrapper cannot decode: %s", error)
        return _error(
            400,
            "the body is no request of Seldon's protocol: send rows of equal length, like "
            '{"data": {"ndarray": [[1.0, 2.0], [3.0, 4.0]]}}',
            BAD_DATA,
        )

    def failed(error: ForeignError) -> Response:
        log.error("the model raised revision=%s", revision, exc_info=error.__cause__)
        message = (
            "the model failed on this input; its traceback is in the log of the pod that serves "
            f"revision {revision}"
        )
        return _error(500, message, INTERNAL)

    made.record_once(configure)
    made.before_app_request(begin)
    made.after_app_request(end)
    for kind, handle in (
        (CallerMistake, callers),
        (HTTPException, refused),
        (NotReady, unready),
        (ForeignError, failed),
        *((kind, malformed) for kind in (ValueError, TypeError, KeyError)),
    ):
        made.app_errorhandler(kind)(handle)
    return made


def _error(status: int, message: str, reason: str) -> Response:
    """In the form of the wrapper's own errors."""
    answer: Response = jsonify(
        {"status": {"status": 1, "code": status, "info": message, "reason": reason}}
    )
    answer.status_code = status
    return answer


def serve_metrics(telemetry: Telemetry, *, host: str, port: int) -> ThreadingHTTPServer:
    """Answer `/metrics` from a thread of the process that answers requests, for it has the counts.

    :raises OSError: the port is taken.
    """

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            known = self.path.partition("?")[0] == "/metrics"
            body = telemetry.render() if known else b"this port has /metrics alone\n"
            self.send_response(200 if known else 404)
            self.send_header("content-type", CONTENT_TYPE if known else "text/plain")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing: a line for every scrape tells nobody anything."""

    server = ThreadingHTTPServer((host, port), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, name="metrics", daemon=True).start()
    return server
