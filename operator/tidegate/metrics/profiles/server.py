"""The model servers' own counters, for gateways that do not count by revision.

They see neither a refused connection nor a gateway's own 503. Copies of requests reach a server
like any others, so while an arm is mirrored to, what it counts are copies. The labels `namespace`
and `instance` come from Prometheus's discovery of the pods.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidegate.metrics.profiles.base import Profile, parts
from tidegate.metrics.promql import is_one_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def _select(arms: Sequence[str]) -> list[str]:
    known = [parts(arm) for arm in arms]
    return [
        is_one_of(label, sorted({names[at] for names in known}))
        for at, label in enumerate(("namespace", "model", "revision"))
    ]


def _arm(labels: Mapping[str, str]) -> str | None:
    names = [labels.get(label) for label in ("namespace", "model", "revision")]
    return "/".join(str(name) for name in names) if all(names) else None


SERVER = Profile(
    name="server",
    requests="tidegate_inference_requests_total",
    buckets="tidegate_inference_duration_seconds_bucket",
    code="code",
    bound_ms=1000.0,
    # There from the start, traffic or not.
    presence=("tidegate_model_ready",),
    select=_select,
    arm=_arm,
    own_instances=True,
    shadow_is_arm=True,
)
