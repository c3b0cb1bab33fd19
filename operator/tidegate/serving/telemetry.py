"""What the server counts, for Prometheus: requests and their duration by model, revision, code.

Labels are bounded: model and revision are this pod's own, `code` is one of the statuses that the
application answers with, `code_class` its first digit as in Envoy's metrics, never anything from a
request. A mirrored request is counted like any other: the server cannot tell.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import generate_latest
from prometheus_client.process_collector import ProcessCollector

if TYPE_CHECKING:
    from collections.abc import Callable

CONTENT_TYPE = CONTENT_TYPE_LATEST

_BUCKETS_MS = (
    0.5, 0.75, 1, 1.5, 2, 3, 4, 5, 7.5, 10, 15, 20, 25, 30, 40, 50, 75, 100, 150, 200, 250,
    300, 400, 500, 750, 1000, 1500, 2000, 3000, 4000, 6000, 8000, 10000,
)  # fmt: skip
BUCKETS_S = tuple(bound / 1000 for bound in _BUCKETS_MS)
"""Those of the local gateway: a latency threshold must be the boundary of a bucket, and neighbours
more than a factor 1.5 apart would leave latencies that nobody can be judged in."""


class Telemetry:
    """Counts inference requests. `observe` costs about two microseconds."""

    def __init__(self, *, model: str, revision: str) -> None:
        self._registry = CollectorRegistry()
        self._more: list[Callable[[], bytes]] = []
        labels = ("model", "revision", "code_class")
        self._requests = Counter(
            "tidegate_inference_requests",
            "Inference requests answered, by HTTP status.",
            (*labels, "code"),
            registry=self._registry,
        )
        self._duration = Histogram(
            "tidegate_inference_duration_seconds",
            "Seconds from a request's headers to its answer, by class of HTTP status.",
            labels,
            registry=self._registry,
            buckets=BUCKETS_S,
        )
        self._ready = Gauge(
            "tidegate_model_ready",
            "1 while the model is loaded, warm and not draining.",
            ("model", "revision"),
            registry=self._registry,
        ).labels(model, revision)
        ProcessCollector(registry=self._registry)
        self._model = model
        self._revision = revision
        self._known: dict[int, tuple[Callable[[], None], Callable[[float], None]]] = {}
        # These two exist from the start, so that a rate over them is 0 and not absent.
        self._of(200)
        self._of(500)

    def observe(self, *, code: int, seconds: float) -> None:
        """Count one answered inference request."""
        count, measure = self._of(code)
        count()
        measure(seconds)

    def set_ready(self, ready: bool, /) -> None:
        self._ready.set(1 if ready else 0)

    def add(self, render: Callable[[], bytes]) -> None:
        """Show what another part counts: it writes the exposition format itself."""
        self._more.append(render)

    def render(self) -> bytes:
        """The exposition format."""
        return b"".join((generate_latest(self._registry), *(render() for render in self._more)))

    def _of(self, code: int) -> tuple[Callable[[], None], Callable[[float], None]]:
        if code not in self._known:
            labels = (self._model, self._revision, str(code // 100))
            self._known[code] = (
                self._requests.labels(*labels, str(code)).inc,
                self._duration.labels(*labels).observe,
            )
        return self._known[code]
