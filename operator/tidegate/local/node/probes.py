"""Probes: how often to ask a container, and what to conclude from the answers. Pure.

Asking is done in `probing.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

type Verdict = Literal["unknown", "success", "failure"]


@dataclass(frozen=True, slots=True)
class Probe:
    """When and how often; times in seconds. `handler` is the probe's own JSON."""

    handler: Mapping[str, Any]
    initial_delay_s: float
    period_s: float
    timeout_s: float
    success_threshold: int
    failure_threshold: int
    termination_grace_s: float | None = None

    @classmethod
    def parse(cls, probe: Mapping[str, Any] | None) -> Probe | None:
        """Return a container's probe, with Kubernetes' defaults filled in; None if absent."""
        if not probe:
            return None
        grace = probe.get("terminationGracePeriodSeconds")
        return cls(
            handler=probe,
            initial_delay_s=float(probe.get("initialDelaySeconds") or 0),
            period_s=float(probe.get("periodSeconds") or 10),
            timeout_s=float(probe.get("timeoutSeconds") or 1),
            success_threshold=int(probe.get("successThreshold") or 1),
            failure_threshold=int(probe.get("failureThreshold") or 3),
            termination_grace_s=None if grace is None else float(grace),
        )


@dataclass(frozen=True, slots=True)
class Streak:
    """The answers so far: `verdict` changes only after enough equal answers in a row."""

    verdict: Verdict = "unknown"
    last_ok: bool | None = None
    length: int = 0

    def after(self, probe: Probe, *, ok: bool) -> Streak:
        """Return the state after one more answer."""
        length = self.length + 1 if ok == self.last_ok else 1
        needed = probe.success_threshold if ok else probe.failure_threshold
        verdict: Verdict = self.verdict
        if length >= needed:
            verdict = "success" if ok else "failure"
        return replace(self, verdict=verdict, last_ok=ok, length=length)

    @property
    def began_to_fail(self) -> bool:
        """Tell whether the last answer was the first bad one in a row."""
        return self.last_ok is False and self.length == 1
