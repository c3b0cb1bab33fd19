"""The ASGI application: routes of the Open Inference Protocol v2, and one answer each.

It owns what every answer has in common: JSON, the protocol's error body, the connection closed
politely while draining. The header `x-tidegate-revision` is added by the HTTP server itself, so
that answers that never get here (a request line that is no HTTP) carry it too.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from tidegate import __version__
from tidegate.serving import protocol
from tidegate.serving.answers import Answer, error
from tidegate.serving.batching import Batcher
from tidegate.serving.model import ForeignError
from tidegate.serving.predictor import Predictor
from tidegate.serving.protocol import CallerMistake
from tidegate.serving.requests import CallerLeft, read_body, read_headers
from tidegate.serving.runner import INLINE_BODY_BYTES, Overloaded, Runner

if TYPE_CHECKING:
    from collections.abc import Mapping

    from uvicorn._types import ASGIReceiveCallable, ASGISendCallable, HTTPScope, Scope

    from tidegate.serving.distribution import Distributions
    from tidegate.serving.model import LoadedModel
    from tidegate.serving.outputs import Ring
    from tidegate.serving.predictor import Outputs
    from tidegate.serving.protocol import Inference, Tensor
    from tidegate.serving.requests import Headers
    from tidegate.serving.settings import Limits
    from tidegate.serving.sideports import Port
    from tidegate.serving.signature import TensorSpec
    from tidegate.serving.telemetry import Telemetry

log = logging.getLogger(__name__)

RETRY_AFTER_S = 1
"""Told with a 503: long enough for a burst to pass, or for endpoints to change."""

_TRACEBACK_EVERY_S = 10.0
"""A model that fails on every tenth request must not fill the disk with the same traceback."""


class Application:
    """Serves one revision of one model. `model` is set once it is loaded and warm."""

    def __init__(
        self,
        *,
        model: str,
        revision: str,
        limits: Limits,
        runner: Runner,
        telemetry: Telemetry,
        ring: Ring,
    ) -> None:
        self.name = model
        self.revision = revision
        self.draining = False
        self.last_request = time.monotonic()
        self._predictor: Predictor | None = None
        self._batcher: Batcher[Inference, list[Tensor]] | None = None
        self._limits = limits
        self._runner = runner
        self._telemetry = telemetry
        self._ring = ring
        self._side: Mapping[int, Port] = {}
        self._last_traceback = float("-inf")
        self._untold = 0

    @property
    def ready(self) -> bool:
        return self._predictor is not None and not self.draining

    @property
    def was_ready(self) -> bool:
        return self._predictor is not None

    def lead(self, ports: Mapping[int, Port]) -> None:
        """Requests on these ports are answered by others; on any other port by the model."""
        self._side = ports

    def serve(self, model: LoadedModel, distributions: Distributions) -> None:
        """From now on be ready, answer from `model`, and count by `distributions`."""
        self._predictor = Predictor(
            model,
            distributions,
            name=self.name,
            version=self.revision,
            max_rows=self._limits.rows,
        )
        self._telemetry.set_ready(True)

    def batch(self, *, max_rows: int, max_delay_s: float, at_once: int) -> None:
        """From now on predict small requests that wait together."""
        self._batcher = Batcher(
            self._predict_together,
            max_rows=max_rows,
            max_delay_s=max_delay_s,
            at_once=at_once,
            max_waiting=self._limits.in_flight,
        )

    def drain(self) -> None:
        """From now on not be ready, answer as before, and end each connection by its answer."""
        self.draining = True
        self._telemetry.set_ready(False)

    async def __call__(
        self, scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable
    ) -> None:
        if scope["type"] != "http":
            return  # the server is configured for HTTP alone
        started = time.perf_counter()
        side = self._side.get((scope["server"] or ("", 0))[1] or 0)
        is_inference = side is None and scope["path"].endswith("/infer")
        try:
            answer = side(scope) if side else await self._answer(scope, receive)
        except CallerMistake as mistake:
            answer = error(mistake.status, mistake.message)
        except CallerLeft:
            return
        if is_inference:
            self.last_request = time.monotonic()
            seconds = time.perf_counter() - started
            self._telemetry.observe(code=answer.status, seconds=seconds)
        headers = [
            (b"content-type", answer.content_type),
            (b"content-length", str(len(answer.body)).encode()),
        ]
        if answer.allow:
            headers.append((b"allow", answer.allow))
        if answer.retry_after:
            headers.append((b"retry-after", str(answer.retry_after).encode()))
        if self.draining or answer.status in (408, 413):
            headers.append((b"connection", b"close"))
        await send(
            {
                "type": "http.response.start",
                "status": answer.status,
                "headers": headers,
                "trailers": False,
            }
        )
        await send({"type": "http.response.body", "body": answer.body, "more_body": False})

    async def _answer(self, scope: HTTPScope, receive: ASGIReceiveCallable) -> Answer:
        path = scope["path"]
        if path.endswith("/infer") and path.startswith("/v2/models/"):
            self._check_model(path[len("/v2/models/") : -len("/infer")].split("/"))
            if scope["method"] != "POST":
                return error(405, "infer takes POST with a JSON body", allow=b"POST")
            return await self._infer(scope, receive)
        answer = self._look_up(path)
        if scope["method"] not in ("GET", "HEAD"):
            return error(405, f"{path} takes GET", allow=b"GET, HEAD")
        return answer

    def _look_up(self, path: str) -> Answer:
        """The answer to GET of `path`. Raises CallerMistake(404) for one that does not exist."""
        match path.split("/")[1:]:
            case ["v2", "health", "live"]:
                return Answer(200, protocol.encode({"live": True}))
            case ["v2", "health", "ready"]:
                return self._readiness({"ready": self.ready})
            case ["v2"]:
                return Answer(
                    200,
                    protocol.encode({"name": "tidegate", "version": __version__, "extensions": []}),
                )
            case ["v2", "models", *rest] if rest and rest[-1] == "ready":
                self._check_model(rest[:-1])
                return self._readiness({"name": self.name, "ready": self.ready})
            case ["v2", "models", *rest] if rest:
                self._check_model(rest)
                return self._metadata()
        raise CallerMistake(
            f"no such path; the model is at /v2/models/{self.name}, its inference at "
            f"/v2/models/{self.name}/infer",
            status=404,
        )

    def _check_model(self, parts: list[str]) -> None:
        if parts[0] != self.name:
            raise CallerMistake(
                f"no such model; this server has /v2/models/{self.name}", status=404
            )
        if parts[1:] and parts[1:] != ["versions", self.revision]:
            raise CallerMistake(
                f"no such version; this server has /v2/models/{self.name}/versions/"
                f"{self.revision}, or leave the version out",
                status=404,
            )

    def _readiness(self, body: dict[str, object]) -> Answer:
        return Answer(200 if self.ready else 503, protocol.encode(body))

    def _metadata(self) -> Answer:
        if self._predictor is None:
            return _refused("the model is still being loaded; wait for /v2/health/ready")[0]
        model = self._predictor.model
        return Answer(
            200,
            protocol.encode(
                {
                    "name": self.name,
                    "versions": [self.revision],
                    "platform": model.platform,
                    "inputs": _described(model.signature.inputs),
                    "outputs": _described(model.signature.outputs),
                }
            ),
        )

    async def _infer(self, scope: HTTPScope, receive: ASGIReceiveCallable) -> Answer:
        headers = read_headers(scope["headers"])
        outputs: Outputs = ()
        try:
            answer, outputs = await self._inferred(receive, headers)
        except CallerMistake as mistake:
            answer = error(mistake.status, mistake.message)
        if headers.request_id:
            self._ring.record(
                headers.request_id, now=time.monotonic(), status=answer.status, outputs=outputs
            )
        return answer

    async def _inferred(
        self, receive: ASGIReceiveCallable, headers: Headers
    ) -> tuple[Answer, Outputs]:
        body = await read_body(receive, headers, limit=self._limits.body)
        predictor = self._predictor
        if predictor is None:
            return _refused("the model is still being loaded; wait for /v2/health/ready")
        large = len(body) > INLINE_BODY_BYTES
        try:
            if self._batcher is None or large:
                answer, outputs = await self._runner.run(predictor.whole, body, large=large)
            else:
                inference = predictor.decode(body)
                values = await self._batcher.submit(inference, rows=inference.rows)
                answer, outputs = predictor.answer(inference, values)
        except Overloaded:
            return _refused("too many requests are waiting for this replica; send fewer at once")
        except ForeignError as failure:
            self._log_failure(failure)
            message = (
                "the model failed on this input; its traceback is in the log of the pod that "
                f"serves revision {self.revision}"
            )
            return error(500, message), ()
        return Answer(200, answer), outputs

    async def _predict_together(self, batch: list[Inference]) -> list[list[Tensor] | Exception]:
        assert self._predictor is not None
        return await self._runner.run(self._predictor.together, batch)

    def _log_failure(self, failure: ForeignError) -> None:
        now = time.monotonic()
        if now - self._last_traceback < _TRACEBACK_EVERY_S:
            self._untold += 1
            return
        log.error(
            "the model raised revision=%s not_shown_since_last=%d",
            self.revision,
            self._untold,
            exc_info=failure.__cause__,
        )
        self._last_traceback = now
        self._untold = 0


def _refused(message: str) -> tuple[Answer, Outputs]:
    # Not 429: that would be the caller's mistake, and a revision that is too slow for its requests
    # would look as well as one that answers them.
    return error(503, message, retry_after=RETRY_AFTER_S), ()


def _described(specs: tuple[TensorSpec, ...]) -> list[dict[str, object]]:
    return [
        {"name": spec.name, "datatype": spec.datatype, "shape": list(spec.shape)} for spec in specs
    ]
