"""The load client as a process that others start, and a count of who answers."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import orjson

from tidegate.demo.render import port_of
from tidegate.demo.scene import Scene
from tidegate.demo.trained import train
from tidegate.demo.watch import AnswersFile
from tidegate.errors import Terminal
from tidegate.local.cluster.images import SOURCE_ROOT
from tidegate.local.cluster.state import home

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import AsyncGenerator, Callable

MODEL = "flight-delay"
HOSTNAME = "flights.example"
FIRST_FLIGHT = 80_000
"""Where a replay begins: 24 September. Airports miss their air pressure for days, then none does
for up to 6,700 flights in a row; v3 can be judged only by flights that it fails. In the weeks
from here on they are never far apart."""
COUNT_EVERY_S = 5.0
END_LIMIT_S = 15.0


@dataclass
class Traffic:
    """A replay against the gateway on one port. `skipped` is known when it has ended."""

    port: int
    rate: float
    replay: Path
    out: Path
    first_flight: int = FIRST_FLIGHT
    skipped: int = 0

    @contextlib.asynccontextmanager
    async def flowing(self) -> AsyncGenerator[None]:
        """The load client, for as long as the block lasts; then the answers still out."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tidegate.demo.load",
            "--url", f"http://127.0.0.1:{self.port}", "--host", HOSTNAME, "--model", MODEL,
            "--replay", str(self.replay), "--out", str(self.out),
            "--rate", str(self.rate), "--first-flight", str(self.first_flight),
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(SOURCE_ROOT)},
            # ^C is for whoever started this; it ends the load client in its own order.
            start_new_session=True,
        )  # fmt: skip
        try:
            yield
        finally:
            self.skipped = await ended(process)


async def ended(process: Process) -> int:
    """Let the load client finish; how many requests it left out.

    :raises Terminal: `LoadDied`, when it was gone already or does not end.
    """
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    try:
        async with asyncio.timeout(END_LIMIT_S):
            output, _ = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.wait()
        raise Terminal("LoadDied", "the load client did not end") from None
    lines = output.splitlines()
    if process.returncode != 0 or not lines:
        raise Terminal("LoadDied", f"the load client ended with code {process.returncode}")
    return int(orjson.loads(lines[-1])["skipped"])


def gateway_port(folder: Path) -> int:
    """The port that a folder's gateway listens on. :raises Terminal: it is no such folder."""
    port = port_of(folder)
    if port is None:
        raise Terminal("NoExamples", f"{folder}: run `tidegate demo prepare` first")
    return port


def replay_for(
    folder: Path, *, rate: float, seconds: float | None, say: Callable[[str], object]
) -> None:
    """Replay until the time is over or ^C, and say every few seconds who answered."""
    trained = train(home() / "trained", say=say)
    with tempfile.TemporaryDirectory() as scratch:
        traffic = Traffic(
            port=gateway_port(folder),
            rate=rate,
            replay=trained.folder,
            out=Path(scratch) / "answers.jsonl",
        )
        # SIGTERM ends it as ^C does: the load client must not outlive whoever started it.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        with contextlib.suppress(KeyboardInterrupt):
            asyncio.run(_counted(traffic, seconds=seconds, say=say))


async def _counted(
    traffic: Traffic, *, seconds: float | None, say: Callable[[str], object]
) -> None:
    answers = AnswersFile(traffic.out)
    end = time.monotonic() + (seconds if seconds is not None else float("inf"))
    async with traffic.flowing():
        while (left := end - time.monotonic()) > 0:
            await asyncio.sleep(min(COUNT_EVERY_S, left))
            scene = Scene()
            answers.into(scene)
            say(count_line(scene))


def count_line(scene: Scene) -> str:
    """Who answered since the last line."""
    ledger = scene.ledger
    parts = [
        f"{revision} {tally.served}" + (f" ({tally.failed} failed)" if tally.failed else "")
        for revision, tally in sorted(ledger.revisions.items())
    ]
    if ledger.ours:
        parts.append(f"nobody {len(ledger.ours)}")
    return f"{ledger.total} answers: " + (", ".join(parts) or "none")
