"""One query for many: raw samples of all arms that anybody asks for, fetched once a tick.

A thousand rollouts that look every fifteen seconds would send a thousand queries, each for two
arms. Instead the first that asks in a tick has the samples of every arm fetched that will be asked
for in it, in chunks of bounded size, and the others are answered from the same answers. Which those
are is known from the last time: rollouts ask at a steady pace. Whoever could not be foreseen waits
a moment for others like it and shares a query with them. Nothing is counted here, so who is
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
GATHERING_S = 0.02
"""How long arms that no round has are gathered before they are asked for."""
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
class _Question:
    """Whose samples are needed, of which bounds, from when to when."""

    arms: Sequence[str]
    thresholds: frozenset[float]
    oldest: datetime
    end: datetime


@dataclass(frozen=True)
class _Round:
    """What was fetched together: samples from `oldest` to `at`, by arm."""

    began: float
    oldest: datetime
    at: datetime
    chunks: dict[str, _Chunk]

    def covering(self, asked: _Question) -> list[_Chunk] | None:
        """The chunks that answer a question; None where this round does not."""
        if asked.oldest < self.oldest or asked.end > self.at:
            return None
        if any(arm not in self.chunks for arm in asked.arms):
            return None
        chunks = list({id(self.chunks[arm]): self.chunks[arm] for arm in asked.arms}.values())
        return chunks if all(asked.thresholds <= chunk.thresholds for chunk in chunks) else None

    @property
    def failure(self) -> Error | None:
        """Why Prometheus gave no answer in this tick, if that is known."""
        for chunk in self.chunks.values():
            if chunk.found.done() and isinstance(found := chunk.found.result(), Error):
                return found
        return None


@dataclass(frozen=True)
class _Gathering:
    """Questions that no round answers, asked together once the moment is over."""

    questions: list[_Question]
    round: asyncio.Task[_Round]


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
        self._gathering: _Gathering | None = None
        self._asked: dict[str, _Asked] = {}

    async def series(
        self, arms: Sequence[str], thresholds_ms: Sequence[float], *, start: datetime, end: datetime
    ) -> Value[list[Series]] | Error:
        """Raw samples of these arms from before `start` up to `end`, or a little later."""
        asked = _Question(arms, frozenset(thresholds_ms), start - self._look_back, end)
        if self._tick <= timedelta(0) or end - start > LONGEST_SHARED:
            return _joined([await self._fetch(asked)], arms)
        now = self._monotonic()
        self._remember(asked, now=now, span=end - start)
        current = self._round
        if current is None or now - current.began >= self._tick.total_seconds():
            current = self._round = self._begin(now, asked)
        chunks = current.covering(asked)
        if chunks is None and (failure := current.failure) is not None:
            return failure  # an outage is not asked about again before the next tick
        if chunks is None:
            chunks = (await self._with_others(asked)).covering(asked)
            assert chunks is not None, "what was gathered answers all that it was gathered for"
        return _joined([await asyncio.shield(chunk.found) for chunk in chunks], arms)

    async def _with_others(self, asked: _Question) -> _Round:
        """A round for this question and all others that come within a moment."""
        if self._gathering is None:
            questions: list[_Question] = []
            self._gathering = _Gathering(questions, asyncio.ensure_future(self._gather(questions)))
        self._gathering.questions.append(asked)
        return await asyncio.shield(self._gathering.round)

    async def _gather(self, questions: Sequence[_Question]) -> _Round:
        await asyncio.sleep(GATHERING_S)
        self._gathering = None
        arms = sorted({arm for one in questions for arm in one.arms})
        oldest, at = min(one.oldest for one in questions), max(one.end for one in questions)
        return self._fetched(self._monotonic(), arms, oldest=oldest, at=at)

    def _remember(self, asked: _Question, *, now: float, span: timedelta) -> None:
        for arm in asked.arms:
            before, every = self._asked.get(arm), span.total_seconds()
            if before is not None:
                every = min(every, now - before.at)
            self._asked[arm] = _Asked(now, every, asked.thresholds, span)

    def _begin(self, now: float, first: _Question) -> _Round:
        """Fetch what is asked for first and all that is due."""
        self._asked = {arm: one for arm, one in self._asked.items() if now - one.at <= _KEPT_S}
        tick = self._tick.total_seconds()
        due = {arm for arm, one in self._asked.items() if one.is_due(now, tick)}
        arms = sorted(due.union(first.arms))
        at = first.end + self._tick
        # Whoever asks later in this tick has waited that much longer.
        reach = max(self._asked[arm].reach(now) for arm in arms) + 2 * self._tick
        return self._fetched(now, arms, oldest=at - reach - self._look_back, at=at)

    def _fetched(
        self, now: float, arms: Sequence[str], *, oldest: datetime, at: datetime
    ) -> _Round:
        """Arms in chunks, under way. Those of one Model are neighbours, so they share a chunk."""
        chunks: dict[str, _Chunk] = {}
        for some in chunked(arms):
            thresholds = frozenset[float]().union(*(self._asked[arm].thresholds for arm in some))
            asked = _Question(some, thresholds, oldest, at)
            chunk = _Chunk(thresholds, asyncio.ensure_future(self._fetch(asked)))
            chunks |= dict.fromkeys(some, chunk)
        return _Round(now, oldest, at, chunks)

    async def _fetch(self, asked: _Question) -> Found:
        """Ask Prometheus, for the counters and then for the buckets, if any."""
        window = duration(asked.end - asked.oldest)
        queries = [counter_query(self._profile, asked.arms)]
        if asked.thresholds:
            queries.append(bucket_query(self._profile, asked.arms, sorted(asked.thresholds)))
        found: dict[str, list[Series]] = defaultdict(list)
        warnings: tuple[str, ...] = ()
        for query in queries:
            answer = await self._prometheus.query(f"{query}[{window}]", at=asked.end)
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
