"""Programs that run beside the supervisor: started, logged to a file, started again, stopped.

A child never outlives the supervisor: the kernel kills it when its parent dies.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from tidegate.local import node

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_FIRST_WAIT_S = 0.2
_LONGEST_WAIT_S = 10.0
_STEADY_S = 30.0
_GRACE_S = 5.0
_KEPT_LOG_BYTES = 10_000_000
_LAUNCHER = Path(node.__path__[0]) / "launch.py"
_log = logging.getLogger(__name__)


class Child:
    """One program, kept running until cancelled."""

    def __init__(
        self,
        name: str,
        command: Callable[[], list[str]],
        *,
        log: Path,
        env: Mapping[str, str] | None = None,
    ) -> None:
        """`command` is asked before every start."""
        self.name = name
        self.starts = 0
        self.pid: int | None = None
        self._command = command
        self._log = log
        self._env = dict(env) if env is not None else None

    async def run(self) -> None:
        """Start it, and start it again with back-off when it ends. Ends it when cancelled."""
        loop = asyncio.get_running_loop()
        wait = _FIRST_WAIT_S
        while True:
            began = loop.time()
            code = await self._once()
            wait = _FIRST_WAIT_S if loop.time() - began > _STEADY_S else wait
            fields = {"program": self.name, "code": code, "next_start_s": wait}
            _log.warning("a program ended", extra={"fields": fields})
            await asyncio.sleep(wait)
            wait = min(wait * 2, _LONGEST_WAIT_S)

    async def _once(self) -> int:
        shorten(self._log)
        # The launcher ties the child to this process's life before it becomes the command.
        launch = [sys.executable, "-I", "-S", str(_LAUNCHER), str(os.getpid()), "/", "{}"]
        with self._log.open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                *launch,
                *self._command(),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._env,
                start_new_session=True,
            )
        self.starts += 1
        self.pid = process.pid
        try:
            return await process.wait()
        finally:
            self.pid = None
            await _end(process)


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    with suppress(ProcessLookupError):
        process.send_signal(signal.SIGTERM)
    try:
        async with asyncio.timeout(_GRACE_S):
            await process.wait()
    except TimeoutError:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def shorten(log: Path) -> None:
    """Move a log that has grown long aside; one older file is kept."""
    if log.exists() and log.stat().st_size > _KEPT_LOG_BYTES:
        os.replace(log, log.with_name(f"{log.name}.1"))
