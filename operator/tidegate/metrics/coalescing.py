"""One query for many: raw samples of all arms that anybody asks for, fetched once a tick.

A thousand rollouts that look every fifteen seconds would send a thousand queries, each for two
arms. Instead the first that asks in a tick has the samples of every arm fetched that will be asked
for in it, in chunks of bounded size, and the others are answered from the same answers. Which those
are is known from the last time: rollouts ask at a steady pace. Nothing is counted here, so who is
answered from what makes no difference to the counts: batches end two scrapes ago, and samples that
old do not change any more.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from tidegate.metrics.base import Error, Value
from tidegate.metrics.promql import duration
from tidegate.metrics.selecting import bucket_query, counter_query

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import datetime

    from tidegate.metrics.profiles.base import Profile
    from tidegate.metrics.prometheus import Prometheus, Series

CHUNK_ARMS = 100
CHUNK_CHARACTERS = 4000
"""Arms in one query, and characters of their names: more, once encoded, would not fit the line of a
GET that proxies let pass (8 kB)."""
LONGEST_SHARED = timedelta(minutes=2)
"""A batch that reaches further back asks for itself: one late rollout must not make all slow."""
_KEPT_S = 600.0
"""How long an arm that nobody asks for is remembered."""

type Found = Value[dict[str, list[Series]]] | Error
"""Series by arm."""


@dataclass(frozen=True, slots=True)
class _Asked:
    """How an arm was last asked for: when, how long after the time before, with which thresholds,
    over how long. Seconds are monotonic."""

    at: float
    every: float
    thresholds: frozenset[float]
    span: timedelta

    def is_due(self, now: float, tick: float) -> bool:
        """Whether it will be asked for in the tick that begins now: by its pace, with some play,
        and for a while when it is late. One too many costs a line of the answer; one too few has a
        query of its own."""
        late = 2 * self.span.total_seconds() + 2 * tick
        return self.at + self.every - 1.5 * tick <= now <= self.at + late

    def reach(self, now: float) -> timedelta:
        """How far back from its end its next batch may begin: as far as the last one, or to where
        that one ended."""
        return min(LONGEST_SHARED, max(self.span, timedelta(seconds=now - self.at)))


@dataclass(frozen=True)
class _Chunk:
    """Some arms, and their samples once they are there."""

    thresholds: frozenset[float]
    found: asyncio.Task[Found]


@dataclass(frozen=True)
class _Round:
    """What was fetched in one tick: samples from `oldest` to `at`, by arm."""

    began: float
    oldest: datetime
    at: datetime
    chunks: dict[str, _Chunk]

    def covering(
        self,
        arms: Sequence[str],
        thresholds_ms: Sequence[float],
        *,
        oldest: datetime,
        end: datetime,
    ) -> list[_Chunk] | None:
        """The chunks that answer a question; None where this round does not."""
        if oldest < self.oldest or end > self.at:
            return None
        if any(arm not in self.chunks for arm in arms):
            return None
        chunks = list({id(self.chunks[arm]): self.chunks[arm] for arm in arms}.values())
        if any(not chunk.thresholds.issuperset(thresholds_ms) for chunk in chunks):
            return None
        return chunks

    @property
    def failure(self) -> Error | None:
        """Why Prometheus gave no answer in this tick, if that is known."""
        for chunk in self.chunks.values():
            if chunk.found.done() and isinstance(found := chunk.found.result(), Error):
                return found
        return None


class Coalescer:
    """Fetches raw samples by arm. With a tick of zero every call has queries of its own.

    `look_back` is how far before a batch's start samples are needed.
    """

    def __init__(
        self,
        prometheus: Prometheus,
        profile: Profile,
        *,
        tick: timedelta,
        look_back: timedelta,
        monotonic: Callable[[], float],
    ) -> None:
        self._prometheus = prometheus
        self._profile = profile
        self._tick = tick
        self._look_back = look_back
        self._monotonic = monotonic
        self._round: _Round | None = None
        self._asked: dict[str, _Asked] = {}

    async def series(
        self, arms: Sequence[str], thresholds_ms: Sequence[float], *, start: datetime, end: datetime
    ) -> Value[list[Series]] | Error:
        """Raw samples of these arms from before `start` up to `end`, or a little later."""
        oldest = start - self._look_back
        if self._tick <= timedelta(0) or end - start > LONGEST_SHARED:
            return _flat(await self._fetch(arms, thresholds_ms, oldest=oldest, at=end), arms)
        now = self._monotonic()
        self._remember(arms, thresholds_ms, now=now, span=end - start)
        current = self._round
        if current is None or now - current.began >= self._tick.total_seconds():
            current = self._round = self._begin(now, arms, at=end + self._tick)
        chunks = current.covering(arms, thresholds_ms, oldest=oldest, end=end)
        if chunks is not None:
            return _joined([await asyncio.shield(chunk.found) for chunk in chunks], arms)
        if (failure := current.failure) is not None:
            return failure  # an outage is not asked about again before the next tick
        return _flat(await self._fetch(arms, thresholds_ms, oldest=oldest, at=end), arms)

    def _remember(
        self, arms: Iterable[str], thresholds_ms: Sequence[float], *, now: float, span: timedelta
    ) -> None:
        for arm in arms:
            before, every = self._asked.get(arm), span.total_seconds()
            if before is not None:
                every = min(every, now - before.at)
            self._asked[arm] = _Asked(now, every, frozenset(thresholds_ms), span)

    def _begin(self, now: float, first: Iterable[str], *, at: datetime) -> _Round:
        """Fetch these arms and all that are due, in chunks. Arms of one Model are neighbours, so
        they share a chunk."""
        self._asked = {arm: one for arm, one in self._asked.items() if now - one.at <= _KEPT_S}
        tick = self._tick.total_seconds()
        due = {arm for arm, one in self._asked.items() if one.is_due(now, tick)}
        fetched = sorted(due.union(first))
        reach = max(self._asked[arm].reach(now) for arm in fetched)
        # Whoever asks later in this tick has waited that much longer.
        oldest = at - 2 * self._tick - reach - self._look_back
        chunks: dict[str, _Chunk] = {}
        for arms in chunked(fetched):
            thresholds = frozenset[float]().union(*(self._asked[arm].thresholds for arm in arms))
            fetch = self._fetch(arms, sorted(thresholds), oldest=oldest, at=at)
            chunk = _Chunk(thresholds, asyncio.ensure_future(fetch))
            chunks |= dict.fromkeys(arms, chunk)
        return _Round(now, oldest, at, chunks)

    async def _fetch(
        self, arms: Sequence[str], thresholds_ms: Sequence[float], *, oldest: datetime, at: datetime
    ) -> Found:
        """Ask Prometheus, for the counters and then for the buckets, if any."""
        window = duration(at - oldest)
        queries = [counter_query(self._profile, arms)]
        if thresholds_ms:
            queries.append(bucket_query(self._profile, arms, thresholds_ms))
        found: dict[str, list[Series]] = defaultdict(list)
        warnings: tuple[str, ...] = ()
        for query in queries:
            answer = await self._prometheus.query(f"{query}[{window}]", at=at)
            if isinstance(answer, Error):
                return answer
            warnings += answer.warnings
            for one in answer.value:
                arm = self._profile.arm(one.labels)
                if arm is not None:
                    found[arm].append(one)
        return Value(dict(found), warnings)


def chunked(arms: Sequence[str]) -> list[list[str]]:
    """Arms in their order, cut into parts that one query can name."""
    parts: list[list[str]] = []
    characters = 0
    for arm in arms:
        characters += len(arm)
        if not parts or len(parts[-1]) >= CHUNK_ARMS or characters > CHUNK_CHARACTERS:
            parts.append([])
            characters = len(arm)
        parts[-1].append(arm)
    return parts


def _flat(found: Found, arms: Sequence[str]) -> Value[list[Series]] | Error:
    return _joined([found], arms)


def _joined(found: Iterable[Found], arms: Sequence[str]) -> Value[list[Series]] | Error:
    """The series of these arms alone."""
    series: list[Series] = []
    warnings: tuple[str, ...] = ()
    for one in found:
        if isinstance(one, Error):
            return one
        warnings += one.warnings
        for arm in arms:
            series.extend(one.value.get(arm, ()))
    return Value(series, warnings)
