"""Measures what containers use, when somebody asks: cores since the last question, bytes resident.

A container is its process and everything that this one has started. Reads `/proc` and keeps the
last reading of each container; nothing runs while nobody asks.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from tidegate.local.workloads.usage import Used

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tidegate.local.node.process import Identity

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")
_SHORTEST_S = 0.5
"""The kernel counts in hundredths of a second: over less than this it would be guesswork."""
_MOST_KEPT = 4096


class MeasuredPod(Protocol):
    """What the meter needs to know of a pod."""

    def processes(self) -> Mapping[str, Identity]:
        """Return the running containers' processes, by container."""
        ...


@dataclass(frozen=True, slots=True)
class _Reading:
    at: float
    cpu_s: float
    used: Used | None = None


class Meter:
    """Implements the workload controllers' `UsageMeter`; `find` looks up a pod by its name."""

    def __init__(
        self,
        find: Callable[[str, str], MeasuredPod | None],
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._find = find
        self._monotonic = monotonic
        self._readings: dict[Identity, _Reading] = {}

    def used(self, namespace: str, pod: str) -> dict[str, Used]:
        """Return what each running container uses; a first question only starts the measurement."""
        found = self._find(namespace, pod)
        processes = found.processes() if found is not None else {}
        used = {name: self._measure(process) for name, process in processes.items()}
        return {name: value for name, value in used.items() if value is not None}

    def _measure(self, process: Identity) -> Used | None:
        now = self._monotonic()
        before = self._readings.get(process)
        if before is not None and now - before.at < _SHORTEST_S:
            return before.used
        cpu_s, memory = tree_usage(process.pid)
        used = None
        if before is not None:
            cpu = max(0.0, cpu_s - before.cpu_s) / (now - before.at)
            used = Used(cpu=cpu, memory=float(memory))
        self._readings.pop(process, None)
        self._readings[process] = _Reading(now, cpu_s, used)
        if len(self._readings) > _MOST_KEPT:
            del self._readings[next(iter(self._readings))]
        return used


def tree_usage(pid: int) -> tuple[float, int]:
    """Return (CPU seconds, resident bytes) of a process with all that it has started.

    Children that have ended and were waited for count too. A process that is gone counts nothing.
    """
    cpu_s, memory = 0.0, 0
    waiting = [pid]
    while waiting:
        each = waiting.pop()
        try:
            fields = Path(f"/proc/{each}/stat").read_text("utf-8", "replace").rpartition(")")[2]
            # Each thread knows the processes that it has started itself.
            lists = [
                path.read_text("ascii") for path in Path(f"/proc/{each}/task").glob("*/children")
            ]
        except OSError:
            continue
        numbers = fields.split()
        # utime, stime, and those of children that were waited for; then the resident pages.
        cpu_s += sum(int(number) for number in numbers[11:15]) / _TICKS
        memory += int(numbers[21]) * _PAGE
        waiting += [int(child) for children in lists for child in children.split()]
    return cpu_s, memory
