"""Istio's standard metrics, as the proxy that sends a request reports them (`reporter="source"`).

That proxy also counts answers that no pod gave, which the receiving side cannot. Series appear
with the first request; until then the other arm's series of the same proxy prove that it was
scraped. Copies of requests are not reported by the sender: use `source: Server` for shadow steps.

The destination is a revision's Service, which is named like the revision.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidegate.metrics.profiles.base import Profile, parts
from tidegate.metrics.promql import is_exactly, is_one_of
from tidegate.traffic.assignment import revision_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_SERVICE = "destination_service_name"
_NAMESPACE = "destination_service_namespace"


def _select(arms: Sequence[str]) -> list[str]:
    known = [parts(arm) for arm in arms]
    return [
        is_one_of(_SERVICE, sorted({revision for _, _, revision in known})),
        is_one_of(_NAMESPACE, sorted({namespace for namespace, _, _ in known})),
    ]


def _arm(labels: Mapping[str, str]) -> str | None:
    namespace, service = labels.get(_NAMESPACE), labels.get(_SERVICE)
    if not namespace or not service:
        return None
    # A revision is its Model's name and a hash; that of new callers has a suffix besides.
    model, dash, _ = revision_of(service).rpartition("-")
    return f"{namespace}/{model}/{service}" if dash else None


ISTIO = Profile(
    name="istio",
    requests="istio_requests_total",
    buckets="istio_request_duration_milliseconds_bucket",
    code="response_code",
    extra=(is_exactly("reporter", "source"),),
    select=_select,
    arm=_arm,
    lazy=True,
)
