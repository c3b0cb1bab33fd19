"""Events are forgotten after an hour, so that they do not pile up."""

from __future__ import annotations

import asyncio
import logging
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from tidegate.local.apiserver.errors import ApiError

if TYPE_CHECKING:
    from tidegate.local.apiserver.cluster import Cluster

log = logging.getLogger(__name__)

EVENT_TTL = timedelta(hours=1)
_SWEEP_S = 60.0
_EVENTS = "/events"


class EventExpiry:
    """Sweeps old Events away."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    async def run(self) -> None:
        """Sweep once a minute, until cancelled."""
        while True:
            await asyncio.sleep(_SWEEP_S)
            try:
                self.sweep()
            except ApiError as error:
                log.warning("event-expiry-failed error=%s", error.message)

    def sweep(self) -> int:
        """Remove the Events that nobody wrote to for an hour; how many those were."""
        oldest = self._cluster.clock() - EVENT_TTL
        gone = 0
        for record in self._cluster.store.collection(_EVENTS).select(None):
            if _last_written(record.decode()) < oldest:
                self._cluster.store.remove(record)
                gone += 1
        return gone


def _last_written(obj: dict[str, object]) -> datetime:
    metadata = obj["metadata"]
    assert isinstance(metadata, dict)
    times = [metadata["creationTimestamp"]]
    times += [e["time"] for e in metadata.get("managedFields") or () if e.get("time")]
    series = obj.get("series")
    if isinstance(series, dict) and series.get("lastObservedTime"):
        times.append(series["lastObservedTime"])
    return max(datetime.fromisoformat(str(t)) for t in times)
