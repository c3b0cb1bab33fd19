"""The sidecar of a server that is not ours: shows what that counts under Tidegate's own names.

    python -m tidegate.serving.mapping

At each scrape it reads the server's own page in Prometheus's format, and answers with
`tidegate_inference_requests_total` and `tidegate_inference_duration_seconds` under the model and
revision of this pod, as the Model's `runtime.custom.metrics` maps them. It keeps nothing: when the
page cannot be read its own answer is 502, so that a gap is a gap and never a count of zero.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import httpx
import msgspec
import uvicorn
from prometheus_client.parser import text_string_to_metric_families

from tidegate.errors import Terminal
from tidegate.serving.failure import SETTINGS_INVALID, report
from tidegate.serving.listening import bind
from tidegate.serving.telemetry import CONTENT_TYPE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from types import FrameType

    from prometheus_client.samples import Sample
    from uvicorn._types import ASGIReceiveCallable, ASGISendCallable, Scope

log = logging.getLogger(__name__)

MAX_PAGE_BYTES = 8 * 1024 * 1024
TIMEOUT_S = 5.0
REQUESTS = "tidegate_inference_requests_total"
DURATION = "tidegate_inference_duration_seconds"
_PER_SECOND = {"s": 1.0, "ms": 1e3, "us": 1e6}


class _Label(msgspec.Struct):
    name: str
    value: str


class _Codes(msgspec.Struct, rename="camel"):
    name: str
    code_label: str | None = None
    code: int | None = None
    labels: list[_Label] = []


class _Latency(msgspec.Struct):
    name: str
    unit: Literal["s", "ms", "us"] = "s"
    labels: list[_Label] = []


class SeriesMap(msgspec.Struct):
    """`runtime.custom.metrics` of the Model, as it stands there."""

    port: int
    requests: list[_Codes]
    path: str = "/metrics"
    latency: _Latency | None = None


class PageUnreadable(Exception):
    """The server's page is not there, or no such page."""


@dataclass(frozen=True, slots=True)
class Mapped:
    """Who is counted: the labels that every series gets."""

    model: str
    revision: str

    def labels(self, **more: str) -> str:
        pairs = {"model": self.model, "revision": self.revision, **more}
        return "{" + ",".join(f'{name}="{_escaped(value)}"' for name, value in pairs.items()) + "}"


def translate(page: str, mapping: SeriesMap, of: Mapped) -> bytes:
    """The server's page in Tidegate's names.

    Answers with 200 and 500 exist at 0 from the start, so that a rate over them is not absent.

    :raises PageUnreadable: it is no page in Prometheus's format.
    """
    answers: dict[str, float] = {"200": 0.0, "500": 0.0}
    buckets: dict[str, float] = {}
    total = seconds = 0.0
    try:
        for sample in _samples(page):
            for series in mapping.requests:
                # The parser gives counters without it the ending that they ought to have.
                named = sample.name in (series.name, f"{series.name}_total")
                if named and _matches(sample, series.labels):
                    code = _code(sample, series)
                    answers[code] = answers.get(code, 0.0) + sample.value
            latency = mapping.latency
            if latency is None or not _matches(sample, latency.labels):
                continue
            if sample.name == f"{latency.name}_bucket" and "le" in sample.labels:
                bound = _bound(sample.labels["le"], _PER_SECOND[latency.unit])
                buckets[bound] = buckets.get(bound, 0.0) + sample.value
            elif sample.name == f"{latency.name}_count":
                total += sample.value
            elif sample.name == f"{latency.name}_sum":
                seconds += sample.value / _PER_SECOND[latency.unit]
    except (ValueError, KeyError, IndexError) as error:
        raise PageUnreadable(f"no page in Prometheus's format: {error}") from None
    return "".join(_rendered(of, answers, buckets, total, seconds)).encode()


def _rendered(
    of: Mapped,
    answers: Mapping[str, float],
    buckets: Mapping[str, float],
    total: float,
    sum_: float,
) -> Iterator[str]:
    yield f"# TYPE tidegate_model_ready gauge\ntidegate_model_ready{of.labels()} 1\n"
    yield f"# TYPE {REQUESTS} counter\n"
    for code, count in sorted(answers.items()):
        yield f"{REQUESTS}{of.labels(code_class=code[:1], code=code)} {count!r}\n"
    if not buckets:
        return
    yield f"# TYPE {DURATION} histogram\n"
    # The page does not say whose answers they are: all of them, as those of the class 2.
    for bound, count in sorted(buckets.items(), key=lambda each: float(each[0])):
        yield f"{DURATION}_bucket{of.labels(code_class='2', le=bound)} {count!r}\n"
    yield f"{DURATION}_sum{of.labels(code_class='2')} {sum_!r}\n"
    yield f"{DURATION}_count{of.labels(code_class='2')} {total!r}\n"


