"""One adapter around `prometheus-api-client`: every query ends in time, in a value or an error.

Owns what that client leaves open: it retries time-outs three times, has no time-out of its own,
drops Prometheus's warnings, reads JSON slowly, blocks, and lets three families of exceptions out.
Nothing else in Tidegate imports it. It knows no metric and judges no sample.
"""

from __future__ import annotations

import asyncio
import math
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import orjson

from tidegate.metrics.base import Error, Value

if TYPE_CHECKING:
    from collections.abc import Mapping

    from prometheus_api_client.prometheus_connect import PrometheusConnect
    from requests import Response

_LONGEST_REASON = 300
_OK = 200
_REFUSALS = frozenset({400, 422})
"""What Prometheus answers to a query that does not parse, or that cannot be evaluated."""


@dataclass(frozen=True, slots=True)
class Series:
    """One time series: its labels, and samples as (unix seconds, value) in time order."""

    labels: Mapping[str, str]
    samples: tuple[tuple[float, float], ...]


class Prometheus:
    """Asks one Prometheus. Safe to share; at most `threads` queries are under way at once.

    `timeout` bounds the connection, every wait for bytes, and with the time spent queueing the
    whole call. Proxies from the environment are not used: the address is meant as it stands.
    """

    def __init__(
        self,
        url: str,
        *,
        timeout: timedelta = timedelta(seconds=5),
        threads: int = 4,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self._url = url.rstrip("/")
        self._timeout_s = timeout.total_seconds()
        self._headers = dict(headers or {})
        self._pool = ThreadPoolExecutor(max_workers=threads, thread_name_prefix="prometheus")
        self._connect_lock = threading.Lock()
        self._connection: PrometheusConnect | None = None
        self._per_thread = threading.local()

    async def query(
        self, promql: str, *, at: datetime | None = None
    ) -> Value[tuple[Series, ...]] | Error:
        """The answer to an instant query at `at` (Prometheus's own now without it).

        No match is a value: an empty tuple. Down, slow, refused and unintelligible are `Error`.
        """
        job = asyncio.get_running_loop().run_in_executor(self._pool, self._ask, promql, at)
        try:
            return await asyncio.wait_for(job, timeout=self._timeout_s)
        except TimeoutError:
            return Error(f"Prometheus at {self._url} did not answer in {self._timeout_s:g} s")

    async def now(self) -> Value[datetime] | Error:
        """Prometheus's own time."""
        answer = await self.query("time()")
        if isinstance(answer, Error):
            return answer
        if len(answer.value) != 1 or not answer.value[0].samples:
            return Error(f"Prometheus at {self._url} does not tell the time")
        return Value(datetime.fromtimestamp(answer.value[0].samples[-1][1], UTC), answer.warnings)

    async def close(self) -> None:
        """Gives the threads and connections back; queries under way end by their time-out."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        if self._connection is not None:
            self._connection.close()

    def _ask(self, promql: str, at: datetime | None) -> Value[tuple[Series, ...]] | Error:
        """Runs in a thread. Maps every exception that the client is known to raise."""
        import requests
        from prometheus_api_client.exceptions import (
            MetricValueConversionError,
            PrometheusApiClientException,
        )

        params = {"timeout": f"{self._timeout_s:g}s"}
        if at is not None:
            params["time"] = f"{at.timestamp():.3f}"
        self._per_thread.warnings = ()
        self._per_thread.status = 0
        try:
            result = self._connected().custom_query(promql, params=params)
            return Value(_series(result), self._per_thread.warnings)
        except requests.Timeout:
            return Error(f"Prometheus at {self._url} did not answer in {self._timeout_s:g} s")
        except requests.RequestException as error:
            return Error(_short(f"Prometheus at {self._url} cannot be asked: {_cause(error)}"))
        except (PrometheusApiClientException, MetricValueConversionError) as error:
            return Error(
                _short(f"Prometheus at {self._url} refused the query: {error}"),
                refused=self._per_thread.status in _REFUSALS,
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            return Error(_short(f"Prometheus at {self._url} gave a senseless answer: {error!r}"))

    def _connected(self) -> PrometheusConnect:
        """The one connection, made at the first query: importing the client costs 22 MB."""
        import requests
        from prometheus_api_client.prometheus_connect import PrometheusConnect
        from urllib3.util.retry import Retry

        with self._connect_lock:
            if self._connection is None:
                session = requests.Session()
                session.trust_env = False
                session.hooks["response"].append(self._read)
                self._connection = PrometheusConnect(
                    url=self._url,
                    headers=self._headers,
                    retry=Retry(0),
                    session=session,
                    timeout=math.ceil(self._timeout_s),
                )
            return self._connection

    def _read(self, response: Response, **_: object) -> None:
        """A response hook, run in the thread that asked: reads the answer, several times quicker
        than the client would, and keeps the warnings, which the client throws away."""
        self._per_thread.status = response.status_code
        if response.status_code != _OK:
            return
        document = orjson.loads(response.content)
        self._per_thread.warnings = tuple(map(str, document.get("warnings") or ()))
        vars(response)["json"] = lambda: document


def _cause(error: BaseException) -> str:
    """What the system said, for people; the layers above only wrap their own names around it."""
    first: BaseException = error
    while (below := first.__cause__ or first.__context__) is not None:
        first = below
    return getattr(first, "strerror", None) or str(error)


def _short(reason: str) -> str:
    return reason if len(reason) <= _LONGEST_REASON else reason[: _LONGEST_REASON - 1] + "…"


def _series(result: Any) -> tuple[Series, ...]:
    """A result of any type: matrix, vector, or a scalar as one series without labels."""
    if result and not isinstance(result[0], dict):
        return (Series({}, _samples([result])),)
    found = []
    for item in result:
        raw = item["values"] if "values" in item else [item["value"]] if "value" in item else []
        found.append(Series(item["metric"], _samples(raw)))
    return tuple(found)


def _samples(pairs: Any) -> tuple[tuple[float, float], ...]:
    found = tuple((float(moment), float(value)) for moment, value in pairs)
    if not all(math.isfinite(moment) for moment, _ in found):
        raise ValueError("a sample at no moment")
    return found
