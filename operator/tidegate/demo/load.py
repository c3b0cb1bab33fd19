"""Replays flights through the gateway at a fixed rate and writes down every answer.

    python -m tidegate.demo.load --url http://127.0.0.1:8080 --host flights.example \
        --model flight-delay --replay DIR --out answers.jsonl --rate 120

An open loop: each request has its time, whether or not earlier ones have been answered, so a
server that slows down is seen as slow instead of being asked less. It runs in a process of its own,
so that what it measures is not the demo's own drawing. It ends on SIGTERM or SIGINT, after the
answers that are still out have come, or when `--requests` have been sent. Its last line counts.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import aiohttp
import orjson

from tidegate.demo.answers import REVISION_HEADER, Answer
from tidegate.demo.replay import Replay

TIMEOUT_S = 10.0
CONNECTIONS = 64
FLUSH_EVERY_S = 0.25
LATEST_START_S = 0.5
"""A client that falls further behind its own timetable than this skips ahead: it must not answer
its own delay with a burst that no user would send."""


def as_line(answer: Answer) -> bytes:
    """One answer as a line of JSON."""
    return orjson.dumps(
        [
            answer.number,
            round(answer.at, 4),
            answer.status,
            answer.revision,
            round(answer.milliseconds, 3),
            answer.error,
        ],
        option=orjson.OPT_APPEND_NEWLINE,
    )


def from_line(line: bytes) -> Answer:
    """The answer that a line tells."""
    return Answer(*orjson.loads(line))


@dataclass
class Timetable:
    """When each request is due, `rate` a second. Times are of the monotonic clock, in seconds."""

    rate: float
    started: float
    sent: int = 0
    skipped: int = 0

    def next_due(self, now: float) -> float:
        """When the next request is due; slots that are long past are given up and counted."""
        behind = int((now - LATEST_START_S - self._due(0)) * self.rate)
        if behind > 0:
            self.skipped += behind
        return self._due(0)

    def _due(self, ahead: int) -> float:
        return self.started + (self.sent + self.skipped + ahead) / self.rate


@dataclass
class Load:
    """One replay against one address."""

    url: str
    headers: dict[str, str]
    replay: Replay
    timetable: Timetable
    first_flight: int = 0
    lines: list[bytes] = field(default_factory=list)

    async def send(self, session: aiohttp.ClientSession, number: int) -> None:
        """Send one request and write its end down, whatever it is."""
        began = time.perf_counter()
        at = time.time()
        status, revision, error = 0, "", ""
        try:
            body = self.replay.body(self.first_flight + number)
            async with session.post(self.url, data=body, headers=self.headers) as response:
                await response.read()
                status = response.status
                revision = response.headers.get(REVISION_HEADER, "")
        except (aiohttp.ClientError, TimeoutError, OSError) as problem:
            error = f"{type(problem).__name__}: {problem}"[:200]
        spent = (time.perf_counter() - began) * 1e3
        self.lines.append(as_line(Answer(number, at, status, revision, spent, error)))

    async def run(self, out: BinaryIO, *, stop: asyncio.Event, requests: int | None) -> None:
        """Send until stopped, then wait for what is still out."""
        connector = aiohttp.TCPConnector(limit=CONNECTIONS, keepalive_timeout=60)
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
        async with (
            aiohttp.ClientSession(connector=connector, timeout=timeout) as session,
            asyncio.TaskGroup() as group,
        ):
            written = group.create_task(self._write(out))
            async with asyncio.TaskGroup() as sending:
                while not stop.is_set() and (requests is None or self.timetable.sent < requests):
                    wait = self.timetable.next_due(time.monotonic()) - time.monotonic()
                    if wait > 0:
                        await asyncio.sleep(wait)
                    sending.create_task(self.send(session, self.timetable.sent))
                    self.timetable.sent += 1
            written.cancel()
        self._flush(out)
        summary = {"sent": self.timetable.sent, "skipped": self.timetable.skipped}
        sys.stdout.write(orjson.dumps(summary).decode() + "\n")

    async def _write(self, out: BinaryIO) -> None:
        while True:
            await asyncio.sleep(FLUSH_EVERY_S)
            self._flush(out)

    def _flush(self, out: BinaryIO) -> None:
        lines, self.lines = self.lines, []
        out.write(b"".join(lines))
        out.flush()


async def replay_against(options: argparse.Namespace) -> None:
    """Run what the command line says."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    load = Load(
        url=f"{options.url.rstrip('/')}/v2/models/{options.model}/infer",
        headers={"Host": options.host, "Content-Type": "application/json"},
        replay=Replay.open(options.replay),
        timetable=Timetable(rate=options.rate, started=time.monotonic()),
        first_flight=options.first_flight,
    )
    out = await asyncio.to_thread(options.out.open, "ab")
    with out:
        await load.run(out, stop=stop, requests=options.requests)


def main() -> None:
    """Parse the arguments and replay."""
    parser = argparse.ArgumentParser(description="Replay flights against a model.")
    parser.add_argument("--url", required=True, help="the gateway, like http://127.0.0.1:8080")
    parser.add_argument("--host", required=True, help="the model's hostname")
    parser.add_argument("--model", required=True, help="the model's name")
    parser.add_argument("--replay", type=Path, required=True, help="folder with trained.json")
    parser.add_argument("--out", type=Path, required=True, help="file that answers are added to")
    parser.add_argument("--rate", type=float, default=120.0, help="requests a second")
    parser.add_argument("--requests", type=int, default=None, help="how many; default: until ended")
    parser.add_argument("--first-flight", type=int, default=0, help="where in the replay to begin")
    asyncio.run(replay_against(parser.parse_args()))


if __name__ == "__main__":
    main()