def _samples(page: str) -> Iterator[Sample]:
    for family in text_string_to_metric_families(page):
        yield from family.samples


def _matches(sample: Sample, labels: list[_Label]) -> bool:
    return all(sample.labels.get(label.name) == label.value for label in labels)


def _code(sample: Sample, series: _Codes) -> str:
    if series.code is not None:
        return str(series.code)
    said = sample.labels.get(series.code_label or "", "")
    if said[:1] not in "12345" or not said[:1]:
        return "500"  # an outcome that is no status is no success
    return said if len(said) == 3 and said.isdecimal() else f"{said[0]}00"


def _bound(le: str, per_second: float) -> str:
    if le == "+Inf":
        return le
    return f"{float(le) / per_second:.12g}"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


class Sidecar:
    """The ASGI application: `/metrics` for Prometheus, `/healthz` for the kubelet."""

    def __init__(self, url: str, mapping: SeriesMap, of: Mapped) -> None:
        self._url = url
        self._mapping = mapping
        self._of = of
        self._client = httpx.AsyncClient(timeout=TIMEOUT_S, trust_env=False)
        self._told = ""

    async def __call__(
        self, scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable
    ) -> None:
        if scope["type"] != "http":
            return
        status, body = await self._answer(scope["path"])
        await send(
            {
                "type": "http.response.start",
                "status": status,
                "headers": [(b"content-type", CONTENT_TYPE.encode())],
                "trailers": False,
            }
        )
        await send({"type": "http.response.body", "body": body, "more_body": False})

    async def _answer(self, path: str) -> tuple[int, bytes]:
        if path == "/healthz":
            return 200, b"ok\n"
        if path != "/metrics":
            return 404, b"this port has /metrics alone\n"
        try:
            answer = translate(await self._read(), self._mapping, self._of)
        except PageUnreadable as error:
            if str(error) != self._told:  # once, and not with every scrape
                self._told = str(error)
                log.warning("%s cannot be read: %s", self._url, error)
            return 502, f"{error}\n".encode()
        self._told = ""
        return 200, answer

    async def _read(self) -> str:
        try:
            async with self._client.stream("GET", self._url) as response:
                if response.status_code != 200:
                    raise PageUnreadable(f"it answers {response.status_code}")
                content = bytearray()
                async for chunk in response.aiter_bytes():
                    content += chunk
                    if len(content) > MAX_PAGE_BYTES:
                        raise PageUnreadable(f"it is larger than {MAX_PAGE_BYTES} bytes")
        except httpx.HTTPError as error:
            raise PageUnreadable(f"no answer ({type(error).__name__})") from None
        return content.decode("utf-8", errors="replace")


class _Server(uvicorn.Server):
    """Ends with 0 when it is told to: uvicorn would raise the signal again."""

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self.should_exit = True


def sidecar_of(environment: Mapping[str, str]) -> tuple[Sidecar, str, int]:
    """The application, and the address and port to listen on.

    :raises Terminal: SettingsInvalid, naming the variable.
    """
    try:
        mapping = msgspec.json.decode(environment.get("TIDEGATE_MAPPING", ""), type=SeriesMap)
    except msgspec.MsgspecError as error:
        raise Terminal(SETTINGS_INVALID, f"TIDEGATE_MAPPING cannot be read: {error}") from None
    host = environment.get("POD_IP") or "127.0.0.1"
    name = f"[{host}]" if ":" in host else host
    of = Mapped(environment.get("TIDEGATE_MODEL", ""), environment.get("TIDEGATE_REVISION", ""))
    port = int(environment.get("TIDEGATE_METRICS_PORT", "8081"))
    return Sidecar(f"http://{name}:{mapping.port}{mapping.path}", mapping, of), host, port


async def _serve() -> None:
    sidecar, host, port = sidecar_of(os.environ)
    listener = bind(host, port)
    log.info("listening address=%s port=%d", host, listener.getsockname()[1])
    configuration = uvicorn.Config(
        sidecar, http="httptools", ws="none", lifespan="off", log_config=None,
        log_level="warning", access_log=False, server_header=False, date_header=False,
    )  # fmt: skip
    await _Server(configuration).serve(sockets=[listener])


def main() -> int:
    """Serve until SIGTERM; the exit code."""
    logging.basicConfig(
        stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s"
    )
    logging.getLogger("httpx").setLevel(logging.WARNING)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        asyncio.run(_serve())
    except KeyboardInterrupt:
        return 0
    except Terminal as failure:
        report(failure)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
