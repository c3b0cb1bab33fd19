"""Who is scraped: the instance behind a series, and which silent ones are gone for good."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidegate.metrics.base import Error
from tidegate.metrics.promql import is_one_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from tidegate.metrics.counters import Instance
    from tidegate.metrics.prometheus import Prometheus, Series


def instance_of(series: Series) -> Instance:
    """The target that a series came from: its job and instance."""
    return series.labels.get("job", ""), series.labels.get("instance", "")


async def gone(
    prometheus: Prometheus, silent: Sequence[Instance], *, at: datetime
) -> list[Instance] | Error:
    """Of silent instances those that Prometheus no longer scrapes: they have no `up`.

    A target that cannot be scraped has `up` 0; only one that left discovery has none.
    """
    if not silent:
        return []
    names = is_one_of("instance", sorted({instance for _, instance in silent}))
    answer = await prometheus.query(f"up{{{names}}}", at=at)
    if isinstance(answer, Error):
        return answer
    targets = {instance_of(found) for found in answer.value}
    return [instance for instance in silent if instance not in targets]
