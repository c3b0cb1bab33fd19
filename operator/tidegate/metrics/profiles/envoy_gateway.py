"""Envoy Gateway: the same counters of Envoy, under the names that its clusters must be given.

By itself it makes one cluster of a whole route rule, and names it after the rule: both arms would
be one. It makes one of each backend as soon as a backendRef has a filter (envoyproxy/gateway
issue 7017), and names clusters after their backends when the EnvoyProxy says so:

    spec: {telemetry: {metrics: {clusterStatName: "tidegate/%ROUTE_NAME%/%BACKEND_REFS%"}}}

where %BACKEND_REFS% is namespace/service. A route is named like its Model and a revision's Service
like the revision. Copies have no such name, so they are not counted: use `source: Server`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tidegate.metrics.profiles.base import parts
from tidegate.metrics.profiles.envoy import ENVOY
from tidegate.metrics.promql import is_one_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_CLUSTER = "envoy_cluster_name"
_PREFIX = "tidegate"


def _select(arms: Sequence[str]) -> list[str]:
    names = []
    for arm in arms:
        namespace, model, revision = parts(arm)
        names.append(f"{_PREFIX}/{model}/{namespace}/{revision}")
    return [is_one_of(_CLUSTER, names)]


def _arm(labels: Mapping[str, str]) -> str | None:
    found = labels.get(_CLUSTER, "").split("/")
    if len(found) != 4 or found[0] != _PREFIX:
        return None
    _, model, namespace, revision = found
    return f"{namespace}/{model}/{revision}"


ENVOY_GATEWAY = replace(ENVOY, name="envoy-gateway", select=_select, arm=_arm, shadows=False)
