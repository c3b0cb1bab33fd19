"""The comparer's counters, for Prometheus.

All of them only rise while the process lives and start at 0 with it, so that a restart reads like
any counter's: also the sum of differences, which is kept as what it rose by and what it fell by.
Labels are bounded: the model's and the arms' names, fixed words, and a bounded number of outputs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge
from prometheus_client.exposition import generate_latest
from prometheus_client.process_collector import ProcessCollector

from tidegate.comparing.arms import Arm
from tidegate.comparing.comparison import Compared, Outcome
from tidegate.comparing.join import Unpaired

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tidegate.comparing.settings import Settings

CONTENT_TYPE = CONTENT_TYPE_LATEST
MAX_OUTPUTS = 32
LABELS = ("namespace", "model", "stable", "candidate")
_FAILED = (Outcome.STABLE_FAILED, Outcome.CANDIDATE_FAILED, Outcome.BOTH_FAILED)


class Telemetry:
    """Counts what was compared."""

    def __init__(self, settings: Settings) -> None:
        self._registry = CollectorRegistry()
        self._own = (
            settings.namespace,
            settings.model,
            settings.stable.revision,
            settings.candidate.revision,
        )
        self._pairs = self._counter("pairs", "Requests that both arms answered with 200.")
        self._disagree = self._counter("disagree", "Pairs whose outputs differ.")
        self._errors = self._counter(
            "error_pairs", "Requests that both arms answered, at least one not with 200.", "failed"
        )
        self._unpaired = self._counter("unpaired", "Outputs that found no partner.", "reason")
        self._rose = self._counter(
            "difference_positive", "Sum of the positive candidate - stable.", "output"
        )
        self._fell = self._counter(
            "difference_negative", "Sum of the negative candidate - stable, as a size.", "output"
        )
        self._squares = self._counter(
            "difference_squares", "Sum of the squares of candidate - stable.", "output"
        )
        self._differences = self._counter(
            "difference_count", "Pairs that were summed as differences.", "output"
        )
        self._lost = self._counter("lost", "Outputs dropped by a pod before they were read.", "arm")
        self._failures = self._counter("read_failures", "Reads of a pod that failed.", "arm")
        self._pods = Gauge(
            "tidegate_shadow_pods",
            "Pods whose outputs are being read.",
            (*LABELS, "arm"),
            registry=self._registry,
        )
        ProcessCollector(registry=self._registry)
        self._outputs: set[str] = set()
        self._show_zeros()

    def pair(self, compared: Compared) -> None:
        """Count one request that both arms answered."""
        if compared.outcome in _FAILED:
            self._errors.labels(*self._own, compared.outcome).inc()
            return
        self._pairs.labels(*self._own).inc()
        if compared.outcome is Outcome.DISAGREE:
            self._disagree.labels(*self._own).inc()
        for output, difference in compared.differences.items():
            if self._is_counted(output):
                labels = (*self._own, output)
                self._rose.labels(*labels).inc(max(0.0, difference))
                self._fell.labels(*labels).inc(max(0.0, -difference))
                self._squares.labels(*labels).inc(difference * difference)
                self._differences.labels(*labels).inc()

    def unpaired(self, counts: Mapping[Unpaired, int]) -> None:
        """Count outputs without a partner."""
        for reason, count in counts.items():
            self._unpaired.labels(*self._own, reason).inc(count)

    def lost(self, arm: Arm, count: int) -> None:
        """Count outputs that a pod had dropped before they were read."""
        self._lost.labels(*self._own, arm).inc(count)

    def failed(self, arm: Arm) -> None:
        """Count a read that failed."""
        self._failures.labels(*self._own, arm).inc()

    def pods(self, arm: Arm, count: int) -> None:
        """Say how many pods of an arm answer."""
        self._pods.labels(*self._own, arm).set(count)

    def render(self) -> bytes:
        """The exposition format."""
        return generate_latest(self._registry)

    def _counter(self, name: str, text: str, *more: str) -> Counter:
        return Counter(f"tidegate_shadow_{name}", text, (*LABELS, *more), registry=self._registry)

    def _is_counted(self, output: str) -> bool:
        if output not in self._outputs and len(self._outputs) < MAX_OUTPUTS:
            self._outputs.add(output)
        return output in self._outputs

    def _show_zeros(self) -> None:
        """What has no labels of its own exists from the start, so that the first one counts."""
        self._pairs.labels(*self._own)
        self._disagree.labels(*self._own)
        for reason in Unpaired:
            self._unpaired.labels(*self._own, reason)
        for outcome in _FAILED:
            self._errors.labels(*self._own, outcome)
        for arm in Arm:
            self._lost.labels(*self._own, arm)
            self._failures.labels(*self._own, arm)
            self._pods.labels(*self._own, arm)
