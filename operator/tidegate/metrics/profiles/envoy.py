"""Envoy's own cluster counters, as the embedded cluster's gateway names them.

A cluster is named like its arm. A request is an answer that was charged to a cluster
(`upstream_rq_xx`); `upstream_rq_total` stays 0 while a cluster without endpoints answers 503, so it
only proves that an instance was scraped.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidegate.metrics.profiles.base import Profile
from tidegate.metrics.promql import is_one_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_CLUSTER = "envoy_cluster_name"


def _select(arms: Sequence[str]) -> list[str]:
    return [is_one_of(_CLUSTER, arms)]


def _arm(labels: Mapping[str, str]) -> str | None:
    return labels.get(_CLUSTER)


ENVOY = Profile(
    name="envoy",
    requests="envoy_cluster_upstream_rq_xx",
    buckets="envoy_cluster_upstream_rq_time_bucket",
    code="envoy_response_code_class",
    # Present for every configured cluster in every scrape, traffic or not.
    presence=("envoy_cluster_upstream_rq_total", "envoy_cluster_membership_total"),
    select=_select,
    arm=_arm,
    shadows=True,
)
