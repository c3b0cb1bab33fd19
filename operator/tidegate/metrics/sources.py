"""All metrics of one Prometheus: the gateway's by its profile, the servers', and the rest.

Owns how they share it: one tick for batches, one queue for users' own queries.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from tidegate.metrics.profiles import BACKENDS, GATEWAYS, SERVER
from tidegate.metrics.queries import PrometheusQueries
from tidegate.metrics.traffic import PrometheusTraffic

if TYPE_CHECKING:
    from tidegate.metrics.prometheus import Prometheus

LONGEST_TICK = timedelta(seconds=5)


def tick_of(scrape_interval: timedelta) -> timedelta:
    """How long one answer serves everybody: at most half a scrape, so that a batch that ends two
    scrapes ago is answered from samples that are all there."""
    return min(LONGEST_TICK, scrape_interval / 2)


class PrometheusMetrics:
    """`Metrics` of one Prometheus. `profile` is a name in `profiles.GATEWAYS`.

    :raises KeyError: there is no such profile.
    """

    def __init__(self, prometheus: Prometheus, *, profile: str, scrape_interval: timedelta) -> None:
        tick = tick_of(scrape_interval)
        self.gateway = PrometheusTraffic(
            prometheus, GATEWAYS[profile], scrape_interval=scrape_interval, tick=tick
        )
        self.server = PrometheusTraffic(
            prometheus, SERVER, scrape_interval=scrape_interval, tick=tick
        )
        self._backends = {
            name: PrometheusTraffic(prometheus, one, scrape_interval=scrape_interval, tick=tick)
            for name, one in BACKENDS.items()
        }
        self.other = PrometheusQueries(prometheus, scrape_interval=scrape_interval)

    def of_backend(self, name: str) -> PrometheusTraffic:
        """See the protocol."""
        return self._backends[name]
