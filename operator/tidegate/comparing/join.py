"""Pairs the records of both arms by request id, whichever comes first, within a window. Pure.

A record waits for its partner for the window, then it is unpaired; so many may wait, and so many
values in them, beyond which the oldest is given up. What was paired, or was given
up, is remembered for a window too: a record that is read again, and a request id that a caller used
twice, never makes a second pair. Time is an argument: seconds that never go back.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from tidegate.comparing.arms import Arm

if TYPE_CHECKING:
    from tidegate.serving.records import Record

WINDOW_S = 60.0
MAX_WAITING = 50_000
MAX_VALUES = 1_000_000
"""Of all outputs that wait: a number takes about 32 bytes."""

_CHARACTERS = 8
"""So many characters of a text are counted as one value."""

_REMEMBERED = 4
"""So many times the bound of those that wait are remembered as done: an id without its outputs."""


class Unpaired(StrEnum):
    """Why a record found no partner."""

    STABLE_MISSING = "stable_missing"
    CANDIDATE_MISSING = "candidate_missing"
    REPEATED = "repeated"
    OVERFLOW = "overflow"


_MISSING = {Arm.STABLE: Unpaired.STABLE_MISSING, Arm.CANDIDATE: Unpaired.CANDIDATE_MISSING}


class Pair(NamedTuple):
    """The answers of both arms to one request."""

    stable: Record
    candidate: Record


@dataclass(frozen=True, slots=True)
class _Waiting:
    arm: Arm
    record: Record
    at: float
    values: int


class Join:
    """The records that wait for their partner. Both dicts are in the order of time."""

    def __init__(
        self,
        *,
        window_s: float = WINDOW_S,
        max_waiting: int = MAX_WAITING,
        max_values: int = MAX_VALUES,
    ) -> None:
        self._window_s = window_s
        self._max_waiting = max_waiting
        self._max_values = max_values
        self._values = 0
        self._waiting: dict[str, _Waiting] = {}
        self._done: dict[str, float] = {}
        self._unpaired: Counter[Unpaired] = Counter()

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, arm: Arm, record: Record, *, now: float) -> Pair | None:
        """Take a record of an arm; the pair, if this completes one."""
        if record.id in self._done:
            self._unpaired[Unpaired.REPEATED] += 1
            return None
        found = self._waiting.get(record.id)
        if found is None:
            self._wait(arm, record, now=now)
            return None
        if found.arm is arm:
            self._unpaired[Unpaired.REPEATED] += 1
            return None
        self._finish(record.id, now=now)
        if arm is Arm.CANDIDATE:
            return Pair(stable=found.record, candidate=record)
        return Pair(stable=record, candidate=found.record)

    def expire(self, *, now: float) -> None:
        """Give up what has waited for the window, and forget what was done that long ago."""
        oldest = now - self._window_s
        while self._waiting:
            request_id, waiting = next(iter(self._waiting.items()))
            if waiting.at > oldest:
                break
            self._give_up(request_id, _MISSING[waiting.arm.other], now=now)
        while self._done:
            request_id, at = next(iter(self._done.items()))
            if at > oldest:
                break
            del self._done[request_id]

    def take_unpaired(self) -> Counter[Unpaired]:
        """How many records found no partner since this was last asked, by reason."""
        taken, self._unpaired = self._unpaired, Counter()
        return taken

    def _wait(self, arm: Arm, record: Record, *, now: float) -> None:
        waiting = _Waiting(arm, record, now, _values(record))
        self._waiting[record.id] = waiting
        self._values += waiting.values
        while len(self._waiting) > self._max_waiting or self._values > self._max_values:
            self._give_up(next(iter(self._waiting)), Unpaired.OVERFLOW, now=now)

    def _give_up(self, request_id: str, reason: Unpaired, *, now: float) -> None:
        self._finish(request_id, now=now)
        self._unpaired[reason] += 1

    def _finish(self, request_id: str, *, now: float) -> None:
        self._values -= self._waiting.pop(request_id).values
        self._done[request_id] = now
        if len(self._done) > _REMEMBERED * self._max_waiting:
            del self._done[next(iter(self._done))]


def _values(record: Record) -> int:
    """How much a record holds, in values of a number's size."""
    total = 0
    for tensor in record.outputs:
        total += len(tensor.data)
        if tensor.datatype == "BYTES":
            total += sum(len(text) for text in tensor.data) // _CHARACTERS
    return total
