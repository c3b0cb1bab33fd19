"""One local process: started in a session of its own, well identified, ended with its group.

A process is named by its id and its start time, so that a recycled id is never mistaken for it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tidegate.local.node.isolation import Isolation

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_LAUNCHER = Path(__file__).with_name("launch.py")
_SIGNAL_BASE = 128
"""A process that a signal ended is reported with 128 + signal, as shells and kubelets do."""


@dataclass(frozen=True, slots=True)
class Identity:
    """A process that can be told from a later one with the same id.

    `started` is in clock ticks since boot (`/proc/<pid>/stat`); `boot` names the boot.
    """

    pid: int
    started: int
    boot: str


def boot_id() -> str:
    """Return the kernel's name for this boot."""
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


@dataclass(frozen=True, slots=True)
class Stat:
    """What `/proc/<pid>/stat` says."""

    pid: int
    state: str
    group: int
    started: int


def stat_of(pid: int) -> Stat | None:
    """Return what the kernel says of a process; None when there is none."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The name, in parentheses, may hold anything; the fields after it are numbers.
    fields = text.rpartition(")")[2].split()
    return Stat(pid=pid, state=fields[0], group=int(fields[2]), started=int(fields[19]))


class Process:
    """A running command. Its standard output and error go to one file."""

    def __init__(self, process: asyncio.subprocess.Process, identity: Identity) -> None:
        self._process = process
        self.identity = identity

    @classmethod
    async def start(
        cls,
        command: Sequence[str],
        *,
        env: Mapping[str, str],
        directory: Path,
        log: Path,
        isolation: Isolation | None = None,
    ) -> Process:
        """Start `command` with exactly `env`, in `directory`; append what it says to `log`.

        Raises OSError when no process can be started. A command that does not exist starts, says
        so in the log and exits with 127.
        """
        descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-I",
                "-S",
                str(_LAUNCHER),
                str(os.getpid()),
                str(directory),
                (isolation or Isolation()).encoded(),
                *command,
                env=dict(env),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=descriptor,
                stderr=descriptor,
                start_new_session=True,
            )
        finally:
            os.close(descriptor)
        found = stat_of(process.pid)
        started = found.started if found else 0
        return cls(process, Identity(process.pid, started, boot_id()))

    @property
    def has_ended(self) -> bool:
        """Tell whether the process has exited."""
        return self._process.returncode is not None

    async def wait(self) -> int:
        """Wait for the end; return the exit code. What it started and left behind is killed."""
        code = await self._process.wait()
        self.kill_group()
        return _SIGNAL_BASE - code if code < 0 else code

    def terminate(self) -> None:
        """Ask the process to end (SIGTERM). Its children are its own business."""
        if not self.has_ended:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(signal.SIGTERM)

    def kill_group(self) -> None:
        """End the process and everything in its group at once."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.identity.pid, signal.SIGKILL)
