"""A load generator: asks one Model through the gateway and writes down who answered what."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import aiohttp
import orjson

from tidegate.demo.answers import REVISION_HEADER, Answer, Ledger
from tidegate.demo.load import Timetable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tidegate.demo.answers import Tally

TIMEOUT_S = 20.0


def body(temp: float | None, wind: float) -> bytes:
    """One row as the Open Inference Protocol has it; None is a missing value."""
    columns = (("temp", temp), ("wind", wind))
    inputs = [{"name": n, "datatype": "FP64", "shape": [1], "data": [v]} for n, v in columns]
    return orjson.dumps({"inputs": inputs})


WHOLE, MISSING = body(1.5, 0.5), body(None, 0.5)


@dataclass
class Load:
    """An open loop of `rate` requests a second; every `missing`-th lacks a value."""

    port: int
    host: str
    rate: float
    model: str = "weather"
    missing: int | None = None
    ledger: Ledger = field(default_factory=Ledger)

    @asynccontextmanager
    async def flowing(self) -> AsyncIterator[Load]:
        """Ask for as long as the block lasts, and then wait for what is still out."""
        stop = asyncio.Event()
        running = asyncio.create_task(self._run(stop))
        try:
            yield self
        finally:
            stop.set()
            await running

    async def _run(self, stop: asyncio.Event) -> None:
        timetable = Timetable(rate=self.rate, started=time.monotonic())
        connector = aiohttp.TCPConnector(limit=64, keepalive_timeout=60)
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
        async with (
            aiohttp.ClientSession(connector=connector, timeout=timeout) as session,
            asyncio.TaskGroup() as asking,
        ):
            while not stop.is_set():
                wait = timetable.next_due(time.monotonic()) - time.monotonic()
                await asyncio.sleep(max(0.0, wait))
                asking.create_task(self._ask(session, timetable.sent))
                timetable.sent += 1

    async def _ask(self, session: aiohttp.ClientSession, number: int) -> None:
        row = MISSING if self.missing and number % self.missing == 0 else WHOLE
        at, began = time.time(), time.perf_counter()
        status, revision, error = 0, "", ""
        try:
            async with session.post(
                f"http://127.0.0.1:{self.port}/v2/models/{self.model}/infer",
                data=row,
                headers={"host": self.host, "content-type": "application/json"},
            ) as response:
                text = await response.text()
                status = response.status
                revision = response.headers.get(REVISION_HEADER, "")
                error = "" if status == 200 else text[:200]
        except (aiohttp.ClientError, TimeoutError, OSError) as problem:
            error = f"{type(problem).__name__}: {problem}"[:200]
        spent = (time.perf_counter() - began) * 1e3
        self.ledger.add([Answer(number, at, status, revision, spent, error)])

    def served(self, revision: str) -> int:
        """How many requests a revision has answered."""
        return self.ledger.tally(revision).served

    def failed(self, revision: str) -> int:
        """How many of them it answered with its own 5xx."""
        return self.ledger.tally(revision).failed

    def answers_since_others(self, revision: str) -> int:
        """How many requests a revision has answered that were sent after the last one that went
        to another."""
        others = (t.last_at or 0.0 for name, t in self._tallies() if name != revision)
        last = max(others, default=0.0)
        return sum(at > last for at, _ in self.ledger.tally(revision).latencies)

    def untouched(self, stable: str, *others: str) -> bool:
        """Whether stable never failed, and every answer is its or one of `others`'s own."""
        known = {stable, *others}
        return (
            not self.ledger.ours
            and self.failed(stable) == 0
            and self.served(stable) > 0
            and set(self.ledger.revisions) <= known
        )

    def story(self) -> str:
        """Who answered, for the message of a failed assertion."""
        told = [f"{name}: {t.served} ({t.failed} failed)" for name, t in self._tallies()]
        return f"{', '.join(told)}; not a version's own: {self.ledger.ours[:5]}"

    def _tallies(self) -> list[tuple[str, Tally]]:
        return sorted(self.ledger.revisions.items())
