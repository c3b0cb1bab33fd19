"""Seldon Core's executor, the sidecar that every request to a predictor passes.

It counts in each pod, so it sees no refused connection and no 503 of the gateway; an attempt that
Istio repeats counts every time. Series appear with the first request of a pod: what a pod answered
before its first scrape with a request is not counted. The labels `namespace` and `instance` come
from Prometheus's discovery of the pods.

A predictor is named by the hash of its revision (`backends.seldon`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidegate.metrics.profiles.base import Profile, parts
from tidegate.metrics.promql import is_exactly, is_one_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_NAMESPACE, _DEPLOYMENT, _PREDICTOR = "namespace", "deployment_name", "predictor_name"


def _select(arms: Sequence[str]) -> list[str]:
    known = [parts(arm) for arm in arms]
    return [
        is_one_of(_NAMESPACE, sorted({namespace for namespace, _, _ in known})),
        is_one_of(_DEPLOYMENT, sorted({model for _, model, _ in known})),
        is_one_of(_PREDICTOR, sorted({name.rpartition("-")[2] for _, _, name in known})),
    ]


def _arm(labels: Mapping[str, str]) -> str | None:
    names = [labels.get(label) for label in (_NAMESPACE, _DEPLOYMENT, _PREDICTOR)]
    if not all(names):
        return None
    namespace, model, hash_ = names
    return f"{namespace}/{model}/{model}-{hash_}"


SELDON = Profile(
    name="seldon",
    requests="seldon_api_executor_server_requests_seconds_count",
    buckets="seldon_api_executor_server_requests_seconds_bucket",
    code="code",
    bound_ms=1000.0,
    extra=(is_exactly("service", "predictions"),),
    select=_select,
    arm=_arm,
    own_instances=True,
    lazy=True,
)
